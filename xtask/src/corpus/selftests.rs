//! Our verifier's verdicts on the kernel's own verifier tests, beside Linux's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::csv;
use super::deviations::Deviations;
use crate::process::{Error, Step, target_folder};

/// Object file name and program name.
pub(crate) type Key = (String, String);

/// What a kernel said about a program, and why.
pub(super) struct Verdict {
    pub(super) verdict: String,
    pub(super) message: String,
    /// `prog_flags` of the load.
    flags: u32,
}

impl Verdict {
    /// A verdict on a program that was loaded without flags.
    pub(super) fn new(verdict: &str, message: &str) -> Verdict {
        Verdict { verdict: verdict.to_owned(), message: message.to_owned(), flags: 0 }
    }
}

/// A program that both were asked about.
pub(super) struct Compared<'a> {
    pub(super) program: &'a Key,
    pub(super) linux: &'a Verdict,
    pub(super) skep: Verdict,
}

impl Compared<'_> {
    pub(super) fn agrees(&self) -> bool {
        self.linux.verdict == self.skep.verdict
    }

    pub(super) fn is_refused_by_both(&self) -> bool {
        self.agrees() && self.linux.verdict == "reject"
    }

    /// Of some messages the list has only what Linux printed last: the state in which an endless loop began.
    pub(super) fn same_message(&self) -> bool {
        let first = |text: &str| text.lines().next().unwrap_or("").to_owned();
        let (linux, skep) = (first(&self.linux.message), first(&self.skep.message));
        linux == skep || linux.starts_with("old state:") && skep.starts_with("infinite loop detected")
    }
}

/// Reads a table of verdicts; `message` is the name of its column of messages.
pub(super) fn verdicts(text: &str, message: &str) -> HashMap<Key, Verdict> {
    let rows = csv::read(text).into_iter().map(|mut row| {
        let mut take = |name: &str| row.remove(name).unwrap_or_default();
        let object = take("object");
        let object = Path::new(&object).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let flags = take("program_flags").parse().unwrap_or(0);
        ((object, take("program")), Verdict { verdict: take("verdict"), message: take(message), flags })
    });
    rows.collect()
}

/// Object files by name.
pub(super) fn objects(folder: &Path) -> Result<BTreeMap<String, PathBuf>, Error> {
    let inner = folder.join("obj");
    let folder = if inner.is_dir() { inner } else { folder.to_owned() };
    let folder = folder.canonicalize().map_err(Error::file(&folder))?;
    let entries = fs::read_dir(&folder).map_err(Error::file(&folder))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "o"));
    Ok(files.into_iter().map(|f| (f.file_name().unwrap_or_default().to_string_lossy().into_owned(), f)).collect())
}

/// Asks `skep check`, once for all objects with programs that are loaded with the same flags.
fn ask<'a>(linux: &'a BTreeMap<Key, Verdict>, objects: &BTreeMap<String, PathBuf>) -> Result<Vec<Compared<'a>>, Error> {
    Step::new("cargo", ["build", "--release", "--quiet", "-p", "skep-cli"]).run()?;
    let skep = target_folder().join("release/skep");
    let all_flags: BTreeSet<u32> = linux.values().map(|verdict| verdict.flags).collect();
    let mut compared = Vec::new();
    for flags in all_flags {
        let wanted: Vec<_> = linux.iter().filter(|(_, verdict)| verdict.flags == flags).collect();
        let names: BTreeSet<&str> = wanted.iter().map(|((object, _), _)| object.as_str()).collect();
        let files = names.into_iter().filter_map(|name| objects.get(name));
        let step = Step::new(&skep, ["check", "--format", "csv", "--load-flags"]).args([flags.to_string()]).args(files);
        let mut ours = verdicts(&step.answer()?, "message");
        for (program, linux) in wanted {
            if let Some(skep) = ours.remove(program) {
                compared.push(Compared { program, linux, skep });
            }
        }
    }
    Ok(compared)
}

/// Checks every object and prints how far the verdicts agree.
///
/// # Errors
/// A file cannot be read, the command cannot be built, or our verifier accepts what Linux refuses without a reason in
/// `tests/deviations.toml`.
pub(crate) fn run(folder: &Path, expected: &Path, all: bool) -> Result<(), Error> {
    let text = fs::read_to_string(expected).map_err(Error::file(expected))?;
    let linux: BTreeMap<Key, Verdict> = verdicts(&text, "kernel_message").into_iter().collect();
    let deviations = Deviations::read()?;
    let objects = objects(folder)?;
    if objects.is_empty() {
        return Err(Error::other(format!("{}: no objects; --build makes them", folder.display())));
    }
    let mut compared = ask(&linux, &objects)?;
    compared.sort_by_key(|c| c.program);

    let unexplained = |c: &&Compared<'_>| !c.agrees() && deviations.reason(c.program, &c.skep.verdict).is_none();
    for c in compared.iter().filter(|c| if all { !c.agrees() } else { unexplained(c) }) {
        let Compared { program: (object, program), linux, skep } = c;
        println!(
            "{object} {program}: Linux {} ({}), Skep {} ({})",
            linux.verdict, linux.message, skep.verdict, skep.message
        );
    }
    if all {
        print_messages(&compared);
    }
    print_solved(&compared, &deviations);
    print_table(&compared, &linux, &deviations);
    let wrong = compared.iter().filter(unexplained).filter(|c| c.skep.verdict == "accept").count();
    if wrong > 0 {
        return Err(Error::other(format!("{wrong} programs that Linux refuses are accepted without a known reason")));
    }
    Ok(())
}

fn print_messages(compared: &[Compared<'_>]) {
    for c in compared.iter().filter(|c| c.is_refused_by_both() && !c.same_message()) {
        let Compared { program: (object, program), linux, skep } = c;
        println!("{object} {program}: both refuse\n    Linux: {}\n    Skep:  {}", linux.message, skep.message);
    }
}

/// Deviations that are none any more.
fn print_solved(compared: &[Compared<'_>], deviations: &Deviations) {
    let agreeing: BTreeSet<&Key> = compared.iter().filter(|c| c.agrees()).map(|c| c.program).collect();
    for (object, program) in deviations.programs().filter(|program| agreeing.contains(program)) {
        println!("{object} {program}: agrees now, tests/deviations.toml need not name it");
    }
}

fn print_table(compared: &[Compared<'_>], linux: &BTreeMap<Key, Verdict>, deviations: &Deviations) {
    let mut table: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    for c in compared {
        let (count, explained) = table.entry((&c.linux.verdict, &c.skep.verdict)).or_default();
        *count += 1;
        *explained += usize::from(!c.agrees() && deviations.reason(c.program, &c.skep.verdict).is_some());
    }
    println!("\n{:>8} {:>8} {:>9} {:>12}", "Linux", "Skep", "programs", "with reason");
    for ((theirs, ours), (count, explained)) in &table {
        let explained = if theirs == ours { String::new() } else { explained.to_string() };
        println!("{theirs:>8} {ours:>8} {count:9} {explained:>12}");
    }
    let equal = compared.iter().filter(|c| c.agrees()).count();
    let refused = compared.iter().filter(|c| c.is_refused_by_both());
    let (messages, refused) = refused.fold((0, 0), |(same, all), c| (same + usize::from(c.same_message()), all + 1));
    let missing = linux.len() - compared.len();
    println!("{equal} of {} verdicts agree; {missing} programs of the list were not compared", compared.len());
    println!("{messages} of {refused} refusals have Linux's message");
}
