//! Looking for an input that makes a refused program run into its fault.
//!
//! The program is run in the sandbox, again and again for a bounded time. Inputs that reach new branches are kept and
//! changed further. What a branch compared is looked for in the input and replaced by what it was compared with (and the
//! numbers beside that): so most tests of headers, lengths and map values are passed after a few runs.

use super::fault::{self, Found};
use super::file::{Bytes, Counterexample, MapEntry, RunInput};
use super::replay::{self, Ran};
use skep::Object;
use skep_abi::map_type::ValueKind;
use skep_isa::{Insn, Operand, Slot};
use skep_object::{MapSpec, ProgramSpec};
use skep_user::hooks::packet_hook;
use skep_verifier::Rejection;
use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

/// How long to look, and how many runs at most.
const LIMITS: (Duration, u32) = (Duration::from_secs(20), 2000);

/// Instructions of a run. A run that takes more is taken for endless.
const BUDGET: u64 = 1 << 16;

/// Lengths of packets to begin with: around the ends of the usual headers.
const LENGTHS: &[usize] = &[64, 14, 15, 34, 42, 54, 60, 128, 1514];

/// Branches of one run whose operands are looked at, and places in an input where one number is replaced.
const BRANCHES: usize = 64;
const PLACES: usize = 4;

/// Why none was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The program cannot be run at all.
    Unfit(String),
    /// No run went wrong where the verifier says.
    NotFound,
}

/// Looks for a counterexample to a program that the verifier refused at an instruction.
pub(crate) fn search(
    object: &Object,
    program: &ProgramSpec,
    rejection: &Rejection,
) -> Result<(Counterexample, Found), Missing> {
    let instruction = rejection.slot.ok_or_else(|| Missing::Unfit("it is refused as a whole".to_owned()))?;
    let kind = program.kind.as_ref().ok_or_else(|| Missing::Unfit("its type is unknown".to_owned()))?.program_type;
    let takes_packet = packet_hook(kind).is_some();
    let context = replay::context_bytes(&kind.info().context);
    if !takes_packet && context.is_none() {
        return Err(Missing::Unfit("its arguments are kernel objects".to_owned()));
    }
    let mut search = Search {
        object,
        program,
        insns: replay::instructions(object, &program.name),
        instruction,
        endless: speaks_of_loops(&rejection.message),
        random: Random(0x9e37_79b9_7f4a_7c15),
        seen: HashSet::new(),
        waiting: VecDeque::new(),
        kept: Vec::new(),
        runs: 0,
        first: 0,
        deadline: Instant::now() + LIMITS.0,
    };
    search.waiting.extend(search.first_inputs(takes_packet, context.unwrap_or(0)));
    search.first = u32::try_from(search.waiting.len()).unwrap_or(u32::MAX);
    let (input, found) = search.run()?;
    let (input, found) = search.made_small(input, found);
    let (program, message) = (program.name.clone(), rejection.message.clone());
    Ok((Counterexample { program, message, instruction: found.slot, input }, found))
}

/// Refusals that an endless run bears out.
fn speaks_of_loops(message: &str) -> bool {
    ["infinite loop", "back-edge", "too large", "too complex"].iter().any(|words| message.contains(words))
}

struct Search<'a> {
    object: &'a Object,
    program: &'a ProgramSpec,
    insns: Vec<Slot>,
    /// Where the verifier saw the fault.
    instruction: u32,
    /// A run without an end is what is looked for.
    endless: bool,
    random: Random,
    /// Steps from slot to slot that some run took.
    seen: HashSet<(u32, u32)>,
    waiting: VecDeque<RunInput>,
    /// Inputs that reached something new.
    kept: Vec<RunInput>,
    runs: u32,
    /// Inputs to begin with: the numbers in each of them are looked at, whatever it reaches.
    first: u32,
    deadline: Instant,
}

impl Search<'_> {
    fn run(&mut self) -> Result<(RunInput, Found), Missing> {
        while self.runs < LIMITS.1 && Instant::now() < self.deadline {
            let Some(input) = self.waiting.pop_front().or_else(|| self.changed()) else { break };
            let ran = self.attempt(&input)?;
            if let Some(found) = self.wanted(&ran) {
                return Ok((input, found));
            }
            if self.reaches_something_new(&ran) || self.runs <= self.first {
                let further = self.with_numbers_compared(&input, &ran);
                self.waiting.extend(further);
                self.kept.push(input);
            }
        }
        Err(Missing::NotFound)
    }

    fn attempt(&mut self, input: &RunInput) -> Result<Ran, Missing> {
        self.runs += 1;
        replay::run(self.object, &self.program.name, input).map_err(|failure| Missing::Unfit(failure.to_string()))
    }

    /// The fault of a run, if it is the one that the verifier speaks of.
    fn wanted(&self, ran: &Ran) -> Option<Found> {
        fault::find(&self.insns, ran)
            .filter(|found| if found.endless { self.endless } else { found.slot == self.instruction })
    }

    fn reaches_something_new(&mut self, ran: &Ran) -> bool {
        let steps = ran.trace.steps();
        let mut new = self.kept.is_empty();
        for (from, to) in steps.iter().zip(steps.iter().skip(1)) {
            new |= self.seen.insert((from.slot, to.slot));
        }
        new
    }

    fn first_inputs(&self, takes_packet: bool, context: usize) -> Vec<RunInput> {
        let plain = RunInput { packet: None, context: None, maps: Vec::new(), seed: 1, budget: BUDGET };
        let mut inputs = Vec::new();
        if takes_packet {
            for len in LENGTHS {
                for bytes in [distinct(*len), vec![0; *len]] {
                    inputs.push(RunInput { packet: Some(Bytes(bytes)), ..plain.clone() });
                }
            }
        } else {
            for bytes in [distinct(context), vec![0; context], vec![0xff; context]] {
                inputs.push(RunInput { context: Some(Bytes(bytes)), ..plain.clone() });
            }
        }
        let filled: Vec<MapEntry> = self.maps().map(|map| entry(map, distinct(map.value_size as usize))).collect();
        if !filled.is_empty() {
            let first = inputs.iter().take(2).cloned().collect::<Vec<_>>();
            inputs.extend(first.into_iter().map(|input| RunInput { maps: filled.clone(), ..input }));
        }
        inputs
    }

    /// Maps of the program that hold plain data and can be filled.
    fn maps(&self) -> impl Iterator<Item = &MapSpec> {
        let spec = self.object.spec();
        self.program.maps().into_iter().filter_map(|index| spec.maps.get(index.0)).filter(|map| {
            let data = map.map_type().is_some_and(|map_type| map_type.info().value_kind == ValueKind::Data);
            data && !map.freeze && !map.origin.is_data() && map.key_size > 0 && map.value_size <= 4096
        })
    }

    /// One of the inputs kept, changed somewhere.
    fn changed(&mut self) -> Option<RunInput> {
        let index = self.random.below(self.kept.len())?;
        let mut input = self.kept[index].clone();
        for _ in 0..=self.random.below(3)? {
            match self.random.below(8)? {
                0 => input.seed = self.random.next(),
                1 => {
                    let maps: Vec<MapSpec> = self.maps().cloned().collect();
                    if let Some(map) = self.random.below(maps.len()) {
                        let value = (0..maps[map].value_size).map(|_| self.random.next() as u8).collect();
                        input.maps.push(entry(&maps[map], value));
                    }
                }
                2 => {
                    if let (Some(packet), Some(len)) = (&mut input.packet, self.random.below(1600)) {
                        packet.0.resize(len.max(1), 0);
                    }
                }
                _ => {
                    for bytes in buffers(&mut input) {
                        if let Some(at) = self.random.below(bytes.len()) {
                            bytes[at] = self.random.next() as u8;
                        }
                    }
                }
            }
        }
        Some(input)
    }

    /// The input with numbers that branches compared made equal, or nearly so.
    fn with_numbers_compared(&self, input: &RunInput, ran: &Ran) -> Vec<RunInput> {
        let mut inputs = Vec::new();
        let mut looked_at = HashSet::new();
        for step in ran.trace.steps() {
            let Ok(Insn::JumpIf { dst, src, .. }) = Insn::decode(&self.insns, step.slot as usize) else { continue };
            if looked_at.len() == BRANCHES || !looked_at.insert(step.slot) {
                continue;
            }
            let value = |reg: skep_isa::Reg| step.registers[usize::from(reg.number())];
            let left = value(dst);
            let right = match src {
                Operand::Reg(reg) => value(reg),
                Operand::Imm(imm) => i64::from(imm).cast_unsigned(),
            };
            for (from, to) in [(left, right), (right, left)] {
                for to in [to, to.wrapping_add(1), to.wrapping_sub(1)] {
                    inputs.extend(with_number(input, from, to));
                }
            }
            inputs.extend(with_length(input, left, right));
        }
        inputs
    }

    /// The same fault with less: a shorter packet, zeroes, fewer map elements, within a few more runs.
    fn made_small(&mut self, mut input: RunInput, mut found: Found) -> (RunInput, Found) {
        let mut try_it = |search: &mut Self, simpler: RunInput, input: &mut RunInput| {
            let ran = search.attempt(&simpler).ok();
            if let Some(same) = ran.and_then(|ran| search.wanted(&ran)) {
                (found, *input) = (same, simpler);
            }
        };
        for index in (0..input.maps.len()).rev() {
            let mut simpler = input.clone();
            simpler.maps.remove(index);
            try_it(self, simpler, &mut input);
        }
        let len = input.packet.as_ref().map_or(0, |packet| packet.0.len());
        for shorter in [1, 14, len / 4, len / 2, len * 3 / 4].into_iter().filter(|shorter| *shorter > 0) {
            let mut simpler = input.clone();
            if let Some(packet) = simpler.packet.as_mut().filter(|packet| packet.0.len() > shorter) {
                packet.0.truncate(shorter);
                try_it(self, simpler, &mut input);
            }
        }
        let parts = 16;
        for part in 0..parts {
            let mut simpler = input.clone();
            for bytes in buffers(&mut simpler) {
                let range = bytes.len() * part / parts..bytes.len() * (part + 1) / parts;
                bytes[range].fill(0);
            }
            if simpler != input {
                try_it(self, simpler, &mut input);
            }
        }
        (input, found)
    }
}

/// Bytes no two of which are alike nearby, so that a number tells where it came from.
fn distinct(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at as u8).wrapping_mul(37).wrapping_add(0x41)).collect()
}

/// An element with the first key.
fn entry(map: &MapSpec, value: Vec<u8>) -> MapEntry {
    MapEntry { map: map.name.clone(), key: Bytes(vec![0; map.key_size as usize]), value: Bytes(value) }
}

/// All bytes of an input.
fn buffers(input: &mut RunInput) -> impl Iterator<Item = &mut Vec<u8>> {
    let values = input.maps.iter_mut().map(|entry| &mut entry.value.0);
    input.packet.iter_mut().chain(input.context.iter_mut()).map(|bytes| &mut bytes.0).chain(values)
}

/// The input with one number in place of another, in either byte order, wherever that stands (within bounds).
fn with_number(input: &RunInput, from: u64, to: u64) -> Vec<RunInput> {
    let mut inputs = Vec::new();
    for size in [8, 4, 2, 1] {
        let bits = 8 * size as u32;
        let fits = |number: u64| bits == 64 || number >> bits == 0;
        // Zeroes are everywhere, and say nothing about where they come from.
        if !fits(from) || (from == 0 && size > 2) {
            continue;
        }
        let (little, big) = (|n: u64| n.to_le_bytes()[..size].to_vec(), |n: u64| n.to_be_bytes()[8 - size..].to_vec());
        let orders = if size == 1 {
            vec![(little(from), little(to))]
        } else {
            vec![(little(from), little(to)), (big(from), big(to))]
        };
        for (old, new) in orders {
            let count = buffers(&mut input.clone()).count();
            for buffer in 0..count {
                let places =
                    buffers(&mut input.clone()).nth(buffer).map(|bytes| places(bytes, &old)).unwrap_or_default();
                for at in places {
                    let mut changed = input.clone();
                    if let Some(bytes) = buffers(&mut changed).nth(buffer) {
                        bytes[at..at + size].copy_from_slice(&new);
                    }
                    inputs.push(changed);
                }
            }
        }
    }
    inputs
}

fn places(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    bytes.windows(wanted.len()).enumerate().filter(|(_, part)| *part == wanted).map(|(at, _)| at).take(PLACES).collect()
}

/// Addresses compared with each other may be places in the packet: the input with a packet longer or shorter by their
/// distance.
fn with_length(input: &RunInput, left: u64, right: u64) -> Vec<RunInput> {
    let distance = left.wrapping_sub(right).cast_signed();
    let (Some(packet), true) = (&input.packet, distance.unsigned_abs() < 2048 && left > 1 << 32) else {
        return Vec::new();
    };
    let lengths = [distance - 1, distance, distance + 1].map(|by| packet.0.len() as i64 + by);
    let resized = |len: i64| {
        let mut changed = input.clone();
        changed.packet.iter_mut().for_each(|packet| packet.0.resize(len as usize, 0));
        changed
    };
    lengths.into_iter().filter(|len| (1..=4000).contains(len)).map(resized).collect()
}

/// xorshift64: reproducible.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`, if there is one.
    fn below(&mut self, end: usize) -> Option<usize> {
        (end > 0).then(|| (self.next() % end as u64) as usize)
    }
}
