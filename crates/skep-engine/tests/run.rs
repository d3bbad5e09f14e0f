//! What runs do beyond single instructions: frames, tail calls, callbacks, loop budget, atomics, packet loads.

use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::Arc;

use skep_engine::{Environment, Executable, Fault, MAX_TAIL_CALLS, Machine, Mode, NoEnvironment, Region, Sandbox};
use skep_isa::{
    AtomicOp, BinaryOp, CallTarget, Condition, Imm64, Insn, Operand, PacketOffset, Reg, Size, Width, encode_program,
};

const W64: Width = Width::W64;
const EXIT: Insn = Insn::Exit;

fn mov(dst: Reg, src: Operand) -> Insn {
    Insn::Alu { op: BinaryOp::Mov, width: W64, dst, src }
}

fn set(dst: Reg, imm: i32) -> Insn {
    mov(dst, Operand::Imm(imm))
}

fn add(dst: Reg, imm: i32) -> Insn {
    Insn::Alu { op: BinaryOp::Add, width: W64, dst, src: Operand::Imm(imm) }
}

fn load(dst: Reg, base: Reg, offset: i16) -> Insn {
    Insn::Load { size: Size::Double, signed: false, dst, base, offset }
}

fn store(base: Reg, offset: i16, src: Operand) -> Insn {
    Insn::Store { size: Size::Double, base, offset, src }
}

fn helper(id: i32) -> Insn {
    Insn::Call(CallTarget::Helper(id))
}

fn subprogram(offset: i32) -> Insn {
    Insn::Call(CallTarget::Subprogram { offset })
}

fn function(dst: Reg, offset: i32) -> Insn {
    Insn::LoadImm64 { dst, imm: Imm64::Function { offset } }
}

fn link(insns: &[Insn]) -> Executable {
    Executable::link(&encode_program(insns), |_| None).expect("a valid program")
}

/// # Safety
/// As for [`Executable::trusted`].
unsafe fn trusted(insns: &[Insn]) -> Executable {
    // SAFETY: the caller's.
    unsafe { link(insns).trusted() }
}

/// Runs in both modes; the answers must agree.
///
/// # Safety
/// The program touches only its frames, and ends.
unsafe fn both(insns: &[Insn], environment: &mut dyn Environment) -> Result<u64, Fault> {
    // SAFETY: the caller's.
    let executable = unsafe { trusted(insns) };
    let sandboxed = Sandbox::new(100_000_000).run(&executable, environment, [0; 5]);
    // SAFETY: the caller's.
    let native = unsafe { executable.run(environment, 0) };
    assert_eq!(sandboxed, native);
    native
}

/// Helpers given as functions.
type Helper = fn(&mut Helpers, [u64; 5], &mut Machine<'_>) -> Result<u64, Fault>;

#[derive(Default)]
struct Helpers {
    by_id: HashMap<u32, Helper>,
    program: Option<Arc<Executable>>,
    packet: Vec<u8>,
    seen: Vec<u64>,
}

impl Environment for Helpers {
    fn call_helper(&mut self, id: u32, args: [u64; 5], machine: &mut Machine<'_>) -> Result<u64, Fault> {
        let helper = *self.by_id.get(&id).ok_or(Fault::UnknownHelper(id))?;
        helper(self, args, machine)
    }

    fn load_packet(&mut self, context: u64, offset: i32, size: Size) -> Option<u64> {
        self.seen.push(context);
        let start = usize::try_from(offset).ok()?;
        let bytes = self.packet.get(start..start.checked_add(size.bytes().into())?)?;
        Some(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }
}

#[test]
fn only_verified_programs_run_on_native_addresses() {
    let executable = link(&[set(Reg::R0, 1), EXIT]);
    // SAFETY: it is refused.
    assert_eq!(unsafe { executable.run(&mut NoEnvironment, 0) }, Err(Fault::Unverified));
}

#[test]
fn frames_keep_the_callers_registers_and_begin_with_zeros() {
    let program = [
        set(Reg::R6, 6),
        set(Reg::R9, 9),
        store(Reg::R10, -8, Operand::Imm(77)),
        set(Reg::R1, 5),
        subprogram(6),
        mov(Reg::R7, Operand::Reg(Reg::R0)),
        // The second call's frame lies where the first one's was.
        subprogram(4),
        Insn::Alu { op: BinaryOp::Add, width: W64, dst: Reg::R0, src: Operand::Reg(Reg::R6) },
        Insn::Alu { op: BinaryOp::Add, width: W64, dst: Reg::R0, src: Operand::Reg(Reg::R9) },
        load(Reg::R1, Reg::R10, -8),
        EXIT,
        // Gives what its frame held, then dirties it and r6 to r9.
        load(Reg::R0, Reg::R10, -8),
        store(Reg::R10, -8, Operand::Imm(1000)),
        set(Reg::R6, 100),
        set(Reg::R9, 100),
        EXIT,
    ];
    // SAFETY: it touches its frames only.
    assert_eq!(unsafe { both(&program, &mut NoEnvironment) }, Ok(15));
}

#[test]
fn a_callee_may_use_its_callers_frame_but_not_the_gap() {
    let callee_at = |offset| {
        let program = [
            store(Reg::R10, -8, Operand::Imm(7)),
            mov(Reg::R1, Operand::Reg(Reg::R10)),
            subprogram(1),
            EXIT,
            load(Reg::R0, Reg::R1, offset),
            EXIT,
        ];
        Sandbox::new(100).run(&link(&program), &mut NoEnvironment, [0; 5])
    };
    assert_eq!(callee_at(-8), Ok(7));
    for offset in [0, -4, -513, -520] {
        assert!(matches!(callee_at(offset), Err(Fault::Memory { len: 8, write: false, .. })), "{offset}");
    }
}

#[test]
fn a_ninth_frame_is_refused_in_the_sandbox() {
    // f(r1): if (r1 == 0) return 42; return f(r1 - 1)
    let nested = |calls| {
        let program = [
            set(Reg::R1, calls),
            Insn::JumpIf { condition: Condition::Ne, width: W64, dst: Reg::R1, src: Operand::Imm(0), offset: 2 },
            set(Reg::R0, 42),
            EXIT,
            add(Reg::R1, -1),
            subprogram(-5),
            EXIT,
        ];
        Sandbox::new(1000).run(&link(&program), &mut NoEnvironment, [0; 5])
    };
    assert_eq!(nested(7), Ok(42));
    assert_eq!(nested(8), Err(Fault::CallDepth));
}

fn tail_call(environment: &mut Helpers, _: [u64; 5], machine: &mut Machine<'_>) -> Result<u64, Fault> {
    let target = Arc::clone(environment.program.as_ref().expect("a program"));
    environment.seen.push(0);
    Ok(if machine.tail_call(target)? { 0 } else { u64::MAX })
}

#[test]
fn the_thirty_fourth_tail_call_falls_through() {
    // A program that tail-calls itself, and gives r1 when that fails.
    let program = [mov(Reg::R6, Operand::Reg(Reg::R1)), helper(12), mov(Reg::R0, Operand::Reg(Reg::R6)), EXIT];
    let mut environment = Helpers::default();
    environment.by_id.insert(12, tail_call);
    // SAFETY: it touches no memory, and ends by the limit on tail calls.
    let executable = Arc::new(unsafe { trusted(&program) });
    environment.program = Some(Arc::clone(&executable));
    // SAFETY: the context is not dereferenced.
    assert_eq!(unsafe { executable.run(&mut environment, 99) }, Ok(99));
    assert_eq!(environment.seen.len(), MAX_TAIL_CALLS as usize + 1);

    environment.seen.clear();
    let sandboxed = Sandbox::new(1000).run(&executable, &mut environment, [98, 0, 0, 0, 0]);
    assert_eq!((sandboxed, environment.seen.len()), (Ok(98), MAX_TAIL_CALLS as usize + 1));
}

#[test]
fn a_tail_call_replaces_the_frame_of_the_subprogram_only() {
    let target = [mov(Reg::R0, Operand::Reg(Reg::R1)), add(Reg::R0, 1), EXIT];
    let program = [set(Reg::R1, 41), subprogram(2), add(Reg::R0, 100), EXIT, helper(12), EXIT];
    let mut environment = Helpers::default();
    environment.by_id.insert(12, tail_call);
    // SAFETY: they touch no memory, and end.
    environment.program = Some(Arc::new(unsafe { trusted(&target) }));
    // SAFETY: as above.
    assert_eq!(unsafe { both(&program, &mut environment) }, Ok(142));
}

#[test]
fn a_verified_program_does_not_go_on_in_an_unverified_one() {
    let mut environment = Helpers::default();
    environment.by_id.insert(12, tail_call);
    environment.program = Some(Arc::new(link(&[set(Reg::R0, 0), EXIT])));
    // SAFETY: it touches no memory.
    let executable = unsafe { trusted(&[helper(12), EXIT]) };
    // SAFETY: as above.
    assert_eq!(unsafe { executable.run(&mut environment, 0) }, Err(Fault::Unverified));
}

#[test]
fn deep_tail_calls_in_subprograms_get_more_stack() {
    // Calls a subprogram that writes all of its frame and tail-calls the whole again; each level adds one.
    let program = [
        store(Reg::R10, -512, Operand::Imm(1)),
        subprogram(3),
        load(Reg::R1, Reg::R10, -512),
        Insn::Alu { op: BinaryOp::Add, width: W64, dst: Reg::R0, src: Operand::Reg(Reg::R1) },
        EXIT,
        store(Reg::R10, -512, Operand::Imm(1000)),
        helper(12),
        set(Reg::R0, 0),
        EXIT,
    ];
    let mut environment = Helpers::default();
    environment.by_id.insert(12, tail_call);
    // SAFETY: it touches its frames only, and ends by the limit on tail calls.
    let executable = Arc::new(unsafe { trusted(&program) });
    environment.program = Some(Arc::clone(&executable));
    // SAFETY: as above.
    assert_eq!(unsafe { executable.run(&mut environment, 0) }, Ok(u64::from(MAX_TAIL_CALLS) + 1));
    let sandboxed = Sandbox::new(10_000).run(&executable, &mut environment, [0; 5]);
    assert_eq!(sandboxed, Err(Fault::CallDepth), "the sandbox allows eight frames in all");
}

#[test]
fn callbacks_run_in_the_program_with_access_to_its_frame() {
    fn times(environment: &mut Helpers, args: [u64; 5], machine: &mut Machine<'_>) -> Result<u64, Fault> {
        let [count, callback, context, ..] = args;
        for index in 0..count {
            machine.call_back(environment, callback, [index, context, 0, 0, 0])?;
        }
        Ok(count)
    }
    let program = [
        set(Reg::R1, 10),
        function(Reg::R2, 7),
        mov(Reg::R3, Operand::Reg(Reg::R10)),
        add(Reg::R3, -8),
        store(Reg::R10, -8, Operand::Imm(0)),
        helper(181),
        load(Reg::R0, Reg::R10, -8),
        EXIT,
        // (index, context): *context += index; return 0
        load(Reg::R3, Reg::R2, 0),
        Insn::Alu { op: BinaryOp::Add, width: W64, dst: Reg::R3, src: Operand::Reg(Reg::R1) },
        store(Reg::R2, 0, Operand::Reg(Reg::R3)),
        set(Reg::R0, 0),
        EXIT,
    ];
    let mut environment = Helpers::default();
    environment.by_id.insert(181, times);
    // SAFETY: it touches its own frame, from a callback too.
    assert_eq!(unsafe { both(&program, &mut environment) }, Ok(45));

    let not_a_function = [set(Reg::R1, 1), set(Reg::R2, 3), helper(181), EXIT];
    let result = Sandbox::new(100).run(&link(&not_a_function), &mut environment, [0; 5]);
    assert_eq!(result, Err(Fault::BadFunction(3)));
}

#[test]
fn a_function_can_be_called_after_the_run() {
    fn keep(environment: &mut Helpers, args: [u64; 5], _: &mut Machine<'_>) -> Result<u64, Fault> {
        environment.seen.push(args[0]);
        Ok(0)
    }
    let program = [function(Reg::R1, 3), helper(1), EXIT, mov(Reg::R0, Operand::Reg(Reg::R2)), EXIT];
    let mut environment = Helpers::default();
    environment.by_id.insert(1, keep);
    // SAFETY: it touches no memory.
    let executable = unsafe { trusted(&program) };
    // SAFETY: as above.
    unsafe { executable.run(&mut environment, 0) }.expect("no fault");
    let kept = environment.seen[0];
    // SAFETY: as above.
    let run = |function| unsafe { executable.run_function(&mut NoEnvironment, function, [1, 2, 3, 4, 5]) };
    assert_eq!(run(kept), Ok(2));
    assert_eq!(run(kept + 1), Err(Fault::BadFunction(kept + 1)));
}

#[test]
fn may_goto_ends_after_linuxs_number_of_loops() {
    let program =
        [set(Reg::R0, 0), Insn::MayGoto { offset: 2 }, add(Reg::R0, 1), Insn::Jump { offset: -3, long: false }, EXIT];
    // SAFETY: it touches no memory.
    assert_eq!(unsafe { both(&program, &mut NoEnvironment) }, Ok(8 * 1024 * 1024));
}

#[test]
fn atomics_of_several_threads_lose_nothing() {
    const ROUNDS: i32 = 50_000;
    let program = [
        set(Reg::R2, ROUNDS),
        set(Reg::R3, 1),
        Insn::Atomic { op: AtomicOp::Add { fetch: false }, size: Size::Double, base: Reg::R1, offset: 0, src: Reg::R3 },
        add(Reg::R2, -1),
        Insn::JumpIf { condition: Condition::Ne, width: W64, dst: Reg::R2, src: Operand::Imm(0), offset: -3 },
        set(Reg::R0, 0),
        EXIT,
    ];
    // SAFETY: it touches eight bytes of its context.
    let executable = unsafe { trusted(&program) };
    let counter = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let (executable, address) = (&executable, counter.as_ptr().expose_provenance() as u64);
            // SAFETY: the context is `counter`, which outlives the threads.
            scope.spawn(move || unsafe { executable.run(&mut NoEnvironment, address) }.expect("no fault"));
        }
    });
    assert_eq!(counter.into_inner(), 3 * ROUNDS as u64);
}

#[test]
fn misaligned_atomics_still_compute() {
    let program = [
        set(Reg::R3, 5),
        Insn::Atomic { op: AtomicOp::Add { fetch: true }, size: Size::Word, base: Reg::R1, offset: 1, src: Reg::R3 },
        mov(Reg::R0, Operand::Reg(Reg::R3)),
        EXIT,
    ];
    let mut memory = [0_u8, 0xff, 0xff, 0xff, 0xff, 0, 0, 0];
    let mut sandbox = Sandbox::new(10);
    let address = sandbox.lend(Region::writable(&mut memory));
    assert_eq!(sandbox.run(&link(&program), &mut NoEnvironment, [address, 0, 0, 0, 0]), Ok(0xffff_ffff));
    assert_eq!(memory, [0, 4, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn packet_loads_ask_the_environment_and_end_the_function_past_the_end() {
    let from = PacketOffset::Indirect(Reg::R7, 1);
    let program =
        [mov(Reg::R6, Operand::Reg(Reg::R1)), set(Reg::R7, 1), Insn::LoadPacket { size: Size::Half, from }, EXIT];
    let mut environment = Helpers { packet: vec![1, 2, 3, 4], ..Helpers::default() };
    let run = |environment: &mut Helpers| Sandbox::new(10).run(&link(&program), environment, [7, 0, 0, 0, 0]);
    assert_eq!(run(&mut environment), Ok(0x0304));
    assert_eq!(environment.seen, [7], "r6 is the context");
    environment.packet.pop();
    assert_eq!(run(&mut environment), Ok(0));
}

#[test]
fn the_sandbox_distinguishes_readable_from_writable_memory() {
    let memory = [9_u8; 8];
    let run = |insns: &[Insn]| {
        let mut sandbox = Sandbox::new(10);
        let address = sandbox.lend(Region::read_only(&memory).at(0x5000));
        sandbox.run(&link(insns), &mut NoEnvironment, [address, 0, 0, 0, 0])
    };
    assert_eq!(run(&[load(Reg::R0, Reg::R1, 0), EXIT]), Ok(0x0909_0909_0909_0909));
    let write = [store(Reg::R1, 0, Operand::Imm(1)), EXIT];
    assert_eq!(run(&write), Err(Fault::Memory { address: 0x5000, len: 8, write: true }));
    for offset in [-1, 1, 8] {
        assert!(matches!(run(&[load(Reg::R0, Reg::R1, offset), EXIT]), Err(Fault::Memory { .. })), "{offset}");
    }
}

#[test]
fn exposed_memory_is_reachable_until_it_is_concealed() {
    static VALUE: [u8; 8] = [1, 0, 0, 0, 0, 0, 0, 0];

    fn lookup(_: &mut Helpers, _: [u64; 5], machine: &mut Machine<'_>) -> Result<u64, Fault> {
        // SAFETY: the value is static and not writable.
        Ok(unsafe { machine.expose(NonNull::from(&VALUE).cast(), VALUE.len(), false) })
    }
    fn conceal(_: &mut Helpers, args: [u64; 5], machine: &mut Machine<'_>) -> Result<u64, Fault> {
        machine.conceal(args[0]);
        Ok(0)
    }
    let mut environment = Helpers::default();
    environment.by_id.extend([(1, lookup as Helper), (2, conceal as Helper)]);
    let reading = [helper(1), load(Reg::R0, Reg::R0, 0), EXIT];
    // SAFETY: it reads what the helper exposed.
    assert_eq!(unsafe { both(&reading, &mut environment) }, Ok(1));

    let late = [helper(1), mov(Reg::R6, Operand::Reg(Reg::R0)), mov(Reg::R1, Operand::Reg(Reg::R0)), helper(2)];
    let late = [late.as_slice(), &[load(Reg::R0, Reg::R6, 0), EXIT]].concat();
    let result = Sandbox::new(10).run(&link(&late), &mut environment, [0; 5]);
    assert!(matches!(result, Err(Fault::Memory { .. })));
}

#[test]
fn helpers_reach_memory_through_the_machine() {
    fn upper(_: &mut Helpers, args: [u64; 5], machine: &mut Machine<'_>) -> Result<u64, Fault> {
        let string = machine.read_c_string(args[0], args[1] as usize)?;
        machine.write(args[0], &string.to_ascii_uppercase())?;
        assert_eq!(machine.read_vec(args[0], string.len())?, string.to_ascii_uppercase());
        Ok(string.len() as u64)
    }
    let mut environment = Helpers::default();
    environment.by_id.insert(1, upper);
    let executable = link(&[helper(1), EXIT]);
    let mut run = |text: &[u8], limit| {
        let mut memory = text.to_vec();
        let mut sandbox = Sandbox::new(10);
        let address = sandbox.lend(Region::writable(&mut memory));
        let result = sandbox.run(&executable, &mut environment, [address, limit, 0, 0, 0]);
        (result.map_err(|fault| matches!(fault, Fault::Memory { .. })), memory)
    };
    assert_eq!(run(b"ab\0cd", 100), (Ok(2), b"AB\0cd".to_vec()));
    assert_eq!(run(b"abcd", 3), (Ok(3), b"ABCd".to_vec()));
    assert_eq!(run(b"abcd", 5), (Err(true), b"abcd".to_vec()));
}

#[test]
fn linking_refuses_what_cannot_run() {
    let error = |insns: &[Insn]| Executable::link(&encode_program(insns), |_| None).expect_err("refused").to_string();
    let jump = |offset| Insn::Jump { offset, long: false };
    assert_eq!(error(&[]), "the program is empty");
    assert_eq!(error(&[jump(1), EXIT]), "slot 0: jump or call to slot 2, where no instruction begins");
    assert_eq!(error(&[jump(-2)]), "slot 0: jump or call to slot -1, where no instruction begins");
    let into_lddw = [jump(1), Insn::LoadImm64 { dst: Reg::R0, imm: Imm64::Value(1) }, EXIT];
    assert_eq!(error(&into_lddw), "slot 0: jump or call to slot 2, where no instruction begins");
    let map = [Insn::LoadImm64 { dst: Reg::R1, imm: Imm64::MapFd(3) }, EXIT];
    assert_eq!(error(&map), "slot 0: MapFd(3) has no address");
    let falls_off = link(&[set(Reg::R0, 1)]);
    assert_eq!(Sandbox::new(10).run(&falls_off, &mut NoEnvironment, [0; 5]), Err(Fault::BadInstruction(1)));
}

#[test]
fn references_to_maps_become_what_the_resolver_gives() {
    let program = [Insn::LoadImm64 { dst: Reg::R0, imm: Imm64::MapIndexValue { index: 1, offset: 8 } }, EXIT];
    let executable = Executable::link(&encode_program(&program), |imm| match imm {
        Imm64::MapIndexValue { index: 1, offset } => Some(0x1_0000_0000 + u64::from(offset)),
        _ => None,
    });
    let executable = executable.expect("resolved");
    assert_eq!(Sandbox::new(10).run(&executable, &mut NoEnvironment, [0; 5]), Ok(0x1_0000_0008));
}

#[test]
fn modes_have_names() {
    for mode in Mode::ALL {
        assert_eq!(mode.name().parse::<Mode>(), Ok(*mode));
    }
    assert!("machine".parse::<Mode>().is_err());
}

/// As on Linux, where only the function that loads ends.
#[test]
fn a_packet_load_past_the_end_returns_zero_to_the_caller() {
    for load in ["r0 = *(u32 *)skb[1000]", "r0 = *(u8 *)skb[r7 + 0]"] {
        let text = format!("r7 = 2000\ncall pc+2\nr0 += 9\nexit\nr6 = r1\n{load}\nr0 = 5\nexit");
        let slots = skep_isa::text::assemble(&text).expect("the text assembles");
        let program = Executable::link(&slots, |_| None).expect("a valid program");
        assert_eq!(Sandbox::new(100).run(&program, &mut NoEnvironment, [0; 5]), Ok(9), "{load}");
    }
}
