//! Errors: what was to be done, to what, why it failed, and what to do next.

use skep_kernel::{Errno, Kernel, Operation};
use skep_object::{GlobalError, KconfigError, LinkError, ObjectError};
use std::fmt;
use std::path::PathBuf;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no usable BPF object.
    #[error("not a usable BPF object")]
    Object(#[from] ObjectError),
    /// No such global variable, or a value of the wrong size.
    #[error(transparent)]
    Global(#[from] GlobalError),
    /// The kernel lacks a setting that the object asks for.
    #[error("cannot fill in the kernel's settings")]
    Kconfig(#[from] KconfigError),
    /// The object has no such program or map.
    #[error("the object has no {what} '{name}'; it has {}", list(available))]
    Missing {
        /// `program` or `map`.
        what: &'static str,
        /// The name asked for.
        name: String,
        /// The names there are.
        available: Vec<String>,
    },
    /// A program's references cannot be resolved in this kernel.
    #[error("cannot link")]
    Link(#[from] LinkError),
    /// The kernel refused a program.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The kernel refused something else.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A map's keys or values are not of the type asked for.
    #[error("map '{map}' has {what}s of {actual} bytes, not {given}")]
    Size {
        /// Map.
        map: String,
        /// `key` or `value`.
        what: &'static str,
        /// Bytes in the map.
        actual: usize,
        /// Bytes given.
        given: usize,
    },
    /// What was asked makes no sense for this program or map.
    #[error("{0}")]
    Unfit(String),
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// A kernel said no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelError {
    /// What was to be done: `create map 'counts'`.
    pub action: String,
    /// The kernel's answer.
    pub errno: Errno,
    /// Which privilege, option or feature is missing, where that can be told.
    pub explanation: Option<String>,
}

impl KernelError {
    /// Describes a failed action; `command` is what [`Kernel::explain`] knows it by: `MAP_CREATE`.
    pub(crate) fn new(kernel: &dyn Kernel, command: &str, action: impl Into<String>, errno: Errno) -> Self {
        let explanation = Operation::named(command).and_then(|operation| kernel.explain(operation, errno));
        KernelError { action: action.into(), errno, explanation }
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.action, self.errno)?;
        self.explanation.iter().try_for_each(|why| write!(f, "; {why}"))
    }
}

impl std::error::Error for KernelError {}

/// The kernel refused to load a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramError {
    /// Program.
    pub name: String,
    /// The kernel's answer.
    pub errno: Errno,
    /// The verifier's log, as far as it was given.
    pub log: String,
    /// Which privilege, option or feature is missing, where that can be told.
    pub explanation: Option<String>,
}

impl ProgramError {
    /// The line of the log that says why: the last that is neither empty, nor statistics, nor a line of the source.
    pub fn message(&self) -> Option<&str> {
        let is_statistics =
            |line: &str| ["processed ", "stack depth ", "max_states_per_insn "].iter().any(|s| line.starts_with(s));
        self.log
            .lines()
            // Some of Linux's messages do not end their line.
            .map(|line| line.split_once("verification time ").map_or(line, |(own, _)| own).trim_end())
            .rev()
            .find(|line| !line.is_empty() && !line.starts_with("; ") && !is_statistics(line))
    }

    /// The verifier itself refused the program: it is not the surroundings that are missing something.
    pub fn is_rejection(&self) -> bool {
        !self.log.trim().is_empty()
    }
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the kernel refused program '{}': {}", self.name, self.errno)?;
        self.message().iter().try_for_each(|message| write!(f, ": {message}"))?;
        self.explanation.iter().try_for_each(|why| write!(f, "; {why}"))
    }
}

impl std::error::Error for ProgramError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_the_line_that_says_why() {
        let message = |log: &str| {
            let log = log.to_owned();
            let error = ProgramError { name: "p".to_owned(), errno: Errno::EACCES, log, explanation: None };
            error.message().map(str::to_owned)
        };
        let full = "0: R1=ctx() R10=fp0\n; return *x; @ a.c:1\n0: (61) r0 = *(u32 *)(r1 +92)\n\
                    invalid bpf_context access off=92 size=4\nverification time 43 usec\nstack depth 0\n\
                    processed 1 insns (limit 1000000)\n\n";
        assert_eq!(message(full).as_deref(), Some("invalid bpf_context access off=92 size=4"));
        // With statistics alone, Linux prints the line of the source last.
        let short = "invalid bpf_context access off=92 size=4\n; return *x; @ a.c:1\nprocessed 1 insns\n";
        assert_eq!(message(short).as_deref(), Some("invalid bpf_context access off=92 size=4"));
        let unended = "insn 3 cannot call exception cb directlyverification time 15 usec\nstack depth 0\n";
        assert_eq!(message(unended).as_deref(), Some("insn 3 cannot call exception cb directly"));
        assert_eq!(message(""), None);
    }
}
