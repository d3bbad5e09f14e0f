//! A tiny machine for translated packet filters, made of nothing but the semantics module.

use skep_isa::classic::Packet;
use skep_isa::semantics::{negate, swap};
use skep_isa::{CallTarget, Insn, PacketOffset, Reg, Size};

/// Runs a program of one-slot instructions. `r1` at entry is a context, of which `field` gives the 32-bit words.
pub(crate) fn evaluate<P: Packet + ?Sized>(
    program: &[Insn],
    packet: &P,
    field: &dyn Fn(i16) -> u32,
    helper: &dyn Fn(i32) -> u64,
) -> u64 {
    let mut regs = [0xdead_beef_dead_beef; Reg::COUNT];
    let mut stack = [0u8; 512];
    let mut at = 0usize;
    loop {
        let insn = program[at];
        at += 1;
        match insn {
            Insn::Alu { op, width, dst, src } => {
                regs[dst.index()] = op.eval(width, regs[dst.index()], src.value(&regs));
            }
            Insn::Neg { width, dst } => regs[dst.index()] = negate(width, regs[dst.index()]),
            Insn::Swap { kind, size, dst } => regs[dst.index()] = swap(kind, size, regs[dst.index()]),
            Insn::Load { size: Size::Word, signed: false, dst, base: Reg::R10, offset } => {
                let bytes = &stack[(512 + i32::from(offset)) as usize..][..4];
                regs[dst.index()] = u32::from_le_bytes(bytes.try_into().unwrap()).into();
            }
            Insn::Load { size: Size::Word, signed: false, dst, base: Reg::R6, offset } => {
                regs[dst.index()] = field(offset).into();
            }
            Insn::Store { size: Size::Word, base: Reg::R10, offset, src } => {
                let value = src.value(&regs) as u32;
                stack[(512 + i32::from(offset)) as usize..][..4].copy_from_slice(&value.to_le_bytes());
            }
            Insn::LoadPacket { size, from } => {
                let offset = match from {
                    PacketOffset::Absolute(offset) => offset,
                    PacketOffset::Indirect(reg, offset) => (regs[reg.index()] as i32).wrapping_add(offset),
                };
                let Some(value) = packet.load(offset, size) else { return 0 };
                forget(&mut regs);
                regs[0] = value.into();
            }
            Insn::Call(CallTarget::Helper(id)) => {
                forget(&mut regs);
                regs[0] = helper(id);
            }
            Insn::Jump { offset, .. } => at = at.checked_add_signed(offset as isize).unwrap(),
            Insn::JumpIf { condition, width, dst, src, offset } => {
                if condition.eval(width, regs[dst.index()], src.value(&regs)) {
                    at = at.checked_add_signed(offset.into()).unwrap();
                }
            }
            Insn::Exit => return regs[0],
            other => panic!("a translated filter has no `{other}`"),
        }
    }
}

/// What packet loads and calls do to r1 to r5.
fn forget(regs: &mut [u64; Reg::COUNT]) {
    regs[1..=5].fill(0xbad0_bad0_bad0_bad0);
}
