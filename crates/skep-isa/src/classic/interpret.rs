//! Runs classic programs, plainly: a reference for tests and for packets that need no speed.

use super::check::MEMORY_WORDS;
use super::{Ancillary, Checked, ClassicInsn, ClassicOperand, ClassicOperation, ClassicReg};
use crate::insn::{BinaryOp, Size, Width};
use crate::semantics::negate;

/// The packet a program looks at.
pub trait Packet {
    /// Its length in bytes: what `ld #pktlen` gives, which may be more than can be read.
    fn len(&self) -> u32;

    /// Whether it has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes at an offset, as a number in network order; `None` where they cannot be read. Negative offsets from
    /// -0x100000 on count from the network header, from -0x200000 on from the link-layer header.
    fn load(&self, offset: i32, size: Size) -> Option<u32>;

    /// Something about the packet; `None` ends the program with 0. [`Ancillary::XorX`] is never asked for.
    fn ancillary(&self, what: Ancillary, a: u32, x: u32) -> Option<u32>;
}

impl Packet for [u8] {
    fn len(&self) -> u32 {
        u32::try_from(<[u8]>::len(self)).unwrap_or(u32::MAX)
    }

    fn load(&self, offset: i32, size: Size) -> Option<u32> {
        let start = usize::try_from(offset).ok()?;
        let bytes = self.get(start..start.checked_add(usize::from(size.bytes()))?)?;
        Some(bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    fn ancillary(&self, _: Ancillary, _: u32, _: u32) -> Option<u32> {
        None
    }
}

/// Runs a program on a packet: how many bytes of it to keep.
pub fn run<P: Packet + ?Sized>(program: Checked<'_>, packet: &P) -> u32 {
    Machine { a: 0, x: 0, memory: [0; MEMORY_WORDS], packet }.run(program).unwrap_or(0)
}

struct Machine<'p, P: ?Sized> {
    a: u32,
    x: u32,
    memory: [u32; MEMORY_WORDS],
    packet: &'p P,
}

impl<P: Packet + ?Sized> Machine<'_, P> {
    /// `None` where the program ends early, which means 0.
    fn run(&mut self, program: Checked<'_>) -> Option<u32> {
        let mut at = 0;
        loop {
            let insn = program.program().get(at)?;
            at += 1;
            match insn.operation()? {
                ClassicOperation::ReturnK => return Some(insn.k),
                ClassicOperation::ReturnA => return Some(self.a),
                ClassicOperation::Jump => at += insn.k as usize,
                ClassicOperation::JumpIf(condition, operand) => {
                    let holds = condition.eval(Width::W32, self.a.into(), self.operand(insn, operand).into());
                    at += usize::from(if holds { insn.jt } else { insn.jf });
                }
                operation => self.step(insn, operation)?,
            }
        }
    }

    /// Any operation but jumps and returns.
    fn step(&mut self, insn: &ClassicInsn, operation: ClassicOperation) -> Option<()> {
        match operation {
            ClassicOperation::LoadAbsolute(size) => {
                self.a = match Ancillary::of(insn) {
                    Some(Ancillary::XorX) => self.a ^ self.x,
                    Some(what) => self.packet.ancillary(what, self.a, self.x)?,
                    None => self.packet.load(insn.k as i32, size)?,
                }
            }
            ClassicOperation::LoadIndirect(size) => {
                self.a = self.packet.load(self.x.wrapping_add(insn.k) as i32, size)?;
            }
            ClassicOperation::LoadHeaderLength => self.x = 4 * (self.packet.load(insn.k as i32, Size::Byte)? & 0xf),
            ClassicOperation::LoadLength(reg) => *self.reg(reg) = self.packet.len(),
            ClassicOperation::LoadImm(reg) => *self.reg(reg) = insn.k,
            ClassicOperation::LoadMemory(reg) => *self.reg(reg) = *self.memory.get(insn.k as usize)?,
            ClassicOperation::Store(reg) => *self.memory.get_mut(insn.k as usize)? = *self.reg(reg),
            ClassicOperation::Alu(op, operand) => {
                let operand = self.operand(insn, operand);
                if matches!(op, BinaryOp::Div | BinaryOp::Mod) && operand == 0 {
                    return None;
                }
                self.a = op.eval32(self.a, operand);
            }
            ClassicOperation::Neg => self.a = negate(Width::W32, self.a.into()) as u32,
            ClassicOperation::CopyToX => self.x = self.a,
            ClassicOperation::CopyToA => self.a = self.x,
            ClassicOperation::Jump
            | ClassicOperation::JumpIf(..)
            | ClassicOperation::ReturnK
            | ClassicOperation::ReturnA => return None,
        }
        Some(())
    }

    fn operand(&self, insn: &ClassicInsn, operand: ClassicOperand) -> u32 {
        match operand {
            ClassicOperand::K => insn.k,
            ClassicOperand::X => self.x,
        }
    }

    fn reg(&mut self, reg: ClassicReg) -> &mut u32 {
        match reg {
            ClassicReg::A => &mut self.a,
            ClassicReg::X => &mut self.x,
        }
    }
}
