//! The paranoid mode: claims that hold are silent, claims about another program are found to be wrong.

use skep_abi::program_type::ProgramType;
use skep_engine::{Executable, Fault, NoEnvironment, Sandbox};
use skep_isa::text::assemble;
use skep_verifier::{Claims, Extent, Options, Program, Verified};
use std::sync::Arc;

fn verified(text: &str) -> (Verified, Arc<Claims>) {
    let insns = assemble(text).expect("a program");
    let program = Program::new("test", ProgramType::SocketFilter, &insns);
    let claims = Claims::of(&program, &Options::default());
    let (verified, claims) = claims.unwrap_or_else(|rejection| panic!("{rejection}\n{text}"));
    assert_eq!(claims.extent(), Extent::Everything);
    (verified, Arc::new(claims))
}

/// Runs one program with the claims about another.
fn run(program: &str, claimed: &str) -> Result<u64, Fault> {
    let ((program, _), (_, claims)) = (verified(program), verified(claimed));
    let executable = Executable::from_verified(&program, |_| None).expect("no maps").with_claims(&program, claims);
    Sandbox::new(10_000).paranoid().run(&executable, &mut NoEnvironment, [0x1000, 0, 0, 0, 0])
}

fn lie(program: &str, claimed: &str) -> String {
    match run(program, claimed) {
        Err(Fault::Claim(lie)) => lie.to_string(),
        other => panic!("{other:?}"),
    }
}

const LOOP: &str = "\
r0 = 0
r1 = 0
again:
r0 += r1
r1 += 1
if r1 < 10 goto again
*(u64 *)(r10 - 8) = r0
r0 = *(u64 *)(r10 - 8)
exit
";

#[test]
fn true_claims_are_silent() {
    assert_eq!(run(LOOP, LOOP), Ok(45));
    let calls = "r1 = 7\ncall f\nexit\nf:\nr6 = r1\nr0 = r6\nexit\n";
    assert_eq!(run(calls, calls), Ok(7));
}

#[test]
fn a_number_outside_of_its_range_is_a_lie() {
    let text = lie("r0 = 6\nr0 += 1\nexit\n", "r0 = 5\nr0 += 1\nexit\n");
    assert!(text.starts_with("instruction 1: frame 0: R0 is 0x6, claimed is 0x5"), "{text}");
}

#[test]
fn a_stack_slot_is_held_against_what_was_written() {
    let program = |n| format!("*(u64 *)(r10 - 8) = {n}\nr0 = 0\nexit\n");
    let text = lie(&program(3), &program(4));
    assert!(text.starts_with("instruction 1: frame 0: fp-8 is 0x3, claimed is rrrrrrrr"), "{text}");
}

#[test]
fn a_pointer_must_lead_where_it_is_said_to() {
    let program = |n| format!("r1 = r10\nr1 += -{n}\nr0 = 0\nexit\n");
    assert!(lie(&program(8), &program(16)).contains("R1 is"));
}

#[test]
fn a_run_through_code_that_no_path_reaches_is_a_lie() {
    let program = |n| format!("r0 = {n}\nif r0 == 1 goto out\nr0 = 2\nout:\nexit\n");
    assert!(lie(&program(0), &program(1)).contains("instruction 1"));
}

#[test]
fn callers_are_checked_too() {
    let program = |n| format!("r6 = {n}\nr1 = 7\ncall f\nr0 = 0\nexit\nf:\nr0 = r1\nexit\n");
    let text = lie(&program(1), &program(2));
    assert!(text.contains("R6 is 0x1"), "{text}");
}
