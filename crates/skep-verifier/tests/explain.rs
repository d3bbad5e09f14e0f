//! Explanations: what is kept of a path, and what is said.

use skep_abi::program_type::ProgramType;
use skep_verifier::{Explanation, LineInfo, Options, Program, ProgramBtf, Reason, StepKind, verify};

/// Explains a refused program; each instruction is a source line of its own, its text the instruction's.
fn explain(text: &str) -> (Reason, Explanation) {
    let insns = skep_isa::text::assemble(text).unwrap();
    let btf = skep_btf::Btf::default();
    let source: Vec<&str> = text.lines().filter(|line| !line.ends_with(':')).collect();
    let line = |(slot, text): (usize, &&str)| LineInfo {
        slot: slot as u32,
        file: "test.c".into(),
        text: (*text).into(),
        line: slot as u32 + 1,
        column: 1,
    };
    let lines: Vec<LineInfo> = source.iter().enumerate().map(line).collect();
    let program = Program {
        btf: Some(ProgramBtf { btf: &btf, functions: &[], lines: &lines }),
        ..Program::new("explained", ProgramType::Xdp, &insns)
    };
    let rejection = verify(&program, &Options { explain: true, ..Options::default() }).unwrap_err();
    (rejection.reason, rejection.explanation.unwrap())
}

/// Slots and kinds of the steps.
fn steps(explanation: &Explanation) -> Vec<(u32, StepKind)> {
    explanation.path.iter().map(|step| (step.slot, step.kind)).collect()
}

#[test]
fn the_bound_that_is_too_short_is_told_and_what_has_nothing_to_do_with_it_is_not() {
    let (reason, explanation) = explain(
        "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr5 = *(u32 *)(r1 + 12)\nif r5 == 7 goto out\nr4 = r2\nr4 += 8\n\
         if r4 > r3 goto out\nr0 = *(u32 *)(r2 + 8)\nout:\nr0 = 0\nexit",
    );
    assert_eq!(reason, Reason::PacketBound);
    assert_eq!(steps(&explanation), [(0, StepKind::Value), (6, StepKind::NotTaken), (7, StepKind::Refused)]);
    assert_eq!(explanation.path[1].text, "r4 > r3 does not hold");
    assert_eq!(explanation.known[0].what, "a pointer into the packet, of which the first 8 bytes are known to exist");
    assert!(explanation.needed.starts_with("to read 4 bytes at r2+8: "), "{}", explanation.needed);
    assert!(explanation.advice.contains("data_end"));
}

#[test]
fn the_branch_past_a_definition_is_told() {
    let (reason, explanation) = explain("r2 = *(u32 *)(r1 + 12)\nif r2 == 1 goto use\nr6 = 5\nuse:\nr0 = r6\nexit");
    assert_eq!(reason, Reason::UninitialisedRegister);
    assert_eq!(steps(&explanation), [(1, StepKind::Taken), (3, StepKind::Refused)]);
    assert_eq!(explanation.known[0].what, "nothing: it was not set on this path");
}

#[test]
fn a_value_is_followed_through_the_stack() {
    let (reason, explanation) = explain(
        "r2 = *(u32 *)(r1 + 12)\n*(u64 *)(r10 - 8) = r2\nr2 = 0\nr3 = *(u64 *)(r10 - 8)\nr0 = *(u64 *)(r3 + 0)\nexit",
    );
    assert_eq!(reason, Reason::NotAPointer);
    assert_eq!(steps(&explanation), [(0, StepKind::Value), (4, StepKind::Refused)]);
    assert_eq!(explanation.known[0].what, "a number from 0 to 4294967295");
}

#[test]
fn a_loop_is_told_once() {
    let (reason, explanation) = explain("r2 = 0\nagain:\nr3 = r2\nif r3 == 0 goto again\nr0 = 0\nexit");
    assert_eq!(reason, Reason::InfiniteLoop);
    let branches: Vec<_> = explanation.path.iter().filter(|step| step.kind == StepKind::Taken).collect();
    assert_eq!(branches.len(), 1);
    assert_eq!(branches[0].slot, 2);
}

#[test]
fn a_program_of_bad_form_has_advice_and_no_path() {
    let (reason, explanation) = explain("r0 = 0\ngoto +5\nexit");
    assert_eq!(reason, Reason::ControlFlow);
    assert!(explanation.path.is_empty() && !explanation.advice.is_empty());
}
