//! The registers of a thread that a signal interrupted.

use std::ffi::c_void;
use std::marker::PhantomData;

/// Registers that can be read and changed; the thread goes on with them when the handler returns.
pub(super) struct Context<'c> {
    raw: *mut libc::ucontext_t,
    lent: PhantomData<&'c mut libc::ucontext_t>,
}

impl Context<'_> {
    /// # Safety
    /// The third argument of a handler with `SA_SIGINFO`, which lives as long as this.
    pub(super) unsafe fn new(raw: *mut c_void) -> Self {
        Context { raw: raw.cast(), lent: PhantomData }
    }
}

#[cfg(target_arch = "x86_64")]
mod registers {
    use super::Context;

    /// There is a compiler, and its code can be recognised.
    pub(in super::super) const SUPPORTED: bool = true;

    impl Context<'_> {
        fn register(&mut self, number: i32) -> &mut i64 {
            // SAFETY: `new` has a valid context.
            unsafe { &mut (*self.raw).uc_mcontext.gregs[number as usize] }
        }

        /// Address of the instruction that was interrupted.
        pub(in super::super) fn instruction(&mut self) -> u64 {
            self.register(libc::REG_RIP).cast_unsigned()
        }

        /// What code of programs holds the machine in.
        pub(in super::super) fn machine(&mut self) -> u64 {
            self.register(libc::REG_R12).cast_unsigned()
        }

        /// Goes on there.
        pub(in super::super) fn continue_at(&mut self, address: u64) {
            *self.register(libc::REG_RIP) = address.cast_signed();
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod registers {
    use super::Context;

    /// There is a compiler, and its code can be recognised.
    pub(in super::super) const SUPPORTED: bool = true;

    /// What code of programs holds the machine in.
    const MACHINE: usize = 23;

    impl Context<'_> {
        /// Address of the instruction that was interrupted.
        pub(in super::super) fn instruction(&mut self) -> u64 {
            // SAFETY: `new` has a valid context.
            unsafe { (*self.raw).uc_mcontext.pc }
        }

        /// What code of programs holds the machine in.
        pub(in super::super) fn machine(&mut self) -> u64 {
            // SAFETY: `new` has a valid context.
            unsafe { (*self.raw).uc_mcontext.regs[MACHINE] }
        }

        /// Goes on there.
        pub(in super::super) fn continue_at(&mut self, address: u64) {
            // SAFETY: `new` has a valid context.
            unsafe { (*self.raw).uc_mcontext.pc = address };
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod registers {
    use super::Context;

    /// Nothing is compiled here.
    pub(in super::super) const SUPPORTED: bool = false;

    impl Context<'_> {
        pub(in super::super) fn instruction(&mut self) -> u64 {
            let _ = self.raw;
            0
        }

        pub(in super::super) fn machine(&mut self) -> u64 {
            0
        }

        pub(in super::super) fn continue_at(&mut self, _address: u64) {}
    }
}

pub(super) use registers::SUPPORTED;
