//! What the examples share: building their BPF objects, choosing a kernel, packets from captures, a network of their own
//! to try things in.
#![forbid(unsafe_code)]

mod error;
pub mod lab;
mod object;
mod options;
mod scene;
pub mod strace;
mod traffic;
pub mod user;
mod watched;

use std::io::Write as _;
use std::process::ExitCode;

pub use error::Error;
pub use object::object;
pub use options::{Choice, Chosen, PacketOptions, open_object, seconds};
pub use scene::{Scene, TraceOptions};
pub use traffic::{Observer, Traffic};
pub use watched::{WatchOptions, Watched};

/// Prints a line. Where nobody reads on (`| head`), the example ends without a word.
#[macro_export]
macro_rules! say {
    ($($part:tt)*) => { $crate::print_line(format_args!($($part)*)) };
}

/// What [`say!`] calls.
pub fn print_line(line: std::fmt::Arguments<'_>) {
    if writeln!(std::io::stdout().lock(), "{line}").is_err() {
        std::process::exit(0);
    }
}

/// The text in a buffer of C's kind: up to the first NUL.
pub fn c_text(buffer: &[u8]) -> String {
    let len = buffer.iter().position(|byte| *byte == 0).unwrap_or(buffer.len());
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

/// The end of an example's `main`: says what went wrong, with every cause.
pub fn exit(result: Result<(), Error>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprint!("error: {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        eprint!(": {inner}");
        cause = inner.source();
    }
    eprintln!();
    ExitCode::FAILURE
}
