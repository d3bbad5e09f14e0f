//! Verification of programs that take many steps: time per processed instruction, and memory.
//!
//! Each program is one thing a verifier may be slow at. Peak memory is that of a fresh process which verifies the program
//! once, less what the process had before; it is printed before the times, where `/proc` is.

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;

use criterion::{BenchmarkId, Criterion, Throughput};
use skep_abi::program_type::ProgramType;
use skep_isa::Slot;
use skep_verifier::{Options, Program, Statistics, verify};

/// Asks the bench to verify the program of that name once and print what that took.
const PEAK_OF: &str = "SKEP_PEAK_OF";

/// Name and text of each program.
fn programs() -> Vec<(&'static str, String)> {
    vec![
        ("straight line", straight_line(40_000)),
        ("counted loop", counted_loop(200_000)),
        ("stack in a loop", stack_in_a_loop(60_000)),
        ("calls in a loop", calls_in_a_loop(40_000)),
        ("branches that meet", branches_that_meet(5_000)),
        ("branches that matter", branches_that_matter(13)),
    ]
}

/// Arithmetic on numbers of which something is known, no jump. Helper 7 gives random numbers.
fn straight_line(instructions: usize) -> String {
    let mut text = String::from("call 7\n");
    for at in 0..instructions / 4 {
        let _ = write!(text, "r1 = r0\nr1 &= {}\nr1 <<= 3\nr0 += r1\n", at % 255 + 1);
    }
    text + "r0 = 0\nexit"
}

/// One number grows until it reaches a bound.
fn counted_loop(rounds: usize) -> String {
    format!("r6 = 0\nagain:\nr7 = r6\nr6 += 1\nif r6 < {rounds} goto again\nr0 = 0\nexit")
}

/// Spills and fills of numbers and pointers in each round.
fn stack_in_a_loop(rounds: usize) -> String {
    let mut text = String::from("r6 = 0\nr7 = r1\nagain:\n");
    for slot in 1..=4 {
        let _ = write!(text, "*(u64 *)(r10 - {0}) = r6\nr1 = *(u64 *)(r10 - {0})\n", 8 * slot);
    }
    let _ = write!(text, "*(u64 *)(r10 - 40) = r7\nr7 = *(u64 *)(r10 - 40)\nr6 += 1\nif r6 < {rounds} goto again\n");
    text + "r0 = 0\nexit"
}

/// A function with a stack of its own, called in each round.
fn calls_in_a_loop(rounds: usize) -> String {
    format!(
        "r6 = 0\nagain:\nr1 = r6\ncall work\nr6 += 1\nif r6 < {rounds} goto again\nr0 = 0\nexit\n\
         work:\n*(u64 *)(r10 - 8) = r1\nr0 = *(u64 *)(r10 - 8)\nr0 ^= 21\nr0 &= 255\nexit"
    )
}

/// Ways that differ in nothing that counts: the states of the second end at those of the first.
fn branches_that_meet(branches: usize) -> String {
    let mut text = String::from("r8 = 0\n");
    for at in 0..branches {
        let _ = write!(text, "call 7\nif r0 > {at} goto l{at}\nr8 += {at}\nl{at}:\n");
    }
    text + "r0 = 0\nexit"
}

/// Ways that all lead to another offset: none ends at another's states.
fn branches_that_matter(branches: u32) -> String {
    let mut text = String::from("r8 = 0\n");
    for at in 0..branches {
        let _ = write!(text, "call 7\nif r0 > 7 goto l{at}\nr8 += {}\nl{at}:\n", 1 << at);
    }
    // An address that depends on every choice.
    text + "r8 &= 255\nr1 = r10\nr1 += -256\nr1 += r8\n*(u8 *)(r1 + 0) = 0\nr0 = 0\nexit"
}

fn verified(name: &str, insns: &[Slot]) -> Statistics {
    let program = Program::new(name, ProgramType::SocketFilter, insns);
    match verify(&program, &Options::default()) {
        Ok(verified) => verified.statistics().clone(),
        Err(rejection) => panic!("{name}: {rejection}"),
    }
}

fn assembled(name: &str, text: &str) -> Vec<Slot> {
    skep_isa::text::assemble(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A number of kilobytes in `/proc/self/status`.
fn kilobytes(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
}

/// In the fresh process: verifies once and prints instructions, states and memory.
fn print_peak(name: &str) {
    let Some((name, text)) = programs().into_iter().find(|(known, _)| *known == name) else { return };
    let insns = assembled(name, &text);
    drop(text);
    let Some(before) = kilobytes("VmRSS") else { return };
    let statistics = verified(name, &insns);
    let peak = kilobytes("VmHWM").unwrap_or(before).saturating_sub(before);
    let processed = statistics.instructions_processed;
    let per_100k = peak as f64 / f64::from(processed) * 100_000.0 / 1024.0;
    let states = statistics.peak_states;
    println!("{name:24} {processed:8} processed, {states:6} states at most, {peak:7} KiB, {per_100k:6.1} MiB per 100k");
}

fn times(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    group.sample_size(10);
    for (name, text) in programs() {
        let insns = assembled(name, &text);
        group.throughput(Throughput::Elements(verified(name, &insns).instructions_processed.into()));
        group.bench_with_input(BenchmarkId::from_parameter(name), &insns, |bencher, insns| {
            bencher.iter(|| verified(name, black_box(insns)));
        });
    }
    group.finish();
}

fn main() {
    if let Ok(name) = std::env::var(PEAK_OF) {
        print_peak(&name);
        return;
    }
    if let Ok(this) = std::env::current_exe() {
        for (name, _) in programs() {
            // Where it cannot be started, the times are still worth having.
            _ = Command::new(&this).env(PEAK_OF, name).status();
        }
    }
    let mut criterion = Criterion::default().configure_from_args();
    times(&mut criterion);
    criterion.final_summary();
}
