//! Virtual CPUs, and the grace periods that follow from them.
//!
//! A thread takes a virtual CPU for as long as it runs a program ([`Cpus::enter`]); per-CPU map values belong to whoever
//! holds that CPU. With that a run also announces itself: what is retired while it lasts is neither reused nor dropped
//! before it ends.
//!
//! How: every CPU notes the *epoch* at which its run began, 0 when idle. Retiring something advances the epoch. A thing
//! retired at epoch *e* was unlinked before the epoch advanced past *e*, so that a run which began at a later epoch
//! cannot have found it: it is free once no CPU is running at an epoch up to *e*.

use std::any::Any;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, PoisonError};

/// The virtual CPUs of a kernel.
#[derive(Debug)]
pub(crate) struct Cpus {
    slots: Box<[CpuSlot]>,
    epoch: AtomicU64,
    retired: Mutex<Vec<(u64, Box<dyn Any + Send>)>>,
    retired_count: AtomicUsize,
    waiting: AtomicUsize,
    turnstile: Mutex<()>,
    freed: Condvar,
}

/// One CPU; alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct CpuSlot {
    /// Epoch at which its run began, 0 when idle.
    since: AtomicU64,
}

thread_local! {
    /// CPUs that this thread holds: address of the [`Cpus`] and index.
    static HELD: RefCell<Vec<(usize, u32)>> = const { RefCell::new(Vec::new()) };
}

/// A run in progress: the holder may look at anything that is not yet reclaimed.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    cpus: &'a Cpus,
    cpu: u32,
    /// A nested run of the same thread leaves the CPU to the outer one.
    outermost: bool,
    /// The CPU belongs to this thread.
    _not_send: PhantomData<*const ()>,
}

impl Cpus {
    /// So many CPUs, at least one.
    pub(crate) fn new(count: usize) -> Cpus {
        Cpus {
            slots: (0..count.max(1)).map(|_| CpuSlot::default()).collect(),
            epoch: AtomicU64::new(1),
            retired: Mutex::default(),
            retired_count: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            turnstile: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// How many there are ("possible CPUs").
    pub(crate) fn count(&self) -> usize {
        self.slots.len()
    }

    /// Begins a run on any CPU, waiting for one if all are taken. On a thread that is already running, the run nests.
    pub(crate) fn enter(&self) -> Run<'_> {
        self.enter_where(None)
    }

    /// Begins a run on that CPU (modulo their number).
    pub(crate) fn enter_on(&self, cpu: u32) -> Run<'_> {
        self.enter_where(Some(cpu % self.slots.len() as u32))
    }

    fn enter_where(&self, wanted: Option<u32>) -> Run<'_> {
        let me = std::ptr::from_ref(self) as usize;
        if let Some(cpu) = HELD.with_borrow(|held| held.iter().find(|(c, _)| *c == me).map(|(_, cpu)| *cpu)) {
            return Run { cpus: self, cpu, outermost: false, _not_send: PhantomData };
        }
        let cpu = self.try_take(wanted).unwrap_or_else(|| self.wait_for(wanted));
        HELD.with_borrow_mut(|held| held.push((me, cpu)));
        Run { cpus: self, cpu, outermost: true, _not_send: PhantomData }
    }

    fn try_take(&self, wanted: Option<u32>) -> Option<u32> {
        let candidates = match wanted {
            Some(cpu) => cpu..cpu + 1,
            None => 0..self.slots.len() as u32,
        };
        candidates.into_iter().find(|cpu| {
            let epoch = self.epoch.load(SeqCst);
            self.slots[*cpu as usize].since.compare_exchange(0, epoch, SeqCst, SeqCst).is_ok()
        })
    }

    fn wait_for(&self, wanted: Option<u32>) -> u32 {
        let mut turn = self.turnstile.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_add(1, SeqCst);
        let cpu = loop {
            if let Some(cpu) = self.try_take(wanted) {
                break cpu;
            }
            turn = self.freed.wait(turn).unwrap_or_else(PoisonError::into_inner);
        };
        self.waiting.fetch_sub(1, SeqCst);
        cpu
    }

    fn leave(&self, cpu: u32) {
        let me = std::ptr::from_ref(self) as usize;
        HELD.with_borrow_mut(|held| held.retain(|(c, _)| *c != me));
        self.slots[cpu as usize].since.store(0, SeqCst);
        if self.waiting.load(SeqCst) > 0 {
            drop(self.turnstile.lock().unwrap_or_else(PoisonError::into_inner));
            self.freed.notify_all();
        }
        if self.retired_count.load(SeqCst) > 0 {
            self.collect();
        }
    }

    /// Marks a point in time: what was unlinked before is free once [`Cpus::is_past`] says so of the answer.
    pub(crate) fn retire_epoch(&self) -> u64 {
        self.epoch.fetch_add(1, SeqCst)
    }

    /// Whether every run that began at or before that epoch has ended.
    pub(crate) fn is_past(&self, epoch: u64) -> bool {
        self.slots.iter().all(|slot| match slot.since.load(SeqCst) {
            0 => true,
            since => since > epoch,
        })
    }

    /// Drops `object` once no run can be using it. It must be unlinked already.
    pub(crate) fn retire(&self, object: Box<dyn Any + Send>) {
        let epoch = self.retire_epoch();
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).push((epoch, object));
        self.retired_count.fetch_add(1, SeqCst);
        self.collect();
    }

    fn collect(&self) {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let (free, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *retired).into_iter().partition(|(e, _)| self.is_past(*e));
        *retired = kept;
        self.retired_count.store(retired.len(), SeqCst);
        drop(retired);
        // Outside of the lock: dropping a map may retire what it holds.
        drop(free);
    }
}

impl Run<'_> {
    /// The virtual CPU that this run holds.
    pub(crate) fn cpu(&self) -> u32 {
        self.cpu
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if self.outermost {
            self.cpus.leave(self.cpu);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    struct Canary(Arc<AtomicBool>);

    impl Drop for Canary {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }

    #[test]
    fn what_is_retired_outlives_the_runs_that_may_see_it() {
        let cpus = Cpus::new(2);
        let dropped = Arc::new(AtomicBool::new(false));
        let run = cpus.enter();
        cpus.retire(Box::new(Canary(dropped.clone())));
        assert!(!dropped.load(SeqCst));
        drop(run);
        assert!(dropped.load(SeqCst));
    }

    #[test]
    fn a_later_run_does_not_hold_back() {
        let cpus = Cpus::new(2);
        let epoch = cpus.retire_epoch();
        let _run = cpus.enter();
        assert!(cpus.is_past(epoch));
        assert!(!cpus.is_past(cpus.retire_epoch()));
    }

    #[test]
    fn runs_nest_on_a_thread_and_wait_for_a_cpu_across_threads() {
        let cpus = Cpus::new(1);
        let outer = cpus.enter();
        assert_eq!(cpus.enter().cpu(), 0);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| cpus.enter().cpu());
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!other.is_finished());
            drop(outer);
            assert_eq!(other.join().expect("no panic"), 0);
        });
    }
}
