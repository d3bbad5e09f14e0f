//! Grace periods: when what was unlinked can no longer be in anybody's hands.
//!
//! Every slot notes the *epoch* at which its run began, 0 when idle. Retiring something advances the epoch. A thing
//! retired at epoch *e* was unlinked before the epoch advanced past *e*, so that a run which began at a later epoch
//! cannot have found it: it is free once no slot is running at an epoch up to *e*.
//!
//! A run writes its slot, then reads links; who retires writes links, then reads the slots. Neither may miss the other:
//! there is a full fence between the two steps on both sides. On x86-64 the operation on the slot is that fence.

use crate::sync::atomic::{
    AtomicU64, OPERATION_IS_FENCE,
    Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
    fence,
};

/// The slots of all runs, and the epoch.
#[derive(Debug)]
pub(crate) struct Epochs {
    slots: Box<[Slot]>,
    now: AtomicU64,
}

/// One run at a time; alone on its cache lines.
#[derive(Debug)]
#[repr(align(128))]
struct Slot {
    /// Epoch at which its run began, 0 when idle.
    since: AtomicU64,
}

fn full_fence() {
    if !OPERATION_IS_FENCE {
        fence(SeqCst);
    }
}

impl Epochs {
    /// So many slots, at least one.
    pub(crate) fn new(count: usize) -> Epochs {
        let slots = (0..count.max(1)).map(|_| Slot { since: AtomicU64::new(0) }).collect();
        Epochs { slots, now: AtomicU64::new(1) }
    }

    /// How many slots there are.
    pub(crate) fn count(&self) -> usize {
        self.slots.len()
    }

    /// Begins a run in a slot; `false` if there is one already.
    #[inline]
    pub(crate) fn try_begin(&self, slot: usize) -> bool {
        let Some(slot) = self.slots.get(slot) else { return false };
        if slot.since.load(Relaxed) != 0 {
            return false;
        }
        let now = self.now.load(Acquire);
        let begun = slot.since.compare_exchange(0, now, AcqRel, Relaxed).is_ok();
        full_fence();
        begun
    }

    /// Ends the slot's run.
    #[inline]
    pub(crate) fn end(&self, slot: usize) {
        if let Some(slot) = self.slots.get(slot) {
            slot.since.store(0, Release);
        }
    }

    /// The slot's run holds nothing that it found so far: it counts as begun anew.
    #[inline]
    pub(crate) fn renew(&self, slot: usize) {
        let Some(slot) = self.slots.get(slot) else { return };
        let now = self.now.load(Acquire);
        if slot.since.load(Relaxed) != now {
            slot.since.swap(now, AcqRel);
            full_fence();
        }
    }

    /// Marks a point in time: what was unlinked before is free once [`Epochs::is_past`] says so of the answer.
    pub(crate) fn advance(&self) -> u64 {
        full_fence();
        let epoch = self.now.fetch_add(1, AcqRel);
        full_fence();
        epoch
    }

    /// Whether every run that began at or before that epoch has ended.
    pub(crate) fn is_past(&self, epoch: u64) -> bool {
        self.slots.iter().all(|slot| match slot.since.load(Acquire) {
            0 => true,
            since => since > epoch,
        })
    }
}
