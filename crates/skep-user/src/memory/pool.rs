//! Which elements of a slab are free: numbers from 1 on, handed out and taken back by many CPUs.
//!
//! Each CPU has a few free numbers and a few retired ones of its own, which it alone touches, so that most operations need
//! neither lock nor read-modify-write. What it retires goes to all in batches, stamped with the epoch at which the
//! batch was full: not before its last element was unlinked.
//!
//! A batch comes back once its epoch is past. When there is nothing else left, the oldest batch comes back before that: a
//! single run could otherwise retire without bound.

use crate::epoch::Epochs;
use crate::sync::atomic::{AtomicU32, Ordering::Relaxed};
use crate::sync::{Mutex, lock};
use std::collections::VecDeque;

/// The numbers of a slab. Each CPU keeps at most `LOCAL` free, and as many retired.
#[derive(Debug)]
pub(crate) struct Pool<const LOCAL: usize = 64> {
    local: Box<[Local<LOCAL>]>,
    shared: Mutex<Common>,
    total: u32,
}

/// What one CPU has. Atomic only so that a mistake in who holds which CPU could not be worse than a mixed-up list.
#[derive(Debug)]
#[repr(align(128))]
struct Local<const LOCAL: usize> {
    free: Stack<LOCAL>,
    retired: Stack<LOCAL>,
}

#[derive(Debug)]
struct Stack<const LOCAL: usize> {
    len: AtomicU32,
    numbers: [AtomicU32; LOCAL],
}

#[derive(Debug, Default)]
struct Common {
    /// Numbers from here on were never handed out.
    fresh: u32,
    /// Numbers up to this one have memory.
    backed: u32,
    free: Vec<u32>,
    /// Retired by those without a CPU, not yet a batch.
    open: Vec<u32>,
    /// Retired, oldest first, in batches one after the other.
    retired: VecDeque<u32>,
    /// Oldest first.
    batches: VecDeque<Batch>,
}

#[derive(Debug)]
struct Batch {
    epoch: u64,
    len: usize,
}

impl<const LOCAL: usize> Stack<LOCAL> {
    fn new() -> Self {
        Stack { len: AtomicU32::new(0), numbers: std::array::from_fn(|_| AtomicU32::new(0)) }
    }

    #[inline]
    fn push(&self, number: u32) -> bool {
        let len = self.len.load(Relaxed) as usize;
        let Some(place) = self.numbers.get(len) else { return false };
        place.store(number, Relaxed);
        self.len.store(len as u32 + 1, Relaxed);
        true
    }

    #[inline]
    fn pop(&self) -> Option<u32> {
        let last = self.len.load(Relaxed).checked_sub(1)?;
        let number = self.numbers.get(last as usize)?.load(Relaxed);
        self.len.store(last, Relaxed);
        Some(number)
    }

    fn take_all(&self) -> impl Iterator<Item = u32> {
        std::iter::from_fn(|| self.pop())
    }
}

impl<const LOCAL: usize> Pool<LOCAL> {
    /// The numbers from 1 to `total`, for so many CPUs.
    pub(crate) fn new(total: u32, cpus: usize) -> Self {
        let local = (0..cpus).map(|_| Local { free: Stack::new(), retired: Stack::new() }).collect();
        Pool { local, shared: Mutex::new(Common { fresh: 1, backed: total, ..Common::default() }), total }
    }

    /// The same, of which only the first `backed` have memory; more is asked for by [`Pool::allocate_or`].
    pub(crate) fn backed(self, backed: u32) -> Self {
        lock(&self.shared).backed = backed.min(self.total);
        self
    }

    /// How many numbers CPUs may have to themselves, beyond those in use.
    pub(crate) fn spare(cpus: usize) -> usize {
        (cpus + 1) * 2 * LOCAL
    }

    fn of(&self, cpu: Option<u32>) -> Option<&Local<LOCAL>> {
        self.local.get(cpu? as usize)
    }

    /// A number that nobody has. `None` when all are in use.
    #[inline]
    pub(crate) fn allocate(&self, cpu: Option<u32>, epochs: &Epochs) -> Option<u32> {
        self.allocate_or(cpu, epochs, &|| 0)
    }

    /// The same; `grow` says for how many more numbers there is memory now.
    #[inline]
    pub(crate) fn allocate_or(&self, cpu: Option<u32>, epochs: &Epochs, grow: &dyn Fn() -> u32) -> Option<u32> {
        let local = self.of(cpu);
        local.and_then(|local| local.free.pop()).or_else(|| self.refill(local, epochs, grow))
    }

    /// The number that the CPU's next [`Pool::allocate`] most likely gives, 0 for none.
    #[inline]
    pub(crate) fn upcoming(&self, cpu: Option<u32>) -> u32 {
        let Some(local) = self.of(cpu) else { return 0 };
        let last = (local.free.len.load(Relaxed) as usize).wrapping_sub(1);
        local.free.numbers.get(last).map_or(0, |number| number.load(Relaxed))
    }

    #[cold]
    fn refill(&self, local: Option<&Local<LOCAL>>, epochs: &Epochs, grow: &dyn Fn() -> u32) -> Option<u32> {
        let mut common = lock(&self.shared);
        let number = common.take(self.total, epochs, local, grow)?;
        if let Some(local) = local {
            // What is free already; the rest stays for others.
            while (local.free.len.load(Relaxed) as usize) < LOCAL / 2 {
                match common.take_free() {
                    Some(number) => local.free.push(number),
                    None => break,
                };
            }
        }
        Some(number)
    }

    /// Takes back a number that nobody but the caller has seen.
    pub(crate) fn give_back(&self, cpu: Option<u32>, number: u32) {
        if !self.of(cpu).is_some_and(|local| local.free.push(number)) {
            lock(&self.shared).free.push(number);
        }
    }

    /// Takes back a number that was unlinked just now.
    #[inline]
    pub(crate) fn retire(&self, cpu: Option<u32>, number: u32, epochs: &Epochs) {
        if !self.of(cpu).is_some_and(|local| local.retired.push(number)) {
            self.retire_slowly(cpu, number, epochs);
        }
    }

    #[cold]
    fn retire_slowly(&self, cpu: Option<u32>, number: u32, epochs: &Epochs) {
        let mut common = lock(&self.shared);
        match self.of(cpu) {
            Some(local) => {
                common.seal(local.retired.take_all(), epochs);
                local.retired.push(number);
            }
            None => {
                common.open.push(number);
                if common.open.len() == LOCAL {
                    let open = std::mem::take(&mut common.open);
                    common.seal(open, epochs);
                }
            }
        }
        common.reclaim(epochs);
    }

    /// Numbers that were handed out at least once.
    pub(crate) fn touched(&self) -> u32 {
        lock(&self.shared).fresh - 1
    }
}

impl Common {
    fn take_free(&mut self) -> Option<u32> {
        self.free.pop().or_else(|| {
            let fresh = self.fresh;
            (fresh <= self.backed).then(|| {
                self.fresh += 1;
                fresh
            })
        })
    }

    fn take<const LOCAL: usize>(
        &mut self,
        total: u32,
        epochs: &Epochs,
        local: Option<&Local<LOCAL>>,
        grow: &dyn Fn() -> u32,
    ) -> Option<u32> {
        if self.free.is_empty() {
            self.reclaim(epochs);
        }
        let free = self.take_free().or_else(|| {
            let more = if self.backed < total { grow() } else { 0 };
            self.backed = self.backed.saturating_add(more).min(total);
            self.take_free()
        });
        free.or_else(|| {
            // Nothing is left but what was retired lately: first what would come back by itself, ours included.
            let open = std::mem::take(&mut self.open);
            self.seal(open, epochs);
            if let Some(local) = local {
                self.seal(local.retired.take_all(), epochs);
            }
            self.reclaim(epochs);
            if self.free.is_empty() {
                let oldest = self.batches.pop_front()?;
                self.free.extend(self.retired.drain(..oldest.len));
            }
            self.free.pop()
        })
    }

    fn seal(&mut self, numbers: impl IntoIterator<Item = u32>, epochs: &Epochs) {
        let before = self.retired.len();
        self.retired.extend(numbers);
        let len = self.retired.len() - before;
        if len > 0 {
            self.batches.push_back(Batch { epoch: epochs.advance(), len });
        }
    }

    fn reclaim(&mut self, epochs: &Epochs) {
        // Oldest first, and epochs only grow.
        while self.batches.front().is_some_and(|batch| epochs.is_past(batch.epoch)) {
            let len = self.batches.pop_front().map_or(0, |batch| batch.len);
            self.free.extend(self.retired.drain(..len));
        }
    }
}
