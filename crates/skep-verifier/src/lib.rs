//! The BPF verifier: explores every path of a program and returns either a [`Verified`] program, with fix-ups applied,
//! or a [`Rejection`] that says what, where and why. It needs no kernel, no root and no particular operating system.
//!
//! How it goes: [`cfg`] decodes the program and checks its shape; [`explore`] walks every path from the entry, one
//! abstract state at a time ([`domain`]); each instruction states its [`obligations`], the checkers in [`check`]
//! discharge them against the state, [`transfer`] and [`branch`] compute what follows; [`prune`] ends paths that an
//! explored state covers; [`fixup`] makes of the accepted program what the engine runs; [`report`] says what was found.
//!
//! ```
//! use skep_abi::program_type::ProgramType;
//! use skep_verifier::{Options, Program, verify};
//!
//! let insns = skep_isa::text::assemble("r0 = 0\nexit").unwrap();
//! let program = Program::new("nothing", ProgramType::SocketFilter, &insns);
//! assert_eq!(verify(&program, &Options::default()).unwrap().insns(), insns);
//!
//! let insns = skep_isa::text::assemble("exit").unwrap();
//! let program = Program::new("careless", ProgramType::SocketFilter, &insns);
//! assert_eq!(verify(&program, &Options::default()).unwrap_err().message, "R0 !read_ok");
//! ```
#![forbid(unsafe_code)]
#![allow(unreachable_pub, rustdoc::private_intra_doc_links, reason = "the domains are public to the crate's tests")]

mod branch;
mod cfg;
mod check;
mod checkpoints;
mod claims;
mod domain;
mod effects;
mod equivalence;
mod explain;
mod explanation;
mod explore;
mod fast_call;
mod fixup;
mod input;
mod liveness;
mod loops;
mod map_table;
mod modules;
mod object_types;
mod obligations;
pub mod observe;
mod output;
#[cfg(feature = "planted-bugs")]
pub mod planted;
#[cfg(not(feature = "planted-bugs"))]
mod planted;
mod prune;
mod reason;
mod refusal;
mod report;
pub mod source;
mod special_fields;
mod stack_depth;
mod tables;
mod transfer;
mod verifier;

pub use claims::{Claims, Extent, Lie, Place, Position, Running, RunningFrame};
pub use explanation::{Explanation, Known, Step, StepKind};
pub use input::{
    AttachTarget, Capabilities, FunctionTraits, Limits, LineInfo, LogLevel, MapFacts, Options, Program, ProgramBtf,
    TargetProgram,
};
pub use modules::ModuleTypes;
pub use output::{BufferUse, CallSite, Rejection, Statistics, Subprogram, Verified};
pub use special_fields::{RefusedType, check_object_types};

pub use reason::{Reason, ReasonInfo};

use observe::Observer;
use refusal::Refusal;
use std::time::Instant;
use verifier::Verifier;

/// Verifies a program.
///
/// # Errors
/// A [`Rejection`] with Linux's message, if some path might do what a BPF program must not do; also where the program
/// uses what this verifier does not know yet: the message then begins with `skep does not verify`.
#[allow(clippy::result_large_err, reason = "refusals are rare, and the path that makes one is cold")]
pub fn verify(program: &Program<'_>, options: &Options<'_>) -> Result<Verified, Rejection> {
    verify_with(program, options, None)
}

/// Verifies a program while `observer` watches.
///
/// # Errors
/// As [`verify`].
#[allow(clippy::result_large_err, reason = "refusals are rare, and the path that makes one is cold")]
pub fn verify_observed(
    program: &Program<'_>,
    options: &Options<'_>,
    observer: &mut dyn Observer,
) -> Result<Verified, Rejection> {
    verify_with(program, options, Some(observer))
}

#[allow(clippy::result_large_err, reason = "refusals are rare, and the path that makes one is cold")]
fn verify_with<'a>(
    program: &'a Program<'a>,
    options: &'a Options<'a>,
    observer: Option<&'a mut (dyn Observer + 'a)>,
) -> Result<Verified, Rejection> {
    match modules::joined(program.modules) {
        Ok(None) => verify_for_kernel(program, options, observer),
        Ok(Some(types)) => {
            let options = Options { kernel_btf: Some(&types), ..options.clone() };
            // The observer's borrow may end before the types do, which only the compiler's coercion can see.
            match observer {
                Some(observer) => verify_for_kernel(program, &options, Some(observer)),
                None => verify_for_kernel(program, &options, None),
            }
        }
        Err(refusal) => Err(rejection_of_form(program, options, &refusal, Instant::now())),
    }
}

/// Verifies a program for a kernel whose types are those of its modules too.
#[allow(clippy::result_large_err, reason = "refusals are rare, and the path that makes one is cold")]
fn verify_for_kernel<'a>(
    program: &'a Program<'a>,
    options: &'a Options<'a>,
    observer: Option<&'a mut (dyn Observer + 'a)>,
) -> Result<Verified, Rejection> {
    let start = Instant::now();
    let mut verifier = match Verifier::new(program, options, observer) {
        Ok(verifier) => verifier,
        Err(refusal) => return Err(rejection_of_form(program, options, &refusal, start)),
    };
    let outcome = verifier.run().and_then(|()| verifier.fixed_program());
    let statistics = verifier.statistics(start);
    match outcome {
        Ok(fixed) => Ok(Verified {
            insns: fixed.insns,
            decoded: fixed.decoded,
            subprograms: fixed.subprograms,
            maps: fixed.maps,
            log: verifier.log.finish(None, &statistics),
            original: fixed.original,
            probe_loads: fixed.probe_loads,
            buffer_use: verifier.buffer_use,
            call_sites: fixed.call_sites,
            zero_extensions: fixed.zero_extensions,
            reads_unset_stack: verifier.reads_unset_stack.get(),
            functions: verifier.function_traits(),
            statistics,
        }),
        Err(refusal) => {
            let slot = refusal.slot.or(verifier.exploration.current);
            let log = verifier.log.finish(Some(&refusal), &statistics);
            let explanation = options.explain.then(|| explain::explain(&verifier, program, options, &refusal));
            let path = verifier.path();
            let runnable = verifier.runnable();
            Err(Rejection { explanation, runnable, ..rejection(program, refusal, slot, path, log, statistics) })
        }
    }
}

impl Verifier<'_> {
    fn statistics(&self, start: Instant) -> Statistics {
        Statistics {
            instructions_processed: self.exploration.processed.min(self.options.limits.instructions),
            instruction_limit: self.options.limits.instructions,
            max_states_per_instruction: self.exploration.checkpoints.most_compared,
            total_states: self.exploration.checkpoints.total,
            peak_states: self.exploration.checkpoints.peak,
            stack_bytes: self.deepest_chain,
            stack_depths: self.stack_depth.iter().map(|depth| depth.next_multiple_of(8)).collect(),
            time_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// A program that is refused before any path was looked at.
fn rejection_of_form(program: &Program<'_>, options: &Options<'_>, refusal: &Refusal, start: Instant) -> Rejection {
    let statistics = Statistics {
        instruction_limit: options.limits.instructions,
        time_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
        ..Statistics::default()
    };
    let log = report::Log::new(program, options).finish(Some(refusal), &statistics);
    let explanation = options.explain.then(|| explain::explain_form(refusal));
    Rejection { explanation, ..rejection(program, refusal.clone(), refusal.slot, Vec::new(), log, statistics) }
}

fn rejection(
    program: &Program<'_>,
    refusal: Refusal,
    slot: Option<usize>,
    path: Vec<u32>,
    log: String,
    statistics: Statistics,
) -> Rejection {
    Rejection {
        message: refusal.message,
        errno: refusal.errno,
        reason: refusal.reason,
        slot: slot.and_then(|slot| u32::try_from(slot).ok()),
        line: slot.and_then(|slot| report::source_line(program, slot)),
        path,
        runnable: program.insns.to_vec(),
        hint: refusal
            .hint
            .or_else(|| Some(refusal.reason.info().advice.to_owned()).filter(|advice| !advice.is_empty())),
        explanation: None,
        log,
        statistics,
    }
}
