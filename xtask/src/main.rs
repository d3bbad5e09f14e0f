//! `cargo xtask COMMAND`: everything around the code. Every command does its own set-up.

#![forbid(unsafe_code)]

mod bench;
mod captures;
mod corpus;
mod demo;
mod fuzz;
mod process;
mod setup;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Everything around the code. Every command does its own set-up.
#[derive(Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Look for the tools the other commands need and install what is missing.
    Setup,
    /// Run two examples on real packets, in Skep's own kernel and, where that can be, in Linux.
    Demo,
    /// Run every test, documentation tests included.
    Test {
        /// Passed on to the test runner, for example `-p skep-btf`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Check format, lints, documentation and the project's own rules.
    Tidy,
    /// Run the outside references: conformance vectors, verifier selftests.
    Corpus(corpus::Arguments),
    /// Run the benchmarks, or compare verification times with Linux's, or engines with native code.
    #[command(args_conflicts_with_subcommands = true)]
    Bench {
        /// What to compare; all benchmarks where nothing is named.
        #[command(subcommand)]
        comparison: Option<Comparison>,
        /// Passed on to `cargo bench`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// List the fuzz targets, or run one. `verdicts`, `claims` and `planted` make programs of their own for the verifier.
    Fuzz {
        /// Which one.
        target: Option<String>,
        /// Only check that all of them build.
        #[arg(long, conflicts_with = "target")]
        check: bool,
        /// Passed on to the fuzzer, for example `-max_total_time=60`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Record the packet captures again.
    Captures {
        /// Which ones; all where none is named.
        names: Vec<String>,
    },
    /// Succeed where a skipped test would be a failure: root, a Linux with BPF, every tool.
    #[command(hide = true)]
    CanTestAll,
}

/// Measurements against others.
#[derive(Subcommand)]
enum Comparison {
    /// Verification times, program by program.
    Verifier(bench::Verifier),
    /// Run times of the same programs on every engine, native code first.
    #[command(disable_help_flag = true)]
    Engines {
        /// Passed on to the comparison; `--help` says what it takes.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn run(command: Command) -> Result<(), process::Error> {
    match command {
        Command::Setup => setup::run(setup::Need::Everything),
        Command::Demo => demo::run(),
        Command::Test { arguments } => test::run(&arguments),
        Command::Tidy => tidy::run(),
        Command::Corpus(arguments) => corpus::run(&arguments),
        Command::Bench { comparison: Some(Comparison::Verifier(arguments)), .. } => bench::verifier(&arguments),
        Command::Bench { comparison: Some(Comparison::Engines { arguments }), .. } => bench::engines(&arguments),
        Command::Bench { comparison: None, arguments } => {
            process::Step::new("cargo", ["bench", "--workspace", "--benches"]).args(&arguments).run()
        }
        Command::Fuzz { check: true, .. } => fuzz::check(),
        Command::Fuzz { target: None, .. } => fuzz::list(),
        Command::Fuzz { target: Some(target), arguments, .. } => fuzz::run(&target, &arguments),
        Command::Captures { names } => captures::run(&names),
        Command::CanTestAll => setup::can_test_all(),
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
