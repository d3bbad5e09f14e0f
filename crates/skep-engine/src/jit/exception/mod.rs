//! Exceptions of the processor in compiled code become the error of the run.
//!
//! Verified programs meet none. Should the verifier or the compiler be wrong, the host goes on: a signal handler, installed
//! once, recognises code of programs by its address ([`ranges`]), notes what happened in the running [`Machine`] and lets
//! the thread go on at the stub that ends a run, as after a helper's fault. Runs pay nothing for it.
//!
//! All other signals take the way that they would have taken: exceptions in helpers that code calls, too. The handler
//! only reads memory that stays, writes fields of a machine that belongs to its own thread, takes no lock, allocates
//! nothing, and so may interrupt anything.

mod context;
#[cfg(test)]
mod tests;

use std::ffi::c_void;
use std::ops::Range;
use std::sync::OnceLock;

use crate::environment::{Exception, Fault};
use crate::executable::Executable;
use crate::jit::code_memory::ranges;
use crate::jit::native::State;
use crate::machine::Machine;
use context::Context;

/// Where and why the processor stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    /// Address of the machine instruction.
    at: u64,
    exception: Exception,
    /// What was accessed.
    address: Option<u64>,
}

impl Stop {
    /// The same in terms of the program that ran.
    pub(crate) fn fault(self, executable: &Executable) -> Fault {
        let slot = executable.code().and_then(|code| code.slot_at(self.at));
        Fault::Exception { program: executable.name(), slot, exception: self.exception, address: self.address }
    }
}

/// The signals that exceptions become.
const SIGNALS: [(i32, Exception); 4] = [
    (libc::SIGSEGV, Exception::Memory),
    (libc::SIGBUS, Exception::Memory),
    (libc::SIGFPE, Exception::Division),
    (libc::SIGILL, Exception::Instruction),
];

/// What the handler must know; set before it is installed.
struct Watch {
    /// Code that all programs share: before a run is entered and after it has left, no machine is at hand.
    stubs: Range<u64>,
    /// Ends a run.
    end: u64,
    /// What was done with [`SIGNALS`] before.
    previous: [libc::sigaction; SIGNALS.len()],
}

static WATCH: OnceLock<Watch> = OnceLock::new();

/// Installs the handler. What was installed before stays in force for everything else.
pub(super) fn watch(stubs: Range<u64>, end: u64) {
    if !context::SUPPORTED {
        return;
    }
    let previous = SIGNALS.map(|(signal, _)| {
        let mut previous = default_action();
        // SAFETY: only asks.
        unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut previous) };
        previous
    });
    // The handler may run as soon as it is installed.
    if WATCH.set(Watch { stubs, end, previous }).is_err() {
        return;
    }
    for ((signal, _), previous) in SIGNALS.iter().zip(&previous) {
        let mut action = default_action();
        let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void) = handle;
        action.sa_sigaction = handler as libc::sighandler_t;
        // Where the thread has a signal stack, that is used: the code may have come to the end of its own. Whether the same
        // signal may come again meanwhile is for the previous handler to say.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | previous.sa_flags & libc::SA_NODEFER;
        action.sa_mask = previous.sa_mask;
        // SAFETY: the handler keeps to what a handler may do, see the head of this module. It fails for no valid signal.
        unsafe { libc::sigaction(*signal, &raw const action, std::ptr::null_mut()) };
    }
}

fn default_action() -> libc::sigaction {
    // SAFETY: plain numbers; all zero is the default action with an empty mask.
    unsafe { std::mem::zeroed() }
}

extern "C" fn handle(signal: i32, info: *mut libc::siginfo_t, context: *mut c_void) {
    let Some(watch) = WATCH.get() else { return };
    let Some(row) = SIGNALS.iter().position(|(known, _)| *known == signal) else { return };
    // SAFETY: the system hands both over for the time of the handler, which is installed with `SA_SIGINFO`.
    unsafe {
        if !end_run(watch, SIGNALS[row].1, &*info, &mut Context::new(context)) {
            pass_on(&watch.previous[row], signal, info, context);
        }
    }
}

/// Ends the run that the signal interrupted, if it came from code of a program.
///
/// # Safety
/// The context is that of this thread where the signal interrupted it.
unsafe fn end_run(watch: &Watch, exception: Exception, info: &libc::siginfo_t, context: &mut Context<'_>) -> bool {
    let at = context.instruction();
    // What another process sends has a code that is not positive.
    if info.si_code <= 0 || watch.stubs.contains(&at) || !ranges::contains(at) {
        return false;
    }
    // SAFETY: for signals of the processor the field is there.
    let accessed = unsafe { info.si_addr() } as u64;
    let known = exception == Exception::Memory && info.si_code != SI_KERNEL;
    let stop = Stop { at, exception, address: known.then_some(accessed) };
    let machine = context.machine() as *mut Machine<'_>;
    // SAFETY: while code of a program runs, that register holds its machine, which the thread has handed over to the code
    // and does not touch meanwhile. The fields need not be dropped.
    unsafe {
        let state: *mut State = &raw mut (*machine).native;
        (&raw mut (*state).stopped).write(Some(stop));
        (&raw mut (*state).ended).write(1);
    }
    // That stub needs the machine only, and finds in it the stack as it was when the run was entered: frames of code have
    // nothing to drop, and the registers of whoever entered lie there.
    context.continue_at(watch.end);
    true
}

/// The system knows no address: on x86-64 one that is not canonical.
const SI_KERNEL: i32 = 0x80;

/// Does what would have been done without this module.
///
/// # Safety
/// The arguments are those of the handler.
unsafe fn pass_on(previous: &libc::sigaction, signal: i32, info: *mut libc::siginfo_t, context: *mut c_void) {
    match previous.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: the handler's.
            let sent = unsafe { (*info).si_code <= 0 };
            if sent && previous.sa_sigaction == libc::SIG_IGN {
                return;
            }
            // An exception cannot be ignored. The instruction runs again and ends the process as it would have done; a
            // signal that was sent is sent again, for it would not come back.
            let action = default_action();
            // SAFETY: both may be called in a handler.
            unsafe {
                libc::sigaction(signal, &raw const action, std::ptr::null_mut());
                if sent {
                    libc::raise(signal);
                }
            }
        }
        handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            type Handler = unsafe extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void);
            // SAFETY: a handler that was installed with `SA_SIGINFO` has that type.
            unsafe { std::mem::transmute::<libc::sighandler_t, Handler>(handler)(signal, info, context) };
        }
        handler => {
            type Handler = unsafe extern "C" fn(i32);
            // SAFETY: a handler that was installed without `SA_SIGINFO` has that type.
            unsafe { std::mem::transmute::<libc::sighandler_t, Handler>(handler)(signal) };
        }
    }
}
