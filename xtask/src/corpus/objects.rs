//! Our verifier's verdicts on the programs of any objects, beside those of the running Linux.
//!
//! Each object is asked about by itself, for a bounded time: one that brings a verifier down or keeps it busy is not in the
//! way of others. What Linux said is kept in a table, so that it need be asked only once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::deviations::Deviations;
use super::selftests::{Compared, Key, Verdict, objects, verdicts};
use crate::process::{Error, Step, target_folder};

/// For all programs of one object, and again for each of its programs where that is not enough.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// What Linux said, by object and program.
type Answers = BTreeMap<Key, Verdict>;

/// Compares verdicts on all programs of the objects in `folder`. Linux's are read from `table`, which is extended by what
/// is missing there.
///
/// # Errors
/// A file cannot be read or written, or the command cannot be built.
pub(crate) fn run(folder: &Path, table: &Path, all: bool) -> Result<(), Error> {
    let objects = objects(folder)?;
    Step::new("cargo", ["build", "--release", "--quiet", "-p", "skep-cli"]).run()?;
    let linux = linux_verdicts(&objects, table)?;
    let mut skep = Answers::new();
    for (name, path) in &objects {
        skep.extend(ask("user", name, path, &linux)?);
    }
    let deviations = Deviations::read()?;
    let compared: Vec<Compared<'_>> = linux
        .iter()
        .filter_map(|(program, linux)| Some(Compared { program, linux, skep: skep.remove(program)? }))
        .collect();
    print_lists(&compared, &deviations, all);
    print_by_object(&compared);
    print_totals(&compared, linux.len());
    Ok(())
}

fn linux_verdicts(objects: &BTreeMap<String, PathBuf>, table: &Path) -> Result<Answers, Error> {
    let mut known = match fs::read_to_string(table) {
        Ok(text) => verdicts(&text, "kernel_message").into_iter().collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Answers::new(),
        Err(error) => return Err(Error::file(table)(error)),
    };
    let there: BTreeSet<String> = known.keys().map(|(object, _)| object.clone()).collect();
    for (name, path) in objects.iter().filter(|(name, _)| !there.contains(*name)) {
        known.extend(ask("linux", name, path, &Answers::new())?);
    }
    fs::write(table, csv(&known)).map_err(Error::file(table))?;
    known.retain(|(object, _), _| objects.contains_key(object));
    Ok(known)
}

/// The verdicts of one kernel on one object. Programs that take too long are among them only if their names are known.
fn ask(kernel: &str, name: &str, path: &Path, known: &Answers) -> Result<Answers, Error> {
    let skep = target_folder().join("release/skep");
    let step = Step::new(&skep, ["check", "--format", "csv", "--kernel", kernel]).args([path]);
    if let Some(text) = step.answer_within(TIME_LIMIT)? {
        return Ok(verdicts(&text, "message").into_iter().collect());
    }
    let mut answers = Answers::new();
    for (_, program) in known.keys().filter(|(object, _)| object == name) {
        let answer = step.clone().args(["--program", program]).answer_within(TIME_LIMIT)?;
        let verdict = answer.and_then(|text| verdicts(&text, "message").remove(&(name.to_owned(), program.clone())));
        let late = || Verdict::new("none", "it gave no answer");
        answers.insert((name.to_owned(), program.clone()), verdict.unwrap_or_else(late));
    }
    eprintln!("{name}: the {kernel} kernel's verifier crashed or took longer than {} s", TIME_LIMIT.as_secs());
    Ok(answers)
}

fn csv(answers: &Answers) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = "object,program,verdict,kernel_message\n".to_owned();
    for ((object, program), verdict) in answers {
        let line = [object, program, &verdict.verdict, &verdict.message].map(|cell| quoted(cell)).join(",");
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn decided(compared: &&Compared<'_>) -> bool {
    compared.linux.verdict != "env"
}

fn print_lists(compared: &[Compared<'_>], deviations: &Deviations, all: bool) {
    let listed = |c: &&Compared<'_>| all || deviations.reason(c.program, &c.skep.verdict).is_none();
    let differing = || compared.iter().filter(decided).filter(|c| !c.agrees()).filter(listed);
    println!("accepted by Skep, refused by Linux:");
    for c in differing().filter(|c| c.skep.verdict == "accept") {
        println!("  {} {}: {}", c.program.0, c.program.1, c.linux.message);
    }
    println!("\nother disagreements:");
    for c in differing().filter(|c| c.skep.verdict != "accept") {
        let Compared { program: (object, program), linux, skep } = c;
        println!(
            "  {object} {program}: Linux {} ({}), Skep {} ({})",
            linux.verdict, linux.message, skep.verdict, skep.message
        );
    }
    println!("\nrefused by both, with another message:");
    for c in compared.iter().filter(|c| c.is_refused_by_both() && !c.same_message()) {
        println!("  {} {}\n    Linux: {}\n    Skep:  {}", c.program.0, c.program.1, c.linux.message, c.skep.message);
    }
}

/// One object's line of the table.
#[derive(Default)]
struct Line {
    programs: usize,
    agree: usize,
    wrongly_accepted: usize,
    refused: usize,
    same_message: usize,
}

fn print_by_object(compared: &[Compared<'_>]) {
    let mut lines: BTreeMap<&str, Line> = BTreeMap::new();
    for c in compared.iter().filter(decided) {
        let line = lines.entry(&c.program.0).or_default();
        line.programs += 1;
        line.agree += usize::from(c.agrees());
        line.wrongly_accepted += usize::from(!c.agrees() && c.skep.verdict == "accept");
        line.refused += usize::from(c.is_refused_by_both());
        line.same_message += usize::from(c.is_refused_by_both() && c.same_message());
    }
    let mut lines: Vec<(&str, Line)> = lines.into_iter().collect();
    lines.sort_by_key(|(_, line)| std::cmp::Reverse(line.programs - line.agree));
    let mut text =
        format!("\n{:<48} {:>8} {:>6} {:>14} {:>9}\n", "object", "programs", "agree", "wrong accepts", "messages");
    for (object, line) in lines {
        let Line { programs, agree, wrongly_accepted, refused, same_message } = line;
        let messages = format!("{same_message}/{refused}");
        // Writing to a string does not fail.
        _ = writeln!(text, "{object:<48} {programs:>8} {agree:>6} {wrongly_accepted:>14} {messages:>9}");
    }
    print!("{text}");
}

fn print_totals(compared: &[Compared<'_>], known: usize) {
    let mut table: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for c in compared {
        *table.entry((&c.linux.verdict, &c.skep.verdict)).or_default() += 1;
    }
    println!("\n{:>8} {:>8} {:>9}", "Linux", "Skep", "programs");
    for ((linux, skep), count) in table {
        println!("{linux:>8} {skep:>8} {count:>9}");
    }
    let decided: Vec<_> = compared.iter().filter(decided).collect();
    let agree = decided.iter().filter(|c| c.agrees()).count();
    println!("{agree} of {} verdicts agree; {} programs were not compared", decided.len(), known - compared.len());
}
