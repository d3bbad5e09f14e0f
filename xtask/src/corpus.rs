//! Outside references: the conformance vectors of the instruction set, the verdicts of Linux's verifier.

mod conformance;
pub(crate) mod csv;
mod deviations;
mod emulated;
mod objects;
mod selftests;

use std::path::{Path, PathBuf};

use crate::process::{Error, Step, root, target_folder};

/// Where the references lie unless the caller says otherwise, seen from the root.
const BESIDE: &str = "../shared";

/// Which references to run.
#[derive(clap::Args)]
#[command(after_help = "\
The conformance vectors are run by every engine, and by the compiler for aarch64 in an emulator where there is one. The
selftests are Linux's own verifier tests: their sources are not part of this project, so a script beside it builds them
(--build), and a table has what Linux answered to each program. `skep check` must answer the same. Where it does not,
tests/deviations.toml says why; a program that Linux refuses, Skep accepts and that file does not name makes this command
fail.

Examples:
  cargo xtask corpus                                  the conformance vectors
  cargo xtask corpus --build                          build the selftests into target/selftests and compare
  cargo xtask corpus --selftests target/selftests     compare again
  sudo -E cargo xtask corpus --objects DIR --verdicts linux.csv
                                                      compare with the running Linux on any objects")]
pub(crate) struct Arguments {
    /// Conformance vectors [default: ../shared/conformance/conformance.json].
    #[arg(long, value_name = "FILE")]
    conformance: Option<PathBuf>,
    /// Also compare our verifier's verdicts on the objects below this folder, as `build.sh` made them, with Linux's.
    #[arg(long, value_name = "DIR")]
    selftests: Option<PathBuf>,
    /// Build those objects first, by ../shared/selftests/build.sh [default folder: target/selftests].
    #[arg(long)]
    build: bool,
    /// Compare our verifier's verdicts on all programs of the objects in this folder with those of the running Linux.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["selftests", "build"], requires = "verdicts")]
    objects: Option<PathBuf>,
    /// Linux's verdicts; with --objects, where they are kept: only what is not there is asked [default: ../shared/selftests/verdicts.csv].
    #[arg(long, value_name = "FILE")]
    verdicts: Option<PathBuf>,
    /// Print every disagreement about the selftests, and every other message, instead of what is not explained.
    #[arg(long)]
    all: bool,
}

impl Arguments {
    /// The folder with the selftests' objects, if they are wanted.
    fn selftests(&self) -> Option<PathBuf> {
        let default = || self.build.then(|| target_folder().join("selftests"));
        self.selftests.clone().or_else(default)
    }
}

fn or_beside(given: Option<&Path>, default: &str) -> PathBuf {
    given.map_or_else(|| root().join(BESIDE).join(default), Path::to_owned)
}

/// Runs them and prints tables.
///
/// # Errors
/// A file is missing, a vector of the instruction set has another answer than it must have, or our verifier accepts
/// what it must not.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    if let (Some(folder), Some(verdicts)) = (&arguments.objects, &arguments.verdicts) {
        return objects::run(folder, verdicts, arguments.all);
    }
    conformance::run(&or_beside(arguments.conformance.as_deref(), "conformance/conformance.json"))?;
    let Some(folder) = arguments.selftests() else {
        println!("\nverifier selftests: not run, --build makes their objects, --selftests DIR names them");
        return Ok(());
    };
    if arguments.build {
        Step::new("bash", [or_beside(None, "selftests/build.sh")]).args([&folder]).run()?;
    }
    let verdicts = or_beside(arguments.verdicts.as_deref(), "selftests/verdicts.csv");
    selftests::run(&folder, &verdicts, arguments.all)
}
