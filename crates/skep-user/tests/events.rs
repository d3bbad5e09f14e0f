//! Events other than packets, through their hooks: the program finds in its context what the event says.

use skep_abi::attach_type::AttachType;
use skep_abi::command::ProgLoad;
use skep_abi::program_type::ProgramType;
use skep_btf::{Btf, Kind};
use skep_engine::Mode;
use skep_isa::Slot;
use skep_kernel::Kernel;
use skep_user::hooks::{
    Fate, Hook, Kprobe, Lsm, LsmEvent, OpenFile, PerfEvent, RawTracepoint, RawTracepointEvent, Registers, Sample,
    SystemCall, Tracepoint, TracepointEvent, Verdict,
};
use skep_user::{Config, Outcome, UserKernel};
use std::sync::Arc;

fn kernel(mode: Mode) -> Arc<UserKernel> {
    UserKernel::new(Config { mode, ..Config::default() })
}

fn load(kernel: &UserKernel, program_type: ProgramType, text: &str, command: ProgLoad<'_>) -> i32 {
    let insns = Slot::write_program(&skep_isa::text::assemble(text).expect("the text assembles"));
    let prog_type = program_type.number();
    let command = ProgLoad { prog_type, insns: &insns, license: Some(c"GPL"), ..command };
    kernel.bpf(command.into()).unwrap_or_else(|failure| panic!("{failure}")).fd().expect("a descriptor")
}

/// Runs a program on one event, in each engine; the outcomes must agree.
fn run<E: Copy>(mut hook: impl Hook<E>, program_type: ProgramType, text: &str, event: E) -> Outcome {
    let outcomes = [Mode::Jit, Mode::Interpreter, Mode::Sandbox].map(|mode| {
        let kernel = kernel(mode);
        let fd = load(&kernel, program_type, text, ProgLoad::default());
        let program = kernel.program(fd).expect("a program");
        Outcome { nanoseconds: 0, ..kernel.run(&program, hook.enter(event)) }
    });
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(outcomes[0], outcomes[2]);
    assert_eq!(outcomes[0].fault, None);
    outcomes[0].clone()
}

#[test]
fn tracepoint_programs_read_the_record() {
    let record = SystemCall { pid: 4321, number: 257 }.enter_record([1, 2, 3, 4, 5, 66]);
    let text = "r0 = *(u64 *)(r1 + 8)
                r2 = *(u64 *)(r1 + 56)
                r0 += r2
                exit";
    let outcome = run(Tracepoint::new(), ProgramType::Tracepoint, text, TracepointEvent { record: &record });
    assert_eq!(outcome.ret, 257 + 66);
}

#[test]
fn raw_tracepoint_programs_read_the_arguments() {
    let text = "r0 = *(u64 *)(r1 + 0)
                r2 = *(u64 *)(r1 + 8)
                r0 -= r2
                exit";
    let event = RawTracepointEvent { arguments: &[100, 58] };
    assert_eq!(run(RawTracepoint::new(), ProgramType::RawTracepoint, text, event).ret, 42);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn kprobe_and_perf_event_programs_read_registers() {
    let registers = Registers { arguments: [7, 8, 0, 0, 0, 0], instruction_pointer: 1000, ..Registers::default() };
    // rdi and rip.
    let text = "r0 = *(u64 *)(r1 + 112)
                r2 = *(u64 *)(r1 + 128)
                r0 += r2
                exit";
    assert_eq!(run(Kprobe::new(), ProgramType::Kprobe, text, registers).ret, 1007);
    let text = "r0 = *(u64 *)(r1 + 128)
                r2 = *(u64 *)(r1 + 168)
                r0 += r2
                exit";
    let sample = Sample { registers, sample_period: 99, address: 0 };
    assert_eq!(run(PerfEvent::new(), ProgramType::PerfEvent, text, sample).ret, 1099);
}

/// Byte offset of a member of one of the kernel's structs.
fn offset(btf: &Btf, name: &str, member: &str) -> u64 {
    let structure = btf.find(Kind::Struct, name).expect("a struct of the kernel");
    btf.find_member(structure, member).expect("a member").byte_offset()
}

#[test]
fn lsm_programs_follow_the_file_to_its_owner() {
    Mode::ALL.iter().for_each(|mode| follow_the_file(*mode));
}

fn follow_the_file(mode: Mode) {
    let kernel = kernel(mode);
    let btf = kernel.btf().expect("the kernel's BTF");
    let (inode, uid) = (offset(&btf, "file", "f_inode"), offset(&btf, "inode", "i_uid"));
    // Files of root may be opened, others not.
    let text = format!(
        "r1 = *(u64 *)(r1 + 0)
         r1 = *(u64 *)(r1 + {inode})
         r1 = *(u32 *)(r1 + {uid})
         r0 = 0
         if r1 == 0 goto +1
         r0 = -13
         exit"
    );
    let file = |uid| OpenFile { path: "/etc/passwd", uid, ..OpenFile::default() };
    let mut hook = Lsm::new();
    for event in [LsmEvent::FileOpen, |file| LsmEvent::FilePermission(file, 4)] {
        let target = event(file(0)).target();
        let attach_btf_id = btf.find(Kind::Function, target).expect("a hook of the kernel").0;
        let expected_attach_type = AttachType::LsmMac.number();
        let command = ProgLoad { attach_btf_id, expected_attach_type, ..ProgLoad::default() };
        let program = kernel.program(load(&kernel, ProgramType::Lsm, &text, command)).expect("a program");
        let mut verdict = |uid| {
            let outcome = kernel.run(&program, hook.enter(event(file(uid))));
            assert_eq!(outcome.fault, None);
            hook.verdict(&outcome)
        };
        assert_eq!(verdict(0), Verdict { name: "allow".into(), fate: Fate::Pass }, "{target}");
        assert_eq!(verdict(1000), Verdict { name: "EACCES".into(), fate: Fate::Deny(13) }, "{target}");
    }
}
