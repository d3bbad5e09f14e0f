//! Tests of the pool, apart from it because a model checker compiles it as well.

use super::pool;
use crate::epoch::Epochs;
use std::collections::HashSet;

const LOCAL: usize = 64;
type Pool = pool::Pool<LOCAL>;

#[test]
fn every_number_is_handed_out_once() {
    let (pool, epochs) = (Pool::new(1000, 2), Epochs::new(2));
    let all: HashSet<u32> = (0..1000).map_while(|i| pool.allocate(Some(i % 2), &epochs)).collect();
    // What CPU 0 keeps for itself, CPU 1 does not get.
    assert!(all.len() >= 1000 - LOCAL && all.iter().all(|number| (1..=1000).contains(number)));
}

#[test]
fn nothing_comes_back_under_a_run_while_there_is_anything_else() {
    for cpu in [None, Some(0)] {
        let (pool, epochs) = (Pool::new(500, 1), Epochs::new(1));
        assert!(epochs.try_begin(0));
        let first = pool.allocate(cpu, &epochs).expect("free");
        pool.retire(cpu, first, &epochs);
        for _ in 1..400 {
            let number = pool.allocate(cpu, &epochs).expect("free");
            assert_ne!(number, first);
            pool.retire(cpu, number, &epochs);
        }
        epochs.end(0);
        let touched = pool.touched();
        for _ in 0..400 {
            let number = pool.allocate(cpu, &epochs).expect("free");
            pool.retire(cpu, number, &epochs);
        }
        assert_eq!(pool.touched(), touched, "what was retired serves again");
    }
}

#[test]
fn a_run_that_retires_without_end_gets_the_oldest_back() {
    let (pool, epochs) = (Pool::new(300, 1), Epochs::new(1));
    assert!(epochs.try_begin(0));
    for _ in 0..10_000 {
        let number = pool.allocate(Some(0), &epochs).expect("free or the oldest");
        pool.retire(Some(0), number, &epochs);
    }
}
