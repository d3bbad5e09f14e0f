//! `BPF_PROG_TEST_RUN`: the rules here against those of the running kernel, input for input.
//!
//! Small programs run in both kernels: what comes back must be the same.

use skep_abi::attach_type::AttachType;
use skep_abi::command::{Attr, Command, OwnAddresses, ProgLoad, ProgTestRun, Reply, TestRunFlags};
use skep_abi::errno::Errno;
use skep_abi::program_type::ProgramType;
use skep_isa::{BinaryOp, Insn, Operand, Reg, Size, Slot, Width, encode_program};
use skep_kernel::Kernel;
use skep_user::hooks::test_run::{TestedProgram, test_run};
use skep_user::{Config, UserKernel};
use std::sync::Arc;

/// A program for both kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// `return n`
    Return(i32),
    /// `return *(u32 *)(ctx + offset)`
    Field(i16),
    /// `return (*(u32 *)(ctx + offset) >> bit) & 1`, where only 0 and 1 may be returned.
    Bit(i16, u8),
    /// `return data_end - data` of an XDP packet.
    Length,
    /// `ctx->mark = n; return 0`
    Mark(i32),
}

impl Body {
    fn slots(self) -> Vec<Slot> {
        let load = |dst, offset| Insn::Load { size: Size::Word, signed: false, dst, base: Reg::R1, offset };
        let alu = |op, dst, src| Insn::Alu { op, width: Width::W64, dst, src };
        let mut insns = match self {
            Body::Return(value) => vec![alu(BinaryOp::Mov, Reg::R0, Operand::Imm(value))],
            Body::Field(offset) => vec![load(Reg::R0, offset)],
            Body::Bit(offset, bit) => vec![
                load(Reg::R0, offset),
                alu(BinaryOp::Rsh, Reg::R0, Operand::Imm(bit.into())),
                alu(BinaryOp::And, Reg::R0, Operand::Imm(1)),
            ],
            Body::Length => {
                vec![load(Reg::R2, 0), load(Reg::R0, 4), alu(BinaryOp::Sub, Reg::R0, Operand::Reg(Reg::R2))]
            }
            Body::Mark(value) => vec![
                alu(BinaryOp::Mov, Reg::R0, Operand::Imm(value)),
                Insn::Store { size: Size::Word, base: Reg::R1, offset: 8, src: Operand::Reg(Reg::R0) },
                alu(BinaryOp::Mov, Reg::R0, Operand::Imm(0)),
            ],
        };
        insns.push(Insn::Exit);
        encode_program(&insns)
    }
}

/// Calls `bpf(2)`.
fn bpf(command: Command<'_>) -> Result<(i32, Reply), (Errno, Reply)> {
    let mut command = command;
    let mut attr = Attr::default();
    command.encode(&mut attr, &mut OwnAddresses);
    // SAFETY: the attr points into itself and the command's buffers, which live on.
    let returned =
        unsafe { libc::syscall(libc::SYS_bpf, command.number().number(), attr.bytes.as_mut_ptr(), attr.len) };
    let errno = Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0));
    let done = i32::try_from(returned).ok().filter(|value| *value >= 0);
    let reply = command.finish(done, &attr);
    done.map(|value| (value, reply)).ok_or((errno, reply))
}

/// A program in Linux; closed when dropped.
struct Loaded(i32);

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours.
        unsafe { libc::close(self.0) };
    }
}

fn load_command(program_type: ProgramType, insns: &[u8]) -> ProgLoad<'_> {
    let prog_type = program_type.number();
    ProgLoad { prog_type, insns, license: Some(c"GPL"), ..ProgLoad::default() }
}

/// What one test run is given.
#[derive(Clone, Debug, Default)]
struct Input {
    data: Vec<u8>,
    data_room: usize,
    context: Vec<u8>,
    context_room: usize,
    repeat: u32,
    flags: TestRunFlags,
    cpu: u32,
    batch_size: u32,
}

/// What comes of one: error, r0, sizes, and the buffers.
#[derive(Debug, PartialEq, Eq)]
struct Output {
    errno: Option<Errno>,
    retval: u32,
    data_size: u32,
    context_size: u32,
    data: Vec<u8>,
    context: Vec<u8>,
}

impl Input {
    fn run(&self, by: impl FnOnce(ProgTestRun<'_>) -> Result<Reply, (Errno, Reply)>) -> Output {
        let (mut data, mut context) = (vec![0xee; self.data_room], vec![0xee; self.context_room]);
        let result = by(ProgTestRun {
            data_in: &self.data,
            data_out: &mut data,
            repeat: self.repeat,
            ctx_in: &self.context,
            ctx_out: &mut context,
            flags: self.flags,
            cpu: self.cpu,
            batch_size: self.batch_size,
            ..ProgTestRun::default()
        });
        let (errno, reply) = match result {
            Ok(reply) => (None, reply),
            Err((errno, reply)) => (Some(errno), reply),
        };
        let Reply::TestRun { retval, data_size, ctx_size, .. } = reply else { panic!("{reply:?}") };
        Output { errno, retval, data_size, context_size: ctx_size, data, context }
    }
}

/// A program in both kernels.
struct Both {
    linux: Loaded,
    kernel: Arc<UserKernel>,
    ours: i32,
    what: String,
}

impl Both {
    /// `None`, said loudly, where Linux does not let us.
    fn load(program_type: ProgramType, body: Body) -> Option<Both> {
        let insns = Slot::write_program(&body.slots());
        let what = format!("{program_type:?} {body:?}");
        let linux = match bpf(load_command(program_type, &insns).into()) {
            Ok((fd, _)) => Loaded(fd),
            Err((errno @ (Errno::EPERM | Errno::ENOSYS), _)) => {
                skep_testing::skip(&format!("bpf(2) cannot be used: {errno:?}"));
                return None;
            }
            Err((errno, _)) => panic!("{what}: {errno:?}"),
        };
        let kernel = UserKernel::new(Config::default());
        let loaded = kernel.bpf(load_command(program_type, &insns).into()).unwrap_or_else(|e| panic!("{what}: {e:?}"));
        let ours = loaded.fd().expect("a descriptor");
        Some(Both { linux, kernel, ours, what })
    }

    /// Runs in both; gives what both gave.
    fn agree(&self, input: &Input) -> Output {
        let linux =
            input.run(|command| bpf(ProgTestRun { prog_fd: self.linux.0, ..command }.into()).map(|(_, reply)| reply));
        let ours = input.run(|command| {
            let command = ProgTestRun { prog_fd: self.ours, ..command };
            self.kernel.bpf(command.into()).map_err(|failure| (failure.errno, failure.reply))
        });
        assert_eq!(ours, linux, "{} (left: here, right: Linux): {}", self.what, brief(input));
        ours
    }
}

fn brief(input: &Input) -> String {
    format!("{:?}", Input { data: vec![input.data.len() as u8; 1], ..input.clone() })
        + &format!(" ({} bytes)", input.data.len())
}

const SKB_TYPES: [ProgramType; 4] =
    [ProgramType::SocketFilter, ProgramType::SchedCls, ProgramType::SchedAct, ProgramType::CgroupSkb];
const SK_BUFF: usize = 192;

/// Frames of all kinds, from the destination address on.
fn frames() -> Vec<Vec<u8>> {
    let headers: [&[u8]; 6] = [
        &[2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 8, 0, 0x45],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x86, 0xdd, 0x60],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 1, 1, 1, 1, 8, 6],
        &[0x33, 0x33, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0x81, 0, 0, 5, 8, 0],
        &[1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 40, 0xaa, 0xaa],
        &[1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 40, 0xff, 0xff],
    ];
    let body: Vec<u8> = (1..=60).collect();
    let whole = headers.map(|header| [header, &body].concat());
    // IP headers that are cut.
    let cut = [(0, 33), (0, 34), (1, 53), (1, 54)].map(|(which, len)| whole[which][..len].to_vec());
    whole.into_iter().chain(cut).collect()
}

#[test]
fn packets_of_any_size_are_taken_or_refused_alike() {
    for program_type in SKB_TYPES.into_iter().chain([ProgramType::Xdp]) {
        let Some(both) = Both::load(program_type, Body::Return(1)) else { return };
        for len in [0, 1, 13, 14, 15, 34, 100, 3519, 3520, 3521, 3711, 3712, 3713, 4096, 9000] {
            for data_room in [0, 10, 14, 256, 3521, 10_000] {
                both.agree(&Input { data: vec![7; len], data_room, ..Input::default() });
            }
        }
    }
}

#[test]
fn very_large_xdp_packets_go_into_seventeen_fragments() {
    let Some(both) = Both::load(ProgramType::Xdp, Body::Length) else { return };
    let run = |len, context: Vec<u8>| {
        both.agree(&Input { data: vec![7; len], context, data_room: 80_000, ..Input::default() })
    };
    assert_eq!(run(73_152, vec![]).retval, 3520);
    assert_eq!(run(73_153, vec![]).errno, Some(Errno::ENOMEM));
    assert_eq!(run(73_156, xdp_md([4, 73_156, 0, 0, 0, 0])).retval, 3520);
}

#[test]
fn flags_cpu_and_batch_size_are_checked_alike() {
    for program_type in SKB_TYPES.into_iter().chain([ProgramType::Xdp]) {
        let Some(both) = Both::load(program_type, Body::Return(1)) else { return };
        let input = Input { data: vec![7; 40], data_room: 40, ..Input::default() };
        for bit in [1, 4, 8, 1 << 31] {
            both.agree(&Input { flags: TestRunFlags::from_bits_retain(bit), ..input.clone() });
        }
        both.agree(&Input { cpu: 1, ..input.clone() });
        both.agree(&Input { batch_size: 1, ..input.clone() });
        both.agree(&Input { repeat: 7, ..input });
    }
}

#[test]
fn fields_of_a_socket_buffer_follow_from_the_frame() {
    const COMMON: [i16; 8] = [
        // len
        0,  // pkt_type
        4,  // protocol
        16, // vlan_present
        20, // vlan_tci
        24, // ingress_ifindex
        36, // ifindex
        40, // hash
        68,
    ];
    for program_type in [ProgramType::SocketFilter, ProgramType::SchedCls] {
        for offset in COMMON {
            let Some(both) = Both::load(program_type, Body::Field(offset)) else { return };
            for data in frames() {
                both.agree(&Input { data, ..Input::default() });
            }
        }
    }
}

#[test]
fn addresses_of_the_socket_are_those_of_the_packet() {
    const FIELDS: [i16; 9] = [
        // len
        0,   // pkt_type
        4,   // protocol
        16,  // family
        88,  // remote_ip4
        92,  // local_ip4
        96,  // remote_ip6
        100, // local_ip6
        116, // remote_port
        132,
    ];
    for offset in FIELDS {
        for bit in 0..32 {
            let Some(both) = Both::load(ProgramType::CgroupSkb, Body::Bit(offset, bit)) else { return };
            for data in frames() {
                both.agree(&Input { data, ..Input::default() });
            }
        }
    }
}

#[test]
fn every_word_of_a_given_sk_buff_is_checked_alike() {
    for program_type in SKB_TYPES {
        let Some(both) = Both::load(program_type, Body::Return(1)) else { return };
        let data = frames().remove(0);
        let input = Input { data, data_room: 100, context_room: SK_BUFF, ..Input::default() };
        for word in 0..SK_BUFF / 4 {
            for value in [1_u32, 60, 61, 74, 75, 65_535, 65_536, 65_537, u32::MAX] {
                // Which other interfaces there are is the host's.
                if word == 10 && (2..=100).contains(&value) {
                    continue;
                }
                let mut context = vec![0; SK_BUFF];
                context[4 * word..4 * word + 4].copy_from_slice(&value.to_ne_bytes());
                both.agree(&Input { context, ..input.clone() });
            }
        }
    }
}

#[test]
fn contexts_shorter_and_longer_than_the_struct_are_taken_alike() {
    for (program_type, size) in [(ProgramType::SchedCls, SK_BUFF), (ProgramType::Xdp, 24)] {
        let Some(both) = Both::load(program_type, Body::Return(1)) else { return };
        for len in [0, 1, 4, 8, 12, size - 1, size, size + 1, size + 100] {
            for context_room in [0, 1, 20, size - 1, size, size + 50] {
                let input = Input { data: vec![7; 40], data_room: 40, context_room, ..Input::default() };
                both.agree(&Input { context: vec![0; len], ..input.clone() });
                let mut beyond = vec![0; len.max(size + 1)];
                *beyond.last_mut().expect("not empty") = 1;
                both.agree(&Input { context: beyond, ..input });
            }
        }
    }
}

#[test]
fn what_a_program_writes_comes_back() {
    let Some(both) = Both::load(ProgramType::SchedCls, Body::Mark(77)) else { return };
    let mut context = vec![0; SK_BUFF];
    context[8] = 5;
    context[48..68].fill(9);
    let input = Input { data: vec![7; 40], context, context_room: SK_BUFF, ..Input::default() };
    let output = both.agree(&input);
    assert_eq!(output.context[8..12], 77_u32.to_ne_bytes());
}

fn xdp_md(words: [u32; 6]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

#[test]
fn a_given_xdp_md_places_the_packet_alike() {
    let Some(both) = Both::load(ProgramType::Xdp, Body::Length) else { return };
    for len in [14, 17, 18, 21, 22, 54, 400, 3520, 3521, 3600, 5000] {
        for data in [0, 1, 2, 4, 8, 32, 212, 216, 220, 256, 10_000] {
            for end in [0, 4, 8, 20, len, len + 1, u32::MAX] {
                let context = xdp_md([data, end, 0, 0, 0, 0]);
                let input = Input {
                    data: vec![7; len as usize],
                    data_room: 6000,
                    context,
                    context_room: 24,
                    ..Input::default()
                };
                both.agree(&input);
                both.agree(&Input { data_room: 16, ..input });
            }
        }
    }
}

#[test]
fn the_interface_in_a_given_xdp_md_is_checked_alike() {
    let Some(both) = Both::load(ProgramType::Xdp, Body::Field(12)) else { return };
    for meta in [0, 4] {
        for ingress in [0, 1, 1_000_000] {
            for queue in [0, 1] {
                for egress in [0, 1] {
                    let context = xdp_md([0, 40, meta, ingress, queue, egress]);
                    both.agree(&Input { data: vec![7; 40], context, context_room: 24, ..Input::default() });
                }
            }
        }
    }
}

#[test]
fn raw_tracepoint_programs_get_the_given_arguments() {
    let Some(both) = Both::load(ProgramType::RawTracepoint, Body::Return(3)) else { return };
    let base = Input { context: vec![1; 16], ..Input::default() };
    for len in [0, 1, 8, 95, 96, 97, 104] {
        both.agree(&Input { context: vec![1; len], ..base.clone() });
    }
    both.agree(&Input { data: vec![0; 20], ..base.clone() });
    both.agree(&Input { data_room: 20, ..base.clone() });
    both.agree(&Input { context_room: 20, ..base.clone() });
    both.agree(&Input { repeat: 1, ..base.clone() });
    both.agree(&Input { batch_size: 1, ..base.clone() });
    for (flags, cpu) in [(0, 1), (1, 0), (1, 100_000), (2, 0), (8, 0)] {
        both.agree(&Input { flags: TestRunFlags::from_bits_retain(flags), cpu, ..base.clone() });
    }
}

#[test]
fn types_that_cannot_be_tested_say_so_alike() {
    for program_type in [ProgramType::Kprobe, ProgramType::Tracepoint, ProgramType::PerfEvent] {
        let Some(both) = Both::load(program_type, Body::Return(0)) else { return };
        let output = both.agree(&Input { data: vec![7; 40], ..Input::default() });
        assert_eq!(output.errno, Some(Errno::ENOTSUPP));
    }
}

#[test]
fn programs_for_device_maps_are_refused() {
    let program = TestedProgram {
        program_type: ProgramType::Xdp,
        attach_type: Some(AttachType::XdpDevmap),
        context_bytes: 0,
        cpus: 1,
    };
    let data = [7; 40];
    let mut command = ProgTestRun { data_in: &data, ..ProgTestRun::default() };
    let result = test_run(&program, &mut command, &mut |_, _| Ok(0));
    assert_eq!(result.map_err(|failure| failure.errno), Err(Errno::EINVAL));
}

#[test]
fn what_a_run_fails_with_is_passed_on() {
    let program = TestedProgram { program_type: ProgramType::Xdp, attach_type: None, context_bytes: 0, cpus: 1 };
    let data = [7; 40];
    let mut command = ProgTestRun { data_in: &data, repeat: 5, ..ProgTestRun::default() };
    let mut asked = 0;
    let result = test_run(&program, &mut command, &mut |_, times| {
        asked += times;
        Err(Errno::EINTR)
    });
    assert_eq!((result.map_err(|failure| failure.errno), asked), (Err(Errno::EINTR), 5));
}
