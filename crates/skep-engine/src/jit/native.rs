//! Where machine code and the engine meet: what code finds in the [`Machine`], and what it calls.
//!
//! Machine code holds the address of its machine in a register for as long as it runs. The functions here get it back
//! and are the only ones that make references of it again.

use std::ptr::NonNull;

use skep_isa::Size;

use crate::direct::RunFacts;
use crate::environment::{Environment, Fault};
use crate::executable::Executable;
use crate::jit::exception::Stop;
use crate::machine::Machine;

/// What machine code reads and writes; the first field of a machine.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct State {
    /// For functions that are called directly, and for values loaded from here.
    pub(crate) facts: RunFacts,
    /// The stack pointer to go back to when the run is ended early.
    pub(crate) exit_sp: u64,
    /// Not 0: the run is to be ended.
    pub(crate) ended: u32,
    /// Not 0: the packet ended before what was to be loaded.
    pub(crate) missed: u32,
    /// Number of the helper, or BTF id of the kernel function, that is called.
    pub(crate) id: u32,
    /// Index of the kernel function's BTF.
    pub(crate) btf: i32,
    /// What is called through a register.
    pub(crate) target: u64,
    /// r1 at a tail call.
    pub(crate) context: u64,
    /// The program that runs.
    pub(crate) current: *const Executable,
    /// The one before the last tail call.
    pub(crate) previous: *const Executable,
    /// Top of the next lent frame.
    pub(crate) frame_top: u64,
    environment: Option<NonNull<dyn Environment>>,
    /// Where and why the processor stopped the code, if that ended the run.
    pub(crate) stopped: Option<Stop>,
}

impl State {
    pub(crate) fn new(current: *const Executable) -> State {
        State {
            facts: RunFacts::default(),
            exit_sp: 0,
            ended: 0,
            missed: 0,
            id: 0,
            btf: 0,
            target: 0,
            context: 0,
            current,
            previous: std::ptr::null(),
            frame_top: 0,
            environment: None,
            stopped: None,
        }
    }

    /// Lets code call out to `environment`, and gives back what it could call before.
    ///
    /// # Safety
    /// No code runs with this state after the environment is gone, unless it is replaced before.
    pub(crate) unsafe fn set_environment(&mut self, environment: &mut dyn Environment) -> Saved {
        let environment = NonNull::from(environment);
        // SAFETY: only the lifetime changes; that it is not used too long is the caller's.
        let environment =
            unsafe { std::mem::transmute::<NonNull<dyn Environment + '_>, NonNull<dyn Environment>>(environment) };
        Saved(self.environment.replace(environment))
    }

    /// Puts the former environment back.
    pub(crate) fn restore_environment(&mut self, Saved(environment): Saved) {
        self.environment = environment;
    }
}

/// An environment that was replaced for a while.
pub(crate) struct Saved(Option<NonNull<dyn Environment>>);

/// What code calls: r1 to r5, and the machine.
type Arguments = [u64; 5];

/// Calls out through the environment. A fault ends the run.
///
/// # Safety
/// `machine` is the running machine, which nobody else uses meanwhile.
unsafe fn outwards(
    machine: *mut Machine<'_>,
    call: impl FnOnce(&mut dyn Environment, &mut Machine<'_>) -> Result<u64, Fault>,
) -> u64 {
    // SAFETY: the caller's: code that runs has handed its machine over.
    let machine = unsafe { &mut *machine };
    let Some(mut environment) = machine.native.environment else { return end(machine, Fault::UnknownHelper(0)) };
    // SAFETY: `set_environment` says that it lives, and code has handed it over with the machine.
    let result = call(unsafe { environment.as_mut() }, machine);
    match result {
        Ok(r0) => r0,
        Err(fault) => end(machine, fault),
    }
}

#[cold]
fn end(machine: &mut Machine<'_>, fault: Fault) -> u64 {
    machine.native.ended = 1;
    machine.fault = Some(fault);
    0
}

/// Calls the helper of the state's `id`.
///
/// # Safety
/// Only called by machine code, with its own machine.
pub(crate) unsafe extern "C" fn call_helper(
    r1: u64,
    r2: u64,
    r3: u64,
    r4: u64,
    r5: u64,
    machine: *mut Machine<'_>,
) -> u64 {
    let arguments: Arguments = [r1, r2, r3, r4, r5];
    // SAFETY: the caller's.
    unsafe { outwards(machine, |environment, machine| environment.call_helper(machine.native.id, arguments, machine)) }
}

/// Calls the kernel function of the state's `id` and `btf`.
///
/// # Safety
/// As [`call_helper`].
pub(crate) unsafe extern "C" fn call_kfunc(
    r1: u64,
    r2: u64,
    r3: u64,
    r4: u64,
    r5: u64,
    machine: *mut Machine<'_>,
) -> u64 {
    let arguments: Arguments = [r1, r2, r3, r4, r5];
    // SAFETY: the caller's.
    unsafe {
        outwards(machine, |environment, machine| {
            let (id, btf) = (machine.native.id, machine.native.btf as i16);
            environment.call_kfunc(id, btf, arguments, machine)
        })
    }
}

/// Calls what the state's `target` names: a function of the program, else a helper by its number.
///
/// # Safety
/// As [`call_helper`].
pub(crate) unsafe extern "C" fn call_register(
    r1: u64,
    r2: u64,
    r3: u64,
    r4: u64,
    r5: u64,
    machine: *mut Machine<'_>,
) -> u64 {
    let arguments: Arguments = [r1, r2, r3, r4, r5];
    // SAFETY: the caller's.
    unsafe {
        outwards(machine, |environment, machine| {
            let target = machine.native.target;
            if machine.executable().function(target).is_some() {
                return machine.call_back(environment, target, arguments);
            }
            let helper = u32::try_from(target).map_err(|_| Fault::BadFunction(target))?;
            environment.call_helper(helper, arguments, machine)
        })
    }
}

/// Calls the helper of the state's `id`, which may ask for a tail call: the answer is then the address of the code to go
/// on with, else 0.
///
/// # Safety
/// As [`call_helper`].
pub(crate) unsafe extern "C" fn tail_call(
    r1: u64,
    r2: u64,
    r3: u64,
    r4: u64,
    r5: u64,
    machine: *mut Machine<'_>,
) -> u64 {
    let arguments: Arguments = [r1, r2, r3, r4, r5];
    // SAFETY: the caller's.
    unsafe {
        outwards(machine, |environment, machine| {
            environment.call_helper(machine.native.id, arguments, machine)?;
            let Some(next) = machine.next.take() else { return Ok(0) };
            let code = next.code().ok_or(Fault::NotCompiled)?.main();
            machine.native.context = r1;
            machine.native.previous = machine.native.current;
            machine.continue_in(next);
            Ok(code)
        })
    }
}

/// Loads `bytes` bytes at `offset` of the packet; where there are none, the state says so.
///
/// # Safety
/// As [`call_helper`].
pub(crate) unsafe extern "C" fn load_packet(context: u64, offset: i32, bytes: u64, machine: *mut Machine<'_>) -> u64 {
    let size = Size::from_bytes(bytes as usize).unwrap_or(Size::Byte);
    // SAFETY: the caller's.
    unsafe {
        outwards(machine, |environment, machine| {
            let value = environment.load_packet(context, offset, size);
            machine.native.missed = value.is_none().into();
            Ok(value.unwrap_or(0))
        })
    }
}
