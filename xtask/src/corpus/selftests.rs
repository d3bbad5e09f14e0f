//! Our verifier's verdicts on the kernel's own verifier tests, beside Linux's.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::csv;
use crate::process::{Error, Step, target_folder};

/// Disagreements shown unless all are asked for.
const SHOWN: usize = 20;

/// What a kernel said about a program, and why.
struct Verdict {
    verdict: String,
    message: String,
}

/// Verdicts by object and program.
type Verdicts = HashMap<(String, String), Verdict>;

fn verdicts(text: &str, message: &str) -> Verdicts {
    let rows = csv::read(text).into_iter().map(|mut row| {
        let mut take = |name: &str| row.remove(name).unwrap_or_default();
        let object = take("object");
        let object = Path::new(&object).file_name().unwrap_or_default().to_string_lossy().into_owned();
        ((object, take("program")), Verdict { verdict: take("verdict"), message: take(message) })
    });
    rows.collect()
}

fn objects(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let inner = folder.join("obj");
    let folder = if inner.is_dir() { inner } else { folder.to_owned() };
    let entries = fs::read_dir(&folder).map_err(Error::file(&folder))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "o"));
    files.sort();
    Ok(files)
}

/// Checks every object and prints how far the verdicts agree.
///
/// # Errors
/// A file cannot be read, or the command cannot be built.
pub(crate) fn run(folder: &Path, expected: &Path, all: bool) -> Result<(), Error> {
    let text = fs::read_to_string(expected).map_err(Error::file(expected))?;
    let linux = verdicts(&text, "kernel_message");
    Step::new("cargo", ["build", "--release", "--quiet", "-p", "skep-cli"]).run()?;
    let skep = target_folder().join("release/skep");

    let mut table: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut disagreements = Vec::new();
    for object in objects(folder)? {
        let ours = match Step::new(&skep, ["check", "--format", "csv"]).args([&object]).answer() {
            Ok(text) => verdicts(&text, "message"),
            Err(error) => {
                println!("{}: {error}", object.display());
                continue;
            }
        };
        for (key, ours) in ours {
            let Some(theirs) = linux.get(&key) else { continue };
            *table.entry((theirs.verdict.clone(), ours.verdict.clone())).or_default() += 1;
            if theirs.verdict != ours.verdict {
                disagreements.push((key, theirs, ours));
            }
        }
    }
    disagreements.sort_by(|a, b| a.0.cmp(&b.0));
    let shown = if all { disagreements.len() } else { SHOWN };
    for ((object, program), theirs, ours) in disagreements.iter().take(shown) {
        println!(
            "{object} {program}: Linux {} ({}), Skep {} ({})",
            theirs.verdict, theirs.message, ours.verdict, ours.message
        );
    }
    print_table(&table, linux.len());
    Ok(())
}

fn print_table(table: &BTreeMap<(String, String), usize>, expected: usize) {
    println!("\n{:>8} {:>8} {:>9}", "Linux", "Skep", "programs");
    for ((linux, skep), count) in table {
        println!("{linux:>8} {skep:>8} {count:9}");
    }
    let compared: usize = table.values().sum();
    let equal: usize = table.iter().filter(|((linux, skep), _)| linux == skep).map(|(_, count)| count).sum();
    println!(
        "{equal} of {compared} verdicts agree; {} programs of the list were not compared",
        expected - compared.min(expected)
    );
}
