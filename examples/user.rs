//! Events for programs in Skep's own kernel: here the examples play the part of the machine.

use std::fs::File;

use skep::Program;
use skep_abi::program_type::ProgramType;
use skep_user::devices::{CaptureReader, PacketSource as _};
use skep_user::{AttachPoint, PlainContext, RunOptions, StructContext, Task, TaskSpec, UserKernel};

use crate::strace::Event;
use crate::{Error, Observer};

fn kernel_error(what: &str) -> impl FnOnce(skep::Errno) -> Error {
    let what = what.to_owned();
    move |errno| Error::Other(format!("{what}: {errno}"))
}

/// Runs an XDP program on every frame.
pub(crate) fn run_xdp(
    kernel: &UserKernel,
    program: &Program,
    reader: CaptureReader<File>,
    observer: &mut dyn Observer,
) -> Result<u64, Error> {
    run_on_frames(kernel, program, ProgramType::Xdp, reader, observer)
}

/// Runs a socket filter on every frame; what it keeps of a frame, the observer receives.
pub(crate) fn run_socket(
    kernel: &UserKernel,
    program: &Program,
    reader: CaptureReader<File>,
    observer: &mut dyn Observer,
) -> Result<u64, Error> {
    run_on_frames(kernel, program, ProgramType::SocketFilter, reader, observer)
}

fn run_on_frames(
    kernel: &UserKernel,
    program: &Program,
    program_type: ProgramType,
    mut reader: CaptureReader<File>,
    observer: &mut dyn Observer,
) -> Result<u64, Error> {
    let running = kernel.program(program.fd()).map_err(kernel_error("find the program"))?;
    let unfit = || Error::Other(format!("{} takes no packets", program.name()));
    let mut context = StructContext::new(&program_type.info().context).ok_or_else(unfit)?;
    let mut number = 0;
    while let Some(frame) = reader.next_frame().map_err(|error| Error::Other(error.to_string()))? {
        number += 1;
        observer.before(number)?;
        context.set_packet(frame.data);
        let kept = kernel.run(&running, &mut context).ret as u32 as usize;
        if program_type == ProgramType::SocketFilter && kept > 0 {
            observer.received(&frame.data[..kept.min(frame.data.len())], frame.timestamp)?;
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
            run_on_bytes(kernel, &program, &record.bytes, &options)?;
        }
    }
    Ok(())
}

/// Runs a program on plain bytes as its context.
fn run_on_bytes(
    kernel: &UserKernel,
    program: &skep_user::Program,
    bytes: &[u8],
    options: &RunOptions<'_>,
) -> Result<(), Error> {
    let unfit = || Error::Other(format!("{} takes another context", program.name()));
    let mut context = PlainContext::new(&program.program_type().info().context, bytes).ok_or_else(unfit)?;
    match kernel.run_with(program, &mut context, options).fault {
        None => Ok(()),
        Some(fault) => Err(Error::Other(format!("{}: {fault}", program.name()))),
    }
}

/// Bytes of `struct pt_regs`.
const REGISTERS: usize = if cfg!(target_arch = "aarch64") { 8 * 34 } else { 8 * 21 };
/// Where in it the register is that functions return their result in.
const RESULT: usize = if cfg!(target_arch = "aarch64") { 0 } else { 8 * 10 };

/// Runs a program as if the function that it watches returned `value` in this process.
///
/// # Errors
/// The program is not one that watches functions.
pub fn function_returns(kernel: &UserKernel, program: &Program, value: u64) -> Result<(), Error> {
    let running = kernel.program(program.fd()).map_err(kernel_error("find the program"))?;
    let mut registers = vec![0; REGISTERS];
    registers[RESULT..RESULT + 8].copy_from_slice(&value.to_ne_bytes());
    run_on_bytes(kernel, &running, &registers, &RunOptions::default())
}

/// Samples of two made-up places in this process.
///
/// # Errors
/// The program is not one for perf events.
pub fn sample_this_process(kernel: &UserKernel, program: &Program) -> Result<(), Error> {
    let running = kernel.program(program.fd()).map_err(kernel_error("find the program"))?;
    let address = |function: fn()| function as usize as u64;
    let (outer, inner) = (address(work_outside), address(work_inside));
    let unfit = || Error::Other(format!("{} is not for perf events", program.name()));
    let mut context = StructContext::new(&running.program_type().info().context).ok_or_else(unfit)?;
    for (count, stack) in [(3, vec![inner, outer]), (1, vec![outer])] {
        for _ in 0..count {
            let options = RunOptions { user_stack: &stack, kernel_stack: &[], ..RunOptions::default() };
            if let Some(fault) = kernel.run_with(&running, &mut context, &options).fault {
                return Err(Error::Other(format!("{}: {fault}", program.name())));
            }
        }
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
    /// Which file, by the last part of its path.
    pub file: String,
    /// To open it, or what to do with it once it is open: 4 read, 2 write, 1 execute.
    pub mask: Option<u32>,
}
