//! The `skep` command: one file per command under `commands/`, each ending in one value that is printed as text or JSON.
//!
//! Exit status: 0 success or accepted, 1 refused or different, 2 unusable input or surroundings.
#![forbid(unsafe_code)]

mod attached_program;
mod cfg_svg;
mod commands;
mod counterexample;
mod error;
mod headers;
mod input;
mod interrupt;
mod kernels;
mod machine_text;
mod map_text;
mod offline;
mod output;
mod progress;
mod style;
mod target_btf;

use clap::Parser;
use commands::Command;
use std::process::ExitCode;

/// eBPF, whole: compile, check, run and inspect BPF programs, on Linux or in user space
#[derive(Debug, Parser)]
#[command(name = "skep", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Examples:
  skep build firewall.bpf.c                    C to an object, clang is all it needs
  skep check firewall.bpf.o                    would the verifier accept it, and if not, why
  skep run firewall.bpf.o --pcap traffic.pcap  run it on packets, without root
  sudo skep run firewall.bpf.o --kernel linux --iface veth0 --duration 10

Exit status: 0 accepted or done, 1 refused or different, 2 unusable input or surroundings.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: output::Output,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command.run(cli.output) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => {
            style::print_error(&failure);
            ExitCode::from(error::Exit::Unusable as u8)
        }
    }
}
