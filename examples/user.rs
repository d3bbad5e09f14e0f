//! Events for programs in Skep's own kernel: here the examples play the part of the machine.

use std::fs::File;
use std::sync::Arc;

use skep::{LoadedObject, Program};
use skep_user::devices::{CaptureReader, PacketSource as _};
use skep_user::hooks::{
    Fate, Hook, Kprobe, Lsm, LsmEvent, OpenFile, PacketEvent, PerfEvent, Registers, Sample, Tracepoint,
    TracepointEvent, Verdict, packet_hook,
};
use skep_user::{AttachPoint, RunOptions, Task, TaskSpec, UserKernel};

use crate::strace::Event;
use crate::{Error, Observer};

/// Index of the interface that the packets of a capture come from.
const INTERFACE: u32 = 1;

/// The program as the kernel runs it.
fn running(kernel: &UserKernel, program: &Program) -> Result<Arc<skep_user::Program>, Error> {
    kernel.program(program.fd()).map_err(|errno| Error::Other(format!("{}: {errno}", program.name())))
}

/// Runs a program on one event and says what its answer means.
fn run<E>(
    kernel: &UserKernel,
    program: &skep_user::Program,
    hook: &mut (impl Hook<E> + ?Sized),
    event: E,
    options: &RunOptions<'_>,
) -> Result<Verdict, Error> {
    if !hook.program_types().contains(&program.program_type()) {
        return Err(Error::Other(format!("{} is of another type than the event is for", program.name())));
    }
    let outcome = kernel.run_with(program, hook.enter(event), options);
    match &outcome.fault {
        None => Ok(hook.verdict(&outcome)),
        Some(fault) => Err(Error::Other(format!("{}: {fault}", program.name()))),
    }
}

/// Runs a program on every frame of a capture; what a socket filter keeps of a frame, the observer receives.
pub(crate) fn run_on_capture(
    kernel: &UserKernel,
    program: &Program,
    mut reader: CaptureReader<File>,
    observer: &mut dyn Observer,
) -> Result<u64, Error> {
    let program = running(kernel, program)?;
    let unfit = || Error::Other(format!("{} takes no packets", program.name()));
    let mut hook = packet_hook(program.program_type()).ok_or_else(unfit)?;
    let mut number = 0;
    while let Some(frame) = reader.next_frame().map_err(|error| Error::Other(error.to_string()))? {
        number += 1;
        observer.before(number)?;
        let event = PacketEvent { frame, ifindex: INTERFACE };
        match run(kernel, &program, &mut *hook, event, &RunOptions::default())?.fate {
            Fate::Pass => observer.received(frame.data, frame.timestamp)?,
            Fate::Cut(len) => observer.received(&frame.data[..frame.data.len().min(len as usize)], frame.timestamp)?,
            _ => {}
        }
    }
    Ok(number)
}

/// Runs every program that is attached to a tracepoint that the event fires.
pub(crate) fn fire(kernel: &UserKernel, event: &Event) -> Result<(), Error> {
    let task = Task::new(TaskSpec { pid: event.pid, tgid: event.pid, comm: event.comm.clone(), ..TaskSpec::default() });
    for record in event.records() {
        let point = AttachPoint::Tracepoint(format!("{}/{}", record.category, record.name));
        for (program, cookie) in kernel.attached(&point) {
            let options = RunOptions { task: Some(task.clone()), cookie, ..RunOptions::default() };
            let event = TracepointEvent { record: &record.bytes };
            run(kernel, &program, &mut Tracepoint::new(), event, &options)?;
        }
    }
    Ok(())
}

/// Runs a program as if the function that it watches returned `value` in this process.
///
/// # Errors
/// The program is not one that watches functions.
pub fn function_returns(kernel: &UserKernel, program: &Program, value: u64) -> Result<(), Error> {
    let event = Registers { result: value, ..Registers::default() };
    run(kernel, &*running(kernel, program)?, &mut Kprobe::new(), event, &RunOptions::default())?;
    Ok(())
}

/// Samples of two made-up places in this process.
///
/// # Errors
/// The program is not one for perf events.
pub fn sample_this_process(kernel: &UserKernel, program: &Program) -> Result<(), Error> {
    let program = running(kernel, program)?;
    let address = |function: fn()| function as usize as u64;
    let (outer, inner) = (address(work_outside), address(work_inside));
    let mut hook = PerfEvent::new();
    for stack in [vec![inner, outer], vec![inner, outer], vec![outer], vec![inner, outer]] {
        let options = RunOptions { user_stack: &stack, ..RunOptions::default() };
        run(kernel, &program, &mut hook, Sample::default(), &options)?;
    }
    Ok(())
}

/// A function for [`sample_this_process`] to be in.
#[inline(never)]
fn work_outside() {
    std::hint::black_box(work_inside as fn());
}

/// Another, called by the first.
#[inline(never)]
fn work_inside() {
    std::hint::black_box(1);
}

/// A try to use a file.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who tries.
    pub uid: u32,
    /// With which program.
    pub command: String,
    /// Which file.
    pub path: String,
    /// `None` to open it; else what to do with it once it is open: 4 reads, 2 writes, 1 executes.
    pub mask: Option<i32>,
}

/// Asks the program that is attached for this kind of access. Gives 0, or the number of the error it refuses with.
///
/// # Errors
/// The object has no such programs, or they are not for security hooks.
pub fn access_file(kernel: &UserKernel, loaded: &LoadedObject, access: &Access) -> Result<i32, Error> {
    let file = OpenFile { path: &access.path, ..OpenFile::default() };
    let (program, event) = match access.mask {
        None => ("check_open", LsmEvent::FileOpen(file)),
        Some(mask) => ("check_permission", LsmEvent::FilePermission(file, mask)),
    };
    let program = running(kernel, loaded.program(program)?)?;
    let spec = TaskSpec { uid: access.uid, comm: access.command.clone(), ..TaskSpec::default() };
    let options = RunOptions { task: Some(Task::new(spec)), ..RunOptions::default() };
    match run(kernel, &program, &mut Lsm::new(), event, &options)?.fate {
        Fate::Deny(errno) => Ok(errno),
        _ => Ok(0),
    }
}
