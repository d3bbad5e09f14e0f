//! The commands, one file each.

mod asm;
mod btf;
mod build;
mod check;
mod conformance_plugin;
mod dump;
mod run;

use crate::error::Outcome;
use crate::output::Output;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Build(build::Build),
    Check(check::Check),
    Run(run::Run),
    Dump(dump::Dump),
    Btf(btf::BtfCommand),
    Asm(asm::Asm),
    Disasm(asm::Disasm),
    ConformancePlugin(conformance_plugin::ConformancePlugin),
}

impl Command {
    pub(crate) fn run(self, output: Output) -> Outcome {
        match self {
            Command::Build(command) => command.run(output),
            Command::Check(command) => command.run(output),
            Command::Run(command) => command.run(output),
            Command::Dump(command) => command.run(output),
            Command::Btf(command) => command.run(output),
            Command::Asm(command) => command.run(output),
            Command::Disasm(command) => command.run(output),
            Command::ConformancePlugin(command) => command.run(),
        }
    }
}
