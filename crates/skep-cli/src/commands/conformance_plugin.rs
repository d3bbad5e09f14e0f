//! `skep conformance-plugin`: the protocol of the public bpf_conformance suite.

use crate::error::{Exit, Failure, Outcome};
use crate::output::print_text;
use clap::Args;
use skep_engine::{Mode, conformance};
use std::io::Read as _;

/// More hexadecimal text than this is no test program.
const LIMIT_BYTES: u64 = 64 << 20;

/// Run one program as a plug-in of the bpf_conformance suite
///
/// Reads the program's bytes in hexadecimal from standard input, runs it over MEMORY, and prints r0 in hexadecimal.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  echo b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00 | skep conformance-plugin
  echo 7110010000000000 9500000000000000 | skep conformance-plugin 'aa bb cc' --engine sandbox")]
pub(crate) struct ConformancePlugin {
    /// Input memory in hexadecimal: r1 is its address, r2 its length
    #[arg(default_value = "")]
    memory: String,
    /// What runs the program
    #[arg(long, default_value_t = Mode::default(), value_parser = clap::builder::ValueParser::new(|name: &str| name.parse::<Mode>()))]
    engine: Mode,
}

impl ConformancePlugin {
    pub(crate) fn run(self) -> Outcome {
        let mut text = String::new();
        std::io::stdin()
            .lock()
            .take(LIMIT_BYTES)
            .read_to_string(&mut text)
            .map_err(|e| Failure::because("cannot read the program from standard input", &e))?;
        let failed = |e: conformance::ConformanceError| Failure::because("the program has no result", &e);
        let program = conformance::parse_hex(&text).map_err(failed)?;
        let mut memory = conformance::parse_hex(&self.memory).map_err(failed)?;
        let r0 = conformance::run(self.engine, &program, &mut memory).map_err(failed)?;
        print_text(&format!("{r0:x}\n"))?;
        Ok(Exit::Success)
    }
}
