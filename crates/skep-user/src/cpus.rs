//! Virtual CPUs.
//!
//! A thread takes a virtual CPU for as long as it runs a program ([`Cpus::enter`]); per-CPU map values belong to whoever
//! holds that CPU. With that a run also announces itself: what is retired while it lasts is neither reused nor dropped
//! before it ends (see [`crate::epoch`]).
//!
//! Entering costs one atomic operation on a cache line that this thread used last: a thread comes back to its CPU.
//! Leaving costs none. Those who wait for a CPU, or retire an object, make up for that with a barrier in all threads
//! ([`crate::memory::barrier_everywhere`]): a leaving thread then either sees them, or they see that it left.

use crate::epoch::Epochs;
use crate::memory::{barrier_everywhere, barrier_here};
use crate::sync::lock;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, PoisonError};

/// The virtual CPUs of a kernel.
#[derive(Debug)]
pub(crate) struct Cpus {
    epochs: Epochs,
    retired: Mutex<Vec<(u64, Box<dyn Any + Send>)>>,
    retired_count: AtomicUsize,
    waiting: AtomicUsize,
    turnstile: Mutex<()>,
    freed: Condvar,
}

/// What a thread has to do with the CPUs of a kernel.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Address of the [`Cpus`].
    cpus: usize,
    cpu: u32,
    /// The thread is in a run there; else the CPU is only where it was last.
    running: bool,
}

thread_local! {
    /// The CPUs that this thread entered last.
    static LAST: Cell<Held> = const { Cell::new(Held { cpus: 0, cpu: 0, running: false }) };
    /// Runs in other kernels that go on meanwhile.
    static SUSPENDED: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

/// A run in progress: the holder may look at anything that is not yet reclaimed.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    cpus: &'a Cpus,
    cpu: u32,
    /// A nested run of the same thread leaves the CPU to the outer one.
    outermost: bool,
    /// A run in another kernel goes on when this one ends.
    resumes: bool,
    /// The CPU belongs to this thread.
    _not_send: PhantomData<*const ()>,
}

impl Cpus {
    /// So many CPUs, at least one.
    pub(crate) fn new(count: usize) -> Cpus {
        Cpus {
            epochs: Epochs::new(count),
            retired: Mutex::default(),
            retired_count: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            turnstile: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// How many there are ("possible CPUs").
    pub(crate) fn count(&self) -> usize {
        self.epochs.count()
    }

    /// The grace periods of their runs.
    pub(crate) fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// Begins a run on any CPU, waiting for one if all are taken. On a thread that is already running, the run nests.
    #[inline]
    pub(crate) fn enter(&self) -> Run<'_> {
        let last = LAST.get();
        if last.cpus == self.address() {
            if last.running {
                return self.run(last.cpu, false, false);
            }
            if self.epochs.try_begin(last.cpu as usize) {
                LAST.set(Held { running: true, ..last });
                return self.run(last.cpu, true, false);
            }
        }
        self.enter_slowly(None)
    }

    /// Begins a run on that CPU (modulo their number).
    pub(crate) fn enter_on(&self, cpu: u32) -> Run<'_> {
        self.enter_slowly(Some(cpu % self.count() as u32))
    }

    /// The CPU that this thread was on last.
    pub(crate) fn last(&self) -> u32 {
        let last = LAST.get();
        if last.cpus == self.address() && (last.cpu as usize) < self.count() { last.cpu } else { 0 }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    fn run(&self, cpu: u32, outermost: bool, resumes: bool) -> Run<'_> {
        Run { cpus: self, cpu, outermost, resumes, _not_send: PhantomData }
    }

    #[cold]
    fn enter_slowly(&self, wanted: Option<u32>) -> Run<'_> {
        let me = self.address();
        let last = LAST.get();
        if last.running {
            let outer = if last.cpus == me {
                Some(last)
            } else {
                SUSPENDED.with_borrow(|held| held.iter().find(|held| held.cpus == me).copied())
            };
            if let Some(outer) = outer {
                return self.run(outer.cpu, false, false);
            }
        }
        let cpu = self.try_take(wanted).unwrap_or_else(|| self.wait_for(wanted));
        if last.running {
            SUSPENDED.with_borrow_mut(|held| held.push(last));
        }
        LAST.set(Held { cpus: me, cpu, running: true });
        self.run(cpu, true, last.running)
    }

    fn try_take(&self, wanted: Option<u32>) -> Option<u32> {
        let mut candidates = match wanted {
            Some(cpu) => cpu..cpu + 1,
            None => 0..self.count() as u32,
        };
        candidates.find(|cpu| self.epochs.try_begin(*cpu as usize))
    }

    fn wait_for(&self, wanted: Option<u32>) -> u32 {
        let mut turn = lock(&self.turnstile);
        self.waiting.fetch_add(1, SeqCst);
        barrier_everywhere();
        let cpu = loop {
            if let Some(cpu) = self.try_take(wanted) {
                break cpu;
            }
            turn = self.freed.wait(turn).unwrap_or_else(PoisonError::into_inner);
        };
        self.waiting.fetch_sub(1, SeqCst);
        cpu
    }

    #[inline]
    fn leave(&self, run: &Run<'_>) {
        let me = self.address();
        if LAST.get().cpus != me {
            // Runs in two kernels that do not end in the order in which they began.
            SUSPENDED.with_borrow_mut(|held| held.retain(|held| held.cpus != me));
        } else {
            let outer = if run.resumes { SUSPENDED.with_borrow_mut(Vec::pop) } else { None };
            LAST.set(outer.unwrap_or(Held { cpus: me, cpu: run.cpu, running: false }));
        }
        self.epochs.end(run.cpu as usize);
        barrier_here();
        if self.waiting.load(Relaxed) > 0 {
            self.wake();
        }
        if self.retired_count.load(Relaxed) > 0 {
            self.collect();
        }
    }

    #[cold]
    fn wake(&self) {
        drop(lock(&self.turnstile));
        self.freed.notify_all();
    }

    /// Drops `object` once no run can be using it. It must be unlinked already.
    pub(crate) fn retire(&self, object: Box<dyn Any + Send>) {
        let epoch = self.epochs.advance();
        lock(&self.retired).push((epoch, object));
        self.retired_count.fetch_add(1, SeqCst);
        barrier_everywhere();
        self.collect();
    }

    #[cold]
    fn collect(&self) {
        let mut retired = lock(&self.retired);
        let (free, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *retired).into_iter().partition(|(e, _)| self.epochs.is_past(*e));
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

    /// Whether it is the first on its CPU, and no other goes on when it ends.
    pub(crate) fn is_outermost(&self) -> bool {
        self.outermost
    }

    /// Between two programs: nothing that was found so far is in use any more.
    #[inline]
    pub(crate) fn pass(&mut self) {
        if self.outermost {
            self.cpus.epochs.renew(self.cpu as usize);
        }
    }
}

impl Drop for Run<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.outermost {
            self.cpus.leave(self);
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
        let epoch = cpus.epochs().advance();
        let mut run = cpus.enter();
        assert!(cpus.epochs().is_past(epoch));
        let epoch = cpus.epochs().advance();
        assert!(!cpus.epochs().is_past(epoch));
        run.pass();
        assert!(cpus.epochs().is_past(epoch));
    }

    #[test]
    fn a_nested_run_cannot_speak_for_the_outer_one() {
        let cpus = Cpus::new(2);
        let _outer = cpus.enter();
        let epoch = cpus.epochs().advance();
        cpus.enter().pass();
        assert!(!cpus.epochs().is_past(epoch));
    }

    #[test]
    fn runs_in_several_kernels_nest() {
        let (one, other) = (Cpus::new(2), Cpus::new(2));
        let outer = one.enter();
        let inner = other.enter();
        let again = one.enter();
        assert_eq!(again.cpu(), outer.cpu());
        assert!(!again.is_outermost());
        drop(again);
        drop(inner);
        // The CPU of `one` is still held, that of `other` is free.
        let epoch = one.epochs().advance();
        assert!(!one.epochs().is_past(epoch));
        assert!(!one.enter().is_outermost());
        assert!(other.epochs().is_past(other.epochs().advance()));
        drop(outer);
        assert!(one.epochs().is_past(epoch));
        assert!(one.enter().is_outermost());
    }

    #[test]
    fn runs_in_several_kernels_end_in_any_order() {
        let (one, other) = (Cpus::new(1), Cpus::new(1));
        let (first, second) = (one.enter(), other.enter());
        drop(first);
        assert!(!other.enter().is_outermost());
        drop(second);
        assert!(one.enter().is_outermost());
        assert!(other.enter().is_outermost());
    }

    #[test]
    fn a_thread_comes_back_to_its_cpu() {
        let cpus = Cpus::new(4);
        assert_eq!(cpus.enter_on(2).cpu(), 2);
        assert_eq!(cpus.enter().cpu(), 2);
        assert_eq!(cpus.last(), 2);
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
