//! What the tests of all crates share.
//!
//! A test that lacks something (root, a Linux with BPF, clang) says so loudly and passes; where everything is said to be
//! there (`SKEP_REQUIRE_ALL=1`, as in CI on such a machine), that is a failure, so that no skip hides one.
#![forbid(unsafe_code)]

/// Whether everything that tests can want is said to be there.
pub fn all_is_required() -> bool {
    std::env::var_os("SKEP_REQUIRE_ALL").is_some_and(|value| value == "1")
}

/// Says that a test, or a part of one, does not run, and why.
///
/// # Panics
/// Where everything is required.
pub fn skip(why: &str) {
    assert!(!all_is_required(), "SKEP_REQUIRE_ALL is set, but {why}");
    eprintln!("SKIPPED: {why}");
}
