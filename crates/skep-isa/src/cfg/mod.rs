//! The control-flow graph of a program: subprograms, basic blocks, edges, loops, dominators.
//!
//! * Blocks are numbered in order of their slots; block 0 begins at slot 0.
//! * A block belongs to one subprogram, and edges never leave it. Calls are no edges: execution goes on after them.
//! * Every instruction of the program is in one block, whether it is reachable or not.
//! * All algorithms take time nearly linear in the size of the program and use no recursion.

mod build;
mod dominators;
mod dot;
mod order;

pub use dominators::Dominators;
pub use dot::Dot;

use crate::code::DecodeError;
use crate::insn::Insn;

/// Number of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub u32);

impl BlockId {
    /// To index [`Cfg::blocks`] with.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Why a program has no control-flow graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CfgError {
    /// It has no instructions.
    #[error("the program is empty")]
    Empty,
    /// An instruction does not decode.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A jump leads outside of its subprogram.
    #[error("slot {slot}: jump to slot {target}, outside of its function (slots {start} to {})", .end - 1)]
    JumpOutOfRange {
        /// Slot of the jump.
        slot: usize,
        /// Where it leads.
        target: i64,
        /// First slot of the subprogram.
        start: usize,
        /// Slot after its last.
        end: usize,
    },
    /// A jump or call leads to the second slot of a two-slot instruction.
    #[error("slot {slot}: jump to slot {target}, the middle of a two-slot instruction")]
    IntoSecondSlot {
        /// Slot of the jump.
        slot: usize,
        /// Where it leads.
        target: usize,
    },
    /// A call, or the load of a function's address, names a slot outside of the program.
    #[error("slot {slot}: function at slot {target}, outside of the program")]
    NoSuchFunction {
        /// Slot of the call or load.
        slot: usize,
        /// What it names.
        target: i64,
    },
    /// Execution can run past the last instruction of a subprogram.
    #[error("slot {slot}: the last instruction of a function must be an exit or a jump")]
    RunsOff {
        /// Slot of the last instruction.
        slot: usize,
    },
}

/// A stretch of instructions entered only at its start and left only at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// First slot.
    pub start: usize,
    /// Slot after the last.
    pub end: usize,
    /// Slot of the last instruction.
    pub last: usize,
    /// The subprogram it is part of.
    pub subprogram: usize,
    /// Where its last instruction falls through to.
    pub next: Option<BlockId>,
    /// Where its last instruction jumps to.
    pub jump: Option<BlockId>,
    /// Blocks that lead here, in order; one that does so both by jumping and falling through stands twice.
    pub predecessors: Vec<BlockId>,
}

impl Block {
    /// Where it leads: falling through first, then jumping.
    pub fn successors(&self) -> impl DoubleEndedIterator<Item = BlockId> + use<> {
        self.next.into_iter().chain(self.jump)
    }
}

/// A function: the main program, or what a call or a function's address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subprogram {
    /// First slot.
    pub start: usize,
    /// Slot after the last.
    pub end: usize,
    /// Its first block.
    pub entry: BlockId,
    /// Block after its last.
    pub end_block: BlockId,
    /// Slots of its calls of subprograms, and the subprogram called, in order.
    pub calls: Vec<(usize, usize)>,
    /// Slots where it takes the address of a subprogram (a callback), and which, in order.
    pub addresses: Vec<(usize, usize)>,
}

impl Subprogram {
    /// The numbers of its blocks.
    pub fn blocks(&self) -> impl DoubleEndedIterator<Item = BlockId> + ExactSizeIterator + use<> {
        (self.entry.0..self.end_block.0).map(BlockId)
    }
}

/// The control-flow graph of a program.
#[derive(Clone, Debug)]
pub struct Cfg {
    insns: Vec<Option<Insn>>,
    blocks: Vec<Block>,
    block_at: Vec<BlockId>,
    subprograms: Vec<Subprogram>,
}

impl Cfg {
    /// The instruction that begins at a slot; `None` for second slots and past the end.
    pub fn insn(&self, slot: usize) -> Option<&Insn> {
        self.insns.get(slot)?.as_ref()
    }

    /// All instructions with their slots.
    pub fn insns(&self) -> impl DoubleEndedIterator<Item = (usize, &Insn)> {
        self.insns.iter().enumerate().filter_map(|(slot, insn)| Some((slot, insn.as_ref()?)))
    }

    /// The instructions of a block with their slots.
    pub fn block_insns(&self, block: BlockId) -> impl DoubleEndedIterator<Item = (usize, &Insn)> {
        let range = self.blocks[block.index()].start..self.blocks[block.index()].end;
        range.filter_map(|slot| Some((slot, self.insns[slot].as_ref()?)))
    }

    /// Number of slots of the program.
    pub fn slots(&self) -> usize {
        self.insns.len()
    }

    /// All blocks, in order of their slots.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// A block.
    ///
    /// # Panics
    /// If the number is not from this graph.
    pub fn block(&self, block: BlockId) -> &Block {
        &self.blocks[block.index()]
    }

    /// The block a slot is in; `None` past the end.
    pub fn block_at(&self, slot: usize) -> Option<BlockId> {
        self.block_at.get(slot).copied()
    }

    /// All subprograms, in order of their slots; the first is the main program.
    pub fn subprograms(&self) -> &[Subprogram] {
        &self.subprograms
    }

    /// The subprogram a slot is in; `None` past the end.
    pub fn subprogram_at(&self, slot: usize) -> Option<usize> {
        Some(self.block(self.block_at(slot)?).subprogram)
    }

    /// For a jump: the slot it leads to.
    pub fn jump_target(&self, slot: usize) -> Option<usize> {
        let block = self.block(self.block_at(slot)?);
        if block.last == slot { block.jump.map(|to| self.block(to).start) } else { None }
    }

    /// A graph in the notation of graphviz.
    pub fn dot(&self) -> Dot<'_> {
        Dot::new(self)
    }
}
