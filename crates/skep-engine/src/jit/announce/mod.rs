//! Making compiled programs known to profilers and debuggers.

mod debugger;
mod elf;
mod perf_map;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;

/// Who is told about compiled programs. What is told stays in this process and in files that only its user can write.
///
/// A program that somebody is told about lies on pages of its own, and so takes more memory and longer to compile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announce {
    /// Profilers: names go to `/tmp/perf-PID.map`, which `perf` reads.
    pub perf_map: bool,
    /// Debuggers that know GDB's JIT interface.
    pub debugger: bool,
}

/// The variable that [`Announce::from_environment`] reads.
const VARIABLE: &str = "SKEP_ANNOUNCE";

impl Announce {
    /// What the variable `SKEP_ANNOUNCE` asks for: `perf`, `gdb` or both with a comma between; what else it names is ignored.
    pub fn from_environment() -> Announce {
        Announce::parse(&std::env::var(VARIABLE).unwrap_or_default())
    }

    fn parse(list: &str) -> Announce {
        let asks = |who: &str| list.split(',').any(|word| word.trim() == who);
        Announce { perf_map: asks("perf"), debugger: asks("gdb") }
    }
}

/// A function of compiled code, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Function {
    name: String,
    range: Range<u64>,
}

/// What debuggers know of a program, until this is dropped.
#[derive(Debug)]
pub(super) struct Announced {
    _debugger: Option<debugger::Entry>,
}

/// Tells about a program. `entries` are the slots of its functions and where they are entered, ascending.
///
/// # Errors
/// The map for `perf` cannot be written.
pub(super) fn announce(
    to: Announce,
    name: &str,
    code: Range<u64>,
    entries: &[(u32, u32)],
) -> io::Result<Option<Announced>> {
    if to == Announce::default() {
        return Ok(None);
    }
    let functions = functions(name, &code, entries);
    if to.perf_map {
        perf_map::add(&functions)?;
    }
    let entry = to.debugger.then(|| debugger::add(elf::symbol_file(&code, &functions)));
    Ok(Some(Announced { _debugger: entry }))
}

/// The main function has the program's name, the others that of the slot they begin at, too.
fn functions(name: &str, code: &Range<u64>, entries: &[(u32, u32)]) -> Vec<Function> {
    let name: String = name.chars().map(|c| if c.is_control() || c.is_whitespace() { '_' } else { c }).collect();
    let begins = entries.iter().map(|(_, entry)| code.start + u64::from(*entry));
    let ends = begins.clone().skip(1).chain([code.end]);
    let names = entries.iter().enumerate().map(|(at, (slot, _))| match at {
        0 => name.clone(),
        _ => format!("{name}_f{slot}"),
    });
    names.zip(begins.zip(ends)).map(|(name, (begin, end))| Function { name, range: begin..end }).collect()
}
