//! From classic programs to instructions of today, much as Linux does it (`bpf_convert_filter`). Unlike Linux's, the
//! result passes a verifier: it begins by setting registers rather than clearing them with `^=`, and leaves out dead code.
//!
//! A lives in r0, X in r7, both always zero-extended; r6 holds the context, as packet loads want it; r8 keeps A while
//! something else needs r0; M\[0\] to M\[15\] are the 64 bytes below the frame pointer.

use super::check::MEMORY_WORDS;
use super::{Ancillary, Checked, ClassicInsn, ClassicOperand, ClassicOperation, ClassicReg};
use crate::insn::{BinaryOp, CallTarget, Condition, Insn, Operand, PacketOffset, Reg, Size, SwapKind, Width};

const A: Reg = Reg::R0;
const X: Reg = Reg::R7;
const CONTEXT: Reg = Reg::R6;
const SAVED: Reg = Reg::R8;
const SCRATCH: Reg = Reg::R2;

/// Where a context has something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextField {
    /// Byte offset in the context.
    pub offset: i16,
    /// Its size.
    pub size: Size,
    /// It holds a 16-bit number in network order.
    pub network_order: bool,
}

/// Where a program gets ancillary data from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A field of its context.
    Field(ContextField),
    /// A helper without arguments, by number.
    Helper(i32),
}

/// What a program is given: its context.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The packet's length.
    pub length: ContextField,
    /// What ancillary data there is.
    pub ancillary: &'a [(Ancillary, Source)],
}

const fn field(offset: i16) -> Source {
    Source::Field(ContextField { offset, size: Size::Word, network_order: false })
}

const fn network_order(offset: i16) -> Source {
    Source::Field(ContextField { offset, size: Size::Word, network_order: true })
}

/// `struct __sk_buff`: the context of socket filters (UAPI `linux/bpf.h`). It has no hardware type and no offset of the
/// payload, and nothing searches netlink attributes.
pub const SK_BUFF: Context<'static> = Context {
    length: ContextField { offset: 0, size: Size::Word, network_order: false },
    ancillary: &[
        (Ancillary::PacketType, field(4)),
        (Ancillary::Mark, field(8)),
        (Ancillary::Queue, field(12)),
        (Ancillary::Protocol, network_order(16)),
        (Ancillary::VlanPresent, field(20)),
        (Ancillary::VlanTag, field(24)),
        (Ancillary::VlanProtocol, network_order(28)),
        (Ancillary::InterfaceIndex, field(40)),
        (Ancillary::Hash, field(68)),
        (Ancillary::Random, Source::Helper(7)),
        (Ancillary::Cpu, Source::Helper(8)),
    ],
};

/// What cannot be translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("instruction {at}: the context has no `{}`", .ancillary.name())]
pub struct TranslateError {
    /// Number of the classic instruction.
    pub at: usize,
    /// The data it asks for.
    pub ancillary: Ancillary,
}

/// A translated program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The program; each instruction is one slot.
    pub insns: Vec<Insn>,
    /// For each classic instruction, where its translation begins (that of the next, if it is unreachable).
    pub starts: Vec<usize>,
}

/// Translates a program for that context. The result has the same value for every packet, and a verifier accepts it:
/// instructions that no path leads to are left out.
///
/// # Errors
/// The first ancillary load that the context has nothing for.
pub fn translate(program: Checked<'_>, context: &Context<'_>) -> Result<Translation, TranslateError> {
    let mut translator = Translator { context, insns: Vec::new(), jumps: Vec::new() };
    let mut starts = Vec::with_capacity(program.program().len());
    translator.prologue();
    let reachable = reachable(program);
    for (at, (insn, operation)) in program.operations().enumerate() {
        starts.push(translator.insns.len());
        if reachable[at] {
            translator.instruction(at, &insn, operation)?;
        }
    }
    translator.land_jumps(&starts);
    Ok(Translation { insns: translator.insns, starts })
}

/// Which instructions a path leads to. Jumps lead only forwards.
fn reachable(program: Checked<'_>) -> Vec<bool> {
    let mut reachable = vec![false; program.program().len()];
    reachable[0] = true;
    for (at, (insn, operation)) in program.operations().enumerate() {
        if !reachable[at] {
            continue;
        }
        let mut mark = |distance: usize| {
            if let Some(target) = reachable.get_mut(at + 1 + distance) {
                *target = true;
            }
        };
        match operation {
            ClassicOperation::ReturnK | ClassicOperation::ReturnA => {}
            ClassicOperation::Jump => mark(insn.k as usize),
            ClassicOperation::JumpIf(..) => [insn.jt, insn.jf].map(usize::from).into_iter().for_each(mark),
            _ => mark(0),
        }
    }
    reachable
}

struct Translator<'c> {
    context: &'c Context<'c>,
    insns: Vec<Insn>,
    /// Jumps whose offset is still 0, and the classic instruction each leads to.
    jumps: Vec<(usize, usize)>,
}

impl Translator<'_> {
    fn alu(&mut self, op: BinaryOp, width: Width, dst: Reg, src: Operand) {
        self.insns.push(Insn::Alu { op, width, dst, src });
    }

    fn mov32(&mut self, dst: Reg, src: Reg) {
        self.alu(BinaryOp::Mov, Width::W32, dst, Operand::Reg(src));
    }

    fn prologue(&mut self) {
        for reg in [A, X] {
            self.alu(BinaryOp::Mov, Width::W32, reg, Operand::Imm(0));
        }
        self.alu(BinaryOp::Mov, Width::W64, CONTEXT, Operand::Reg(Reg::R1));
    }

    /// A jump over `skip` instructions of the result.
    fn skip_if(&mut self, condition: Condition, dst: Reg, skip: i16) {
        self.insns.push(Insn::JumpIf { condition, width: Width::W64, dst, src: Operand::Imm(0), offset: skip });
    }

    fn end(&mut self, value: u32) {
        self.alu(BinaryOp::Mov, Width::W32, A, Operand::Imm(value as i32));
        self.insns.push(Insn::Exit);
    }

    fn instruction(
        &mut self,
        at: usize,
        insn: &ClassicInsn,
        operation: ClassicOperation,
    ) -> Result<(), TranslateError> {
        match operation {
            ClassicOperation::LoadAbsolute(size) => match Ancillary::of(insn) {
                Some(ancillary) => self.ancillary(at, ancillary)?,
                None => self.packet(size, PacketOffset::Absolute(insn.k as i32)),
            },
            ClassicOperation::LoadIndirect(size) => self.packet(size, PacketOffset::Indirect(X, insn.k as i32)),
            ClassicOperation::LoadHeaderLength => self.header_length(insn.k),
            ClassicOperation::LoadLength(reg) => self.field(register(reg), self.context.length),
            ClassicOperation::LoadImm(reg) => {
                self.alu(BinaryOp::Mov, Width::W32, register(reg), Operand::Imm(insn.k as i32));
            }
            ClassicOperation::LoadMemory(reg) => {
                let (size, dst, base, offset) = (Size::Word, register(reg), Reg::R10, memory(insn.k));
                self.insns.push(Insn::Load { size, signed: false, dst, base, offset });
            }
            ClassicOperation::Store(reg) => {
                let src = Operand::Reg(register(reg));
                self.insns.push(Insn::Store { size: Size::Word, base: Reg::R10, offset: memory(insn.k), src });
            }
            ClassicOperation::Alu(op, operand) => self.arithmetic(insn, op, operand),
            ClassicOperation::Neg => self.insns.push(Insn::Neg { width: Width::W32, dst: A }),
            ClassicOperation::Jump => self.jump(at + 1 + insn.k as usize),
            ClassicOperation::JumpIf(condition, operand) => self.jump_if(at, insn, condition, operand),
            ClassicOperation::ReturnK => self.end(insn.k),
            ClassicOperation::ReturnA => self.insns.push(Insn::Exit),
            ClassicOperation::CopyToX => self.mov32(X, A),
            ClassicOperation::CopyToA => self.mov32(A, X),
        }
        Ok(())
    }

    fn packet(&mut self, size: Size, from: PacketOffset) {
        self.insns.push(Insn::LoadPacket { size, from });
    }

    fn field(&mut self, dst: Reg, field: ContextField) {
        let ContextField { offset, size, network_order } = field;
        self.insns.push(Insn::Load { size, signed: false, dst, base: CONTEXT, offset });
        if network_order {
            self.insns.push(Insn::Swap { kind: SwapKind::ToBig, size: Size::Half, dst });
        }
    }

    fn ancillary(&mut self, at: usize, ancillary: Ancillary) -> Result<(), TranslateError> {
        if ancillary == Ancillary::XorX {
            self.alu(BinaryOp::Xor, Width::W32, A, Operand::Reg(X));
            return Ok(());
        }
        let source = self.context.ancillary.iter().find(|(found, _)| *found == ancillary);
        let (_, source) = source.ok_or(TranslateError { at, ancillary })?;
        match *source {
            Source::Field(field) => self.field(A, field),
            Source::Helper(id) => {
                self.insns.push(Insn::Call(CallTarget::Helper(id)));
                // A has 32 bits.
                self.mov32(A, A);
            }
        }
        Ok(())
    }

    /// `X = 4 * (packet[k] & 0xf)`, and A as it was.
    fn header_length(&mut self, k: u32) {
        self.mov32(SAVED, A);
        self.packet(Size::Byte, PacketOffset::Absolute(k as i32));
        self.alu(BinaryOp::And, Width::W32, A, Operand::Imm(0xf));
        self.alu(BinaryOp::Lsh, Width::W32, A, Operand::Imm(2));
        self.mov32(X, A);
        self.mov32(A, SAVED);
    }

    fn arithmetic(&mut self, insn: &ClassicInsn, op: BinaryOp, operand: ClassicOperand) {
        let src = match operand {
            ClassicOperand::K => Operand::Imm(insn.k as i32),
            ClassicOperand::X => Operand::Reg(X),
        };
        if matches!((op, operand), (BinaryOp::Div | BinaryOp::Mod, ClassicOperand::X)) {
            // Division by zero ends a classic program with 0; today's gives 0 and goes on.
            self.skip_if(Condition::Ne, X, 2);
            self.end(0);
        }
        self.alu(op, Width::W32, A, src);
    }

    fn jump(&mut self, to: usize) {
        self.jumps.push((self.insns.len(), to));
        self.insns.push(Insn::Jump { offset: 0, long: false });
    }

    fn jump_if(&mut self, at: usize, insn: &ClassicInsn, condition: Condition, operand: ClassicOperand) {
        let (when, otherwise) = (at + 1 + usize::from(insn.jt), at + 1 + usize::from(insn.jf));
        if when == otherwise {
            return self.jump(when);
        }
        let src = match operand {
            ClassicOperand::X => Operand::Reg(X),
            // A 64-bit comparison with a negative immediate would compare with its sign extension.
            ClassicOperand::K if insn.k > i32::MAX as u32 => {
                self.alu(BinaryOp::Mov, Width::W32, SCRATCH, Operand::Imm(insn.k as i32));
                Operand::Reg(SCRATCH)
            }
            ClassicOperand::K => Operand::Imm(insn.k as i32),
        };
        // Falls through where it can.
        let (condition, to, other) = match condition.negated() {
            Some(negated) if insn.jt == 0 => (negated, otherwise, None),
            _ if insn.jf == 0 => (condition, when, None),
            _ => (condition, when, Some(otherwise)),
        };
        self.jumps.push((self.insns.len(), to));
        self.insns.push(Insn::JumpIf { condition, width: Width::W64, dst: A, src, offset: 0 });
        if let Some(other) = other {
            self.jump(other);
        }
    }

    /// Fills in the offsets of jumps, now that the start of every translation is known.
    fn land_jumps(&mut self, starts: &[usize]) {
        for &(at, to) in &self.jumps {
            // A program of 4096 instructions becomes less than 2^15: see the test.
            let distance = starts[to] as i64 - at as i64 - 1;
            match &mut self.insns[at] {
                Insn::Jump { offset, .. } => *offset = distance as i32,
                Insn::JumpIf { offset, .. } => *offset = distance as i16,
                _ => {}
            }
        }
    }
}

const fn register(reg: ClassicReg) -> Reg {
    match reg {
        ClassicReg::A => A,
        ClassicReg::X => X,
    }
}

/// Offset of `M[k]` from the frame pointer.
const fn memory(k: u32) -> i16 {
    (k as i16 - MEMORY_WORDS as i16) * 4
}
