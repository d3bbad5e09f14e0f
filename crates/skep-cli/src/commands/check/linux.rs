//! Asking the running Linux, program by program, each with its maps alone: one that cannot be loaded is not in the way of
//! others.

use super::Check;
use super::row::Row;
use crate::error::Failure;
use skep::{Error, LoadOptions, LoadedObject, Object};
use skep_abi::command::ProgramFlags;
use skep_kernel::Kernel;
use skep_object::ProgramSpec;
use skep_verifier::LogLevel;
use std::path::Path;
use std::sync::Arc;

/// What became of a program.
pub(super) enum Answer {
    /// It is loaded, as long as this lives.
    Accepted(Box<LoadedObject>),
    /// The verifier refused it.
    Refused { message: String, log: String },
    /// Something outside of the program is missing.
    Environment { reason: String, explanation: Option<String> },
}

/// An object for the running Linux.
pub(super) struct LinuxObject<'k> {
    object: Object,
    kernel: &'k Arc<dyn Kernel>,
}

impl<'k> LinuxObject<'k> {
    pub(super) fn new(name: &str, path: &Path, bytes: &[u8], kernel: &'k Arc<dyn Kernel>) -> Result<Self, Failure> {
        let stem = name.split('.').next().unwrap_or(name);
        let object = Object::parse(stem, bytes).map_err(|e| Failure::file("use", path, &e))?;
        Ok(LinuxObject { object, kernel })
    }

    /// Loads one program, and beside it those `auxiliary` ones that can be loaded.
    pub(super) fn load(&self, name: &str, auxiliary: &[&str], flags: ProgramFlags, log_level: u32) -> Answer {
        match self.try_load(name, auxiliary, flags, log_level) {
            Ok(loaded) => answer(name, loaded),
            Err(error) => environment(&error),
        }
    }

    fn try_load(
        &self,
        name: &str,
        auxiliary: &[&str],
        flags: ProgramFlags,
        log_level: u32,
    ) -> Result<LoadedObject, Error> {
        let mut object = self.object.clone();
        object.keep_only(&[&[name], auxiliary].concat())?;
        object.program_mut(name)?.load_flags |= flags;
        object.load_with(self.kernel, &LoadOptions { keep_going: true, log_level, ..LoadOptions::default() })
    }
}

fn answer(name: &str, loaded: LoadedObject) -> Answer {
    if loaded.program(name).is_ok() {
        return Answer::Accepted(Box::new(loaded));
    }
    let about_it = |error: &&Error| match error {
        Error::Program(refused) => refused.name == name,
        Error::Link(problem) => problem.program == name,
        Error::Unfit(text) => text.contains(&format!("'{name}'")),
        _ => false,
    };
    match loaded.failures().iter().find(about_it) {
        Some(Error::Program(refused)) => match refused.message() {
            Some(message) => Answer::Refused { message: message.to_owned(), log: refused.log.clone() },
            None => Answer::Environment { reason: refused.errno.to_string(), explanation: refused.explanation.clone() },
        },
        Some(error) => environment(error),
        None => Answer::Environment { reason: "it was not loaded".to_owned(), explanation: None },
    }
}

fn environment(error: &Error) -> Answer {
    let reason = match error {
        Error::Link(problem) => problem.to_string(),
        Error::Kernel(problem) => problem.to_string(),
        error => Failure::because("cannot load it", error).to_string(),
    };
    Answer::Environment { reason, explanation: None }
}

impl Check {
    /// Asks the running Linux, program by program.
    pub(super) fn check_on_linux(
        &self,
        name: &str,
        path: &Path,
        bytes: &[u8],
        programs: &[&ProgramSpec],
        kernel: &Arc<dyn Kernel>,
    ) -> Result<Vec<Row>, Failure> {
        let object = LinuxObject::new(name, path, bytes, kernel)?;
        // Statistics are wanted in any case: they are part of the answer.
        let log_level = self.log_level | LogLevel::STATISTICS.bits();
        let row = |program: &&ProgramSpec| {
            let answer = object.load(&program.name, &[], program.load_flags, log_level);
            self.linux_row(name, program, answer)
        };
        Ok(programs.iter().map(row).collect())
    }

    fn linux_row(&self, name: &str, program: &ProgramSpec, answer: Answer) -> Row {
        let row = Row::new(name, program);
        let shown = |log: &str| if self.log_level == 0 { String::new() } else { log.to_owned() };
        match answer {
            Answer::Accepted(loaded) => {
                let log = loaded.program(&program.name).map(|program| program.log().to_owned()).unwrap_or_default();
                Row { verdict: "accept", log: shown(&log), ..row }.with_log_statistics(&log)
            }
            Answer::Refused { message, log } => {
                Row { verdict: "reject", message, log: shown(&log), ..row }.with_log_statistics(&log)
            }
            Answer::Environment { reason, explanation } => Row { message: reason, hint: explanation, ..row },
        }
    }
}
