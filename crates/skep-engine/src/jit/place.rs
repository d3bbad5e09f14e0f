//! The order of the code in functions that have loops: what is jumped to comes after the jump, so that the jump goes, and a
//! loop whose first test skips to its end has that end before its beginning, so that a round takes one jump, not two.
//!
//! Compilers for BPF lay code out for an interpreter. Afterwards indices are those of the new order;
//! [`Selected::origin`] has the slots.

use std::ops::Range;

use super::inst::Inst;
use super::select::{Leader, Selected};

/// Puts the code of all functions in order.
pub(super) fn place(selected: &mut Selected) {
    if !selected.has_back_edges {
        return;
    }
    let mut order = Order::default();
    for range in selected.function_ranges() {
        order_function(selected, range, &mut order);
    }
    order.apply(selected);
}

/// Straight code: jumps lead to its beginning and leave at its end only.
#[derive(Clone, Copy, Debug)]
struct Block {
    start: usize,
    end: usize,
    placed: bool,
}

/// What stands where.
#[derive(Debug, Default)]
struct Order {
    /// Slots of the old order, and jumps that had to be added, with the slot they stand for.
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug)]
enum Piece {
    /// These slots as they are.
    Code { start: usize, end: usize },
    /// The jump at that slot is not needed: what it leads to comes next.
    Dropped { slot: usize },
    /// A jump to the slot.
    Jump { to: usize, origin: usize },
    /// The branch at that slot, turned around: it leads to where it fell through to.
    Inverted { slot: usize },
}

fn order_function(selected: &Selected, range: Range<usize>, order: &mut Order) {
    let mut blocks = blocks(selected, range.clone());
    for first in 0..blocks.len() {
        let mut at = Some(first).filter(|first| !blocks[*first].placed);
        while let Some(index) = at {
            at = place_block(selected, &mut blocks, index, order);
        }
    }
}

fn blocks(selected: &Selected, range: Range<usize>) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut start = range.start;
    for slot in range.clone() {
        let ends =
            is_terminator(selected.insts[slot]) || slot + 1 == range.end || selected.leaders[slot + 1] != Leader::No;
        if ends {
            blocks.push(Block { start, end: slot + 1, placed: false });
            start = slot + 1;
        }
    }
    blocks
}

fn is_terminator(inst: Inst) -> bool {
    matches!(inst, Inst::Jump { .. } | Inst::Branch { .. } | Inst::MayGoto { .. } | Inst::Exit)
}

fn block_at(blocks: &[Block], slot: usize) -> Option<usize> {
    blocks.binary_search_by_key(&slot, |block| block.start).ok()
}

/// Whether code goes on from this block into the next.
fn falls_through(selected: &Selected, block: Block) -> bool {
    !matches!(selected.insts[block.end - 1], Inst::Jump { .. } | Inst::Exit)
}

/// Places a block, after the end of its loop if that is better, and says which comes next.
fn place_block(selected: &Selected, blocks: &mut [Block], index: usize, order: &mut Order) -> Option<usize> {
    if let Some((latch, goes_back)) = latch(selected, blocks, index) {
        let end = blocks[latch];
        blocks[latch].placed = true;
        order.pieces.push(Piece::Jump { to: blocks[index].start, origin: blocks[index].start });
        match goes_back {
            GoesBack::Branch => {
                order.pieces.push(Piece::Code { start: end.start, end: end.end - 1 });
                order.pieces.push(Piece::Inverted { slot: end.end - 1 });
            }
            GoesBack::JumpBehind => {
                blocks[latch + 1].placed = true;
                order.pieces.push(Piece::Code { start: end.start, end: end.end });
                order.pieces.push(Piece::Dropped { slot: end.end });
            }
        }
    }
    let block = blocks[index];
    blocks[index].placed = true;
    let last = block.end - 1;
    if let Inst::Jump { target } = selected.insts[last] {
        let next = block_at(blocks, target as usize).filter(|next| may_follow(selected, blocks, *next));
        let end = if next.is_some() { last } else { block.end };
        order.pieces.push(Piece::Code { start: block.start, end });
        if next.is_some() {
            order.pieces.push(Piece::Dropped { slot: last });
        }
        return next;
    }
    order.pieces.push(Piece::Code { start: block.start, end: block.end });
    if !falls_through(selected, block) {
        return None;
    }
    match blocks.get(index + 1) {
        Some(next) if !next.placed => Some(index + 1),
        Some(next) => {
            order.pieces.push(Piece::Jump { to: next.start, origin: last });
            None
        }
        None => None,
    }
}

/// Whether a block may come behind a jump to it: it is not placed, and not what another goes on to.
fn may_follow(selected: &Selected, blocks: &[Block], index: usize) -> bool {
    let before = index.checked_sub(1).map(|before| blocks[before]);
    !blocks[index].placed && before.is_none_or(|before| before.placed || !falls_through(selected, before))
}

/// The end of the loop that begins with this block, if the block itself may skip to it: a block that only goes back to the
/// beginning or on.
fn latch(selected: &Selected, blocks: &[Block], index: usize) -> Option<(usize, GoesBack)> {
    let head = blocks[index];
    if selected.leaders[head.start] != Leader::Loop || index == 0 {
        return None;
    }
    let Inst::Branch { target, .. } = selected.insts[head.end - 1] else { return None };
    let latch = block_at(blocks, target as usize).filter(|latch| *latch > index && !blocks[*latch].placed)?;
    let Inst::Branch { target, .. } = selected.insts[blocks[latch].end - 1] else { return None };
    let behind = *blocks.get(latch + 1)?;
    if target as usize == head.start {
        return Some((latch, GoesBack::Branch));
    }
    let jump = Inst::Jump { target: head.start as u32 };
    let alone = behind.end == behind.start + 1 && !behind.placed;
    (alone && selected.insts[behind.start] == jump).then_some((latch, GoesBack::JumpBehind))
}

/// How the end of a loop leads to its beginning.
#[derive(Clone, Copy, Debug)]
enum GoesBack {
    /// By its branch; otherwise it goes on.
    Branch,
    /// By a jump behind its branch, which leads elsewhere.
    JumpBehind,
}

impl Order {
    fn apply(&self, selected: &mut Selected) {
        let mut insts = Vec::with_capacity(selected.insts.len() + 8);
        let mut origin = Vec::with_capacity(selected.insts.len() + 8);
        let mut moved_to = vec![0_u32; selected.insts.len() + 1];
        for piece in &self.pieces {
            let at = insts.len();
            match *piece {
                Piece::Code { start, end } => {
                    for (distance, place) in moved_to[start..end].iter_mut().enumerate() {
                        *place = (at + distance) as u32;
                    }
                    origin.extend(start as u32..end as u32);
                    insts.extend_from_slice(&selected.insts[start..end]);
                }
                Piece::Dropped { slot } => moved_to[slot] = at as u32,
                Piece::Jump { to, origin: slot } => {
                    insts.push(Inst::Jump { target: to as u32 });
                    origin.push(slot as u32);
                }
                Piece::Inverted { slot } => {
                    moved_to[slot] = at as u32;
                    origin.push(slot as u32);
                    insts.push(match selected.insts[slot] {
                        Inst::Branch { test, .. } => Inst::Branch { test: test.inverted(), target: slot as u32 + 1 },
                        other => other,
                    });
                }
            }
        }
        self.retarget(selected, insts, origin, &moved_to);
    }

    fn retarget(&self, selected: &mut Selected, mut insts: Vec<Inst>, origin: Vec<u32>, moved_to: &[u32]) {
        let mut leaders = vec![Leader::No; insts.len()];
        selected.has_back_edges = false;
        for (at, inst) in insts.iter_mut().enumerate() {
            if let Inst::Branch { target, .. } | Inst::Jump { target } | Inst::MayGoto { target } = inst {
                *target = moved_to[*target as usize];
                let back = *target as usize <= at;
                selected.has_back_edges |= back;
                let leader = &mut leaders[*target as usize];
                *leader = if back || *leader == Leader::Loop { Leader::Loop } else { Leader::Forward };
            }
        }
        for start in &mut selected.functions {
            *start = moved_to[*start as usize];
            let leader = &mut leaders[*start as usize];
            if *leader == Leader::No {
                *leader = Leader::Forward;
            }
        }
        for call in &mut selected.calls {
            if let super::call::Call::Function { slot } = call {
                *slot = moved_to[*slot as usize];
                // A function may be called before it stands, or call itself.
                selected.has_back_edges = true;
            }
        }
        (selected.insts, selected.leaders, selected.origin) = (insts, leaders, origin);
    }
}
