//! The compiler: from a decoded program to machine code in a few linear passes.
//!
//! 1. [`select`]: one [`inst::Inst`] per slot, references resolved, calls replaced by what the linker offers.
//! 2. [`convert`]: branches over one assignment become conditional assignments.
//! 3. [`place`]: loops are laid out for a machine.
//! 4. [`fold`]: forwards; earlier results become operands, addresses and wider loads of later instructions.
//! 5. [`liveness`]: backwards; what nobody reads is removed.
//! 6. [`layout`]: jumps to jumps and around jumps go.
//! 7. [`usage`]: what each function's frame needs.
//! 8. [`blind`], on request: numbers of the program do not stand in the code.
//! 9. A back end (`x86_64`, `aarch64`) writes the code, instruction by instruction.
//!
//! The code then goes to [`code_memory`]; [`exception`] watches over it, [`announce`] makes it known.
//!
//! Registers of BPF are registers of the machine, one to one, so that there is nothing to allocate. Every pass keeps what
//! the program computes as `skep_isa::semantics` has it; none relies on more than the verifier's proof that accesses are
//! valid.

#[cfg(any(target_arch = "aarch64", test))]
mod aarch64;
mod announce;
mod blind;
pub(crate) mod call;
mod code_memory;
mod convert;
pub(crate) mod exception;
mod fold;
pub(crate) mod inst;
mod layout;
mod liveness;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", test))]
mod lookahead;
mod magic;
pub(crate) mod native;
mod place;
mod select;
mod symbols;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod unsupported;
pub(crate) mod usage;
mod values;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub use announce::Announce;
pub(crate) use select::Facts;
pub use symbols::Symbol;

use std::sync::OnceLock;

#[cfg(target_arch = "aarch64")]
use aarch64 as back_end;
use announce::Announced;
use blind::{Preludes, WithoutArrays};
use call::Call;
use code_memory::{CodeMemory, CodeMemoryError};
use inst::{Inst, Registers};
use liveness::Liveness;
use select::{Leader, Selected};
use skep_isa::{DecodeError, Insn, Slot};
use symbols::{Noting, Symbols};
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use unsupported as back_end;
use usage::Usage;
#[cfg(target_arch = "x86_64")]
use x86_64 as back_end;

use crate::compile_options::CompileOptions;
use crate::direct::Linker;
use crate::executable::LinkError;

/// Where programs have their stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frames {
    /// On the machine's own stack.
    Native,
    /// In the chunk that the machine holds, at the same addresses as in the interpreter, and zeroed.
    Lent,
}

/// A program as the back ends see it.
struct Program {
    insts: Vec<Inst>,
    preludes: Preludes,
    /// By index: the slot that the instruction stems from; empty where that is the index.
    origin: Vec<u32>,
    calls: Vec<Call>,
    /// Indices of their first instructions, ascending.
    functions: Vec<u32>,
    leaders: Vec<Leader>,
    liveness: Liveness,
    /// By function.
    usage: Vec<Usage>,
    frames: Frames,
    /// Only instructions that every processor has.
    baseline: bool,
}

impl Program {
    /// The slot of the instruction with that index.
    fn slot_of(&self, index: u32) -> u32 {
        self.origin.get(index as usize).copied().unwrap_or(index)
    }

    /// Whether the main function is called, too, and so must give back what it changes.
    fn calls_main(&self) -> bool {
        let main = self.functions.first().copied();
        self.calls.iter().any(|call| matches!(call, Call::Function { slot } if Some(*slot) == main))
    }
}

/// What a back end makes.
struct Emitted {
    code: Vec<u8>,
    /// By index.
    offsets: Vec<u32>,
    /// By function.
    entries: Vec<u32>,
}

/// Addresses of code that all programs share.
#[derive(Debug)]
struct Stubs {
    /// `extern "C" fn(r1, r2, r3, r4, r5, machine, code) -> r0`: runs code from its beginning to its end.
    enter: u64,
    /// Ends the run that was entered last.
    end: u64,
    /// Where a tail call of a function that is not the main one goes.
    tail_call_from_function: u64,
    _memory: CodeMemory,
}

/// How [`Stubs::enter`] is called.
type Enter = unsafe extern "C" fn(u64, u64, u64, u64, u64, *mut native::State, u64) -> u64;

fn stubs() -> Result<&'static Stubs, LinkError> {
    static STUBS: OnceLock<Option<Stubs>> = OnceLock::new();
    if !crate::Mode::Jit.is_supported() {
        return Err(LinkError::NoCompiler);
    }
    let make = || {
        let (code, [enter, end, tail_call]) = back_end::build_stubs();
        let memory = CodeMemory::new(&code).ok()?;
        let at = |offset: usize| memory.address() + offset as u64;
        exception::watch(memory.address()..memory.address() + code.len() as u64, at(end));
        Some(Stubs { enter: at(enter), end: at(end), tail_call_from_function: at(tail_call), _memory: memory })
    };
    STUBS.get_or_init(make).as_ref().ok_or(LinkError::NoCodeMemory)
}

impl From<CodeMemoryError> for LinkError {
    fn from(error: CodeMemoryError) -> LinkError {
        match error {
            CodeMemoryError::Full(limit) => LinkError::CodeMemoryFull(limit),
            CodeMemoryError::System(_) => LinkError::NoCodeMemory,
        }
    }
}

/// Compiled code of one program.
#[derive(Debug)]
pub(crate) struct Compiled {
    memory: CodeMemory,
    /// Where the code of instructions begins, ascending, and their slots.
    offsets: Box<[(u32, u32)]>,
    /// First slot and entrance of each function, ascending: functions keep their order.
    functions: Box<[(u32, u32)]>,
    symbols: Symbols,
    _announced: Option<Announced>,
    pub(crate) frames: Frames,
    /// [`Stubs::enter`].
    enter: u64,
    /// It calls out through the environment, or loads from the packet.
    pub(crate) needs_machine: bool,
    /// It looks at what is the same for the whole run.
    pub(crate) uses_facts: bool,
}

impl Compiled {
    /// Whether its main function needs no more than a state of its own.
    pub(crate) fn runs_alone(&self) -> bool {
        !self.needs_machine && self.frames == Frames::Native
    }

    /// Whether the environment must say what is the same for the whole run: for the program, or for one that it continues in.
    pub(crate) fn asks_for_facts(&self) -> bool {
        self.uses_facts || self.needs_machine
    }

    /// Address of the main function.
    pub(crate) fn main(&self) -> u64 {
        self.memory.address() + self.functions.first().map_or(0, |(_, entry)| u64::from(*entry))
    }

    /// Address of the function whose first slot that is.
    pub(crate) fn function(&self, slot: u32) -> Option<u64> {
        let at = self.functions.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
        Some(self.memory.address() + u64::from(self.functions[at].1))
    }

    /// The slot whose code is at that address.
    pub(crate) fn slot_at(&self, address: u64) -> Option<u32> {
        let offset = address.checked_sub(self.memory.address())?;
        let offset = u32::try_from(offset).ok().filter(|offset| (*offset as usize) < self.memory.bytes().len())?;
        // What comes before a function's first instruction belongs to its slot.
        let functions = &self.functions[..self.functions.partition_point(|(_, entry)| *entry <= offset)];
        let begun = &self.offsets[..self.offsets.partition_point(|(begin, _)| *begin <= offset)];
        match (begun.last(), functions.last()) {
            (Some((begin, _)), Some((slot, entry))) if entry > begin => Some(*slot),
            (None, Some((slot, _))) => Some(*slot),
            (begun, _) => begun.map(|(_, slot)| *slot),
        }
    }

    /// The machine code.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.memory.bytes()
    }

    /// Where [`Compiled::bytes`] lie.
    pub(crate) fn address(&self) -> u64 {
        self.memory.address()
    }

    /// Where in [`Compiled::bytes`] the code of instructions begins, ascending, and their slots. The code of a slot may be in
    /// several places, and none where nothing is left to do.
    pub(crate) fn offsets(&self) -> &[(u32, u32)] {
        &self.offsets
    }

    /// First slot and entrance of each function, ascending.
    pub(crate) fn functions(&self) -> &[(u32, u32)] {
        &self.functions
    }

    /// What numbers in it stand for.
    pub(crate) fn symbols(&self) -> &Symbols {
        &self.symbols
    }
}

/// What a program is compiled for beside its slots.
pub(crate) struct Request<'r> {
    /// Decoded, each with its slot.
    pub(crate) insns: &'r [(u32, Insn)],
    pub(crate) slots: usize,
    pub(crate) facts: Facts<'r>,
    pub(crate) frames: Frames,
    /// Frames are zero at the beginning.
    pub(crate) zeroed: bool,
    pub(crate) options: &'r CompileOptions,
}

/// The instructions of a program, each with its slot.
///
/// # Errors
/// What does not decode.
pub(crate) fn decode(slots: &[Slot]) -> Result<Vec<(u32, Insn)>, DecodeError> {
    // `MAX_SLOTS` is far below `u32::MAX`; selection refuses more.
    skep_isa::instructions(slots).map(|insn| insn.map(|(slot, insn)| (slot as u32, insn))).collect()
}

/// Compiles a program.
///
/// # Errors
/// What linking says, [`LinkError::NoCompiler`], [`LinkError::TooMuchCode`], [`LinkError::NoCodeMemory`],
/// [`LinkError::CodeMemoryFull`] and [`LinkError::PerfMap`].
pub(crate) fn compile(
    request: &Request<'_>,
    stack_of: impl Fn(u32) -> u16,
    linker: &mut dyn Linker,
) -> Result<Compiled, LinkError> {
    let stubs = stubs()?;
    let blinds = request.options.blind;
    let mut without_arrays = WithoutArrays(linker);
    let linker: &mut dyn Linker = if blinds { &mut without_arrays } else { without_arrays.0 };
    let mut linker = Noting { linker, symbols: Symbols::default() };
    let program = translate(request, stack_of, &mut linker)?;
    let emitted = back_end::emit(&program, stubs);
    if emitted.code.len() > back_end::MAX_CODE {
        return Err(LinkError::TooMuchCode(emitted.code.len()));
    }
    publish(request, &program, emitted, linker.symbols)
}

/// All passes but the last.
fn translate(
    request: &Request<'_>,
    stack_of: impl Fn(u32) -> u16,
    linker: &mut dyn Linker,
) -> Result<Program, LinkError> {
    let blinds = request.options.blind;
    let mut selected = select::select(request.insns, request.slots, request.facts, linker)?;
    if !blinds {
        convert::convert(&mut selected);
    }
    place::place(&mut selected);
    if !blinds {
        fold::fold(&mut selected);
    }
    // Where all is as in the interpreter, calls keep r1 to r5.
    let lost = if request.frames == Frames::Lent { Registers::NONE } else { Registers::ARGUMENTS };
    let liveness = liveness::eliminate(&mut selected, lost);
    layout::straighten(&mut selected);
    let usage = usage::usage(&selected, stack_of, request.zeroed);
    let Selected { mut insts, calls, functions, leaders, origin, .. } = selected;
    let preludes = if blinds { blind::blind(&mut insts) } else { Preludes::default() };
    let (frames, baseline) = (request.frames, request.options.baseline);
    Ok(Program { insts, preludes, origin, calls, functions, leaders, liveness, usage, frames, baseline })
}

/// Makes code executable, and known to those who are to know it.
fn publish(
    request: &Request<'_>,
    program: &Program,
    emitted: Emitted,
    symbols: Symbols,
) -> Result<Compiled, LinkError> {
    let announce = request.options.announce;
    // Debuggers cannot set breakpoints in shared pages, and perf looks for names only where no file stands behind them.
    let apart = announce != Announce::default();
    let memory = if apart { CodeMemory::apart(&emitted.code)? } else { CodeMemory::new(&emitted.code)? };
    let functions: Box<[_]> =
        program.functions.iter().map(|index| program.slot_of(*index)).zip(emitted.entries).collect();
    let name = request.options.name.as_deref().unwrap_or("skep_prog");
    let announced = announce::announce(announce, name, memory.range(), &functions);
    Ok(Compiled {
        offsets: (0..).zip(emitted.offsets).map(|(index, offset)| (offset, program.slot_of(index))).collect(),
        symbols,
        _announced: announced.map_err(|error| LinkError::PerfMap(error.kind()))?,
        functions,
        memory,
        frames: request.frames,
        enter: stubs()?.enter,
        needs_machine: program.calls.iter().any(Call::needs_machine)
            || program.insts.iter().any(|inst| matches!(inst, Inst::LoadPacket { .. })),
        uses_facts: program.calls.iter().any(Call::uses_facts),
    })
}

/// Runs code from its beginning to its end.
///
/// # Safety
/// `code` is the address of a function of `compiled`, and all that [`crate::Executable::run`] asks for holds.
/// `state` is that of a machine whose environment is set, unless nothing the code does needs one
/// ([`Compiled::needs_machine`]).
#[inline]
pub(crate) unsafe fn enter(compiled: &Compiled, code: u64, args: [u64; 5], state: *mut native::State) -> u64 {
    // SAFETY: `enter` is the address of a function of that type, which back ends build.
    let enter = unsafe { std::mem::transmute::<usize, Enter>(compiled.enter as usize) };
    let [r1, r2, r3, r4, r5] = args;
    // SAFETY: the caller's.
    unsafe { enter(r1, r2, r3, r4, r5, state, code) }
}
