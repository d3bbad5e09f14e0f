//! Programs here are bytes that tell their number: what lies at an address is what was published there last.

use super::*;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::sync::atomic::{AtomicBool, Ordering};

fn pool(limit: u64) -> &'static Pool {
    Box::leak(Box::new(Pool::new(limit)))
}

fn without_arenas(limit: u64) -> &'static Pool {
    Box::leak(Box::new(Pool { without_arenas: true, ..Pool::new(limit) }))
}

/// Bytes of a program of that length.
fn code(number: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (number * 31 + at * 7) as u8).collect()
}

fn whole(memory: &CodeMemory) -> &[u8] {
    let len = memory.bytes().len().next_multiple_of(GRANULE as usize);
    // SAFETY: a piece has whole granules.
    unsafe { std::slice::from_raw_parts(memory.address() as *const u8, len) }
}

/// How the page of an address is mapped, in the words of the system: `r-xs`.
fn permissions(address: u64) -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("there is /proc");
    let number = |text: &str| u64::from_str_radix(text, 16).expect("a hexadecimal number");
    maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let inside = (number(start)..number(end)).contains(&address);
        inside.then(|| rest.split(' ').next().unwrap_or_default().to_owned())
    })
}

fn pages_writable_and_executable() -> Vec<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("there is /proc");
    let both = |line: &&str| line.split(' ').nth(1).is_some_and(|bits| bits.contains('w') && bits.contains('x'));
    maps.lines().filter(both).map(str::to_owned).collect()
}

#[test]
fn small_programs_share_a_page_and_begin_at_cache_lines() {
    let pool = pool(LIMIT);
    let all: Vec<_> = (0..20).map(|n| pool.publish(&code(n, 100 + n)).expect("memory")).collect();
    for (n, memory) in all.iter().enumerate() {
        assert_eq!(memory.bytes(), code(n, 100 + n));
        assert!(memory.address().is_multiple_of(64));
        assert!(whole(memory)[memory.bytes().len()..].iter().all(|byte| *byte == arena::FILLER));
    }
    let pages: std::collections::BTreeSet<u64> = all.iter().map(|memory| memory.address() / 4096).collect();
    assert_eq!(pages.len(), 1, "20 programs of two cache lines");
}

#[test]
fn mappings_are_executable_never_writable_and_guarded() {
    for pool in [pool(LIMIT), without_arenas(LIMIT)] {
        let memory = pool.publish(&code(1, 5000)).expect("memory");
        assert_eq!(memory.bytes(), code(1, 5000));
        let kind = permissions(memory.address()).expect("mapped");
        assert!(kind.starts_with("r-x"), "{kind}");
        let (before, after) = match &memory.place {
            Place::Shared { arena, .. } => (arena.address(), arena.address() + u64::from(arena.len())),
            Place::Own(pages) => (pages.address(), pages.address() + OwnPages::size_of(5000) as u64),
        };
        for guard in [before - 1, after] {
            assert_eq!(permissions(guard).as_deref(), Some("---p"));
        }
    }
}

#[test]
fn freed_pieces_become_filler_and_are_used_again() {
    let pool = pool(LIMIT);
    let first = pool.publish(&code(1, 300)).expect("memory");
    let second = pool.publish(&code(2, 300)).expect("memory");
    let place = whole(&first).as_ptr();
    drop(first);
    // SAFETY: the arena is still mapped: the second program lies in it.
    let left = unsafe { std::slice::from_raw_parts(place, 320) };
    assert!(left.iter().all(|byte| *byte == arena::FILLER));
    let third = pool.publish(&code(3, 320)).expect("memory");
    assert_eq!(third.address(), place as u64);
    assert_eq!((second.bytes(), third.bytes()), (&*code(2, 300), &*code(3, 320)));
    drop((second, third));
    assert_eq!(pool.lock().taken, 0);
}

#[test]
fn a_program_longer_than_an_arena_has_one_of_its_own() {
    let pool = pool(LIMIT);
    let small = pool.publish(&code(1, 64)).expect("memory");
    let long = pool.publish(&code(2, 5 << 20)).expect("memory");
    assert_eq!(long.bytes(), code(2, 5 << 20));
    assert_eq!(pool.lock().arenas.len(), 2);
    drop(long);
    assert_eq!(pool.lock().arenas.len(), 1, "given back to the system");
    assert_eq!(small.bytes(), code(1, 64));
}

#[test]
fn the_limit_holds_and_what_is_freed_does_not_count() {
    for pool in [pool(3 * 4096), without_arenas(3 * 4096)] {
        let first = pool.publish(&code(1, 8192)).expect("memory");
        let refused = pool.publish(&code(2, 8192)).expect_err("too much");
        assert!(matches!(refused, CodeMemoryError::Full(12288)), "{refused}");
        drop(first);
        assert_eq!(pool.publish(&code(3, 8192)).expect("memory").bytes(), code(3, 8192));
    }
}

#[test]
fn many_threads_publish_and_free() {
    let pool = pool(LIMIT);
    let done = AtomicBool::new(false);
    let found = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut found = Vec::new();
            while !done.load(Ordering::Relaxed) {
                found.extend(pages_writable_and_executable());
            }
            found
        });
        let workers: Vec<_> = (0..8_usize)
            .map(|thread| {
                scope.spawn(move || {
                    let mut living: Vec<(usize, usize, CodeMemory)> = Vec::new();
                    for step in 0..2000_usize {
                        let number = thread * 10_007 + step;
                        let len = 1 + number * 7919 % 3000;
                        living.push((number, len, pool.publish(&code(number, len)).expect("memory")));
                        if living.len() > 20 {
                            let (number, len, memory) = living.swap_remove(number % 20);
                            assert_eq!(memory.bytes(), code(number, len));
                        }
                    }
                    living.iter().all(|(number, len, memory)| memory.bytes() == code(*number, *len))
                })
            })
            .collect();
        assert!(workers.into_iter().all(|worker| worker.join().expect("no panic")));
        done.store(true, Ordering::Relaxed);
        watcher.join().expect("no panic")
    });
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(pool.lock().taken, 0);
}

/// The counterpart of the tests above: such a page would be seen.
#[test]
fn a_page_with_both_rights_would_be_found() {
    // In a process of its own, so that other tests do not see it.
    let outcome = in_child(|| {
        let protection = ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC;
        // SAFETY: fresh, and unmapped below.
        let page = unsafe { mmap_anonymous(std::ptr::null_mut(), 4096, protection, MapFlags::PRIVATE) };
        let Ok(page) = page else { return 0 };
        let found = pages_writable_and_executable().len();
        // SAFETY: mapped above.
        let _ = unsafe { munmap(page, 4096) };
        if found == 1 { 0 } else { 1 }
    });
    assert_eq!(outcome, 0);
}

/// Runs something in a forked process and gives its exit status.
fn in_child(work: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child only does what `work` does, and never returns from here.
    match unsafe { libc::fork() } {
        0 => {
            let status = work();
            // SAFETY: ends the process without running what the parent will.
            unsafe { libc::_exit(status) }
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for the child made above.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) }
        }
    }
}

/// Neither process overwrites what the other may still run.
#[test]
fn forked_processes_leave_shared_code_alone() {
    let pool = pool(LIMIT);
    let kept = pool.publish(&code(1, 500)).expect("memory");
    let freed = pool.publish(&code(2, 500)).expect("memory");
    let place = freed.address();
    let outcome = in_child(|| {
        drop(freed);
        let new = pool.publish(&code(3, 500)).expect("memory");
        // In an arena of this process's own.
        let apart = new.address().abs_diff(place) >= u64::from(ARENA_BYTES) || new.address() < place;
        if apart && new.bytes() == code(3, 500) && kept.bytes() == code(1, 500) { 0 } else { 1 }
    });
    assert_eq!(outcome, 0);
    // Both processes have dropped it by now; a third might still run it.
    // SAFETY: the arena is mapped as long as `kept` lives.
    let bytes = unsafe { std::slice::from_raw_parts(place as *const u8, 500) };
    assert_eq!(bytes, code(2, 500));
    assert_eq!(kept.bytes(), code(1, 500));
}

/// Prints what publishing costs; `cargo test --release -- --ignored --nocapture publishing`.
#[test]
#[ignore = "a measurement"]
fn publishing_costs_microseconds() {
    let bytes = code(1, 1200);
    for (name, pool) in [("shared", pool(LIMIT)), ("own pages", without_arenas(LIMIT))] {
        let measure = |kept: bool| {
            let mut living = Vec::new();
            let mut times: Vec<_> = (0..20_000)
                .map(|_| {
                    let start = std::time::Instant::now();
                    let memory = pool.publish(&bytes).expect("memory");
                    std::hint::black_box(memory.bytes()[700]);
                    let time = start.elapsed();
                    if kept {
                        living.push(memory);
                    }
                    time
                })
                .collect();
            times.sort_unstable();
            times[times.len() / 2]
        };
        println!("{name}: fresh {:?}, reused {:?}", measure(true), measure(false));
    }
}
