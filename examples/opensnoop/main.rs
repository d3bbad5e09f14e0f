//! Shows which files are opened. See README.md.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use skep::{Errno, RingBuffer};
use skep_examples::{Error, Scene, TraceOptions, c_text, open_object, say};
use zerocopy::FromBytes;

/// Shows which files are opened.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    trace: TraceOptions,
}

/// `struct event`
#[derive(FromBytes)]
#[repr(C)]
struct Event {
    pid: u32,
    uid: u32,
    result: i32,
    flags: u32,
    comm: [u8; 16],
    path: [u8; 256],
}

fn show(record: &[u8]) {
    let Ok(event) = Event::read_from_bytes(record) else { return };
    let result = match event.result {
        errno if errno < 0 => Errno(-errno).name().map_or_else(|| errno.to_string(), str::to_owned),
        descriptor => descriptor.to_string(),
    };
    let (comm, path) = (c_text(&event.comm), c_text(&event.path));
    say!("{:7} {:5} {comm:16} {result:>8} {:#8x} {path}", event.pid, event.uid, event.flags);
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let scene = Scene::open(&arguments.trace)?;
    let mut object = open_object(arguments.trace.object.as_ref(), "opensnoop", "opensnoop")?;
    object.set_global("target", &scene.target())?;
    let loaded = object.load(&scene.kernel())?;
    let mut events = RingBuffer::new(loaded.map("events")?)?;
    say!("{:>7} {:>5} {:16} {:>8} {:>8} path", "process", "user", "command", "result", "flags");
    scene.play(&loaded, || {
        events.consume(show)?;
        Ok(())
    })
}

fn main() -> ExitCode {
    skep_examples::exit(run(&Arguments::parse()))
}
