//! Fuzzing of the verifier and the engines: see the library.
#![forbid(unsafe_code)]

mod claims;
mod compare;
#[cfg(feature = "planted-bugs")]
mod planted;

use clap::{Parser, Subcommand};
use skep_abi::program_type::ProgramType;
use skep_fuzzing::case;
use skep_fuzzing::generate::Candidate;
use skep_fuzzing::search::{Search, program};
use skep_fuzzing::verdicts::Judges;
use skep_linux::LinuxKernel;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Random programs against the verifier and the engines.
#[derive(Parser)]
#[command(name = "skep-fuzzing", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args, Clone)]
struct Range {
    /// How many programs.
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    /// The first one's seed; each later one has the next.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write what is found here, as cases for `tests/verifier`.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Stop after so many findings.
    #[arg(long, default_value_t = 20)]
    findings: usize,
}

#[derive(Subcommand)]
enum Command {
    /// Compare verdicts with the running Linux.
    Verdicts {
        #[command(flatten)]
        range: Range,
        /// How many seconds to spend on making one program small.
        #[arg(long, default_value_t = 10)]
        effort: u64,
    },
    /// Run what is accepted in the paranoid engine, and compare its results with those of the running Linux.
    Claims {
        #[command(flatten)]
        range: Range,
        /// How often each program runs.
        #[arg(long, default_value_t = 4)]
        runs: u32,
        /// Do not compare results with the running Linux.
        #[arg(long)]
        without_linux: bool,
    },
    /// Run what is accepted in every engine, and compare what each leaves behind, with Linux, too.
    Engines {
        #[command(flatten)]
        range: Range,
        /// How often each program runs.
        #[arg(long, default_value_t = 2)]
        runs: u32,
        /// Do not compare results with the running Linux.
        #[arg(long)]
        without_linux: bool,
    },
    /// Run instruction sequences that the compiler's passes look for, below the verifier, in the engines.
    Sequences {
        #[command(flatten)]
        range: Range,
    },
    /// Plant one fault after the other in the verifier, and print after how many programs `claims` finds it.
    #[cfg(feature = "planted-bugs")]
    Planted {
        #[command(flatten)]
        range: Range,
        /// How often each program runs.
        #[arg(long, default_value_t = 4)]
        runs: u32,
        /// Only this one.
        #[arg(long)]
        fault: Option<String>,
    },
    /// Show the program of a seed, and what is said of it.
    Show {
        /// The seed.
        seed: u64,
        /// With our verifier's log in place of Linux's.
        #[arg(long)]
        skep: bool,
    },
    /// Show what is said of a program in a file: as in `tests/verifier`, with the maps of the fuzzer.
    Judge {
        /// The program's text.
        file: PathBuf,
        /// Its type.
        #[arg(long, default_value = "sched_cls")]
        program_type: String,
        /// With our verifier's log in place of Linux's.
        #[arg(long)]
        skep: bool,
    },
}

type Failure = Box<dyn std::error::Error>;

/// Findings as they come.
struct Findings {
    range: Range,
    cases: Vec<String>,
    start: Instant,
}

impl Findings {
    fn new(range: Range) -> Findings {
        Findings { range, cases: Vec::new(), start: Instant::now() }
    }

    fn add(&mut self, case: String) -> Result<(), Failure> {
        println!("{case}");
        self.cases.push(case);
        match &self.range.output {
            Some(path) => Ok(std::fs::write(path, self.cases.join("\n"))?),
            None => Ok(()),
        }
    }

    fn are_enough(&self) -> bool {
        self.cases.len() >= self.range.findings
    }

    fn report(&self, what: &str, done: u64) {
        let rate = done as f64 / self.start.elapsed().as_secs_f64();
        println!("{done} programs: {what}; {} findings; {rate:.0} programs per second", self.cases.len());
    }

    fn outcome(&self) -> ExitCode {
        if self.cases.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn verdicts(range: Range, effort: u64) -> Result<ExitCode, Failure> {
    let judges = || Judges::new(LinuxKernel::open().map_err(|e| e.to_string())?).map_err(|e| e.to_string());
    let Range { count, seed, findings, .. } = range;
    let search = Search { seed, count, findings, effort: Duration::from_secs(effort) };
    let tally = search.run(judges)?;
    tally.print();
    let mut findings = Findings::new(range);
    for case in search.cases(&tally, &judges()?) {
        findings.add(case)?;
    }
    Ok(findings.outcome())
}

fn show(seed: u64, skep: bool) -> Result<ExitCode, Failure> {
    let judges = Judges::new(LinuxKernel::open()?).map_err(|errno| errno.to_string())?;
    let candidate = program(seed, judges.iterator());
    judge(&judges, &candidate, skep);
    Ok(ExitCode::SUCCESS)
}

fn show_file(file: &Path, program_type: &str, skep: bool) -> Result<ExitCode, Failure> {
    let judges = Judges::new(LinuxKernel::open()?).map_err(|errno| errno.to_string())?;
    let slots = case::assemble(&std::fs::read_to_string(file)?)?;
    let program_type = ProgramType::from_name(program_type).ok_or("no such program type")?;
    judge(&judges, &Candidate { program_type, slots }, skep);
    Ok(ExitCode::SUCCESS)
}

/// Prints the program, one verifier's log of all its paths, and both verdicts.
fn judge(judges: &Judges, candidate: &Candidate, skep: bool) {
    println!("{}", case::listing(&candidate.slots));
    let mut log = vec![0; 1 << 22];
    let theirs = judges.linux().load_loudly(candidate, &mut log).map(|_| "accepts");
    let (ours, our_log) = judges.ours_loudly(candidate);
    println!("{}", if skep { our_log.into() } else { String::from_utf8_lossy(&log) }.trim_end_matches('\0'));
    println!("Skep {ours:?}\nLinux {theirs:?}");
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Verdicts { range, effort } => verdicts(range, effort),
        Command::Claims { range, runs, without_linux } => claims::claims(&range, runs, !without_linux),
        Command::Engines { range, runs, without_linux } => compare::engines(&range, runs, !without_linux),
        Command::Sequences { range } => compare::sequences(&range),
        #[cfg(feature = "planted-bugs")]
        Command::Planted { range, runs, fault } => planted::planted(&range, runs, fault.as_deref()),
        Command::Show { seed, skep } => show(seed, skep),
        Command::Judge { file, program_type, skep } => show_file(&file, &program_type, skep),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("skep-fuzzing: {error}");
        ExitCode::FAILURE
    })
}
