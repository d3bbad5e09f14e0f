//! Memory that programs and user space touch at the same time.
//!
//! A running program reads and writes map values, rings and contexts at their native addresses, without asking. All
//! other code reaches that memory through this module alone, under three rules:
//!
//! 1. **Copies are atomic.** A [`Shared`] piece of memory is read and written with relaxed atomic operations, eight bytes at a time where
//!    aligned, so that a concurrent program's access is never a data race on our side. A value larger
//!    than eight bytes may be seen half old, half new, as in Linux; programs use spin locks against that.
//! 2. **Memory is type-stable.** A [`Region`] stays mapped as long as its owner lives, and the elements of a
//!    [`Slab`] are only ever used as elements of that slab.
//! 3. **Nothing is reused under a running program.** What is unlinked is retired (see [`crate::epoch`]) and comes back once
//!    every run that might have seen it has ended. One exception keeps memory bounded: a run that retires more elements
//!    than a map has to spare gets the oldest of them back (see [`Pool`]), as always in Linux's preallocated maps.
//!
//! Addresses that come from a program which nobody verified, or that the verifier does not check (the `probe_read`
//! family), are read with [`read_checked`], which asks the operating system and so cannot crash.

mod atomic_copy;
mod barrier;
mod budget;
mod buffer;
mod checked;
mod pool;
#[cfg(test)]
mod pool_tests;
mod region;
mod shared;
mod slab;
mod slot;
mod table;

pub(crate) use barrier::{barrier_everywhere, barrier_here};
pub(crate) use budget::{Budget, Charge};
pub(crate) use buffer::Buffer;
pub(crate) use checked::{read_checked, read_of_process};
pub(crate) use pool::Pool;
pub(crate) use region::{DoubleMapped, Region, memory_of_machine};
pub(crate) use shared::Shared;
pub(crate) use slab::{Element, Header, Layout, Slab};
pub(crate) use slot::{ObjectArray, ObjectCell};
pub(crate) use table::{Atomics, Table};

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;

/// Bytes of a large page.
const HUGE_PAGE: usize = 2 << 20;
