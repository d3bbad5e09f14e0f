//! Says hello whenever a process starts another program. See README.md.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use skep_examples::{Error, Scene, TraceOptions, open_object, say};

/// Says hello whenever a process starts another program.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    trace: TraceOptions,
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let scene = Scene::open(&arguments.trace)?;
    let kernel = scene.kernel();
    let mut object = open_object(arguments.trace.object.as_ref(), "hello", "hello")?;
    object.set_global("target", &scene.target())?;
    let loaded = object.load(&kernel)?;
    scene.play(&loaded, || {
        kernel
            .drain_printk(&mut |line| say!("{line}"))
            .map_err(|errno| Error::Other(format!("the trace log: {errno}")))?;
        Ok(())
    })
}

fn main() -> ExitCode {
    skep_examples::exit(run(&Arguments::parse()))
}
