//! Counts system calls. See README.md.
#![forbid(unsafe_code)]

use std::cmp::Reverse;
use std::process::ExitCode;

use clap::Parser;
use skep_examples::{Error, Scene, TraceOptions, open_object, say};

/// Counts system calls by number.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    trace: TraceOptions,
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let scene = Scene::open(&arguments.trace)?;
    let mut object = open_object(arguments.trace.object.as_ref(), "syscount", "syscount")?;
    object.set_global("target", &scene.target())?;
    let loaded = object.load(&scene.kernel())?;
    scene.play(&loaded, || Ok(()))?;

    let mut counts = Vec::new();
    for entry in loaded.map("calls")?.typed_per_cpu::<u32, u64>()?.iter() {
        let (number, per_cpu) = entry?;
        counts.push((number, per_cpu.iter().sum::<u64>()));
    }
    counts.sort_by_key(|(number, count)| (Reverse(*count), *number));
    say!("{:>7} {:>8}", "call", "count");
    for (number, count) in counts {
        say!("{number:7} {count:8}");
    }
    Ok(())
}

fn main() -> ExitCode {
    skep_examples::exit(run(&Arguments::parse()))
}
