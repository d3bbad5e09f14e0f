//! Asking the running Linux, program by program.

use super::Check;
use super::row::Row;
use crate::error::{self, Failure};
use skep::{LoadOptions, LoadedObject, Object};
use skep_kernel::Kernel;
use skep_object::ProgramSpec;
use skep_verifier::LogLevel;
use std::path::Path;
use std::sync::Arc;

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
        let stem = name.split('.').next().unwrap_or(name);
        let mut object = Object::parse(stem, bytes).map_err(|e| Failure::file("use", path, &e))?;
        for program in &object.spec().programs.iter().map(|p| p.name.clone()).collect::<Vec<_>>() {
            object.program_mut(program).map_err(|e| Failure::because("cannot choose programs", &e))?.autoload = false;
        }
        for program in programs {
            let wanted = object.program_mut(&program.name);
            wanted.map_err(|e| Failure::because("cannot choose the program", &e))?.autoload = true;
        }
        // Statistics are wanted in any case: they are part of the answer.
        let log_level = self.log_level | LogLevel::STATISTICS.bits();
        let options = LoadOptions { keep_going: true, log_level, ..LoadOptions::default() };
        let loaded = object
            .load_with(kernel, &options)
            .map_err(|e| Failure::because(format!("cannot load {}", error::name(path)), &e))?;
        Ok(programs.iter().map(|program| self.linux_row(name, program, &loaded)).collect())
    }

    fn linux_row(&self, name: &str, program: &ProgramSpec, loaded: &LoadedObject) -> Row {
        let row = Row::new(name, program);
        let shown = |log: &str| if self.log_level == 0 { String::new() } else { log.to_owned() };
        if let Ok(accepted) = loaded.program(&program.name) {
            let row = Row { verdict: "accept", log: shown(accepted.log()), ..row };
            return row.with_log_statistics(accepted.log());
        }
        let Some(refused) = loaded.refused().find(|refused| refused.name == program.name) else {
            let name = format!("'{}'", program.name);
            let failure = loaded.failures().iter().map(ToString::to_string).find(|text| text.contains(&name));
            return Row { message: failure.unwrap_or_else(|| "it was not loaded".to_owned()), ..row };
        };
        let verdict = if refused.is_rejection() { "reject" } else { "env" };
        let message = refused.message().map_or_else(|| refused.errno.to_string(), ToOwned::to_owned);
        let row = Row { verdict, message, hint: refused.explanation.clone(), log: shown(&refused.log), ..row };
        row.with_log_statistics(&refused.log)
    }
}
