//! Calls: functions of the program, helpers, what is done in place of helpers, packet loads.

use skep_isa::{PacketOffset, Size};
use std::mem::offset_of;

use super::assembler::{Flags, Gpr, Group1, Mem, Opcode, Wide};
use super::registers::{MACHINE, SCRATCH, gpr};
use super::{Emitter, Landing};
use crate::direct::{Direct, RunFacts};
use crate::jit::call::Call;
use crate::jit::inst::{Register, Registers, Source};
use crate::jit::lookahead::Null;
use crate::jit::native;
use crate::machine::Machine;

/// A field of the machine's native state.
macro_rules! state {
    ($field:ident) => {
        Mem::new(MACHINE, (offset_of!(Machine<'_>, native) + offset_of!(native::State, $field)) as i32)
    };
}
pub(super) use state;

impl Emitter<'_> {
    pub(super) fn call(&mut self, call: Call, live: Registers) {
        match call {
            Call::Direct(array @ (Direct::Array { .. } | Direct::PerCpuArray { .. })) => {
                self.asm.load32(Gpr::RAX, Mem::new(gpr(Register::R2), 0));
                self.element(array);
            }
            Call::Element { array, index } => {
                match index {
                    Source::Reg(index) => self.asm.mov(Wide::No, Gpr::RAX, gpr(index)),
                    Source::Imm(index) => self.asm.mov_imm(Gpr::RAX, index.cast_unsigned().into()),
                }
                self.element(array);
            }
            Call::Direct(Direct::Fact { offset, wide }) => {
                let place = Mem::new(MACHINE, facts() + offset as i32);
                if wide { self.asm.load64(Gpr::RAX, place) } else { self.asm.load32(Gpr::RAX, place) }
            }
            Call::TailCall { id } => self.tail_call(id, live),
            _ => self.save_around(live, |emitter| emitter.outward_call(call)),
        }
    }

    fn outward_call(&mut self, call: Call) {
        match call {
            Call::Direct(Direct::Function { function, data }) => {
                if let Some(data) = data {
                    self.asm.mov_imm(Gpr::RDI, data);
                }
                self.asm.lea(Gpr::R9, Mem::new(MACHINE, facts()));
                self.call_address(function as *const () as u64);
            }
            Call::Function { slot } => {
                self.asm.byte(0xe8);
                self.asm.imm32(0);
                self.land_later(Landing::Function(slot), 4);
            }
            Call::Helper { id } => {
                self.asm.store32_imm(state!(id), id.cast_signed());
                self.call_runtime(native::call_helper as *const () as u64);
            }
            Call::Kfunc { id, btf } => {
                self.asm.store32_imm(state!(id), id.cast_signed());
                self.asm.store32_imm(state!(btf), btf.into());
                self.call_runtime(native::call_kfunc as *const () as u64);
            }
            Call::Register(register) => {
                self.asm.store64(state!(target), gpr(register));
                self.call_runtime(native::call_register as *const () as u64);
            }
            // These do not come here.
            Call::TailCall { .. } | Call::Direct(_) | Call::Element { .. } => {}
        }
    }

    /// Keeps those of r1 to r5 that are needed afterwards.
    fn save_around(&mut self, live: Registers, call: impl FnOnce(&mut Self)) {
        let saved = live.intersection(Registers::ARGUMENTS);
        let padding = 8 * (saved.len() & 1) as i32;
        for register in saved.iter() {
            self.asm.push(gpr(register));
        }
        if padding > 0 {
            self.asm.lea(Gpr::RSP, Mem::new(Gpr::RSP, -padding));
        }
        call(self);
        if padding > 0 {
            self.asm.lea(Gpr::RSP, Mem::new(Gpr::RSP, padding));
        }
        let all: Vec<Register> = saved.iter().collect();
        for register in all.iter().rev() {
            self.asm.pop(gpr(*register));
        }
    }

    fn call_address(&mut self, address: u64) {
        self.asm.mov_imm(Gpr::RAX, address);
        self.asm.call_register(Gpr::RAX);
    }

    /// Calls a function of the engine's with r1 to r5 and the machine, and ends the run if it says so.
    fn call_runtime(&mut self, address: u64) {
        self.asm.mov(Wide::Yes, Gpr::R9, MACHINE);
        self.call_address(address);
        self.asm.rm(Opcode::one(0x83), Wide::No, 7, state!(ended));
        self.asm.byte(0);
        self.jump_if(Flags::NotEqual, Landing::End, u32::MAX);
    }

    /// r0 is an index and becomes the address of that element, or 0.
    fn element(&mut self, array: Direct) {
        let (values, stride, count, cpu_stride) = match array {
            Direct::Array { values, stride, count } => (values, stride, count, None),
            Direct::PerCpuArray { values, stride, count, cpu_stride } => (values, stride, count, Some(cpu_stride)),
            _ => return,
        };
        let [base, cpu, _] = SCRATCH;
        self.asm.group1_imm(Group1::Cmp, Wide::No, Gpr::RAX, count.cast_signed());
        let null = self.null_branch();
        let outside = match null {
            // Where the program goes with a NULL that it does not look at again.
            Some(Null::At(target)) => {
                self.jump_if(Flags::AboveOrEqual, Landing::Slot(target), u32::MAX);
                None
            }
            _ => Some(self.asm.short_jump(Some(Flags::AboveOrEqual))),
        };
        self.asm.mov_imm(base, values);
        if let Some(cpu_stride) = cpu_stride {
            self.asm.load32(cpu, Mem::new(MACHINE, facts() + offset_of!(RunFacts, cpu) as i32));
            self.multiply_by(cpu, cpu_stride, SCRATCH[2]);
            self.asm.group1(Group1::Add, Wide::Yes, base, cpu);
        }
        match stride {
            1 | 2 | 4 | 8 => {
                let shift = stride.trailing_zeros() as u8;
                self.asm.lea(Gpr::RAX, Mem { base, index: Some((Gpr::RAX, shift)), offset: 0 });
            }
            _ => {
                self.multiply_by(Gpr::RAX, stride.into(), cpu);
                self.asm.group1(Group1::Add, Wide::Yes, Gpr::RAX, base);
            }
        }
        match (null, outside) {
            (Some(Null::Next(target)), Some(outside)) => {
                self.asm.put(0xe9, 5);
                self.land_later(Landing::Slot(target), 4);
                self.asm.land(outside);
            }
            (_, Some(outside)) => {
                let done = self.asm.short_jump(None);
                self.asm.land(outside);
                self.asm.zero(Gpr::RAX);
                self.asm.land(done);
            }
            (_, None) => {}
        }
    }

    fn multiply_by(&mut self, dst: Gpr, by: u64, scratch: Gpr) {
        match i32::try_from(by) {
            Ok(by) => self.multiply_imm(Wide::Yes, dst, dst, by),
            Err(_) => {
                self.asm.mov_imm(scratch, by);
                self.asm.rr(Opcode::two(0xaf), Wide::Yes, dst, scratch);
            }
        }
    }

    /// Whether the next instruction asks if r0 is NULL, and r0 is not needed any more if it is. That instruction is then
    /// done with.
    fn null_branch(&mut self) -> Option<Null> {
        let (next, null) = self.program.null_branch(self.slot)?;
        self.done = next;
        Some(null)
    }

    /// Goes on in another program, or behind the call.
    fn tail_call(&mut self, id: u32, live: Registers) {
        self.asm.store32_imm(state!(id), id.cast_signed());
        self.save_around(live, |emitter| emitter.call_runtime(native::tail_call as *const () as u64));
        self.asm.test(Wide::Yes, Gpr::RAX, Gpr::RAX);
        let refused = self.asm.short_jump(Some(Flags::Equal));
        self.asm.load64(gpr(Register::R1), state!(context));
        self.leave();
        if self.frame.is_main() {
            self.asm.jump_register(Gpr::RAX);
        } else {
            // The caller counts on r6 to r9, which the main function of a program does not save.
            self.asm.mov_imm(SCRATCH[0], self.stubs.tail_call_from_function);
            self.asm.jump_register(SCRATCH[0]);
        }
        self.asm.land(refused);
    }

    pub(super) fn load_packet(&mut self, size: Size, from: PacketOffset) {
        match from {
            PacketOffset::Absolute(offset) => self.asm.mov_imm(Gpr::RSI, u64::from(offset.cast_unsigned())),
            PacketOffset::Indirect(register, offset) => {
                self.asm.lea(Gpr::RSI, Mem::new(gpr(register.into()), offset));
            }
        }
        self.asm.mov(Wide::Yes, Gpr::RDI, gpr(Register::R6));
        self.asm.mov_imm(Gpr::RDX, size.bytes().into());
        self.asm.mov(Wide::Yes, Gpr::RCX, MACHINE);
        self.call_address(native::load_packet as *const () as u64);
        self.asm.rm(Opcode::one(0x83), Wide::No, 7, state!(missed));
        self.asm.byte(0);
        let there = self.asm.short_jump(Some(Flags::Equal));
        self.asm.zero(Gpr::RAX);
        self.leave();
        self.asm.ret();
        self.asm.land(there);
    }
}

/// Offset of the run's facts in the machine.
fn facts() -> i32 {
    (offset_of!(Machine<'_>, native) + offset_of!(native::State, facts)) as i32
}
