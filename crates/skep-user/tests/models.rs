//! The lock-free parts under a model checker, which tries the interleavings of their steps and the reorderings that the
//! memory model allows. The sources are those of the kernel, with the checker's atomics in the place of the usual ones.

#![allow(dead_code, unused_imports, reason = "each source is used in part")]

#[path = "../src/maps/bucket.rs"]
mod bucket;
#[path = "../src/epoch.rs"]
mod epoch;
#[path = "../src/memory/pool.rs"]
mod pool;

mod sync {
    pub(crate) use loom::sync::Mutex;

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> loom::sync::MutexGuard<'_, T> {
        mutex.lock().expect("no panic")
    }

    pub(crate) mod atomic {
        pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

        /// The checker knows no more than the memory model promises.
        pub(crate) const OPERATION_IS_FENCE: bool = false;

        pub(crate) fn pause(_tries: u32) {
            loom::thread::yield_now();
        }
    }
}

use bucket::Bucket;
use epoch::Epochs;
use loom::sync::Arc;
use loom::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};
use loom::thread;
use pool::Pool;

/// All interleavings in which a thread is interrupted a few times: more find no other mistakes, and take hours.
fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

const TAG: u8 = 7;

/// What elements hold, by number: written before they are linked.
fn contents<const N: usize>() -> [AtomicU32; N] {
    std::array::from_fn(|_| AtomicU32::new(0))
}

#[test]
fn a_reader_finds_a_whole_element_or_none() {
    model(|| {
        let shared = Arc::new((Bucket::new(), contents::<2>()));
        let writer = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (bucket, contents) = &*shared;
                contents[1].store(42, Relaxed);
                bucket.lock();
                let place = bucket.vacancy().expect("it is empty");
                bucket.put(place, TAG, 1);
                bucket.unlock();
            })
        };
        let (bucket, contents) = &*shared;
        if let Ok((_, number)) = bucket.find(TAG, |_| true) {
            assert_eq!(contents[number as usize].load(Relaxed), 42);
        }
        writer.join().expect("no panic");
        assert!(bucket.find(TAG, |_| true).is_ok());
    });
}

#[test]
fn a_key_that_is_replaced_is_always_found() {
    model(|| {
        let shared = Arc::new((Bucket::new(), contents::<3>()));
        shared.1[1].store(42, Relaxed);
        shared.0.put(0, TAG, 1);
        let writer = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (bucket, contents) = &*shared;
                contents[2].store(42, Relaxed);
                bucket.lock();
                let (place, _) = bucket.find(TAG, |_| true).expect("it is there");
                bucket.replace(place, 2);
                bucket.unlock();
            })
        };
        let (bucket, contents) = &*shared;
        let (_, number) = bucket.find(TAG, |number| contents[number as usize].load(Relaxed) == 42).expect("found");
        assert!(number == 1 || number == 2);
        writer.join().expect("no panic");
    });
}

#[test]
fn writers_of_a_bucket_lose_nothing_of_each_other() {
    model(|| {
        let bucket = Arc::new(Bucket::new());
        let insert = |bucket: &Bucket, number: u32| {
            bucket.lock();
            let place = bucket.vacancy().expect("twelve places");
            bucket.put(place, number as u8, number);
            bucket.unlock();
        };
        let other = {
            let bucket = bucket.clone();
            thread::spawn(move || insert(&bucket, 1))
        };
        insert(&bucket, 2);
        other.join().expect("no panic");
        for number in [1, 2] {
            assert_eq!(bucket.find(number as u8, |_| true).map(|(_, found)| found), Ok(number));
        }
    });
}

/// A program finds an element and looks at it twice; meanwhile it is unlinked, and used again as soon as that is allowed.
#[test]
fn what_a_run_found_stays_until_it_ends() {
    model(|| {
        let shared = Arc::new((Epochs::new(1), AtomicU32::new(1), contents::<2>()));
        shared.2[1].store(42, Relaxed);
        let program = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (epochs, link, contents) = &*shared;
                assert!(epochs.try_begin(0));
                let number = link.load(Acquire);
                if number != 0 {
                    assert_eq!(contents[number as usize].load(Relaxed), 42);
                    thread::yield_now();
                    assert_eq!(contents[number as usize].load(Relaxed), 42);
                }
                epochs.end(0);
            })
        };
        let (epochs, link, contents) = &*shared;
        link.store(0, Release);
        let epoch = epochs.advance();
        if epochs.is_past(epoch) {
            contents[1].store(43, Relaxed);
        }
        program.join().expect("no panic");
        assert!(epochs.is_past(epoch));
    });
}

/// The same where the program says between two rounds that it holds nothing.
#[test]
fn a_run_that_passes_on_holds_only_what_it_found_since() {
    model(|| {
        let shared = Arc::new((Epochs::new(1), AtomicU32::new(1), contents::<2>()));
        shared.2[1].store(42, Relaxed);
        assert!(shared.0.try_begin(0));
        let program = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (epochs, link, contents) = &*shared;
                for _ in 0..2 {
                    epochs.renew(0);
                    let number = link.load(Acquire);
                    if number != 0 {
                        assert_eq!(contents[number as usize].load(Relaxed), 42);
                    }
                }
            })
        };
        let (epochs, link, contents) = &*shared;
        link.store(0, Release);
        if epochs.is_past(epochs.advance()) {
            contents[1].store(43, Relaxed);
        }
        program.join().expect("no panic");
    });
}

#[test]
fn the_pool_gives_nothing_back_that_a_run_may_hold() {
    model(|| {
        let shared = Arc::new((Epochs::new(1), AtomicU32::new(0), contents::<5>(), Pool::<1>::new(4, 1)));
        let first = shared.3.allocate(None, &shared.0).expect("free");
        shared.2[first as usize].store(42, Relaxed);
        shared.1.store(first, Relaxed);
        let program = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (epochs, link, contents, _) = &*shared;
                assert!(epochs.try_begin(0));
                let number = link.load(Acquire);
                if number != 0 {
                    assert_eq!(contents[number as usize].load(Relaxed), 42);
                }
                epochs.end(0);
            })
        };
        let (epochs, link, contents, pool) = &*shared;
        link.store(0, Release);
        pool.retire(None, first, epochs);
        let second = pool.allocate(None, epochs).expect("free");
        contents[second as usize].store(43, Relaxed);
        program.join().expect("no panic");
    });
}
