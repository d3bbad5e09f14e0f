//! Tests on the running Linux.

use super::super::linux::{Answer as Loaded, LinuxObject};
use super::run::test_run;
use super::verdict::{Accepted, Answer};
use super::{Test, TestObject, User};
use skep_abi::command::ProgramFlags;
use skep_kernel::Kernel;
use std::sync::Arc;

/// CAP_BPF, as a bit by its number.
const CAP_BPF: u64 = 1 << 39;

pub(super) fn ask(test: &Test<'_>, object: &TestObject, kernel: &Arc<dyn Kernel>) -> Answer {
    let loadable = match LinuxObject::new(&object.name, &object.path, &object.bytes, kernel) {
        Ok(loadable) => loadable,
        Err(failure) => return Answer::Environment(failure.to_string()),
    };
    let load = || {
        let flags: ProgramFlags = test.program.load_flags;
        loadable.load(&test.program.name, &test.auxiliary, flags, test.expectation.log_level)
    };
    let kept = test.expectation.capabilities;
    let loaded = match test.user {
        User::Privileged => load(),
        User::Unprivileged if kept & CAP_BPF == 0 && !skep_linux::serves_unprivileged_users() => {
            return Answer::Environment(
                "Linux lets no unprivileged user load it: see kernel.unprivileged_bpf_disabled".to_owned(),
            );
        }
        User::Unprivileged => match skep_linux::with_capabilities(kept, load) {
            Ok(loaded) => loaded,
            Err(error) => return Answer::Environment(format!("capabilities cannot be dropped: {error}")),
        },
    };
    match loaded {
        Loaded::Environment { reason, explanation } => {
            Answer::Environment(explanation.map_or(reason.clone(), |why| format!("{reason}; {why}")))
        }
        Loaded::Refused { message, log } => Answer::Refused { message, log },
        Loaded::Accepted(loaded) => match loaded.program(&test.program.name) {
            Ok(program) => {
                let run = test.expected.return_value.is_some().then(|| test_run(program));
                Answer::Accepted(Accepted { log: program.log().to_owned(), rewritten: None, run })
            }
            Err(error) => Answer::Environment(error.to_string()),
        },
    }
}
