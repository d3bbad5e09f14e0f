//! The one place that calls `bpf(2)`.
//!
//! [`execute`] is safe because a [`Command`] holds slices where the ABI has pointers, and [`check`](super::check) has
//! made sure before that each is as long as what the kernel writes into it.

use skep_abi::command::{Attr, Command, Failure, OwnAddresses, Reply};
use skep_abi::errno::Errno;

/// Proof that every buffer of a command is long enough. Only `check` makes it.
pub(crate) struct Checked<'c, 'a>(&'c mut Command<'a>);

impl<'c, 'a> Checked<'c, 'a> {
    /// # Safety
    /// No buffer that the kernel writes may be shorter than what it writes for this command.
    pub(crate) unsafe fn new(command: &'c mut Command<'a>) -> Self {
        Checked(command)
    }
}

/// Makes the call.
pub(crate) fn execute(command: Checked<'_, '_>) -> Result<Reply, Failure> {
    let command = command.0;
    let mut attr = Attr::default();
    command.encode(&mut attr, &mut OwnAddresses);
    // SAFETY: the pointers in `attr` come from slices that `command` borrows until this function returns, and from
    // `attr` itself, which stays where it is; `Checked` says that they are long enough.
    let returned =
        unsafe { libc::syscall(libc::SYS_bpf, command.number().number(), attr.bytes.as_mut_ptr(), attr.len) };
    let returned = i32::try_from(returned).unwrap_or(-1);
    if returned < 0 {
        let errno = last_errno();
        return Err(Failure { errno, reply: command.finish(None, &attr) });
    }
    Ok(command.finish(Some(returned), &attr))
}

/// `errno` of the C library.
pub(crate) fn last_errno() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}
