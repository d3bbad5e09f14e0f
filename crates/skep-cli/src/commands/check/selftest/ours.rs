//! Tests on our verifier, and runs on the user-space kernel.

use super::run::test_run;
use super::verdict::{Accepted, Answer, NoRun};
use super::{Test, TestObject, User};
use crate::error::Failure;
use crate::offline::{Offline, Verdict};
use skep::{LoadOptions, Object};
use skep_isa::{BinaryOp, CallTarget, Insn};
use skep_kernel::Kernel;
use skep_object::ProgramSpec;
use skep_user::{Config, UserKernel};
use skep_verifier::{Capabilities, LogLevel, Options, Verified};
use std::sync::Arc;

/// Bits of capabilities as Linux numbers them.
const CAPABILITIES: &[(u32, Capabilities)] = &[
    (12, Capabilities::NET_ADMIN),
    (21, Capabilities::SYS_ADMIN),
    (38, Capabilities::PERFMON),
    (39, Capabilities::BPF),
];

pub(super) fn ask(test: &Test<'_>, object: &TestObject, offline: &Offline<'_>) -> Answer {
    let verify = |log_level: u32| {
        let log_level = LogLevel::from_bits_truncate(log_level);
        offline.check(test.program, &Options { log_level, capabilities: capabilities(test), ..Options::default() })
    };
    let level = test.expectation.log_level;
    let verdict = match verify(level) {
        // As Linux's loader does: a refusal is looked at again with a log.
        Verdict::Reject(_) if level == 0 => verify(LogLevel::INSTRUCTIONS.bits()),
        verdict => verdict,
    };
    match verdict {
        Verdict::Environment(reason) => Answer::Environment(reason),
        Verdict::Reject(rejection) => Answer::Refused { message: rejection.message, log: rejection.log },
        Verdict::Accept(verified) => {
            let run = test.expected.return_value.is_some().then(|| run(test, object));
            let wanted = !test.expected.rewritten.is_empty();
            let rewritten = wanted.then(|| rewritten(test.program, &verified)).flatten();
            Answer::Accepted(Accepted { log: verified.log().to_owned(), rewritten, run })
        }
    }
}

/// The instructions as Linux would leave them too; `None` where its rewriting is not ours: it puts instructions in the place
/// of calls, divisions, references to maps and accesses to the context.
fn rewritten(program: &ProgramSpec, verified: &Verified) -> Option<String> {
    let mut text = String::new();
    for (slot, insn) in skep_isa::instructions(verified.insns()).filter_map(Result::ok) {
        let original = *verified.original_slots().get(slot)? as usize;
        let unchanged = program.insns.get(original) == verified.insns().get(slot);
        let jumps = insn.jump_offset().is_some();
        if !(unchanged || jumps) || is_rewritten_by_linux(&insn) {
            return None;
        }
        text.push_str(&format!("{slot}: {}\n", insn.linux_text(&|_: &CallTarget| None)));
    }
    Some(text)
}

fn is_rewritten_by_linux(insn: &Insn) -> bool {
    let divides = |op: BinaryOp| matches!(op, BinaryOp::Div | BinaryOp::Mod | BinaryOp::SDiv | BinaryOp::SMod);
    match insn {
        Insn::Call(_) | Insn::LoadImm64 { .. } | Insn::LoadPacket { .. } | Insn::MayGoto { .. } => true,
        Insn::Alu { op, .. } => divides(*op),
        _ => false,
    }
}

fn capabilities(test: &Test<'_>) -> Capabilities {
    if test.user == User::Privileged {
        return Capabilities::all();
    }
    let kept = CAPABILITIES.iter().filter(|(bit, _)| test.expectation.capabilities & 1 << bit != 0);
    kept.map(|(_, capability)| *capability).collect()
}

fn run(test: &Test<'_>, object: &TestObject) -> Result<u32, NoRun> {
    let kernel: Arc<dyn Kernel> = UserKernel::new(Config::default());
    let unfit = |e: &skep::Error| NoRun::Unfit(Failure::because("the user-space kernel cannot load it", e).to_string());
    let mut loadable = Object::parse(&object.name, &object.bytes).map_err(|e| unfit(&e))?;
    let names = [&[&*test.program.name], &*test.auxiliary].concat();
    loadable.keep_only(&names).map_err(|e| unfit(&e))?;
    let loaded = loadable.load_with(&kernel, &LoadOptions { keep_going: true, ..LoadOptions::default() });
    let loaded = loaded.map_err(|e| unfit(&e))?;
    let Ok(program) = loaded.program(&test.program.name) else {
        let missing = || NoRun::Unfit("the user-space kernel does not load it".to_owned());
        return Err(loaded.failures().first().map_or_else(missing, unfit));
    };
    test_run(program)
}
