//! `engines`: the same programs on every engine. `cargo xtask bench engines` builds and runs it.

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use skep_benches::build::Compiler;
use skep_benches::engines::{self, Row};
use skep_benches::machine::{self, Machine};
use skep_benches::measure::{Plan, Progress, measure};
use skep_benches::programs::{PROGRAMS, Program};
use skep_benches::report::{self, Report};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Run the same programs on every engine and compare their times with native code's
#[derive(Parser)]
#[command(
    name = "cargo xtask bench engines",
    after_help = "\
Native code and Skep's engines need nothing but clang. Linux's JIT is measured where this user may load programs.

Examples:
  cargo xtask bench engines
  cargo xtask bench engines --quick --filter flow --filter lpm
  cargo xtask bench engines --rounds 21 --docs docs"
)]
struct Arguments {
    /// How often each engine runs each program
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only programs with this in their name (may be given again)
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,
    /// Only engines with this in their name, beside native code (may be given again)
    #[arg(long, value_name = "TEXT")]
    engine: Vec<String>,
    /// Three short rounds: to see that it works, not to be quoted
    #[arg(long, conflicts_with = "docs")]
    quick: bool,
    /// Write everything that was measured as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the plot
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write the tables into performance.md and the plot into engines.svg of that folder
    #[arg(long, value_name = "FOLDER")]
    docs: Option<PathBuf>,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("engines: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let programs = programs(&arguments.filter)?;
    let compiler = Compiler::find()?;
    let machine = Machine::this(compiler.version(), compiler.cpu());
    if machine::pin().is_none() {
        anstream::eprintln!("engines: this thread cannot be kept on one CPU: times will vary more");
    }
    let progress = Bar::new();
    let results = measure(&compiler, &programs, rows(&arguments.engine), arguments.plan(), &progress);
    progress.0.finish_and_clear();
    let results = results?;
    anstream::print!("{}", report::text(&machine, &results));
    if let Some(file) = &arguments.json {
        write(file, &Report { machine: &machine, results: &results }.json())?;
    }
    if let Some(file) = &arguments.svg {
        write(file, &report::svg(&results))?;
    }
    if let Some(folder) = &arguments.docs {
        let file = folder.join("performance.md");
        let document = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        write(&file, &report::write_into(&document, "engines", &report::markdown(&machine, &results))?)?;
        write(&folder.join("engines.svg"), &report::svg(&results))?;
    }
    Ok(())
}

impl Arguments {
    fn plan(&self) -> Plan {
        match self.quick {
            true => Plan { rounds: self.rounds.min(3), batch: Duration::from_millis(3) },
            false => Plan { rounds: self.rounds, batch: Duration::from_millis(20) },
        }
    }
}

/// The programs that one of the filters names.
fn programs(filters: &[String]) -> Result<Vec<&'static Program>, Failure> {
    let wanted = |program: &&Program| filters.is_empty() || filters.iter().any(|text| program.name.contains(&**text));
    let programs: Vec<_> = PROGRAMS.iter().filter(wanted).collect();
    if programs.is_empty() {
        let names: Vec<_> = PROGRAMS.iter().map(|program| program.name).collect();
        return Err(format!("no program has that in its name; there are {}", names.join(", ")).into());
    }
    Ok(programs)
}

/// Native code and the engines that one of the filters names; those that are not here are said loudly.
fn rows(filters: &[String]) -> Vec<Row> {
    let mut rows = engines::all();
    let name = |row: &Row| match row {
        Row::Here(engine) => engine.name(),
        Row::Missing { name, .. } => name.clone(),
    };
    let wanted = |name: &str| filters.is_empty() || filters.iter().any(|text| name.contains(&**text));
    let rest = rows.split_off(1);
    rows.extend(rest.into_iter().filter(|row| wanted(&name(row))));
    for row in &rows {
        if let Row::Missing { name, reason } = row {
            anstream::eprintln!("engines: SKIPPED {name}: {reason}");
        }
    }
    rows
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()).into())
}

/// A line that says what is being done, on a terminal only.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Bar {
        let style =
            ProgressStyle::with_template("{spinner} {elapsed} {msg}").unwrap_or(ProgressStyle::default_spinner());
        Bar(ProgressBar::new_spinner().with_style(style))
    }
}

impl Progress for Bar {
    fn step(&self, what: &str) {
        self.0.set_message(what.to_owned());
        self.0.tick();
    }
}
