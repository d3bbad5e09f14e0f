//! Lowering: instructions to pre-decoded operations.

use skep_isa::{CallTarget, Imm64, Insn, Operand, PacketOffset, Size, Slot, SwapKind, Width};

use crate::executable::{Entry, LinkError, MAX_SLOTS, function_address};
use crate::op::{Code, Op};

/// A program's operations and functions.
pub(crate) struct Lowered {
    /// One per slot, and an invalid one after the last.
    pub(crate) ops: Box<[Op]>,
    /// By slot, ascending.
    pub(crate) functions: Box<[Entry]>,
}

/// Decodes all slots, resolves targets and finds the functions (the main one, all that are called, all whose address is
/// taken), sorted by slot. `probe_loads` are the slots of loads that give 0 where nothing can be read.
pub(crate) fn lower(
    slots: &[Slot],
    probe_loads: &[u32],
    stack_of: impl Fn(u32) -> u16,
    resolve: impl FnMut(Imm64) -> Option<u64>,
) -> Result<Lowered, LinkError> {
    match slots.len() {
        0 => return Err(LinkError::Empty),
        len if len > MAX_SLOTS => return Err(LinkError::TooLong(len)),
        _ => {}
    }
    let insns = decode(slots)?;
    let mut lowering = Lowering { insns: &insns, stack_of, resolve, functions: vec![0] };
    let mut ops = Vec::with_capacity(slots.len() + 1);
    for (slot, insn) in insns.iter().enumerate() {
        let op = insn.map_or(Ok(Op::INVALID), |insn| lowering.insn(slot as u32, insn))?;
        ops.push(op);
    }
    for slot in probe_loads {
        if let Some(op) = ops.get_mut(*slot as usize) {
            op.code = op.code.probing();
        }
    }
    ops.push(Op::INVALID);
    let Lowering { mut functions, stack_of, .. } = lowering;
    functions.sort_unstable();
    functions.dedup();
    let functions = functions.into_iter().map(|slot| Entry { slot, stack_bytes: stack_of(slot) }).collect();
    Ok(Lowered { ops: ops.into_boxed_slice(), functions })
}

/// For each slot the instruction that begins there.
fn decode(slots: &[Slot]) -> Result<Vec<Option<Insn>>, LinkError> {
    let mut insns = vec![None; slots.len()];
    for (slot, insn) in skep_isa::decode_program(slots)? {
        insns[slot] = Some(insn);
    }
    Ok(insns)
}

struct Lowering<'a, S, R> {
    insns: &'a [Option<Insn>],
    stack_of: S,
    resolve: R,
    functions: Vec<u32>,
}

impl<S: Fn(u32) -> u16, R: FnMut(Imm64) -> Option<u64>> Lowering<'_, S, R> {
    fn insn(&mut self, slot: u32, insn: Insn) -> Result<Op, LinkError> {
        let by_register = |operand| matches!(operand, Operand::Reg(_));
        Ok(match insn {
            Insn::Alu { op, width, dst, src } => Op::new(Code::alu(op, width, by_register(src))).dst(dst).operand(src),
            Insn::MovSx { width, from, dst, src } => Op::new(sign_extension(width, from)).dst(dst).src(src),
            Insn::Neg { width: Width::W64, dst } => Op::new(Code::Neg64).dst(dst),
            Insn::Neg { width: Width::W32, dst } => Op::new(Code::Neg32).dst(dst),
            Insn::Swap { kind, size, dst } => Op::new(byte_swap(kind, size)).dst(dst).src(dst),
            Insn::AddrSpaceCast { dst, src, .. } => Op::new(Code::MovReg64).dst(dst).src(src),
            Insn::LoadImm64 { dst, imm } => Op::new(Code::LoadImm64).dst(dst).imm(self.imm64(slot, imm)? as i64),
            Insn::Load { size, signed, dst, base, offset } => {
                Op::new(Code::load(size, signed)).dst(dst).src(base).offset(offset.into())
            }
            Insn::Store { size, base, offset, src } => {
                Op::new(Code::store(size, by_register(src))).dst(base).operand(src).offset(offset.into())
            }
            Insn::Atomic { op, size, base, offset, src } => {
                let code = Code::atomic(op, size).unwrap_or(Code::Invalid);
                Op::new(code).dst(base).src(src).offset(offset.into())
            }
            Insn::LoadAcquire { size, dst, base, offset } => {
                Op::new(Code::load_acquire(size)).dst(dst).src(base).offset(offset.into())
            }
            Insn::StoreRelease { size, base, offset, src } => {
                Op::new(Code::store_release(size)).dst(base).src(src).offset(offset.into())
            }
            Insn::LoadPacket { size, from } => packet_load(size, from),
            Insn::Jump { offset, .. } => Op::new(Code::Jump).offset(self.target(slot, offset)?),
            Insn::JumpIf { condition, width, dst, src, offset } => {
                let code = Code::jump_if(condition, width, by_register(src));
                Op::new(code).dst(dst).operand(src).offset(self.target(slot, offset.into())?)
            }
            Insn::MayGoto { offset } => Op::new(Code::MayGoto).offset(self.target(slot, offset.into())?),
            Insn::Call(target) => self.call(slot, target)?,
            Insn::CallReg(reg) => Op::new(Code::CallReg).dst(reg),
            Insn::Exit => Op::new(Code::Exit),
        })
    }

    fn call(&mut self, slot: u32, target: CallTarget) -> Result<Op, LinkError> {
        Ok(match target {
            CallTarget::Helper(id) => Op::new(Code::CallHelper).imm(id.into()),
            CallTarget::Kfunc { id, btf } => Op::new(Code::CallKfunc).imm(id.into()).offset(btf.into()),
            CallTarget::Subprogram { offset } => {
                let target = self.function(slot, offset)?;
                Op::new(Code::CallFunction).offset(target as i32).imm((self.stack_of)(target).into())
            }
        })
    }

    fn imm64(&mut self, slot: u32, imm: Imm64) -> Result<u64, LinkError> {
        match imm {
            Imm64::Value(value) => Ok(value),
            Imm64::Function { offset } => self.function(slot, offset).map(function_address),
            _ => (self.resolve)(imm).ok_or(LinkError::Unresolved { slot, imm }),
        }
    }

    fn function(&mut self, slot: u32, offset: i32) -> Result<u32, LinkError> {
        let target = self.target(slot, offset)? as u32;
        self.functions.push(target);
        Ok(target)
    }

    /// The slot `offset` slots from the next one; an instruction begins there.
    fn target(&self, slot: u32, offset: i32) -> Result<i32, LinkError> {
        let target = i64::from(slot) + 1 + i64::from(offset);
        let begins = usize::try_from(target).ok().and_then(|t| self.insns.get(t)).is_some_and(Option::is_some);
        // `MAX_SLOTS` is far below `i32::MAX`.
        if begins { Ok(target as i32) } else { Err(LinkError::BadTarget { slot, target }) }
    }
}

fn sign_extension(width: Width, from: Size) -> Code {
    match (width, from) {
        (Width::W64, Size::Byte) => Code::MovSx64From8,
        (Width::W64, Size::Half) => Code::MovSx64From16,
        (Width::W64, Size::Word) => Code::MovSx64From32,
        (Width::W32, Size::Byte) => Code::MovSx32From8,
        (Width::W32, Size::Half) => Code::MovSx32From16,
        // Moves without extension; decoding does not give them.
        (Width::W64, Size::Double) => Code::MovReg64,
        (Width::W32, Size::Word | Size::Double) => Code::MovReg32,
    }
}

/// Hosts are little-endian: to little-endian only cuts.
fn byte_swap(kind: SwapKind, size: Size) -> Code {
    match (kind, size) {
        (SwapKind::ToLittle, Size::Half) => Code::Low16,
        (SwapKind::ToLittle, Size::Word) => Code::Low32,
        (SwapKind::ToLittle, Size::Double) => Code::MovReg64,
        (SwapKind::ToBig | SwapKind::Swap, Size::Half) => Code::Swap16,
        (SwapKind::ToBig | SwapKind::Swap, Size::Word) => Code::Swap32,
        (SwapKind::ToBig | SwapKind::Swap, Size::Double) => Code::Swap64,
        // There is no 8-bit swap; decoding does not give it.
        (_, Size::Byte) => Code::Invalid,
    }
}

fn packet_load(size: Size, from: PacketOffset) -> Op {
    let (absolute, indirect) = match size {
        Size::Byte => (Code::PacketAbs8, Code::PacketInd8),
        Size::Half => (Code::PacketAbs16, Code::PacketInd16),
        Size::Word => (Code::PacketAbs32, Code::PacketInd32),
        // There is no 64-bit form; decoding does not give it.
        Size::Double => (Code::Invalid, Code::Invalid),
    };
    match from {
        PacketOffset::Absolute(imm) => Op::new(absolute).imm(imm.into()),
        PacketOffset::Indirect(register, imm) => Op::new(indirect).src(register).imm(imm.into()),
    }
}
