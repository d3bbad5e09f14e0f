//! The checks that keep the project in shape: cargo's own and the rules of ARCHITECTURE.md.

mod rules;
mod source;

use crate::process::{Error, Step};

/// Runs every check; all of the project's own rules report before any of cargo's.
///
/// # Errors
/// A check found something.
pub(crate) fn run() -> Result<(), Error> {
    let files = source::tracked()?;
    let findings: Vec<_> = rules::RULES.iter().flat_map(|rule| (rule.check)(&files)).collect();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        return Err(Error::other(format!("{} findings against the project's rules", findings.len())));
    }
    println!("{} rules over {} files: nothing found", rules::RULES.len(), files.len());
    Step::new("cargo", ["fmt", "--all", "--check"]).run()?;
    Step::new("cargo", ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]).run()?;
    Step::new("cargo", ["doc", "--quiet", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings").run()
}
