//! Interpreter against sandbox, in time per instruction.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use skep_engine::{Executable, Mode, NoEnvironment, Region, Sandbox};
use skep_isa::{BinaryOp, CallTarget, Condition, Insn, Operand, Reg, Size, Slot, Width, encode_program};

const ITERATIONS: i32 = 1000;

fn alu(op: BinaryOp, dst: Reg, src: Operand) -> Insn {
    Insn::Alu { op, width: Width::W64, dst, src }
}

/// `r6 = ITERATIONS; do { body } while (r6 -= 1) != 0; exit`, then `after`; and how many instructions a run takes.
fn repeated(body: &[Insn], after: &[Insn], per_iteration: u64) -> (Vec<Slot>, u64) {
    let mut insns = vec![alu(BinaryOp::Mov, Reg::R6, Operand::Imm(ITERATIONS))];
    insns.extend_from_slice(body);
    insns.push(alu(BinaryOp::Sub, Reg::R6, Operand::Imm(1)));
    let offset = -(body.len() as i16) - 2;
    insns.push(Insn::JumpIf {
        condition: Condition::Ne,
        width: Width::W64,
        dst: Reg::R6,
        src: Operand::Imm(0),
        offset,
    });
    insns.push(Insn::Exit);
    insns.extend_from_slice(after);
    (encode_program(&insns), ITERATIONS as u64 * (per_iteration + 2) + 2)
}

fn arithmetic() -> (Vec<Slot>, u64) {
    let body = [
        alu(BinaryOp::Add, Reg::R0, Operand::Reg(Reg::R2)),
        alu(BinaryOp::Xor, Reg::R0, Operand::Imm(0x55)),
        alu(BinaryOp::Mul, Reg::R0, Operand::Imm(31)),
        alu(BinaryOp::Rsh, Reg::R0, Operand::Imm(3)),
        alu(BinaryOp::Mov, Reg::R3, Operand::Reg(Reg::R0)),
        alu(BinaryOp::And, Reg::R3, Operand::Imm(0xff)),
    ];
    repeated(&body, &[], body.len() as u64)
}

fn memory() -> (Vec<Slot>, u64) {
    let (size, signed) = (Size::Word, false);
    let body = [
        Insn::Load { size, signed, dst: Reg::R3, base: Reg::R1, offset: 0 },
        Insn::Store { size: Size::Double, base: Reg::R10, offset: -8, src: Operand::Reg(Reg::R3) },
        Insn::Load { size: Size::Double, signed, dst: Reg::R4, base: Reg::R10, offset: -8 },
        Insn::Store { size, base: Reg::R1, offset: 4, src: Operand::Reg(Reg::R4) },
    ];
    repeated(&body, &[], body.len() as u64)
}

fn calls() -> (Vec<Slot>, u64) {
    let body = [Insn::Call(CallTarget::Subprogram { offset: 3 })];
    let after = [alu(BinaryOp::Mov, Reg::R0, Operand::Imm(1)), Insn::Exit];
    repeated(&body, &after, 3)
}

fn engines(criterion: &mut Criterion) {
    for (name, (slots, instructions)) in [("arithmetic", arithmetic()), ("memory", memory()), ("calls", calls())] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(instructions));
        // SAFETY: the programs above touch eight bytes of their context and their own frame, and end.
        let executable = unsafe { Executable::link(&slots, |_| None).expect("a valid program").trusted() };
        let mut context = [0_u8; 64];
        group.bench_function(BenchmarkId::from_parameter(Mode::Interpreter), |b| {
            let address = context.as_mut_ptr().expose_provenance() as u64;
            // SAFETY: `context` is longer than what the programs touch.
            b.iter(|| unsafe { executable.run(&mut NoEnvironment, black_box(address)) }.expect("no fault"));
        });
        group.bench_function(BenchmarkId::from_parameter(Mode::Sandbox), |b| {
            b.iter(|| {
                let mut sandbox = Sandbox::new(u64::MAX);
                let address = sandbox.lend(Region::writable(&mut context));
                sandbox.run(&executable, &mut NoEnvironment, [black_box(address), 64, 0, 0, 0]).expect("no fault")
            });
        });
    }
    // What a run costs that does nothing.
    let exit = encode_program(&[alu(BinaryOp::Mov, Reg::R0, Operand::Imm(0)), Insn::Exit]);
    // SAFETY: it touches nothing.
    let executable = unsafe { Executable::link(&exit, |_| None).expect("a valid program").trusted() };
    criterion.bench_function("entry", |b| {
        // SAFETY: the context is not used.
        b.iter(|| unsafe { executable.run(&mut NoEnvironment, black_box(0)) }.expect("no fault"));
    });
}

criterion_group!(benches, engines);
criterion_main!(benches);
