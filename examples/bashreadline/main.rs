//! Shows what is typed into bash. See README.md.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use skep::{RingBuffer, Uprobe};
use skep_examples::{Choice, Chosen, Error, c_text, open_object, say, seconds, user};
use zerocopy::FromBytes;

/// Shows what is typed into bash.
#[derive(Parser)]
struct Arguments {
    /// The kernel that runs the program.
    #[arg(long, value_enum, default_value = "linux")]
    kernel: Choice,
    /// With `--kernel user`: a file with the lines that bash's readline() returns.
    #[arg(long, value_name = "FILE", required_if_eq("kernel", "user"))]
    lines: Option<PathBuf>,
    /// Watch this shell only.
    #[arg(long)]
    pid: Option<u32>,
    /// The shell's program, or the library that has readline().
    #[arg(long, value_name = "FILE", default_value = "/bin/bash")]
    binary: PathBuf,
    /// How long to watch.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    duration: Duration,
    /// Stop after so many lines.
    #[arg(long)]
    count: Option<usize>,
    /// Another object than the one built from this folder.
    #[arg(long, value_name = "FILE")]
    object: Option<PathBuf>,
}

/// `struct event`
#[derive(FromBytes)]
#[repr(C)]
struct Event {
    pid: u32,
    line: [u8; 256],
}

fn show(record: &[u8]) {
    if let Ok(event) = Event::read_from_bytes(record) {
        say!("{:7} {}", event.pid, c_text(&event.line));
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let kernel = arguments.kernel.open()?;
    let mut object = open_object(arguments.object.as_ref(), "bashreadline", "bashreadline")?;
    object.set_global("target", &arguments.pid.unwrap_or(0))?;
    let loaded = object.load(&kernel.door())?;
    let program = loaded.program("read_line")?;
    let mut lines = RingBuffer::new(loaded.map("lines")?)?;
    let header = || say!("{:>7} line", "shell");

    match &kernel {
        Chosen::User(kernel) => {
            let path = arguments.lines.clone().unwrap_or_default();
            let text = std::fs::read_to_string(&path).map_err(|source| Error::File { path, source })?;
            header();
            for line in text.lines() {
                let line = [line.as_bytes(), b"\0"].concat();
                user::function_returns(kernel, program, line.as_ptr() as u64)?;
                lines.consume(show)?;
            }
        }
        Chosen::Linux(_) => {
            let probe = Uprobe::at_return(&arguments.binary, "readline");
            let probe = arguments.pid.map_or(probe.clone(), |pid| probe.for_process(pid));
            let _link = program.attach_uprobe(&probe)?;
            header();
            let (end, mut seen) = (Instant::now() + arguments.duration, 0);
            while let Some(left) = end.checked_duration_since(Instant::now()) {
                seen += lines.poll(Some(left), show)?;
                if arguments.count.is_some_and(|count| seen >= count) {
                    break;
                }
            }
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    skep_examples::exit(run(&Arguments::parse()))
}
