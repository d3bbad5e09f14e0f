//! What the verifier answers.

use skep_isa::{Insn, Slot};
use std::fmt;

use crate::explanation::Explanation;
use crate::input::{FunctionTraits, LineInfo};
use crate::reason::Reason;

/// An accepted program. Only the verifier makes one, so that whoever holds it knows that every path was explored.
#[derive(Clone, Debug)]
pub struct Verified {
    pub(crate) insns: Vec<Slot>,
    pub(crate) decoded: Vec<(u32, Insn)>,
    pub(crate) subprograms: Vec<Subprogram>,
    pub(crate) maps: Vec<i32>,
    pub(crate) statistics: Statistics,
    pub(crate) log: String,
    pub(crate) original: Vec<u32>,
    pub(crate) probe_loads: Vec<u32>,
    pub(crate) buffer_use: BufferUse,
    pub(crate) call_sites: Vec<CallSite>,
    pub(crate) zero_extensions: Vec<u32>,
    pub(crate) reads_unset_stack: bool,
    pub(crate) functions: Vec<FunctionTraits>,
}

/// What is the same about a helper call on every path. Calls of which nothing is known have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallSite {
    /// Slot of the call in [`Verified::insns`].
    pub slot: u32,
    /// Number of the helper.
    pub helper: u32,
    /// The map it works on, an index into [`Verified::maps`]: its operation may stand in the place of the call.
    pub map: Option<u32>,
    /// The element that a tail call takes: the call may be a jump that is patched when that element changes.
    pub tail_call_index: Option<u32>,
    /// The first slot of the function that a `bpf_loop` without flags calls: the call may be a loop.
    pub loop_body: Option<u32>,
}

impl CallSite {
    pub(crate) fn says_something(&self) -> bool {
        self.map.is_some() || self.tail_call_index.is_some() || self.loop_body.is_some()
    }
}

/// How many bytes a program uses of buffers whose size is known only to whoever attaches it; that one must check that
/// they are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BufferUse {
    /// Of the buffer of a writable tracepoint.
    pub tracepoint: u32,
    /// Of the key of a map's element, in an iterator.
    pub key: u32,
    /// Of its value.
    pub value: u32,
}

/// One function of a verified program; the first is the main program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subprogram {
    /// First slot in [`Verified::insns`].
    pub start: u32,
    /// Number of slots.
    pub len: u32,
    /// Bytes of stack it uses.
    pub stack_bytes: u16,
    /// Its BTF name, if known.
    pub name: Option<String>,
}

impl Verified {
    /// The program after fix-ups: dead code removed, context accesses converted
    /// (see [`skep_abi::program_type`]), maps as `Imm64::MapIndex` and `Imm64::MapIndexValue` into [`Verified::maps`].
    pub fn insns(&self) -> &[Slot] {
        &self.insns
    }

    /// The same, decoded, each instruction with its slot.
    pub fn decoded(&self) -> &[(u32, Insn)] {
        &self.decoded
    }

    /// Its functions.
    pub fn subprograms(&self) -> &[Subprogram] {
        &self.subprograms
    }

    /// What programs that replace or watch one of its functions must know of it; of functions without BTF nothing.
    pub fn functions(&self) -> &[FunctionTraits] {
        &self.functions
    }

    /// File descriptors (as in [`crate::Program::maps`]) of the maps used, in order of their index.
    pub fn maps(&self) -> &[i32] {
        &self.maps
    }

    /// How much it uses of the buffers that it is attached to.
    pub fn buffer_use(&self) -> BufferUse {
        self.buffer_use
    }

    /// What it took.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The log asked for.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// For each slot of [`Verified::insns`], the slot of the given program it stems from.
    pub fn original_slots(&self) -> &[u32] {
        &self.original
    }

    /// Slots of [`Verified::insns`], ascending, of loads through typed kernel pointers. The verifier proves the type of
    /// such a pointer, not that it leads anywhere: whoever runs the program must make these loads give 0 where nothing
    /// can be read (Linux: `BPF_PROBE_MEM`).
    pub fn probe_loads(&self) -> &[u32] {
        &self.probe_loads
    }

    /// Whether a path reads stack that nothing was written to, as privileged programs may: whoever runs the program decides
    /// what is there, and may leave it as it is where none does.
    pub fn reads_unset_stack(&self) -> bool {
        self.reads_unset_stack
    }

    /// What is the same about a call on every path, ascending by slot.
    pub fn call_sites(&self) -> &[CallSite] {
        &self.call_sites
    }

    /// Slots of [`Verified::insns`], ascending, of 32-bit results whose upper half is read: where a machine does not
    /// clear it by itself, it must be cleared there, and only there.
    pub fn zero_extensions(&self) -> &[u32] {
        &self.zero_extensions
    }
}

/// What a verification took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Instructions processed over all paths.
    pub instructions_processed: u32,
    /// How many may be processed.
    pub instruction_limit: u32,
    /// Most states compared with at one instruction.
    pub max_states_per_instruction: u32,
    /// States kept, over all instructions.
    pub total_states: u32,
    /// Most states alive at once.
    pub peak_states: u32,
    /// Largest stack over all call chains, in bytes.
    pub stack_bytes: u32,
    /// Bytes of stack of each subprogram.
    pub stack_depths: Vec<u16>,
    /// Time, in microseconds.
    pub time_us: u64,
}

/// Why a program was refused.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Linux's message: `R1 invalid mem access 'scalar'`.
    pub message: String,
    /// The errno that Linux gives (positive).
    pub errno: i32,
    /// What it is about.
    pub reason: Reason,
    /// Slot where it happened, if it is about one.
    pub slot: Option<u32>,
    /// The source line of that slot.
    pub line: Option<LineInfo>,
    /// Slots of the path that leads there, oldest first (bounded).
    pub path: Vec<u32>,
    /// What to do about it, if there is something to say.
    pub hint: Option<String>,
    /// Why, for people, if [`crate::Options::explain`] asked for it.
    pub explanation: Option<Explanation>,
    /// The program for a sandbox: as it was given, slot by slot, but loads of context pointers that were understood before
    /// the refusal are those of a running context (see [`skep_abi::program_type`]).
    pub runnable: Vec<Slot>,
    /// The log asked for, ending with the message.
    pub log: String,
    /// What it took until then.
    pub statistics: Statistics,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(slot) = self.slot {
            write!(f, " (instruction {slot}")?;
            if let Some(line) = &self.line {
                write!(f, ", {}:{}: {}", line.file, line.line, line.text.trim())?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {}
