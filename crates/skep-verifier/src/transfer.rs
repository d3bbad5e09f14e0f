//! What each instruction does to a state: one small function per kind of instruction.
//!
//! Every function here assumes that [`crate::obligations`] were discharged: the registers read are initialised and
//! the register written is not the frame pointer. Fact preserved: if a concrete state is described by the abstract one
//! before, the concrete successor is described by the abstract one after.

use crate::check::context::invalid_access;
use crate::check::memory::{Access, Mode, Stored, kinds_agree};
use crate::domain::arithmetic;
use crate::domain::precision::ValueId;
use crate::domain::register::{Distance, Kind, Link, PointerFlags, Register};
use crate::domain::scalar::Scalar;
use crate::domain::state::State;
use crate::planted::{Fault, is_planted};
use crate::reason::Reason;
use crate::refusal::{Check, Refusal, denied, invalid};
use crate::verifier::Verifier;
use skep_isa::{AtomicOp, BinaryOp, Imm64, Operand, Reg, Size, SwapKind, Width};

impl Verifier<'_> {
    /// Two-operand arithmetic and moves.
    pub(crate) fn alu(&mut self, state: &mut State, op: BinaryOp, width: Width, dst: Reg, src: Operand) -> Check {
        if op == BinaryOp::Mov {
            return self.move_value(state, width, dst, src);
        }
        check_immediate(op, width, src)?;
        let mut left = *state.register(dst);
        let right = match src {
            Operand::Reg(reg) => *state.register(reg),
            Operand::Imm(imm) => Register::constant(i64::from(imm) as u64),
        };
        if self.has_arena {
            self.note_arena_arithmetic(left.kind == Kind::Arena || right.kind == Kind::Arena);
        }
        if left.is_pointer() || right.is_pointer() {
            return self.pointer_arithmetic(state, op, width, dst, src);
        }
        if !self.may_leak_pointers() {
            self.mask_numbers(op, dst, src)?;
        }
        if matches!(op, BinaryOp::And | BinaryOp::Or) && right.value.is_constant() {
            left.value = self.split_mask(state, dst, &left)?;
        }
        let linked = self.link_after(op, width, &left, &right);
        let tracked = arithmetic::is_tracked(op, width, &right.value);
        let origin = if tracked { self.derive(left.origin, right.origin) } else { ValueId::ROOT };
        let value = arithmetic::binary(op, width, &left.value, &right.value);
        let (id, link) = linked.unwrap_or((0, Link(None)));
        state.set(dst, Register { value, origin, id, link, ..Register::UNKNOWN });
        Ok(())
    }

    /// A mask made of a sign bit, all zeros or all ones, selects: each case is a path of its own. That with zeros waits
    /// before the instruction, that with ones goes on.
    fn split_mask(&mut self, state: &State, dst: Reg, mask: &Register) -> Check<Scalar> {
        let (Some([zeros, ones]), Some(slot)) = (mask.value.zeros_or_ones(), self.exploration.current) else {
            return Ok(mask.value);
        };
        if is_planted(Fault::MaskHasNoZeros) {
            return Ok(ones);
        }
        let mut waiting = state.clone();
        waiting.slot = slot;
        waiting.set(dst, Register { value: zeros, origin: self.values.copy(mask.origin), ..Register::UNKNOWN });
        self.put_aside(waiting, slot)?;
        Ok(ones)
    }

    /// The result of an operation keeps its link to its equals if a constant was added to it, once.
    fn link_after(&self, op: BinaryOp, width: Width, left: &Register, right: &Register) -> Option<(u32, Link)> {
        if left.id == 0 || left.link.0.is_some() || !self.is_privileged() {
            return None;
        }
        let narrow = width == Width::W32;
        let constant = match width {
            Width::W32 if left.value.umax > u64::from(u32::MAX) => return None,
            Width::W32 => right.value.as_constant32()? as u32 as i32,
            Width::W64 => i32::try_from(right.value.as_constant()? as i64).ok()?,
        };
        let added = match op {
            BinaryOp::Add => constant,
            BinaryOp::Sub => constant.checked_neg()?,
            _ => return None,
        };
        let distance = (!is_planted(Fault::LinkWithoutDistance)).then_some(Distance { added, narrow });
        Some((left.id, Link(distance)))
    }

    /// A value computed from two others; nothing to remember where both are constants or loads.
    fn derive(&mut self, a: ValueId, b: ValueId) -> ValueId {
        if a == ValueId::ROOT && b == ValueId::ROOT { ValueId::ROOT } else { self.values.derive(a, b) }
    }

    fn move_value(&mut self, state: &mut State, width: Width, dst: Reg, src: Operand) -> Check {
        let reg = match src {
            Operand::Imm(imm) => {
                let value = match width {
                    Width::W64 => i64::from(imm) as u64,
                    Width::W32 => u64::from(imm as u32),
                };
                state.set(dst, Register::constant(value));
                return Ok(());
            }
            Operand::Reg(reg) => reg,
        };
        let source = *state.register(reg);
        match width {
            Width::W64 => {
                let copy = self.identify_for_copy(state, reg);
                state.set(dst, copy);
            }
            Width::W32 if source.is_pointer() => {
                if self.is_leak(&source) {
                    return denied(format!("R{} partial copy of pointer", reg.number()));
                }
                state.set(dst, Register::scalar(Scalar::of_size(4)));
            }
            Width::W32 => {
                let fits = source.value.umax <= u64::from(u32::MAX) || is_planted(Fault::LinkOfNarrowCopy);
                let mut copy = if fits { self.identify_for_copy(state, reg) } else { self.copy_of(&source) };
                if !fits {
                    (copy.id, copy.link) = (0, Link(None));
                }
                copy.value.zero_extend32();
                state.set(dst, copy);
            }
        }
        Ok(())
    }

    /// A copy of a register; if it is a number, both get the same id so that what is learnt of one holds for the other.
    pub(crate) fn identify_for_copy(&mut self, state: &mut State, reg: Reg) -> Register {
        let source = *state.register(reg);
        if source.is_scalar() && source.link.0.is_some() {
            let source = state.register_mut(reg);
            (source.id, source.link) = (0, Link(None));
        }
        if source.is_scalar() && !source.value.is_constant() && state.register(reg).id == 0 {
            let id = self.new_id();
            state.register_mut(reg).id = id;
        }
        let source = *state.register(reg);
        self.copy_of(&source)
    }

    fn copy_of(&mut self, source: &Register) -> Register {
        let mut copy = *source;
        if copy.is_scalar() && copy.origin != ValueId::ROOT {
            copy.origin = self.values.copy(copy.origin);
        }
        copy
    }

    /// `dst = (sN)src`
    pub(crate) fn move_sign_extended(
        &mut self,
        state: &mut State,
        width: Width,
        from: Size,
        dst: Reg,
        src: Reg,
    ) -> Check {
        let source = *state.register(src);
        if source.is_pointer() {
            if self.is_leak(&source) {
                return denied(format!("R{} sign-extension part of pointer", src.number()));
            }
            state.set(dst, Register::scalar(Scalar::of_size((width.bits() / 8) as u8)));
            return Ok(());
        }
        // A number whose sign bit in the narrow type is clear and that fits stays the same number.
        let same = source.value.umax < 1 << (from.bits() - 1);
        let mut copy = if same { self.identify_for_copy(state, src) } else { self.copy_of(&source) };
        if !same {
            (copy.id, copy.link) = (0, Link(None));
        }
        match width {
            Width::W32 => copy.value.sign_extend32(from.bytes()),
            Width::W64 => copy.value.sign_extend(from.bytes()),
        }
        state.set(dst, copy);
        Ok(())
    }

    /// `dst = -dst`
    pub(crate) fn negate(&mut self, state: &mut State, width: Width, dst: Reg) -> Check {
        let operand = *state.register(dst);
        if self.is_leak(&operand) {
            return Reason::PointerArithmetic.denied(format!("R{} pointer arithmetic prohibited", dst.number()));
        }
        if operand.is_pointer() {
            state.set(dst, Register::UNKNOWN);
            return Ok(());
        }
        let value = arithmetic::negate(width, &operand.value);
        state.set(dst, Register { value, origin: operand.origin, ..Register::UNKNOWN });
        Ok(())
    }

    /// Byte swaps. What is not moved stays linked to its equals.
    pub(crate) fn swap(&mut self, state: &mut State, kind: SwapKind, size: Size, dst: Reg) -> Check {
        let operand = *state.register(dst);
        if self.is_leak(&operand) {
            return denied(format!("R{} pointer arithmetic prohibited", dst.number()));
        }
        if operand.is_pointer() {
            state.set(dst, Register::UNKNOWN);
            return Ok(());
        }
        if (kind, size) == (SwapKind::ToLittle, Size::Double) {
            return Ok(());
        }
        let value = arithmetic::swap(kind, size, &operand.value);
        state.set(dst, Register { value, origin: operand.origin, ..Register::UNKNOWN });
        Ok(())
    }

    /// Two-slot loads.
    pub(crate) fn load_immediate(&mut self, state: &mut State, slot: usize, dst: Reg, imm: Imm64) -> Check {
        let value = match imm {
            Imm64::Value(value) => Register::constant(value),
            Imm64::MapFd(fd) | Imm64::MapIndex(fd) => Register::pointer(Kind::Map(self.map_by_fd(fd)?)),
            Imm64::MapValue { fd, offset } | Imm64::MapIndexValue { index: fd, offset } => {
                let map = self.map_by_fd(fd)?;
                if crate::tables::is_arena(self.maps.facts(map).map_type) {
                    // Where the page is in user space: the program casts it before it uses it.
                    state.set(dst, Register::UNKNOWN);
                    return Ok(());
                }
                Register { offset: offset as i32, ..Register::pointer(Kind::MapValue(map)) }
            }
            Imm64::Function { offset } => {
                let target = slot as i64 + 1 + i64::from(offset);
                let subprogram = usize::try_from(target).ok().and_then(|t| self.code.subprogram_at(t));
                let Some(subprogram) = subprogram else {
                    return Reason::ControlFlow.invalid("call to invalid destination");
                };
                if self.program.btf.is_none_or(|btf| btf.functions.is_empty()) {
                    return invalid("missing btf func_info");
                }
                if self.signatures.is_global(subprogram) {
                    return invalid("callback function not static");
                }
                Register::pointer(Kind::Function(subprogram as u16))
            }
            Imm64::BtfId { id, btf_fd } => self.kernel_variable(id, btf_fd)?,
        };
        state.set(dst, value);
        Ok(())
    }

    /// `dst = *(uN *)(base + offset)`
    pub(crate) fn load(&mut self, state: &mut State, slot: usize, access: Access, dst: Reg, signed: bool) -> Check {
        self.note_access(state, slot, access.base, true)?;
        let place = state.register(access.base).kind;
        let mut loaded = self.check_access(state, access)?;
        if signed && place == Kind::Context && loaded.is_pointer() {
            return Err(invalid_access(access.offset, access.size));
        }
        if loaded.is_scalar() {
            loaded = self.copy_of(&loaded);
            let size = access.size as u8;
            if signed && size < 8 {
                let fits = loaded.value.umax < 1 << (8 * size - 1);
                loaded.value.sign_extend(size);
                if !fits {
                    (loaded.id, loaded.link) = (0, Link(None));
                }
            } else {
                loaded.value.truncate(size);
            }
        }
        state.set(dst, loaded);
        Ok(())
    }

    /// `*(uN *)(base + offset) = src`
    pub(crate) fn store(&mut self, state: &mut State, slot: usize, access: Access) -> Check {
        self.note_access(state, slot, access.base, false)?;
        self.check_access(state, access)?;
        Ok(())
    }

    /// Atomic read-modify-write.
    pub(crate) fn atomic(
        &mut self,
        state: &mut State,
        slot: usize,
        op: AtomicOp,
        size: Size,
        address: (Reg, i16),
        src: Reg,
    ) -> Check {
        let (base, offset) = address;
        self.check_atomic_place(state, base)?;
        self.check_arena_atomic(state, base, op)?;
        if op == AtomicOp::Cmpxchg && self.is_leak(state.register(Reg::R0)) {
            return Reason::PointerLeak.denied("R0 leaks addr into mem");
        }
        if self.is_leak(state.register(src)) {
            return Reason::PointerLeak.denied(format!("R{} leaks addr into mem", src.number()));
        }
        self.note_access(state, slot, base, false)?;
        let access =
            Access { base, offset: offset.into(), size: size.bytes().into(), mode: Mode::ReadOnly, aligned: true };
        let fetched = match op {
            AtomicOp::Cmpxchg => Some(Reg::R0),
            op if op.fetches() => Some(src),
            _ => None,
        };
        // The old contents come first: where they replace the address itself, nothing can be written there any more.
        match fetched {
            Some(reg) if !is_planted(Fault::FetchKeepsRegister) => self.load(state, slot, access, reg, false)?,
            Some(_) => {}
            None => drop(self.check_access(state, access)?),
        }
        if !is_planted(Fault::AtomicKeepsStack) {
            self.check_access(state, Access { mode: Mode::Write(Stored::Data), ..access })?;
        }
        Ok(())
    }

    /// Atomic operations work on memory that is really there, not on what accesses are rewritten to.
    pub(crate) fn check_atomic_place(&self, state: &State, base: Reg) -> Check {
        let register = state.register(base);
        let refused = matches!(
            register.kind,
            Kind::Context | Kind::Packet { .. } | Kind::PacketMeta { .. } | Kind::FlowKeys | Kind::Socket(_)
        );
        if refused {
            return Reason::Context.denied(format!(
                "BPF_ATOMIC stores into R{} {} is not allowed",
                base.number(),
                register.type_name()
            ));
        }
        Ok(())
    }

    /// Remembers what an instruction accesses; two paths must agree where accesses are rewritten.
    fn note_access(&mut self, state: &State, slot: usize, base: Reg, load: bool) -> Check {
        let base = state.register(base);
        let now = (base.kind, base.flags - PointerFlags::NULLABLE);
        let facts = &mut self.facts[slot];
        match facts.accesses {
            Some(before) => facts.accesses = Some(kinds_agree(before, now, load)?),
            None => facts.accesses = Some(now),
        }
        Ok(())
    }

    fn map_by_fd(&self, fd: i32) -> Check<crate::domain::register::MapRef> {
        self.maps.by_fd(fd).ok_or_else(|| {
            Refusal::new(crate::refusal::EBADF, format!("fd {fd} is not pointing to valid bpf_map"))
                .of(Reason::Argument)
        })
    }
}

fn check_immediate(op: BinaryOp, width: Width, src: Operand) -> Check {
    let Operand::Imm(imm) = src else { return Ok(()) };
    let division = matches!(op, BinaryOp::Div | BinaryOp::SDiv | BinaryOp::Mod | BinaryOp::SMod);
    if division && imm == 0 {
        return invalid("div by zero");
    }
    let limit = if width == Width::W64 { 64 } else { 32 };
    if matches!(op, BinaryOp::Lsh | BinaryOp::Rsh | BinaryOp::Arsh) && !(0..limit).contains(&imm) {
        return invalid(format!("invalid shift {imm}"));
    }
    Ok(())
}
