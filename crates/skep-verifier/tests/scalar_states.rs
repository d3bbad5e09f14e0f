//! What is known of numbers after every instruction of random straight-line programs, beside what Linux knows: the
//! states of its log at level 2. Nothing that Linux knows may be unknown here.
//!
//! `SKEP_PROGRAMS` says how many programs; `SKEP_SEED` where to begin.

mod common;

use skep_abi::command::ProgLoad;
use skep_isa::Slot;
use skep_isa::text::assemble;
use skep_kernel::{Kernel, calls};
use skep_verifier::{LogLevel, Options, Program, verify};
use std::sync::Arc;

const PROGRAMS: u64 = 60;
const LOG_BYTES: usize = 4 << 20;

#[test]
fn states_are_those_of_linux() {
    let Some(kernel) = common::linux::kernel() else { return };
    let setting = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = setting("SKEP_SEED").unwrap_or(1);
    let mut differences = Vec::new();
    for seed in first..first + setting("SKEP_PROGRAMS").unwrap_or(PROGRAMS) {
        let text = Generator::new(seed).program();
        let insns = assemble(&text).expect("a program");
        let (ours, theirs) = (our_states(&insns), linux_states(&kernel, &insns));
        // After the first difference others follow from it.
        let differs = |(slot, line): &&(usize, String)| {
            ours.iter().any(|(at, _)| at == slot) && !ours.contains(&(*slot, line.clone()))
        };
        if let Some((slot, line)) = theirs.iter().find(differs) {
            let ours: Vec<&str> = ours.iter().filter(|(at, _)| at == slot).map(|(_, line)| line.as_str()).collect();
            differences.push(format!("program {seed}\n  Linux {line}\n  ours  {}", ours.join("\n        ")));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// The lines of a log that tell a state after an instruction, with its slot. At jumps that go one way for certain the
/// two logs print differently often: what is missing altogether does not count.
fn states(log: &str) -> Vec<(usize, String)> {
    let line = |line: &str| {
        let (slot, rest) = line.split_once(": (")?;
        let words = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        Some((slot.parse().ok()?, words))
    };
    log.lines().filter(|text| text.contains(" ; ")).filter_map(line).collect()
}

fn our_states(insns: &[Slot]) -> Vec<(usize, String)> {
    let program = Program::new("states", skep_abi::program_type::ProgramType::SocketFilter, insns);
    let options = Options { log_level: LogLevel::STATES, ..Options::default() };
    match verify(&program, &options) {
        Ok(verified) => states(verified.log()),
        Err(rejection) => states(&rejection.log),
    }
}

fn linux_states(kernel: &Arc<dyn Kernel>, insns: &[Slot]) -> Vec<(usize, String)> {
    let bytes = Slot::write_program(insns);
    let mut log = vec![0; LOG_BYTES];
    let command = ProgLoad {
        prog_type: 1,
        insns: &bytes,
        license: Some(c"GPL"),
        log_level: 2,
        log_buf: &mut log,
        ..ProgLoad::default()
    };
    // A refusal has its states too.
    _ = calls::prog_load(kernel, command);
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    states(&String::from_utf8_lossy(&log[..end]))
}

/// Makes programs: unknown numbers, narrowed by comparisons, computed with.
struct Generator {
    state: u64,
}

const OPERATORS: [&str; 8] = ["+=", "-=", "*=", "&=", "|=", "^=", "/=", "%="];
const SHIFTS: [&str; 3] = ["<<=", ">>=", "s>>="];
const COMPARISONS: [&str; 11] = ["==", "!=", "<", "<=", ">", ">=", "s<", "s<=", "s>", "s>=", "&"];

impl Generator {
    fn new(seed: u64) -> Self {
        Generator { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    fn next(&mut self, below: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % below
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.next(from.len() as u64) as usize]
    }

    fn register(&mut self, narrow: bool) -> String {
        let number = 6 + self.next(4);
        if narrow { format!("w{number}") } else { format!("r{number}") }
    }

    fn number(&mut self) -> i32 {
        let bit = 1i32.wrapping_shl(self.next(32) as u32);
        match self.next(6) {
            0 => self.next(16) as i32,
            1 => -(self.next(16) as i32),
            2 => bit,
            3 => bit.wrapping_sub(1),
            4 => self.next(1 << 32) as u32 as i32,
            _ => self.next(1 << 12) as i32,
        }
    }

    fn operand(&mut self, narrow: bool) -> String {
        if self.next(2) == 0 { self.register(narrow) } else { self.number().to_string() }
    }

    fn instruction(&mut self) -> String {
        let narrow = self.next(2) == 0;
        let dst = self.register(narrow);
        let bits = if narrow { 32 } else { 64 };
        match self.next(20) {
            0..=8 => format!("{dst} {} {}", self.pick(&OPERATORS), self.operand(narrow)),
            9 => format!("{dst} {} {}", self.pick(&["s/=", "s%="]), self.operand(narrow)),
            10..=12 => format!("{dst} {} {}", self.pick(&SHIFTS), self.next(bits)),
            13 => format!("{dst} {} {}", self.pick(&SHIFTS), self.register(narrow)),
            14 => format!("{dst} = -{dst}"),
            15 => format!("{dst} = {}", self.operand(narrow)),
            16 => format!("{dst} = ({}){}", self.pick(&["s8", "s16"]), self.register(narrow)),
            17 => format!("r{0} = (s32)r{1}", 6 + self.next(4), 6 + self.next(4)),
            18 => {
                let swap =
                    self.pick(&["be16", "be32", "be64", "le16", "le32", "le64", "bswap16", "bswap32", "bswap64"]);
                let dst = self.register(false);
                format!("{dst} = {swap} {dst}")
            }
            _ => self.comparison(),
        }
    }

    fn comparison(&mut self) -> String {
        let narrow = self.next(2) == 0;
        let left = self.register(narrow);
        // What a number compared with itself teaches is of no use: Linux refines an impossible path with it.
        let right = loop {
            let right = self.operand(narrow);
            if right != left {
                break right;
            }
        };
        format!("if {left} {} {right} goto out", self.pick(&COMPARISONS))
    }

    fn program(&mut self) -> String {
        let mut lines = Vec::new();
        for register in 6..=9 {
            lines.push("call 7".to_owned());
            lines.push(format!("r{register} = r0"));
        }
        for _ in 0..4 {
            lines.push(self.comparison());
        }
        for _ in 0..24 {
            let line = self.instruction();
            // Divisions by the constant 0 are refused by their form.
            lines.push(if line.ends_with("= 0") { line.replace("= 0", "= 3") } else { line });
        }
        lines.extend(["out:", "r0 = 0", "exit"].map(str::to_owned));
        lines.join("\n")
    }
}
