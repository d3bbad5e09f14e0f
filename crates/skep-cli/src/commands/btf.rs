//! `skep btf`: types of objects and kernels.

use crate::error::{Exit, Failure, Outcome};
use crate::kernels::Choice;
use crate::output::{Output, print_text};
use crate::target_btf;
use clap::{Args, Subcommand, ValueEnum};
use skep_btf::{Btf, CDumpOptions};
use std::path::PathBuf;
use std::sync::Arc;

/// Look at BTF, the types of objects and kernels
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  skep btf dump kernel linux --format c > vmlinux.h
  skep btf dump file firewall.bpf.o
  skep btf dump file /sys/kernel/btf/xt_set --base /sys/kernel/btf/vmlinux")]
pub(crate) struct BtfCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print all types
    Dump {
        #[command(subcommand)]
        source: Source,
    },
}

#[derive(Debug, Subcommand)]
enum Source {
    /// Of a file: raw BTF, or an ELF file with a .BTF section
    File {
        /// The file
        path: PathBuf,
        /// How to print
        #[arg(long, value_enum, default_value = "raw")]
        format: Format,
        /// BTF that the file's is split from
        #[arg(short = 'B', long, value_name = "FILE")]
        base: Option<PathBuf>,
    },
    /// Of a kernel
    Kernel {
        /// Whose
        #[arg(value_enum)]
        kernel: Choice,
        /// How to print
        #[arg(long, value_enum, default_value = "raw")]
        format: Format,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One type a line, as `bpftool btf dump` prints it
    Raw,
    /// A C header
    C,
}

impl BtfCommand {
    pub(crate) fn run(self, output: Output) -> Outcome {
        if output.is_json() {
            return Err(Failure::new("types are printed as text or as C, not as JSON").hint("choose with --format"));
        }
        let Verb::Dump { source } = self.verb;
        let (btf, format) = match source {
            Source::File { path, format, base } => {
                let base = base.map(|base| target_btf::load(Some(&base))).transpose()?;
                (Arc::new(target_btf::read(&path, base)?), format)
            }
            Source::Kernel { kernel, format } => (target_btf::of_kernel(kernel)?, format),
        };
        match format {
            Format::Raw => {
                let mut text = String::new();
                btf.dump_raw(&mut text).map_err(|e| Failure::because("cannot print the BTF", &e))?;
                print_text(&text)?;
            }
            Format::C => print_text(&c_header(&btf)?)?,
        }
        Ok(Exit::Success)
    }
}

/// A header of all types, to be included by BPF programs.
pub(crate) fn c_header(btf: &Btf) -> Result<String, Failure> {
    let dump = btf.dump_c(&CDumpOptions::default()).map_err(|e| Failure::because("cannot write the BTF as C", &e))?;
    Ok(dump.text)
}
