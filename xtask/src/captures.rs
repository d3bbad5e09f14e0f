//! Recording the captures again.

use crate::process::{Error, Step, find, root};

/// Runs `captures/make.py`.
///
/// # Errors
/// Python 3 or tcpdump is missing, or the script fails.
pub(crate) fn run(names: &[String]) -> Result<(), Error> {
    for program in ["python3", "tcpdump", "ip"] {
        if find(program).is_none() {
            return Err(Error::other(format!("recording captures needs {program}; `cargo xtask setup` helps")));
        }
    }
    Step::new("python3", [root().join("captures/make.py")]).args(names).run()
}
