//! Verification times beside Linux's: `cargo xtask bench verifier`; engines beside native code: `cargo xtask bench engines`,
//! which is the program of `benches/`.
//!
//! Both verifiers are asked about the same objects in turns, several rounds. Linux's time is what it prints at
//! `log_level` 4, ours what `skep check` says; of each the least over all rounds counts, since everything else on the
//! machine only ever adds. Reading the object, the kernel's BTF and creating maps are in neither.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::corpus::csv;
use crate::process::{Error, Step, target_folder};

/// What to measure.
#[derive(clap::Args)]
#[command(after_help = "\
Programs that both verifiers accept are compared; the others are counted. Linux must allow this user to load programs.

Example:
  cargo xtask bench verifier --rounds 5 target/selftests/obj target/examples/firewall.bpf.o")]
pub(crate) struct Verifier {
    /// Objects, or folders with objects
    #[arg(required = true)]
    objects: Vec<PathBuf>,
    /// How often each object is verified by each
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// How many programs the lists show
    #[arg(long, default_value_t = 20)]
    show: usize,
}

/// Object file name and program name.
type Key = (String, String);

/// What one verifier said about a program.
#[derive(Clone, Debug)]
struct Measured {
    accepted: bool,
    processed: u32,
    states: u32,
    /// Least time over the rounds, in microseconds; at least 1.
    time_us: u64,
}

/// A program that both accept.
struct Compared<'a> {
    program: &'a Key,
    linux: &'a Measured,
    skep: &'a Measured,
}

impl Compared<'_> {
    /// Our time as a multiple of Linux's.
    fn whole(&self) -> f64 {
        self.skep.time_us as f64 / self.linux.time_us as f64
    }

    /// The same per processed instruction.
    fn per_instruction(&self) -> f64 {
        self.whole() * f64::from(self.linux.processed.max(1)) / f64::from(self.skep.processed.max(1))
    }
}

/// Times each object with both verifiers and prints the ratios.
///
/// # Errors
/// The command cannot be built or run, or there is nothing to compare.
pub(crate) fn verifier(arguments: &Verifier) -> Result<(), Error> {
    Step::new("cargo", ["build", "--release", "--quiet", "-p", "skep-cli"]).run()?;
    let (mut linux, mut skep) = (BTreeMap::new(), BTreeMap::new());
    for object in objects(&arguments.objects)? {
        for _ in 0..arguments.rounds.max(1) {
            measure(&object, "linux", 1, &mut linux)?;
            // A kernel's code and memory are always there; ours comes with the process, so that it runs more than once.
            measure(&object, "user", 3, &mut skep)?;
        }
    }
    let both = skep.iter().filter_map(|(program, skep)| Some(Compared { program, linux: linux.get(program)?, skep }));
    let (compared, others): (Vec<_>, Vec<_>) = both.partition(|c| c.linux.accepted && c.skep.accepted);
    if compared.is_empty() {
        return Err(Error::other("no program is accepted by both verifiers"));
    }
    println!("{} programs compared, {} not accepted by both", compared.len(), others.len());
    print_summary("time", &compared, |c| c.whole());
    print_summary("time per processed instruction", &compared, |c| c.per_instruction());
    print_list("worst, time per processed instruction", compared.iter(), arguments.show, |c| c.per_instruction());
    print_list("most instructions beyond Linux's", compared.iter(), arguments.show, |c| {
        f64::from(c.skep.processed) / f64::from(c.linux.processed.max(1))
    });
    print_list("longest", compared.iter(), arguments.show, |c| c.linux.time_us as f64);
    Ok(())
}

/// Runs the same programs on every engine.
///
/// # Errors
/// The comparison cannot be built, or it fails.
pub(crate) fn engines(arguments: &[String]) -> Result<(), Error> {
    Step::new("cargo", ["build", "--release", "--quiet", "-p", "skep-benches"]).run()?;
    Step::new(target_folder().join("release/engines"), arguments).run()
}

/// Files as they are, and what lies in folders.
fn objects(given: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut objects = Vec::new();
    for path in given {
        let path = path.canonicalize().map_err(Error::file(path))?;
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).map_err(Error::file(&path))?;
            objects.extend(entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|file| is_object(file)));
        } else {
            objects.push(path);
        }
    }
    objects.sort();
    Ok(objects)
}

fn is_object(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "o")
}

/// Asks one kernel about an object, `times` times in one process, and keeps the least times.
fn measure(object: &Path, kernel: &str, times: usize, into: &mut BTreeMap<Key, Measured>) -> Result<(), Error> {
    let skep = target_folder().join("release/skep");
    let step =
        Step::new(skep, ["check", "--format", "csv", "--kernel", kernel]).args(std::iter::repeat_n(object, times));
    for row in csv::read(&step.answer()?) {
        let text = |name: &str| row.get(name).cloned().unwrap_or_default();
        let time_us = text("time_us").parse().unwrap_or(0).max(1);
        let measured = Measured {
            accepted: text("verdict") == "accept",
            processed: text("processed").parse().unwrap_or(0),
            states: text("states").parse().unwrap_or(0),
            time_us,
        };
        let best = into.entry((text("object"), text("program"))).or_insert(measured);
        best.time_us = best.time_us.min(time_us);
    }
    Ok(())
}

fn print_summary(what: &str, compared: &[Compared<'_>], ratio: impl Fn(&Compared<'_>) -> f64) {
    let mut ratios: Vec<f64> = compared.iter().map(ratio).collect();
    ratios.sort_by(f64::total_cmp);
    let (median, worst) = (ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
    println!("{what}, as a multiple of Linux's: median {median:.2}, worst {worst:.2}");
}

fn print_list<'a, 'b: 'a>(
    title: &str,
    compared: impl Iterator<Item = &'a Compared<'b>>,
    show: usize,
    key: impl Fn(&Compared<'_>) -> f64,
) {
    let mut compared: Vec<_> = compared.collect();
    compared.sort_by(|a, b| key(b).total_cmp(&key(a)));
    println!("\n{title}");
    println!(
        "{:>9} {:>9} {:>7} {:>7} {:>9} {:>9} {:>6}  program",
        "processed", "Linux", "states", "Linux", "us", "Linux", "ratio"
    );
    for c in compared.into_iter().take(show) {
        let (linux, skep, ratio) = (c.linux, c.skep, c.per_instruction());
        println!(
            "{:9} {:9} {:7} {:7} {:9} {:9} {ratio:6.2}  {} {}",
            skep.processed,
            linux.processed,
            skep.states,
            linux.states,
            skep.time_us,
            linux.time_us,
            c.program.0,
            c.program.1
        );
    }
}
