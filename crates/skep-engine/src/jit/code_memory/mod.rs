//! Executable memory.
//!
//! Small programs share pages. They lie in [arenas](arena), each a file in memory that is mapped readable and executable,
//! between two guard pages, and written through its descriptor: the mapping itself is never writable, so that a program
//! can be published while others on the same page run. Where that is not to be had, a program gets [pages of its
//! own](own_pages), written first and executable afterwards.
//!
//! Invariants:
//! * no page is mapped writable and executable at once;
//! * what is executable and no code of a living program is filler, which traps, or lies behind the end of its file, which
//!   faults;
//! * code does not change as long as its [`CodeMemory`] lives.

mod arena;
mod fork;
mod own_pages;
mod pieces;
pub(super) mod ranges;
#[cfg(test)]
mod tests;

use rustix::thread::{MembarrierCommand, membarrier};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arena::Arena;
use own_pages::OwnPages;
use pieces::Pieces;

/// Most bytes of executable memory that programs of one process take.
pub(crate) const LIMIT: u64 = 1 << 30;

/// Bytes of an arena; what is longer gets one of its own.
const ARENA_BYTES: u32 = 2 << 20;

/// Programs begin at multiples of this: a cache line.
const GRANULE: u32 = 64;

/// Why there is no memory for code.
#[derive(Debug, thiserror::Error)]
pub(super) enum CodeMemoryError {
    /// [`LIMIT`] would be exceeded.
    #[error("compiled programs take up all of the {0} bytes of executable memory")]
    Full(u64),
    /// The system says no.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Machine code that stays where it is until this is dropped.
#[derive(Debug)]
pub(super) struct CodeMemory {
    place: Place,
    len: usize,
    /// What counts against the limit.
    reserved: u64,
    pool: &'static Pool,
}

#[derive(Debug)]
enum Place {
    Shared { arena: Arc<Arena>, offset: u32 },
    Own(OwnPages),
}

impl CodeMemory {
    /// Copies code to executable memory.
    ///
    /// # Errors
    /// See [`CodeMemoryError`].
    pub(super) fn new(code: &[u8]) -> Result<CodeMemory, CodeMemoryError> {
        POOL.publish(code)
    }

    /// The same, on pages that it shares with no other code and that no file stands behind.
    ///
    /// # Errors
    /// See [`CodeMemoryError`].
    pub(super) fn apart(code: &[u8]) -> Result<CodeMemory, CodeMemoryError> {
        POOL.publish_apart(code)
    }

    /// Where it is.
    pub(super) fn range(&self) -> std::ops::Range<u64> {
        self.address()..self.address() + self.len as u64
    }

    /// Where it begins.
    pub(super) fn address(&self) -> u64 {
        match &self.place {
            Place::Shared { arena, offset } => arena.address() + u64::from(*offset),
            Place::Own(pages) => pages.address(),
        }
    }

    /// The code.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: mapped, readable and, by the invariant of this module, not written while `self` lives.
        unsafe { std::slice::from_raw_parts(self.address() as *const u8, self.len) }
    }
}

impl Drop for CodeMemory {
    fn drop(&mut self) {
        self.pool.take_back(self);
    }
}

/// That of this process.
static POOL: Pool = Pool::new(LIMIT);

/// Where code of a process lies.
#[derive(Debug)]
struct Pool {
    state: Mutex<State>,
    limit: u64,
    /// No arenas: for tests of what happens where there are none.
    without_arenas: bool,
}

#[derive(Debug)]
struct State {
    arenas: Vec<Managed>,
    /// Bytes that count against the limit.
    taken: u64,
    /// How often the process had forked when the arenas were made.
    forks: u64,
}

/// An arena and what of it is free.
#[derive(Debug)]
struct Managed {
    arena: Arc<Arena>,
    free: Pieces,
    /// How long its file is: whole pages.
    written: u32,
}

impl Pool {
    const fn new(limit: u64) -> Pool {
        let state = State { arenas: Vec::new(), taken: 0, forks: 0 };
        Pool { state: Mutex::new(state), limit, without_arenas: false }
    }

    /// A panic elsewhere leaves the state whole: nothing that changes it panics half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&'static self, code: &[u8]) -> Result<CodeMemory, CodeMemoryError> {
        if let Some(memory) = self.publish_shared(code)? {
            return Ok(memory);
        }
        self.publish_apart(code)
    }

    fn publish_apart(&'static self, code: &[u8]) -> Result<CodeMemory, CodeMemoryError> {
        let reserved = OwnPages::size_of(code.len()) as u64;
        self.lock().reserve(reserved, self.limit)?;
        match OwnPages::new(code) {
            Ok(pages) => Ok(CodeMemory { place: Place::Own(pages), len: code.len(), reserved, pool: self }),
            Err(error) => {
                self.lock().taken -= reserved;
                Err(error.into())
            }
        }
    }

    /// `None` where there are no arenas.
    fn publish_shared(&'static self, code: &[u8]) -> Result<Option<CodeMemory>, CodeMemoryError> {
        let Some(len) = u32::try_from(code.len().max(1)).ok().and_then(|len| len.checked_next_multiple_of(GRANULE))
        else {
            return Ok(None);
        };
        if self.without_arenas {
            return Ok(None);
        }
        let mut state = self.lock();
        state.reserve(len.into(), self.limit)?;
        let Some(Space { arena, offset, reused }) = state.take(len) else {
            state.taken -= u64::from(len);
            return Ok(None);
        };
        drop(state);
        let memory = CodeMemory {
            place: Place::Shared { arena: arena.clone(), offset },
            len: code.len(),
            reserved: len.into(),
            pool: self,
        };
        // Nobody else writes here: the space is taken. If it fails, dropping the memory gives it back.
        if arena.write(offset, code).is_err() {
            return Ok(None);
        }
        synchronise(&memory, reused);
        Ok(Some(memory))
    }

    /// What a piece of code took is free again.
    fn take_back(&self, memory: &CodeMemory) {
        if let Place::Shared { arena, offset } = &memory.place {
            self.clear(arena, *offset, memory.reserved as u32);
        }
        self.lock().taken -= memory.reserved;
    }

    fn clear(&self, arena: &Arc<Arena>, offset: u32, len: u32) {
        // After a fork, the other process may still run what lies here.
        if !self.lock().manages(arena) {
            return;
        }
        // The space is still taken, so that nobody else writes here. Where filling fails, nothing may be put, either.
        if arena.fill(offset, len).is_ok() {
            self.lock().give_back(arena, offset, len);
        }
    }
}

/// Space for code in an arena.
struct Space {
    arena: Arc<Arena>,
    offset: u32,
    /// Other code may have been here.
    reused: bool,
}

impl State {
    fn reserve(&mut self, len: u64, limit: u64) -> Result<(), CodeMemoryError> {
        if self.taken + len > limit {
            return Err(CodeMemoryError::Full(limit));
        }
        self.taken += len;
        Ok(())
    }

    /// Takes space of an arena, a new one if need be.
    fn take(&mut self, len: u32) -> Option<Space> {
        self.leave_to_other_process();
        let found = self.arenas.iter_mut().rev().find_map(|managed| managed.take(len));
        found.or_else(|| {
            self.arenas.push(Managed::new(len)?);
            self.arenas.last_mut()?.take(len)
        })
    }

    /// Arenas from before a fork are two processes' now: nothing is put there or cleared any more, and each process gives
    /// its mapping back when its last program there is gone.
    fn leave_to_other_process(&mut self) {
        let forks = fork::count();
        if self.forks != forks {
            self.forks = forks;
            self.arenas.clear();
        }
    }

    fn index(&self, arena: &Arc<Arena>) -> Option<usize> {
        self.arenas.iter().position(|managed| Arc::ptr_eq(&managed.arena, arena))
    }

    fn manages(&mut self, arena: &Arc<Arena>) -> bool {
        self.leave_to_other_process();
        self.index(arena).is_some()
    }

    fn give_back(&mut self, arena: &Arc<Arena>, offset: u32, len: u32) {
        self.leave_to_other_process();
        let Some(index) = self.index(arena) else { return };
        self.arenas[index].free.give(offset, len);
        // One empty arena is kept, so that a program that comes and goes does not cost an arena each time.
        let others = self.arenas.len() > 1;
        if others && self.arenas[index].is_empty() {
            self.arenas.swap_remove(index);
        }
    }
}

impl Managed {
    /// `None` where there are no arenas.
    fn new(len: u32) -> Option<Managed> {
        fork::watch();
        let arena = Arena::new(len.max(ARENA_BYTES)).ok()?;
        let free = Pieces::all_of(arena.len());
        Some(Managed { arena: Arc::new(arena), free, written: 0 })
    }

    fn is_empty(&self) -> bool {
        self.free.largest() == self.arena.len()
    }

    fn take(&mut self, len: u32) -> Option<Space> {
        let offset = self.free.take(len)?;
        let end = offset + len;
        let reused = offset < self.written;
        if end > self.written && self.grow(end).is_err() {
            self.free.give(offset, len);
            return None;
        }
        Some(Space { arena: self.arena.clone(), offset, reused })
    }

    /// Makes the file longer, by whole pages, for space taken up to `end`: filler behind the code, whose last part has
    /// more than nothing of the last granule.
    fn grow(&mut self, end: u32) -> io::Result<()> {
        let written = end.next_multiple_of(arena::page_bytes()).min(self.arena.len());
        let from = (end - GRANULE).max(self.written);
        self.arena.fill(from, written - from)?;
        self.written = written;
        Ok(())
    }
}

/// Every processor sees the code before anybody is told where it is.
fn synchronise(memory: &CodeMemory, reused: bool) {
    #[cfg(target_arch = "aarch64")]
    arena::clean_caches(memory.bytes());
    #[cfg(not(target_arch = "aarch64"))]
    let _ = memory;
    // Instructions that a processor has fetched ahead from here are those of a program that is gone.
    if reused {
        use std::sync::Once;
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| {
            let _ = membarrier(MembarrierCommand::RegisterPrivateExpeditedSyncCore);
        });
        // Kernels without it synchronise processors when they switch tasks.
        let _ = membarrier(MembarrierCommand::PrivateExpeditedSyncCore);
    }
}
