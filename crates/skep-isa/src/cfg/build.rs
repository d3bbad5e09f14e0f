//! Builds the graph: functions, then block starts, then edges.

use super::{Block, BlockId, Cfg, CfgError, Subprogram};
use crate::code::Rules;
use crate::insn::{CallTarget, Imm64, Insn};
use crate::slot::Slot;

impl Cfg {
    /// The graph of a program, decoded by RFC 9669's rules.
    ///
    /// # Errors
    /// The first thing that keeps the program from having one.
    pub fn build(slots: &[Slot]) -> Result<Cfg, CfgError> {
        Cfg::build_by(Rules::Rfc9669, slots)
    }

    /// The graph of a program, decoded by the given rules.
    ///
    /// # Errors
    /// The first thing that keeps the program from having one.
    pub fn build_by(rules: Rules, slots: &[Slot]) -> Result<Cfg, CfgError> {
        let insns = decode(rules, slots)?;
        let starts = subprogram_starts(&insns)?;
        let leaders = leaders(&insns, &starts)?;
        let (mut blocks, block_at) = cut(&insns, &leaders, &starts);
        connect(&insns, &mut blocks, &block_at);
        let subprograms = subprograms(&insns, &starts, &block_at, blocks.len());
        Ok(Cfg { insns, blocks, block_at, subprograms })
    }
}

fn decode(rules: Rules, slots: &[Slot]) -> Result<Vec<Option<Insn>>, CfgError> {
    if slots.is_empty() {
        return Err(CfgError::Empty);
    }
    let mut insns = vec![None; slots.len()];
    let mut at = 0;
    while at < slots.len() {
        let insn = Insn::decode_by(rules, slots, at)?;
        insns[at] = Some(insn);
        at += insn.slots();
    }
    Ok(insns)
}

/// `slot + 1 + offset`, which neither overflows nor need lie in the program.
fn target(slot: usize, offset: i32) -> i64 {
    slot as i64 + 1 + i64::from(offset)
}

fn present(insns: &[Option<Insn>]) -> impl Iterator<Item = (usize, &Insn)> {
    insns.iter().enumerate().filter_map(|(slot, insn)| Some((slot, insn.as_ref()?)))
}

/// First slots of all subprograms, in order, slot 0 first.
fn subprogram_starts(insns: &[Option<Insn>]) -> Result<Vec<usize>, CfgError> {
    let mut starts = vec![0];
    for (slot, insn) in present(insns) {
        let Some(offset) = insn.subprogram_offset() else { continue };
        let target = target(slot, offset);
        let start = usize::try_from(target).ok().filter(|start| *start < insns.len());
        let start = start.ok_or(CfgError::NoSuchFunction { slot, target })?;
        if insns[start].is_none() {
            return Err(CfgError::IntoSecondSlot { slot, target: start });
        }
        starts.push(start);
    }
    starts.sort_unstable();
    starts.dedup();
    Ok(starts)
}

/// Whether a block begins at each slot. Checks on the way that jumps stay in their subprograms and that these end well.
fn leaders(insns: &[Option<Insn>], starts: &[usize]) -> Result<Vec<bool>, CfgError> {
    let mut leaders = vec![false; insns.len()];
    for (i, &start) in starts.iter().enumerate() {
        let end = starts.get(i + 1).copied().unwrap_or(insns.len());
        leaders[start] = true;
        let mut last = start;
        for (slot, insn) in present(&insns[start..end]).map(|(at, insn)| (start + at, insn)) {
            last = slot;
            if let Some(offset) = insn.jump_offset() {
                leaders[jump_target(insns, slot, offset, start, end)?] = true;
            }
            let next = slot + insn.slots();
            if (insn.jump_offset().is_some() || !insn.falls_through()) && next < end {
                leaders[next] = true;
            }
        }
        if insns[last].as_ref().is_none_or(Insn::falls_through) {
            return Err(CfgError::RunsOff { slot: last });
        }
    }
    Ok(leaders)
}

fn jump_target(insns: &[Option<Insn>], slot: usize, offset: i32, start: usize, end: usize) -> Result<usize, CfgError> {
    let target = target(slot, offset);
    let found = usize::try_from(target).ok().filter(|target| (start..end).contains(target));
    let found = found.ok_or(CfgError::JumpOutOfRange { slot, target, start, end })?;
    if insns[found].is_none() {
        return Err(CfgError::IntoSecondSlot { slot, target: found });
    }
    Ok(found)
}

/// Blocks without edges, and the block of each slot.
fn cut(insns: &[Option<Insn>], leaders: &[bool], starts: &[usize]) -> (Vec<Block>, Vec<BlockId>) {
    let mut blocks: Vec<Block> = Vec::new();
    let mut block_at = Vec::with_capacity(insns.len());
    let mut subprogram = 0;
    for slot in 0..insns.len() {
        if leaders[slot] {
            if starts.get(subprogram + 1) == Some(&slot) {
                subprogram += 1;
            }
            let (next, jump) = (None, None);
            blocks.push(Block { start: slot, end: slot, last: slot, subprogram, next, jump, predecessors: Vec::new() });
        }
        if let Some(block) = blocks.last_mut() {
            block.end = slot + 1;
            if insns[slot].is_some() {
                block.last = slot;
            }
        }
        block_at.push(BlockId(blocks.len() as u32 - 1));
    }
    (blocks, block_at)
}

fn connect(insns: &[Option<Insn>], blocks: &mut [Block], block_at: &[BlockId]) {
    for i in 0..blocks.len() {
        let (last, end) = (blocks[i].last, blocks[i].end);
        let Some(insn) = &insns[last] else { continue };
        let jump = insn.jump_offset().and_then(|offset| usize::try_from(target(last, offset)).ok());
        blocks[i].jump = jump.map(|target| block_at[target]);
        blocks[i].next = if insn.falls_through() { block_at.get(end).copied() } else { None };
        for to in blocks[i].successors() {
            blocks[to.index()].predecessors.push(BlockId(i as u32));
        }
    }
}

fn subprograms(insns: &[Option<Insn>], starts: &[usize], block_at: &[BlockId], blocks: usize) -> Vec<Subprogram> {
    let find = |slot: usize, offset: i32| {
        let start = usize::try_from(target(slot, offset)).ok()?;
        Some((slot, starts.binary_search(&start).ok()?))
    };
    let one = |(i, &start): (usize, &usize)| {
        let end = starts.get(i + 1).copied().unwrap_or(insns.len());
        let inside = || present(&insns[start..end]).map(|(at, insn)| (start + at, *insn));
        let calls = inside().filter_map(|(slot, insn)| match insn {
            Insn::Call(CallTarget::Subprogram { offset }) => find(slot, offset),
            _ => None,
        });
        let addresses = inside().filter_map(|(slot, insn)| match insn {
            Insn::LoadImm64 { imm: Imm64::Function { offset }, .. } => find(slot, offset),
            _ => None,
        });
        Subprogram {
            start,
            end,
            entry: block_at[start],
            end_block: block_at.get(end).copied().unwrap_or(BlockId(blocks as u32)),
            calls: calls.collect(),
            addresses: addresses.collect(),
        }
    };
    starts.iter().enumerate().map(one).collect()
}
