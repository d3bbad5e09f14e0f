//! Exceptions outside of compiled code take the way that they took before the engine watched for its own.
//!
//! The only test of its process, for it installs a handler of its own first.

use skep_abi::program_type::ProgramType;
use skep_engine::{Environment, Executable, Fault, Machine, References};
use skep_verifier::{Options, Program, verify};

/// A status that only the handler below exits with.
const HANDLED: i32 = 42;

extern "C" fn exit_with_status(signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: a handler with `SA_SIGINFO` gets that, and may end the process.
    unsafe {
        let address = (*info).si_addr() as usize;
        libc::_exit(if signal == libc::SIGSEGV && address == 8 { HANDLED } else { 1 })
    }
}

/// Its helpers read where nothing is.
struct Wild;

impl Environment for Wild {
    fn call_helper(&mut self, _id: u32, _args: [u64; 5], _machine: &mut Machine<'_>) -> Result<u64, Fault> {
        // SAFETY: not valid, which is what is tested.
        Ok(unsafe { std::ptr::read_volatile(std::ptr::without_provenance::<u64>(8)) })
    }
}

/// Runs something in a forked process and gives how that ended: its status, or 128 and the signal.
fn in_child(work: impl FnOnce()) -> i32 {
    // SAFETY: the child only does what `work` does, and never returns from here.
    match unsafe { libc::fork() } {
        0 => {
            work();
            // SAFETY: ends the process.
            unsafe { libc::_exit(0) }
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for the child made above.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) }
        }
    }
}

fn install(handler: libc::sighandler_t, flags: i32) {
    // SAFETY: all zero but what is set; both handlers keep to what handlers may do.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut()), 0);
    }
}

#[test]
fn exceptions_of_helpers_and_sent_signals_go_to_whoever_had_them() {
    let insns = skep_isa::text::assemble("call 7\nr0 = 0\nexit").expect("the text assembles");
    let program = Program::new("wild", ProgramType::SocketFilter, &insns);
    let verified = verify(&program, &Options::default()).expect("accepted");
    let compile = || Executable::compile(&verified, &mut References(|_| None)).expect("it compiles");
    // SAFETY: the helper breaks the contract, which is what is tested.
    let run = || _ = unsafe { compile().run(&mut Wild, 0) };
    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = exit_with_status;

    // Each child compiles its first program, and so begins to watch, after this.
    assert_eq!(in_child(run), 128 + libc::SIGSEGV, "the default of this process");
    install(handler as libc::sighandler_t, libc::SA_SIGINFO);
    assert_eq!(in_child(run), HANDLED);
    install(libc::SIG_IGN, 0);
    assert_eq!(in_child(run), 128 + libc::SIGSEGV, "an exception cannot be ignored");
    // SAFETY: a signal to this process.
    let send = || _ = unsafe { (compile(), libc::raise(libc::SIGSEGV)) };
    assert_eq!(in_child(send), 0, "a signal that is sent can be");
    install(libc::SIG_DFL, 0);
    assert_eq!(in_child(send), 128 + libc::SIGSEGV);
}
