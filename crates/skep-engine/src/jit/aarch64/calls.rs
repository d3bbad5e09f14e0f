//! Calls: functions of the program, helpers, what is done in place of helpers, packet loads.

use skep_isa::{PacketOffset, Width};
use std::mem::offset_of;

use super::assembler::{Alu, AluImm, Flags, Gpr, Mem, Multiply, Pair, Reach, When};
use super::immediates::unsigned12;
use super::registers::{MACHINE, R0, SCRATCH, gpr};
use super::{Emitter, Landing};
use crate::direct::{Direct, RunFacts};
use crate::jit::call::Call;
use crate::jit::inst::{Register, Registers, Source};
use crate::jit::lookahead::Null;
use crate::jit::native;
use crate::machine::Machine;
use skep_isa::Size;

/// Addresses of the functions that code calls out through: see [`native`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Runtime {
    pub(super) call_helper: u64,
    pub(super) call_kfunc: u64,
    pub(super) call_register: u64,
    pub(super) tail_call: u64,
    pub(super) load_packet: u64,
}

impl Runtime {
    pub(super) fn of_engine() -> Runtime {
        Runtime {
            call_helper: native::call_helper as *const () as u64,
            call_kfunc: native::call_kfunc as *const () as u64,
            call_register: native::call_register as *const () as u64,
            tail_call: native::tail_call as *const () as u64,
            load_packet: native::load_packet as *const () as u64,
        }
    }
}

/// A field of the machine's native state.
macro_rules! state {
    ($field:ident) => {
        Mem::new(MACHINE, (offset_of!(Machine<'_>, native) + offset_of!(native::State, $field)) as i32)
    };
}
pub(super) use state;

/// Offset of the run's facts in the machine.
const FACTS: i32 = (offset_of!(Machine<'_>, native) + offset_of!(native::State, facts)) as i32;

// All of the state is within reach of a load or store.
const _: () = assert!(offset_of!(Machine<'_>, native) + size_of::<native::State>() < 1 << 12);

/// Arguments of the procedure call standard.
const ARGUMENTS: [Gpr; 6] = [Gpr(0), Gpr(1), Gpr(2), Gpr(3), Gpr(4), Gpr(5)];
const RESULT: Gpr = Gpr(0);

impl Emitter<'_> {
    pub(super) fn call(&mut self, call: Call, live: Registers) {
        match call {
            Call::Direct(array @ (Direct::Array { .. } | Direct::PerCpuArray { .. })) => {
                self.asm.load32(R0, Mem::new(gpr(Register::R2), 0));
                self.element(array);
            }
            Call::Element { array, index } => {
                match index {
                    Source::Reg(index) => self.asm.mov(Width::W32, R0, gpr(index)),
                    Source::Imm(index) => self.asm.mov_imm(R0, index.cast_unsigned().into()),
                }
                self.element(array);
            }
            Call::Direct(Direct::Fact { offset, wide }) => {
                let place = Mem::new(MACHINE, FACTS + offset as i32);
                if wide { self.asm.load64(R0, place) } else { self.asm.load32(R0, place) }
            }
            Call::TailCall { id } => self.tail_call(id, live),
            _ => self.save_around(live, |emitter| emitter.outward_call(call)),
        }
    }

    fn outward_call(&mut self, call: Call) {
        match call {
            Call::Direct(Direct::Function { function, data }) => {
                if let Some(data) = data {
                    self.asm.mov_imm(gpr(Register::R1), data);
                }
                let [.., facts] = ARGUMENTS;
                self.add_imm(Width::W64, facts, MACHINE, FACTS.into());
                self.call_address(function as *const () as u64);
            }
            Call::Function { slot } => self.call_function(slot),
            Call::Helper { id } => {
                self.store_state(state!(id), id);
                self.call_runtime(self.runtime.call_helper);
            }
            Call::Kfunc { id, btf } => {
                self.store_state(state!(id), id);
                self.store_state(state!(btf), i32::from(btf).cast_unsigned());
                self.call_runtime(self.runtime.call_kfunc);
            }
            Call::Register(register) => {
                self.asm.store64(state!(target), gpr(register));
                self.call_runtime(self.runtime.call_register);
            }
            // These do not come here.
            Call::TailCall { .. } | Call::Direct(_) | Call::Element { .. } => {}
        }
    }

    /// Keeps those of r1 to r5 that are needed afterwards.
    fn save_around(&mut self, live: Registers, call: impl FnOnce(&mut Self)) {
        let saved: Vec<Gpr> = live.intersection(Registers::ARGUMENTS).iter().map(gpr).collect();
        for registers in saved.chunks(2) {
            match *registers {
                [first, second] => self.asm.store_pair(Pair::Before, (first, second), Gpr::SP, -16),
                [one] => self.asm.push(one),
                _ => {}
            }
        }
        call(self);
        for registers in saved.chunks(2).rev() {
            match *registers {
                [first, second] => self.asm.load_pair(Pair::After, (first, second), Gpr::SP, 16),
                [one] => self.asm.pop(one),
                _ => {}
            }
        }
    }

    fn store_state(&mut self, field: Mem, value: u32) {
        let [scratch, ..] = SCRATCH;
        let register = if value == 0 { Gpr::ZERO } else { scratch };
        if value != 0 {
            self.asm.mov_imm(register, value.into());
        }
        self.asm.store32(field, register);
    }

    /// Calls a function of the host's; its result becomes r0.
    fn call_address(&mut self, address: u64) {
        let [scratch, ..] = SCRATCH;
        self.asm.mov_imm(scratch, address);
        self.asm.call_register(scratch);
        self.asm.mov(Width::W64, R0, RESULT);
    }

    /// Calls a function of the engine's with r1 to r5 and the machine, and ends the run if it says so.
    fn call_runtime(&mut self, address: u64) {
        let [.., machine] = ARGUMENTS;
        self.asm.mov(Width::W64, machine, MACHINE);
        self.call_address(address);
        let [ended, ..] = SCRATCH;
        self.asm.load32(ended, state!(ended));
        self.jump(When::NotZero(Width::W32, ended), Landing::End);
    }

    /// r0 is an index and becomes the address of that element, or 0.
    fn element(&mut self, array: Direct) {
        let (values, stride, count, cpu_stride) = match array {
            Direct::Array { values, stride, count } => (values, stride, count, None),
            Direct::PerCpuArray { values, stride, count, cpu_stride } => (values, stride, count, Some(cpu_stride)),
            _ => return,
        };
        let [base, cpu, factor, _] = SCRATCH;
        match unsigned12(count.into()) {
            Some(bits) => self.asm.alu_imm(AluImm::Subs, Width::W32, Gpr::ZERO, R0, bits),
            None => {
                self.asm.mov_imm(base, count.into());
                self.asm.alu(Alu::Subs, Width::W32, Gpr::ZERO, R0, base);
            }
        }
        let null = self.program.null_branch(self.slot);
        let outside = When::Flags(Flags::AboveOrEqual);
        let over = match null {
            Some((_, Null::At(target))) => {
                self.jump(outside, Landing::Slot(target));
                None
            }
            Some((_, Null::Next(_))) => Some(self.asm.jump(outside)),
            None => None,
        };
        self.asm.mov_imm(base, values);
        if let Some(cpu_stride) = cpu_stride {
            self.asm.load32(cpu, Mem::new(MACHINE, FACTS + offset_of!(RunFacts, cpu) as i32));
            self.asm.mov_imm(factor, cpu_stride);
            self.asm.multiply(Multiply::Add, Width::W64, base, (cpu, factor), base);
        }
        if stride.is_power_of_two() {
            let shift = stride.trailing_zeros() as u8;
            self.asm.alu_shifted(Alu::Add, Width::W64, R0, base, (R0, shift));
        } else {
            self.asm.mov_imm(factor, stride.into());
            self.asm.multiply(Multiply::Add, Width::W64, R0, (R0, factor), base);
        }
        match null {
            Some((_, Null::Next(target))) => self.jump(When::Always, Landing::Slot(target)),
            Some((_, Null::At(_))) => {}
            // Nobody asks yet: there is nothing to jump over, both are computed.
            None => self.asm.select(Flags::Below, R0, R0, Gpr::ZERO),
        }
        if let Some(over) = over {
            self.asm.land(over, outside.reach());
        }
        self.done = null.map(|(branch, _)| branch);
    }

    /// Goes on in another program, or behind the call.
    fn tail_call(&mut self, id: u32, live: Registers) {
        self.store_state(state!(id), id);
        self.save_around(live, |emitter| emitter.call_runtime(emitter.runtime.tail_call));
        let refused = self.asm.jump(When::Zero(Width::W64, R0));
        self.asm.load64(gpr(Register::R1), state!(context));
        self.leave();
        if self.frame.is_main() {
            self.asm.jump_register(R0);
        } else {
            // The caller counts on r6 to r9, which the main function of a program does not save.
            let [scratch, ..] = SCRATCH;
            self.asm.mov_imm(scratch, self.stubs.tail_call_from_function);
            self.asm.jump_register(scratch);
        }
        self.asm.land(refused, Reach::Conditional);
    }

    pub(super) fn load_packet(&mut self, size: Size, from: PacketOffset) {
        let [context, offset, bytes, machine, ..] = ARGUMENTS;
        match from {
            PacketOffset::Absolute(imm) => self.asm.mov_imm(offset, u64::from(imm.cast_unsigned())),
            PacketOffset::Indirect(register, imm) => {
                self.add_imm(Width::W32, offset, gpr(register.into()), imm.into());
            }
        }
        self.asm.mov(Width::W64, context, gpr(Register::R6));
        self.asm.mov_imm(bytes, size.bytes().into());
        self.asm.mov(Width::W64, machine, MACHINE);
        self.call_address(self.runtime.load_packet);
        let [missed, ..] = SCRATCH;
        self.asm.load32(missed, state!(missed));
        let there = self.asm.jump(When::Zero(Width::W32, missed));
        self.asm.mov_imm(R0, 0);
        self.leave();
        self.asm.ret();
        self.asm.land(there, Reach::Conditional);
    }
}
