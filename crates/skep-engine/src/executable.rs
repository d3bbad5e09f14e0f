//! A program ready to run: decoded, its jumps resolved, its references to maps replaced by addresses.

use skep_isa::{Imm64, Slot};
use skep_verifier::{Claims, Subprogram, Verified};
use std::sync::Arc;

use crate::compile_options::CompileOptions;
use crate::direct::Linker;
use crate::jit::{self, Compiled, Facts, Frames, Request};
use crate::lower::{self, Lowered};
use crate::op::Op;
use crate::paranoid::Beliefs;
use crate::stack::FRAME_BYTES;

/// Most slots of a program (Linux: `BPF_COMPLEXITY_LIMIT_INSNS`).
pub const MAX_SLOTS: usize = 1_000_000;

/// Addresses of functions begin here: not canonical on any host, so that nothing can be there.
const FUNCTION_BASE: u64 = 0x0bf0_0000_0000_0000;

/// Why a program cannot be made ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// No instruction at all.
    #[error("the program is empty")]
    Empty,
    /// More than [`MAX_SLOTS`].
    #[error("the program has {0} slots; at most {MAX_SLOTS} are allowed")]
    TooLong(usize),
    /// An instruction that does not decode.
    #[error(transparent)]
    Decode(#[from] skep_isa::DecodeError),
    /// A jump, call or function reference out of the program or into the second slot of `lddw`.
    #[error("slot {slot}: jump or call to slot {target}, where no instruction begins")]
    BadTarget {
        /// Where.
        slot: u32,
        /// Where to.
        target: i64,
    },
    /// There is no compiler for this host.
    #[error("there is no compiler for {}: use the interpreter", std::env::consts::ARCH)]
    NoCompiler,
    /// The machine code is longer than a branch can reach.
    #[error("the compiled program has {0} bytes, more than its branches reach: use the interpreter")]
    TooMuchCode(usize),
    /// The system gives no memory for code.
    #[error("no executable memory for the compiled program: the system refuses it")]
    NoCodeMemory,
    /// Other programs take up what a process may use for code.
    #[error("compiled programs take up all of the {0} bytes of executable memory: unload some")]
    CodeMemoryFull(u64),
    /// The program should be made known to `perf`, and cannot.
    #[error("cannot write the map for perf in /tmp: {0}")]
    PerfMap(std::io::ErrorKind),
    /// The resolver gave no address.
    #[error("slot {slot}: {imm:?} has no address")]
    Unresolved {
        /// Where.
        slot: u32,
        /// What is loaded.
        imm: Imm64,
    },
}

/// A function's first slot and its stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) slot: u32,
    pub(crate) stack_bytes: u16,
}

/// A program ready to run.
///
/// Invariant: unless it is compiled only, one operation per slot and an invalid one after the last; each jump or call target is
/// below the number of slots.
#[derive(Debug)]
pub struct Executable {
    /// What the interpreter runs; the invalid one alone where there is only machine code.
    ops: Box<[Op]>,
    slots: usize,
    /// By slot, ascending.
    functions: Box<[Entry]>,
    verified: bool,
    beliefs: Option<Beliefs>,
    compiled: Option<Compiled>,
    name: Option<Arc<str>>,
}

impl Executable {
    /// Makes an unverified program ready for the sandbox. `resolve` gives the number that a `lddw` of a map, a map's
    /// value or a kernel variable loads; plain numbers and functions never come to it.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn link(slots: &[Slot], resolve: impl FnMut(Imm64) -> Option<u64>) -> Result<Self, LinkError> {
        Self::with_facts(slots, &[], &[], resolve)
    }

    /// Makes a verified program ready: it may run on native addresses. Maps come to `resolve` as `Imm64::MapIndex` and
    /// `Imm64::MapIndexValue`, indices into [`Verified::maps`].
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn from_verified(program: &Verified, resolve: impl FnMut(Imm64) -> Option<u64>) -> Result<Self, LinkError> {
        let executable = Self::with_facts(program.insns(), program.subprograms(), program.probe_loads(), resolve)?;
        Ok(Executable { verified: true, ..executable })
    }

    /// Makes a verified program ready and compiles it to machine code.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn compile(program: &Verified, linker: &mut dyn Linker) -> Result<Self, LinkError> {
        Self::compile_with(program, linker, &CompileOptions::default())
    }

    /// The same in the way that `options` say.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn compile_with(
        program: &Verified,
        linker: &mut dyn Linker,
        options: &CompileOptions,
    ) -> Result<Self, LinkError> {
        let request = Request {
            insns: program.decoded(),
            slots: program.insns().len(),
            facts: Facts { probe_loads: program.probe_loads(), call_sites: program.call_sites() },
            frames: Frames::Native,
            zeroed: program.reads_unset_stack(),
            options,
        };
        let stack_of = |slot| stack_bytes(program.subprograms(), slot);
        let compiled = jit::compile(&request, stack_of, linker)?;
        let entry = |(slot, _): &(u32, u32)| Entry { slot: *slot, stack_bytes: stack_of(*slot) };
        Ok(Executable {
            ops: [Op::INVALID].into(),
            slots: program.insns().len(),
            functions: compiled.functions().iter().map(entry).collect(),
            verified: true,
            beliefs: None,
            compiled: Some(compiled),
            name: options.name.clone(),
        })
    }

    /// Compiles a program made by [`Executable::link`], for runs on the stack that the interpreter would use.
    pub(crate) fn compile_trusted(
        self,
        slots: &[Slot],
        linker: &mut dyn Linker,
        options: &CompileOptions,
    ) -> Result<Self, LinkError> {
        let insns = jit::decode(slots)?;
        let (slots, facts, frames) = (slots.len(), Facts::default(), Frames::Lent);
        let request = Request { insns: &insns, slots, facts, frames, zeroed: true, options };
        let compiled = jit::compile(&request, |slot| self.stack_of(slot), linker)?;
        Ok(Executable { compiled: Some(compiled), name: options.name.clone(), ..self })
    }

    /// What it is called, if it was given a name.
    pub(crate) fn name(&self) -> Option<Arc<str>> {
        self.name.clone()
    }

    /// Bytes of stack of the function that begins at `slot`.
    fn stack_of(&self, slot: u32) -> u16 {
        let at = self.functions.binary_search_by_key(&slot, |e| e.slot).ok();
        at.and_then(|at| self.functions.get(at)).map_or(FRAME_BYTES, |e| e.stack_bytes)
    }

    /// The same program with other machine code.
    #[cfg(test)]
    pub(crate) fn replace_code(self, code: Compiled) -> Self {
        Executable { compiled: Some(code), ..self }
    }

    /// Its machine code.
    pub(crate) fn code(&self) -> Option<&Compiled> {
        self.compiled.as_ref()
    }

    /// Whether it is compiled.
    pub fn is_compiled(&self) -> bool {
        self.compiled.is_some()
    }

    fn with_facts(
        slots: &[Slot],
        subprograms: &[Subprogram],
        probe_loads: &[u32],
        resolve: impl FnMut(Imm64) -> Option<u64>,
    ) -> Result<Self, LinkError> {
        let Lowered { ops, functions } =
            lower::lower(slots, probe_loads, |slot| stack_bytes(subprograms, slot), resolve)?;
        Ok(Executable {
            ops,
            slots: slots.len(),
            functions,
            verified: false,
            beliefs: None,
            compiled: None,
            name: None,
        })
    }

    /// The same program, taken for verified although Skep's verifier has not seen it: another's has, or it is known.
    ///
    /// # Safety
    /// In every run it accesses only memory it may access, nests at most [`crate::MAX_FRAMES`] calls and ends: as if the
    /// verifier had proved it.
    pub unsafe fn trusted(self) -> Self {
        Executable { verified: true, ..self }
    }

    /// The same program with what the verifier claims about it, for the paranoid mode. `verified` is what it was made
    /// from; the claims are those of the same program, see [`Claims::of`].
    pub fn with_claims(self, verified: &Verified, claims: Arc<Claims>) -> Self {
        Executable { beliefs: Some(Beliefs::new(verified, claims)), ..self }
    }

    /// What the verifier claims about it, if runs are held against that.
    pub fn claims(&self) -> Option<&Claims> {
        self.beliefs.as_ref().map(Beliefs::claims)
    }

    /// The same, with what it takes to hold a run against it.
    pub(crate) fn beliefs(&self) -> Option<&Beliefs> {
        self.beliefs.as_ref()
    }

    /// Whether it may run on native addresses.
    pub fn is_verified(&self) -> bool {
        self.verified
    }

    /// Number of slots.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Whether the interpreter can run it.
    pub(crate) fn is_decoded(&self) -> bool {
        self.ops.len() > self.slots
    }

    #[inline(always)]
    pub(crate) fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The main function.
    pub(crate) fn main(&self) -> Entry {
        self.functions.first().copied().unwrap_or(Entry { slot: 0, stack_bytes: FRAME_BYTES })
    }

    /// The function of that address, as the program itself obtains it by `lddw`.
    pub(crate) fn function(&self, address: u64) -> Option<Entry> {
        let slot = u32::try_from(address.checked_sub(FUNCTION_BASE)?).ok()?;
        let at = self.functions.binary_search_by_key(&slot, |e| e.slot).ok()?;
        self.functions.get(at).copied()
    }
}

/// Bytes of stack of the function that begins at `slot`.
fn stack_bytes(subprograms: &[Subprogram], slot: u32) -> u16 {
    let known = subprograms.binary_search_by_key(&slot, |s| s.start).ok().and_then(|at| subprograms.get(at));
    known.map_or(FRAME_BYTES, |s| s.stack_bytes.min(FRAME_BYTES))
}

/// The address that stands for the function at `slot`.
pub(crate) fn function_address(slot: u32) -> u64 {
    FUNCTION_BASE + u64::from(slot)
}
