//! Outside references: the conformance vectors of the instruction set, the verdicts of Linux's verifier.

mod conformance;
mod csv;
mod selftests;

use std::path::{Path, PathBuf};

use crate::process::{Error, root};

/// Where the references lie unless the caller says otherwise, seen from the root.
const BESIDE: &str = "../shared";

/// Which references to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Conformance vectors [default: ../shared/conformance/conformance.json].
    #[arg(long, value_name = "FILE")]
    conformance: Option<PathBuf>,
    /// Also compare our verifier's verdicts on the objects below this folder, as `build.sh` made them, with Linux's.
    #[arg(long, value_name = "DIR")]
    selftests: Option<PathBuf>,
    /// Linux's verdicts [default: ../shared/selftests/verdicts.csv].
    #[arg(long, value_name = "FILE", requires = "selftests")]
    verdicts: Option<PathBuf>,
    /// Print every disagreement about the selftests instead of the first few.
    #[arg(long, requires = "selftests")]
    all: bool,
}

fn or_beside(given: Option<&Path>, default: &str) -> PathBuf {
    given.map_or_else(|| root().join(BESIDE).join(default), Path::to_owned)
}

/// Runs them and prints tables.
///
/// # Errors
/// A file is missing, or a vector of the instruction set has another answer than it must have.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    conformance::run(&or_beside(arguments.conformance.as_deref(), "conformance/conformance.json"))?;
    match &arguments.selftests {
        None => {
            println!("\nverifier selftests: not run, --selftests DIR names the folder with the objects");
            Ok(())
        }
        Some(folder) => {
            let verdicts = or_beside(arguments.verdicts.as_deref(), "selftests/verdicts.csv");
            selftests::run(folder, &verdicts, arguments.all)
        }
    }
}
