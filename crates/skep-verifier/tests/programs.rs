//! The programs under `tests/verifier`: what the verifier says of each stands beside its code.
//!
//! ```text
//! === name of the case
//! type: socket_filter
//! map: counters array 4 8 16
//!     r0 = r2
//!     exit
//! --- reject
//! R2 !read_ok
//! ```
//!
//! Header lines are `type`, `attach`, `target` (the kernel function it is attached to), `map` (name, type, key size, value size, entries, flags), `flags`
//! (`strict_alignment`, `any_alignment`, `test_state_frequency`), `capabilities` (`none`, or names), `license`,
//! `of` (the case whose program it is attached to; `target` is a function of it), `c` (declarations: see `common/declarations.rs`),
//! `interface` (a kernel struct, of which `target` is the member that the program implements),
//! `value` (a map, and the declared struct that its values are), `text` (a map, and the text it holds, frozen) and `linux` (what Linux says, where it overlooks something).
//! `SKEP_BLESS=1` writes down what the verifier says now.

mod common;

use common::{Case, Expected, files};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for (path, cases) in files() {
        if std::env::var_os("SKEP_BLESS").is_some() {
            common::bless(&path, &cases);
            continue;
        }
        let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for case in cases {
            let name = format!("{file}::{}", case.name);
            trials.push(Trial::test(name, move || check(&case)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn check(case: &Case) -> Result<(), Failed> {
    let found = case.verify().map_err(Failed::from)?;
    if found == case.expected {
        return Ok(());
    }
    let Expected { verdict, message } = &case.expected;
    Err(format!(
        "expected {verdict}: {message}\nfound {}: {}\n(SKEP_BLESS=1 accepts what was found)\n\n{}",
        found.verdict,
        found.message,
        case.log()
    )
    .into())
}
