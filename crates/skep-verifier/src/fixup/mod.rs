//! From an accepted program to what the engine runs.
//!
//! * Instructions that no path reaches are removed; jumps that go only one way become plain; jumps to the next
//!   instruction vanish.
//! * Loads of context fields that are pointers of 4 bytes in the ABI become 8-byte loads from the field's slot (see
//!   [`skep_abi::program_type`]).
//! * File descriptors of maps become indices into [`crate::Verified::maps`].
//! * Loads through typed kernel pointers are listed: they may fault, and then give 0.
//! * A program that throws gets an exception callback if it has none of its own.
//! * What is the same about a call on every path ([`call_site`]), and where upper halves matter ([`zero_extension`]), is
//!   listed for whoever compiles the program.

pub(crate) mod call_site;
mod zero_extension;

use crate::cfg::successors;
use crate::check::memory::is_probed;
use crate::domain::register::Kind;
use crate::output::{CallSite, Subprogram};
use crate::refusal::{Check, EFAULT, Refusal};
use crate::verifier::Verifier;
use skep_isa::{BinaryOp, CallTarget, Imm64, Insn, Operand, Reg, Size, Slot, Width};

/// A program after fix-ups.
pub(crate) struct Fixed {
    pub(crate) insns: Vec<Slot>,
    pub(crate) subprograms: Vec<Subprogram>,
    pub(crate) maps: Vec<i32>,
    pub(crate) original: Vec<u32>,
    pub(crate) decoded: Vec<(u32, Insn)>,
    pub(crate) probe_loads: Vec<u32>,
    pub(crate) call_sites: Vec<CallSite>,
    pub(crate) zero_extensions: Vec<u32>,
}

impl Verifier<'_> {
    /// Applies all fix-ups.
    pub(crate) fn fixed_program(&self) -> Check<Fixed> {
        let mut maps = Vec::new();
        let mut kept: Vec<(usize, Insn)> = self
            .code
            .iter()
            .filter(|(slot, _)| self.facts[*slot].seen)
            .filter_map(|(slot, insn)| Some((slot, self.one_way(slot, insn)?)))
            .map(|(slot, insn)| (slot, self.rewritten(slot, insn, &mut maps)))
            .collect();
        let places = remove_empty_jumps(&mut kept, self.code.len());
        let mut fixed = Fixed {
            insns: Vec::with_capacity(self.code.len()),
            decoded: Vec::with_capacity(kept.len()),
            subprograms: self.kept_subprograms(&places),
            call_sites: self.call_sites(&places, &kept, &maps),
            zero_extensions: self.zero_extensions(&places),
            maps,
            original: Vec::with_capacity(self.code.len()),
            probe_loads: Vec::new(),
        };
        for (slot, insn) in &kept {
            if let [_, _, ..] = &fixed.subprograms[..] {
                self.check_callback_remains(*slot, insn, &places, &fixed.subprograms)?;
            }
            let insn = moved(*slot, insn, &places).ok_or_else(|| {
                Refusal::new(EFAULT, format!("the jump at {slot} does not fit after removal of dead code"))
            })?;
            if self.is_probe_load(*slot, &insn) {
                fixed.probe_loads.push(fixed.insns.len() as u32);
            }
            fixed.decoded.push((fixed.insns.len() as u32, insn));
            for encoded in insn.encode().as_slice() {
                fixed.insns.push(*encoded);
                fixed.original.push(*slot as u32);
            }
        }
        self.add_exception_callback(&mut fixed);
        Ok(fixed)
    }

    /// Where a function's address is taken, a function must be. Linux notices only now, and only where functions other
    /// than the main one are left, that no call of it was ever followed (a `bpf_loop` of no rounds), and takes that for a
    /// fault of its own.
    fn check_callback_remains(&self, slot: usize, insn: &Insn, places: &[u32], subprograms: &[Subprogram]) -> Check {
        let Insn::LoadImm64 { imm: Imm64::Function { .. }, .. } = insn else { return Ok(()) };
        let callee = successors(slot, insn).callee.and_then(|callee| usize::try_from(callee).ok());
        let Some(callee) = callee else { return Ok(()) };
        // Of a run of instructions that are removed, only what points behind it is moved.
        let is_dead = |slot: &usize| self.code.get(*slot).is_some() && !self.facts[*slot].seen;
        let dead_before = if is_dead(&callee) { (0..callee).rev().take_while(is_dead).count() } else { 0 };
        let at = places[callee] + dead_before as u32;
        if subprograms.iter().any(|subprogram| subprogram.start == at) {
            return Ok(());
        }
        Err(Refusal::new(EFAULT, format!("verifier bug: No program to jit at insn {at} (subprog < 0)"))
            .hint("no path calls this function: leave it out, or let the loop have rounds")
            .at(slot))
    }

    /// A program that throws and has no exception callback gets one: what is thrown is the result.
    fn add_exception_callback(&self, fixed: &mut Fixed) {
        let throws = |(slot, insn): &(usize, &Insn)| self.facts[*slot].seen && self.kfuncs.throws(insn);
        let Some((slot, _)) = self.code.iter().find(throws).filter(|_| self.exception_callback.is_none()) else {
            return;
        };
        let start = fixed.insns.len() as u32;
        let give = Insn::Alu { op: BinaryOp::Mov, width: Width::W64, dst: Reg::R0, src: Operand::Reg(Reg::R1) };
        for insn in [give, Insn::Exit] {
            fixed.decoded.push((fixed.insns.len() as u32, insn));
            fixed.insns.extend_from_slice(insn.encode().as_slice());
        }
        let len = fixed.insns.len() as u32 - start;
        fixed.original.resize(fixed.insns.len(), slot as u32);
        fixed.subprograms.push(Subprogram { start, len, stack_bytes: 0, name: None });
    }

    fn zero_extensions(&self, places: &[u32]) -> Vec<u32> {
        let slots = zero_extension::zero_extensions(&self.code, &|slot, insn| {
            self.facts[slot].seen.then(|| self.without_address_spaces(slot, *insn))
        });
        slots.into_iter().map(|slot| places[slot]).collect()
    }

    /// A refused program for a sandbox: slot by slot as it was given, except loads of pointers from a context where paths
    /// came by.
    pub(crate) fn runnable(&self) -> Vec<Slot> {
        let mut slots = self.program.insns.to_vec();
        for (slot, insn) in self.code.iter() {
            if let Some(changed) = self.context_pointer_load(slot, insn)
                && let (Some(place), Some(encoded)) = (slots.get_mut(slot), changed.encode().as_slice().first())
            {
                *place = *encoded;
            }
        }
        slots
    }

    /// A load of a context field that is a pointer of 4 bytes in the ABI, from where running contexts have it.
    fn context_pointer_load(&self, slot: usize, insn: &Insn) -> Option<Insn> {
        let Insn::Load { dst, base, offset, size: Size::Word, .. } = *insn else { return None };
        let pointer = u16::try_from(offset).ok().filter(|_| self.accesses_context(slot))?;
        let offset = i16::try_from(self.info.context.pointer_slot(pointer)?).ok()?;
        Some(Insn::Load { size: Size::Double, signed: false, dst, base, offset })
    }

    /// A jump one side of which no path takes; `None` if it does nothing.
    fn one_way(&self, slot: usize, insn: &Insn) -> Option<Insn> {
        let Insn::JumpIf { offset, .. } = *insn else { return Some(*insn) };
        let seen =
            |to: Option<i64>| to.and_then(|to| self.facts.get(usize::try_from(to).ok()?)).is_some_and(|f| f.seen);
        let successors = successors(slot, insn);
        if !seen(successors.jump) {
            None
        } else if !seen(successors.next) {
            Some(Insn::Jump { offset: offset.into(), long: false })
        } else {
            Some(*insn)
        }
    }

    fn rewritten(&self, slot: usize, insn: Insn, maps: &mut Vec<i32>) -> Insn {
        let mut index = |fd: i32| match maps.iter().position(|known| *known == fd) {
            Some(index) => index as i32,
            None => {
                maps.push(fd);
                (maps.len() - 1) as i32
            }
        };
        match self.without_address_spaces(slot, insn) {
            Insn::LoadImm64 { dst, imm: Imm64::MapFd(fd) | Imm64::MapIndex(fd) } => {
                Insn::LoadImm64 { dst, imm: Imm64::MapIndex(index(fd)) }
            }
            Insn::LoadImm64 { dst, imm: Imm64::MapValue { fd, offset } }
            | Insn::LoadImm64 { dst, imm: Imm64::MapIndexValue { index: fd, offset } } => {
                Insn::LoadImm64 { dst, imm: Imm64::MapIndexValue { index: index(fd), offset } }
            }
            insn => self.context_pointer_load(slot, &insn).unwrap_or(insn),
        }
    }

    fn accesses_context(&self, slot: usize) -> bool {
        matches!(self.facts[slot].accesses, Some((Kind::Context, _)))
    }

    /// Whether it loads through an address that may lead nowhere. All paths agree on that (`kinds_agree`), and stores through such
    /// pointers are refused.
    fn is_probe_load(&self, slot: usize, insn: &Insn) -> bool {
        matches!(insn, Insn::Load { .. } | Insn::LoadAcquire { .. })
            && self.facts[slot].accesses.is_some_and(|(kind, flags)| is_probed(kind, flags))
    }

    fn kept_subprograms(&self, places: &[u32]) -> Vec<Subprogram> {
        (0..self.code.subprograms())
            .filter_map(|subprogram| {
                let range = self.code.range(subprogram);
                let (start, end) = (places[range.start], places[range.end]);
                (end > start).then(|| Subprogram {
                    start,
                    len: end - start,
                    stack_bytes: self.stack_depth[subprogram],
                    name: self.signatures.name(subprogram).map(str::to_owned),
                })
            })
            .collect()
    }
}

/// Drops jumps to the next instruction until there is none, and gives the [`places`] of what is left.
fn remove_empty_jumps(kept: &mut Vec<(usize, Insn)>, len: usize) -> Vec<u32> {
    loop {
        let places = places(kept, len);
        let before = kept.len();
        kept.retain(|(slot, insn)| {
            let target = successors(*slot, insn).jump.and_then(|target| places.get(usize::try_from(target).ok()?));
            !matches!(insn, Insn::Jump { long: false, .. }) || target != Some(&(places[*slot] + 1))
        });
        if kept.len() == before {
            return places;
        }
    }
}

/// For each old slot, where what stands there or next after it stands now.
fn places(kept: &[(usize, Insn)], len: usize) -> Vec<u32> {
    let mut places = vec![0; len + 1];
    let mut at = 0;
    let mut next = 0;
    for (slot, insn) in kept {
        places[next..=*slot].fill(at);
        next = slot + 1;
        at += insn.slots() as u32;
    }
    places[next..].fill(at);
    places
}

/// An instruction with its target where it is now; `None` if the offset does not fit.
fn moved(slot: usize, insn: &Insn, places: &[u32]) -> Option<Insn> {
    let from = i64::from(places[slot]) + insn.slots() as i64;
    let to = |target: Option<i64>| {
        let target = usize::try_from(target?).ok()?;
        i32::try_from(i64::from(*places.get(target)?) - from).ok()
    };
    let successors = successors(slot, insn);
    Some(match *insn {
        Insn::Jump { long, .. } => {
            let offset = to(successors.jump)?;
            Insn::Jump { offset, long: long || i16::try_from(offset).is_err() }
        }
        Insn::JumpIf { condition, width, dst, src, .. } => {
            let offset = i16::try_from(to(successors.jump)?).ok()?;
            Insn::JumpIf { condition, width, dst, src, offset }
        }
        Insn::MayGoto { .. } => Insn::MayGoto { offset: i16::try_from(to(successors.jump)?).ok()? },
        Insn::Call(CallTarget::Subprogram { .. }) => {
            Insn::Call(CallTarget::Subprogram { offset: to(successors.callee)? })
        }
        // Relative to the slot after the first, not after the instruction.
        Insn::LoadImm64 { dst, imm: Imm64::Function { .. } } => {
            Insn::LoadImm64 { dst, imm: Imm64::Function { offset: to(successors.callee)? + 1 } }
        }
        insn => insn,
    })
}
