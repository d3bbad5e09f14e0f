//! Every test of the workspace.

use crate::process::{Error, Step};
use crate::setup;

/// Runs the documentation tests, then all others, so that the runner's summary comes last.
///
/// # Errors
/// A test failed.
pub(crate) fn run(arguments: &[String]) -> Result<(), Error> {
    setup::run(setup::Need::Tests)?;
    let scope: &[&str] = if arguments.is_empty() { &["--workspace"] } else { &[] };
    if arguments.is_empty() {
        Step::new("cargo", ["test", "--quiet", "--doc", "--workspace"]).run()?;
    }
    if Step::new("cargo", ["nextest", "--version"]).succeeds() {
        // Tests that skip say so in their output, which the runner would keep to itself.
        let step = Step::new("cargo", ["nextest", "run", "--no-fail-fast", "--success-output", "immediate"]);
        step.args(scope).args(arguments).run()
    } else {
        Step::new("cargo", ["test", "--no-fail-fast", "--lib", "--bins", "--tests"]).args(scope).args(arguments).run()
    }
}
