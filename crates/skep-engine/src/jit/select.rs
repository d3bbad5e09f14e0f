//! Selection: from decoded instructions to [`Inst`]s, one by one. What takes more than one to see is for the next pass.

use std::ops::Range;

use skep_abi::helper::{self, HelperFlags};
use skep_isa::{BinaryOp, CallTarget, Imm64, Insn, Operand, Size, SwapKind, Width};

use super::call::Call;
use super::inst::{Address, Extension, Inst, Source, Test};
use crate::direct::Linker;
use crate::executable::{LinkError, MAX_SLOTS, function_address};
use skep_verifier::CallSite;

/// What is known about a program beside its slots.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts<'f> {
    /// Slots of loads that give 0 where nothing can be read, ascending.
    pub(crate) probe_loads: &'f [u32],
    /// What is known about calls, ascending by slot.
    pub(crate) call_sites: &'f [CallSite],
}

/// A program after selection.
pub(crate) struct Selected {
    /// At first one per slot.
    pub(crate) insts: Vec<Inst>,
    /// What [`Inst::Call`] refers to.
    pub(crate) calls: Vec<Call>,
    /// First slots of functions, ascending; the first is the main function's.
    pub(crate) functions: Vec<u32>,
    /// By slot: whether something jumps here, and whether from behind.
    pub(crate) leaders: Vec<Leader>,
    /// Something jumps or calls backwards.
    pub(crate) has_back_edges: bool,
    /// By index: the slot of the instruction. Empty where they are the same.
    pub(crate) origin: Vec<u32>,
}

impl Selected {
    /// The indices of each function's instructions, in order.
    pub(crate) fn function_ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let ends = self.functions[1..].iter().copied().chain([self.insts.len() as u32]);
        self.functions.iter().zip(ends).map(|(start, end)| *start as usize..end as usize)
    }
}

/// What begins at a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Leader {
    /// Reached only from the slot before.
    #[default]
    No,
    /// A jump from before, or a function's first slot.
    Forward,
    /// A jump from behind or from itself: a loop begins here.
    Loop,
}

/// Selects. The instructions are those of a program of so many slots.
pub(crate) fn select(
    insns: &[(u32, Insn)],
    slots: usize,
    facts: Facts<'_>,
    linker: &mut dyn Linker,
) -> Result<Selected, LinkError> {
    match slots {
        0 => return Err(LinkError::Empty),
        len if len > MAX_SLOTS => return Err(LinkError::TooLong(len)),
        _ => {}
    }
    let mut selection = Selection {
        facts,
        linker,
        selected: Selected {
            insts: vec![Inst::Nop; slots],
            calls: Vec::new(),
            functions: vec![0],
            leaders: vec![Leader::No; slots],
            has_back_edges: false,
            origin: Vec::new(),
        },
        begins: vec![false; slots],
    };
    for (slot, insn) in insns {
        selection.begins[*slot as usize] = true;
        let inst = selection.insn(*slot, *insn)?;
        selection.selected.insts[*slot as usize] = inst;
    }
    selection.finish(slots)
}

struct Selection<'s> {
    facts: Facts<'s>,
    linker: &'s mut dyn Linker,
    selected: Selected,
    /// Slots at which an instruction begins.
    begins: Vec<bool>,
}

impl Selection<'_> {
    fn insn(&mut self, slot: u32, insn: Insn) -> Result<Inst, LinkError> {
        Ok(match insn {
            Insn::Alu { op: BinaryOp::Mov, width, dst, src } => mov(width, dst, src),
            Insn::Alu { op, width, dst, src } => Inst::Binary { op, width, dst: dst.into(), src: source(src) },
            Insn::MovSx { width, from, dst, src } => {
                Inst::Extend { dst: dst.into(), src: src.into(), size: from, signed: true, width }
            }
            Insn::Neg { width, dst } => Inst::Negate { width, dst: dst.into() },
            Insn::Swap { kind: SwapKind::ToLittle, size: Size::Double, .. } => Inst::Nop,
            Insn::Swap { kind: SwapKind::ToLittle, size, dst } => {
                Inst::Extend { dst: dst.into(), src: dst.into(), size, signed: false, width: Width::W64 }
            }
            Insn::Swap { size, dst, .. } => Inst::Swap { size, dst: dst.into() },
            Insn::AddrSpaceCast { dst, src, .. } => Inst::Move { dst: dst.into(), src: src.into() },
            Insn::LoadImm64 { dst, imm } => Inst::Constant { dst: dst.into(), value: self.imm64(slot, imm)? },
            Insn::Load { size, signed, dst, base, offset } => Inst::Load {
                size,
                // Nothing is above eight bytes.
                extension: if signed && size != Size::Double { Extension::Sign } else { Extension::Zero },
                probing: self.is_probing(slot),
                dst: dst.into(),
                address: Address::new(base.into(), offset.into()),
            },
            Insn::Store { size, base, offset, src } => {
                Inst::Store { size, address: Address::new(base.into(), offset.into()), src: source(src) }
            }
            Insn::Atomic { op, size, base, offset, src } => {
                Inst::Atomic { op, size, address: Address::new(base.into(), offset.into()), src: src.into() }
            }
            Insn::LoadAcquire { size, dst, base, offset } => Inst::LoadAcquire {
                size,
                probing: self.is_probing(slot),
                dst: dst.into(),
                address: Address::new(base.into(), offset.into()),
            },
            Insn::StoreRelease { size, base, offset, src } => {
                Inst::StoreRelease { size, address: Address::new(base.into(), offset.into()), src: src.into() }
            }
            Insn::LoadPacket { size, from } => Inst::LoadPacket { size, from },
            Insn::Jump { offset, .. } => Inst::Jump { target: self.jump(slot, offset)? },
            Insn::JumpIf { condition, width, dst, src, offset } => Inst::Branch {
                test: Test { condition: condition.into(), width, left: dst.into(), right: source(src) },
                target: self.jump(slot, offset.into())?,
            },
            Insn::MayGoto { offset } => Inst::MayGoto { target: self.jump(slot, offset.into())? },
            Insn::Call(target) => {
                let call = self.call(slot, target)?;
                self.add_call(call)
            }
            Insn::CallReg(register) => self.add_call(Call::Register(register.into())),
            Insn::Exit => Inst::Exit,
        })
    }

    fn is_probing(&self, slot: u32) -> bool {
        self.facts.probe_loads.binary_search(&slot).is_ok()
    }

    fn add_call(&mut self, call: Call) -> Inst {
        self.selected.calls.push(call);
        Inst::Call(self.selected.calls.len() as u32 - 1)
    }

    fn call(&mut self, slot: u32, target: CallTarget) -> Result<Call, LinkError> {
        Ok(match target {
            CallTarget::Helper(id) => self.helper(slot, id.cast_unsigned()),
            CallTarget::Kfunc { id, btf } => Call::Kfunc { id: id.cast_unsigned(), btf },
            CallTarget::Subprogram { offset } => Call::Function { slot: self.function(slot, offset)? },
        })
    }

    fn helper(&mut self, slot: u32, id: u32) -> Call {
        let sites = self.facts.call_sites;
        let site = sites.binary_search_by_key(&slot, |site| site.slot).ok().map(|at| &sites[at]);
        let map = site.and_then(|site| site.map);
        if let Some(direct) = self.linker.direct(id, map, site) {
            return Call::Direct(direct);
        }
        let flags = helper::by_id(id).map_or(HelperFlags::empty(), |helper| helper.flags);
        if flags.contains(HelperFlags::TAIL_CALL) { Call::TailCall { id } } else { Call::Helper { id } }
    }

    fn imm64(&mut self, slot: u32, imm: Imm64) -> Result<u64, LinkError> {
        match imm {
            Imm64::Value(value) => Ok(value),
            Imm64::Function { offset } => self.function(slot, offset).map(function_address),
            _ => self.linker.resolve(imm).ok_or(LinkError::Unresolved { slot, imm }),
        }
    }

    fn function(&mut self, slot: u32, offset: i32) -> Result<u32, LinkError> {
        let target = self.target(slot, offset)?;
        self.selected.functions.push(target);
        self.selected.has_back_edges |= target <= slot;
        Ok(target)
    }

    fn jump(&mut self, slot: u32, offset: i32) -> Result<u32, LinkError> {
        let target = self.target(slot, offset)?;
        let leader = &mut self.selected.leaders[target as usize];
        if target <= slot {
            *leader = Leader::Loop;
            self.selected.has_back_edges = true;
        } else if *leader == Leader::No {
            *leader = Leader::Forward;
        }
        Ok(target)
    }

    /// The slot `offset` slots from the next one.
    fn target(&self, slot: u32, offset: i32) -> Result<u32, LinkError> {
        let target = i64::from(slot) + 1 + i64::from(offset);
        let inside = usize::try_from(target).is_ok_and(|target| target < self.begins.len());
        if inside { Ok(target as u32) } else { Err(LinkError::BadTarget { slot, target }) }
    }

    /// Sorts what was found, and checks that instructions begin where jumps lead to.
    fn finish(mut self, slots: usize) -> Result<Selected, LinkError> {
        let selected = &mut self.selected;
        selected.functions.sort_unstable();
        selected.functions.dedup();
        for start in &selected.functions {
            let leader = &mut selected.leaders[*start as usize];
            if *leader == Leader::No {
                *leader = Leader::Forward;
            }
        }
        let second_half = |slot: usize| !self.begins[slot] && selected.leaders[slot] != Leader::No;
        match (0..slots).find(|slot| second_half(*slot)) {
            Some(slot) => Err(LinkError::BadTarget { slot: slot as u32, target: slot as i64 }),
            None => Ok(self.selected),
        }
    }
}

fn source(operand: Operand) -> Source {
    match operand {
        Operand::Reg(register) => Source::Reg(register.into()),
        Operand::Imm(imm) => Source::Imm(imm),
    }
}

fn mov(width: Width, dst: skep_isa::Reg, src: Operand) -> Inst {
    let dst = dst.into();
    match (width, src) {
        (Width::W64, Operand::Reg(src)) => Inst::Move { dst, src: src.into() },
        (Width::W32, Operand::Reg(src)) => {
            Inst::Extend { dst, src: src.into(), size: Size::Word, signed: false, width: Width::W64 }
        }
        (Width::W64, Operand::Imm(imm)) => Inst::Constant { dst, value: i64::from(imm).cast_unsigned() },
        (Width::W32, Operand::Imm(imm)) => Inst::Constant { dst, value: imm.cast_unsigned().into() },
    }
}
