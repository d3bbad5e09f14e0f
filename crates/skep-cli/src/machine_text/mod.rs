//! Machine code as text. Which numbers are shown, and how, is the caller's to say.

mod aarch64;
mod x86_64;

/// A machine instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it begins.
    pub(crate) offset: usize,
    /// What it does.
    pub(crate) text: String,
    /// Its bytes in hexadecimal; `..` where the caller has a name for the number that stands there.
    pub(crate) bytes: String,
}

/// What is shown in the place of a number; `None` for the number.
pub(crate) type Names<'n> = &'n dyn Fn(u64) -> Option<String>;

/// The instructions of code for this host, which lies at `base`. Jumps inside of it are shown by the offset they lead to.
pub(crate) fn disassemble(code: &[u8], base: u64, names: Names<'_>) -> Vec<Line> {
    if cfg!(target_arch = "aarch64") {
        aarch64::disassemble(code, base, names)
    } else {
        x86_64::disassemble(code, base, names)
    }
}

/// Bytes in hexadecimal, without those from `hidden`.
fn hexadecimal(bytes: &[u8], hidden: std::ops::Range<usize>) -> String {
    let one = |(at, byte): (usize, &u8)| if hidden.contains(&at) { "..".to_owned() } else { format!("{byte:02x}") };
    bytes.iter().enumerate().map(one).collect()
}
