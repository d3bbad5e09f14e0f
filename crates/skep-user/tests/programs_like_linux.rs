//! Programs do the same on both kernels: verdict of the verifier, result, packet and maps after a test run.

mod support;

use skep_abi::attach_type::AttachType;
use skep_abi::command::{ElementFlags, MapCreate, MapFreeze, ProgLoad, ProgTestRun, Reply};
use skep_abi::helper;
use skep_abi::map_type::{MapFlags, MapType};
use skep_abi::program_type::ProgramType;
use skep_engine::Mode;
use skep_isa::Slot;
use skep_isa::text::{Names, assemble_with};
use skep_kernel::{Errno, Handle, Kernel, calls};
use skep_user::{Config, UserKernel};
use std::sync::Arc;
use support::{linux, user_like};

/// The maps that every program may use.
struct Maps {
    /// Eight numbers of eight bytes: where programs leave results.
    results: Handle,
    /// 4 → 8 bytes, four entries.
    hash: Handle,
    queue: Handle,
    ring: Handle,
    programs: Handle,
    events: Handle,
    /// A constant text.
    text: Handle,
    /// 64 bytes of text that programs write.
    output: Handle,
}

fn create(kernel: &Arc<dyn Kernel>, map_type: MapType, sizes: (u32, u32, u32), map_flags: MapFlags) -> Handle {
    let (key_size, value_size, max_entries) = sizes;
    let command =
        MapCreate { map_type: map_type.number(), key_size, value_size, max_entries, map_flags, ..Default::default() };
    calls::map_create(kernel, command).expect("a map that both kernels have")
}

const ZERO: [u8; 4] = [0; 4];

impl Maps {
    fn new(kernel: &Arc<dyn Kernel>, text: &str) -> Maps {
        let none = MapFlags::empty();
        let maps = Maps {
            results: create(kernel, MapType::Array, (4, 64, 1), none),
            hash: create(kernel, MapType::Hash, (4, 8, 4), none),
            queue: create(kernel, MapType::Queue, (0, 8, 2), none),
            ring: create(kernel, MapType::Ringbuf, (0, 0, 4096), none),
            programs: create(kernel, MapType::ProgArray, (4, 4, 4), none),
            events: create(kernel, MapType::PerfEventArray, (4, 4, 4), none),
            text: create(kernel, MapType::Array, (4, 64, 1), MapFlags::RDONLY_PROG),
            output: create(kernel, MapType::Array, (4, 64, 1), none),
        };
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(64, 0);
        let any = ElementFlags::empty();
        calls::map_update_elem(&**kernel, maps.text.fd(), &ZERO, &bytes, any).expect("not frozen yet");
        kernel.bpf(MapFreeze { map_fd: maps.text.fd() }.into()).expect("freeze");
        maps
    }
}

impl Names for Maps {
    fn helper(&self, name: &str) -> Option<i32> {
        helper::by_name(name.strip_prefix("bpf_").unwrap_or(name)).map(|helper| helper.id as i32)
    }

    fn map(&self, name: &str) -> Option<i32> {
        Some(match name {
            "results" => self.results.fd(),
            "hash" => self.hash.fd(),
            "queue" => self.queue.fd(),
            "ring" => self.ring.fd(),
            "programs" => self.programs.fd(),
            "events" => self.events.fd(),
            "text" => self.text.fd(),
            "output" => self.output.fd(),
            _ => return None,
        })
    }
}

/// A program and what it runs on.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    program_type: ProgramType,
    text: &'static str,
    program: &'static str,
    packet: &'static [u8],
}

/// What became of a case.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Refused(Errno),
    Ran { reply: Reply, packet: Vec<u8>, results: Vec<u64>, output: String, tag: [u8; 8] },
    Failed(Errno),
}

fn load(kernel: &Arc<dyn Kernel>, case: &Case, maps: &Maps) -> Result<Handle, (Errno, String)> {
    let slots = assemble_with(case.program, maps).unwrap_or_else(|e| panic!("{}: {e}", case.name)).slots;
    let insns = Slot::write_program(&slots);
    let mut log = vec![0; 1 << 16];
    let expected_attach_type = match case.program_type {
        ProgramType::Xdp => AttachType::Xdp.number(),
        _ => 0,
    };
    let command = ProgLoad {
        prog_type: case.program_type.number(),
        insns: &insns,
        license: Some(c"GPL"),
        log_level: 1,
        log_buf: &mut log,
        expected_attach_type,
        ..Default::default()
    };
    calls::prog_load(kernel, command).map(|(handle, _)| handle).map_err(|failure| {
        let end = log.iter().position(|b| *b == 0).unwrap_or(log.len());
        (failure.errno, String::from_utf8_lossy(&log[..end]).into_owned())
    })
}

fn carry_out(kernel: &Arc<dyn Kernel>, case: &Case) -> (Outcome, String) {
    let maps = Maps::new(kernel, case.text);
    let program = match load(kernel, case, &maps) {
        Ok(program) => program,
        Err((errno, log)) => return (Outcome::Refused(errno), log),
    };
    // The program is in the array that it may tail-call.
    let any = ElementFlags::empty();
    let ret = Case { program: "r0 = 77\nexit", ..*case };
    let target = load(kernel, &ret, &maps).expect("a trivial program");
    let index = 1u32.to_ne_bytes();
    calls::map_update_elem(&**kernel, maps.programs.fd(), &index, &target.fd().to_ne_bytes(), any).expect("its kind");
    let mut packet = vec![0xaa; 300];
    let command =
        ProgTestRun { prog_fd: program.fd(), data_in: case.packet, data_out: &mut packet, ..Default::default() };
    let mut reply = match kernel.bpf(command.into()) {
        Ok(reply) => reply,
        Err(failure) => return (Outcome::Failed(failure.errno), String::new()),
    };
    if let Reply::TestRun { duration_ns, .. } = &mut reply {
        *duration_ns = 0;
    }
    let mut results = [0; 64];
    calls::map_lookup_elem(&**kernel, maps.results.fd(), &ZERO, &mut results, any).expect("array");
    let mut output = [0; 64];
    calls::map_lookup_elem(&**kernel, maps.output.fd(), &ZERO, &mut output, any).expect("array");
    let tag = calls::prog_info(&**kernel, program.fd()).expect("info").tag;
    let results = results.as_chunks::<8>().0.iter().map(|n| u64::from_ne_bytes(*n)).collect();
    let output = String::from_utf8_lossy(&output).trim_end_matches('\0').to_owned();
    (Outcome::Ran { reply, packet, results, output, tag }, String::new())
}

/// An Ethernet frame with an IPv4 UDP packet.
const UDP: &[u8] = &[
    0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x08, 0x00, // Ethernet
    0x45, 0, 0, 36, 0x12, 0x34, 0x40, 0, 64, 17, 0x9d, 0x80, 10, 0, 0, 1, 10, 0, 0, 2, // IPv4
    0x30, 0x39, 0, 53, 0, 16, 0xab, 0xcd, // UDP
    1, 2, 3, 4, 5, 6, 7, 8, // data
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

const fn case(name: &'static str, program_type: ProgramType, program: &'static str) -> Case {
    Case { name, program_type, text: "", program, packet: UDP }
}

const fn formatted(name: &'static str, text: &'static str, program: &'static str) -> Case {
    Case { name, program_type: ProgramType::SchedCls, text, program, packet: UDP }
}

/// Formats `text` with the four numbers on the stack into `output`; the length goes to the results.
const SNPRINTF: &str = "
    r1 = 0x1122334455667788 ll
    *(u64 *)(r10 - 32) = r1
    r1 = -42
    *(u64 *)(r10 - 24) = r1
    r1 = 1000000007
    *(u64 *)(r10 - 16) = r1
    r1 = 65
    *(u64 *)(r10 - 8) = r1
    r1 = map[output][0]+0 ll
    r2 = 64
    r3 = map[text][0]+0 ll
    r4 = r10
    r4 += -32
    r5 = 32
    call snprintf
    r1 = map[results][0]+0 ll
    *(u64 *)(r1 + 0) = r0
    r0 = 0
    exit";

/// The same into eight bytes only.
const SNPRINTF_SHORT: &str = "
    r1 = 7
    *(u64 *)(r10 - 8) = r1
    r1 = map[output][0]+0 ll
    r2 = 8
    r3 = map[text][0]+0 ll
    r4 = r10
    r4 += -8
    r5 = 8
    call snprintf
    r1 = map[results][0]+0 ll
    *(u64 *)(r1 + 0) = r0
    r0 = 0
    exit";

use ProgramType::{SchedCls, SocketFilter, Xdp};

const CASES: &[Case] = &[
    case("constant", Xdp, "r0 = 2\nexit"),
    case("uninitialised register", Xdp, "r0 = r3\nexit"),
    case("unchecked packet access", Xdp, "r1 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r1 + 0)\nexit"),
    case(
        "packet bytes",
        Xdp,
        "r2 = *(u32 *)(r1 + 0)
         r3 = *(u32 *)(r1 + 4)
         r4 = r2
         r4 += 34
         r0 = 0
         if r4 > r3 goto out
         r0 = *(u16 *)(r2 + 12)
         *(u8 *)(r2 + 0) = 0x55
     out: exit",
    ),
    case("packet loads", SocketFilter, "r6 = r1\nr0 = *(u8 *)skb[9]\nexit"),
    case("packet load past the end", SocketFilter, "r6 = r1\nr0 = *(u32 *)skb[1000]\nr0 = 5\nexit"),
    case("packet load from the network header", SchedCls, "r6 = r1\nr0 = *(u32 *)skb[-1048564]\nexit"),
    case("length of a socket filter's packet", SocketFilter, "r0 = *(u32 *)(r1 + 0)\nexit"),
    case("length of a classifier's packet", SchedCls, "r0 = *(u32 *)(r1 + 0)\nexit"),
    case(
        "fields of the packet's context",
        SchedCls,
        "r2 = map[results][0]+0 ll
         r3 = *(u32 *)(r1 + 4)
         *(u64 *)(r2 + 0) = r3
         r3 = *(u32 *)(r1 + 16)
         *(u64 *)(r2 + 8) = r3
         r3 = *(u32 *)(r1 + 20)
         *(u64 *)(r2 + 16) = r3
         r3 = *(u32 *)(r1 + 24)
         *(u64 *)(r2 + 24) = r3
         r3 = *(u32 *)(r1 + 36)
         *(u64 *)(r2 + 32) = r3
         r3 = *(u32 *)(r1 + 40)
         *(u64 *)(r2 + 40) = r3
         r0 = 0
         exit",
    ),
    case(
        "map operations and their errors",
        SocketFilter,
        "*(u32 *)(r10 - 4) = 7
         *(u64 *)(r10 - 16) = 99
         r6 = map[results][0]+0 ll
         r1 = map[hash] ll
         r2 = r10
         r2 += -4
         call map_delete_elem
         *(u64 *)(r6 + 0) = r0
         r1 = map[hash] ll
         r2 = r10
         r2 += -4
         r3 = r10
         r3 += -16
         r4 = 2
         call map_update_elem
         *(u64 *)(r6 + 8) = r0
         r1 = map[hash] ll
         r2 = r10
         r2 += -4
         r3 = r10
         r3 += -16
         r4 = 1
         call map_update_elem
         *(u64 *)(r6 + 16) = r0
         r1 = map[hash] ll
         r2 = r10
         r2 += -4
         r3 = r10
         r3 += -16
         r4 = 1
         call map_update_elem
         *(u64 *)(r6 + 24) = r0
         r1 = map[hash] ll
         r2 = r10
         r2 += -4
         call map_lookup_elem
         if r0 == 0 goto out
         r1 = *(u64 *)(r0 + 0)
         *(u64 *)(r6 + 32) = r1
         r1 = 1
         lock *(u64 *)(r0 + 0) += r1
         r0 = 1
         exit
     out: r0 = 0
         exit",
    ),
    case(
        "queue",
        SocketFilter,
        "*(u64 *)(r10 - 8) = 5
         r6 = map[results][0]+0 ll
         r1 = map[queue] ll
         r2 = r10
         r2 += -8
         r3 = 0
         call map_push_elem
         *(u64 *)(r6 + 0) = r0
         *(u64 *)(r10 - 8) = 6
         r1 = map[queue] ll
         r2 = r10
         r2 += -8
         call map_peek_elem
         *(u64 *)(r6 + 8) = r0
         r1 = *(u64 *)(r10 - 8)
         *(u64 *)(r6 + 16) = r1
         r1 = map[queue] ll
         r2 = r10
         r2 += -8
         call map_pop_elem
         *(u64 *)(r6 + 24) = r0
         r1 = map[queue] ll
         r2 = r10
         r2 += -8
         call map_pop_elem
         *(u64 *)(r6 + 32) = r0
         r1 = *(u64 *)(r10 - 8)
         *(u64 *)(r6 + 40) = r1
         r0 = 0
         exit",
    ),
    case(
        "checksum differences",
        SchedCls,
        "r6 = map[results][0]+0 ll
         r1 = 0x0123456789abcdef ll
         *(u64 *)(r10 - 8) = r1
         r1 = 0xfedcba9876543210 ll
         *(u64 *)(r10 - 16) = r1
         r1 = 0
         r2 = 0
         r3 = r10
         r3 += -8
         r4 = 8
         r5 = 0
         call csum_diff
         *(u64 *)(r6 + 0) = r0
         r1 = r10
         r1 += -8
         r2 = 8
         r3 = 0
         r4 = 0
         r5 = 0x1234
         call csum_diff
         *(u64 *)(r6 + 8) = r0
         r1 = r10
         r1 += -8
         r2 = 8
         r3 = r10
         r3 += -16
         r4 = 8
         r5 = 0xffff1234
         call csum_diff
         *(u64 *)(r6 + 16) = r0
         r1 = r10
         r1 += -8
         r2 = 7
         r3 = 0
         r4 = 0
         r5 = 0
         call csum_diff
         *(u64 *)(r6 + 24) = r0
         r0 = 0
         exit",
    ),
    case(
        "checksum replacement",
        SchedCls,
        "r6 = r1
         r7 = map[results][0]+0 ll
         r1 = r6
         r2 = 24
         r3 = 0x0100000a
         r4 = 0x0200a8c0
         r5 = 4
         call l3_csum_replace
         *(u64 *)(r7 + 0) = r0
         r1 = r6
         r2 = 40
         r3 = 0x0100000a
         r4 = 0x0200a8c0
         r5 = 0x34
         call l4_csum_replace
         *(u64 *)(r7 + 8) = r0
         r1 = r6
         r2 = 40
         r3 = 0x3930
         r4 = 0x1111
         r5 = 2
         call l4_csum_replace
         *(u64 *)(r7 + 16) = r0
         r1 = r6
         r2 = 40
         r3 = 0
         r4 = 0xbeef
         r5 = 0x10
         call l4_csum_replace
         *(u64 *)(r7 + 24) = r0
         r1 = r6
         r2 = 24
         r3 = 1
         r4 = 2
         r5 = 3
         call l3_csum_replace
         *(u64 *)(r7 + 32) = r0
         r1 = r6
         r2 = 2000
         r3 = 1
         r4 = 2
         r5 = 2
         call l3_csum_replace
         *(u64 *)(r7 + 40) = r0
         r1 = r6
         r2 = 41
         r3 = 1
         r4 = 2
         r5 = 2
         call l4_csum_replace
         *(u64 *)(r7 + 48) = r0
         r0 = 0
         exit",
    ),
    case(
        "loading and storing packet bytes",
        SchedCls,
        "r6 = r1
         r7 = map[results][0]+0 ll
         r1 = r6
         r2 = 26
         r3 = r7
         r4 = 8
         call skb_load_bytes
         *(u64 *)(r7 + 8) = r0
         r1 = r6
         r2 = 50
         r3 = r7
         r3 += 16
         r4 = 30
         call skb_load_bytes
         *(u64 *)(r7 + 48) = r0
         r1 = r6
         r2 = 2
         r3 = r7
         r3 += 16
         r4 = 4
         r5 = 1
         call skb_load_bytes_relative
         *(u64 *)(r10 - 8) = 0x1234
         r1 = r6
         r2 = 0
         r3 = r10
         r3 += -8
         r4 = 6
         r5 = 1
         call skb_store_bytes
         *(u64 *)(r7 + 56) = r0
         r1 = r6
         r2 = 58
         r3 = r10
         r3 += -8
         r4 = 8
         r5 = 0
         call skb_store_bytes
         exit",
    ),
    case(
        "room in the packet",
        SchedCls,
        "r6 = r1
         r7 = map[results][0]+0 ll
         r1 = r6
         r2 = 8
         r3 = 1
         r4 = 0
         call skb_adjust_room
         *(u64 *)(r7 + 0) = r0
         r1 = r6
         r2 = -8
         r3 = 1
         r4 = 0
         call skb_adjust_room
         *(u64 *)(r7 + 8) = r0
         r1 = r6
         r2 = 4
         r3 = 0
         r4 = 0
         call skb_adjust_room
         *(u64 *)(r7 + 16) = r0
         r1 = r6
         r2 = 5000
         r3 = 0
         r4 = 0
         call skb_adjust_room
         *(u64 *)(r7 + 24) = r0
         r1 = r6
         r2 = 4
         r3 = 7
         r4 = 0
         call skb_adjust_room
         *(u64 *)(r7 + 32) = r0
         r1 = r6
         r2 = 100
         call skb_pull_data
         *(u64 *)(r7 + 40) = r0
         r1 = r6
         r2 = 40
         call skb_pull_data
         *(u64 *)(r7 + 48) = r0
         r0 = *(u32 *)(r6 + 0)
         exit",
    ),
    case(
        "tail and head of the packet",
        SchedCls,
        "r6 = r1
         r7 = map[results][0]+0 ll
         r1 = r6
         r2 = 80
         r3 = 0
         call skb_change_tail
         *(u64 *)(r7 + 0) = r0
         r1 = r6
         r2 = 70
         r3 = 0
         call skb_change_tail
         *(u64 *)(r7 + 8) = r0
         r1 = r6
         r2 = 80
         r3 = 1
         call skb_change_tail
         *(u64 *)(r7 + 16) = r0
         r1 = r6
         r2 = 8
         r3 = 0
         call skb_change_head
         *(u64 *)(r7 + 24) = r0
         r1 = r6
         r2 = 8
         r3 = 1
         call skb_change_head
         *(u64 *)(r7 + 32) = r0
         r0 = *(u32 *)(r6 + 0)
         exit",
    ),
    case(
        "VLAN tags",
        SchedCls,
        "r6 = r1
         r7 = map[results][0]+0 ll
         r1 = r6
         r2 = 0x81
         r3 = 100
         call skb_vlan_push
         *(u64 *)(r7 + 0) = r0
         r1 = *(u32 *)(r6 + 20)
         *(u64 *)(r7 + 8) = r1
         r1 = *(u32 *)(r6 + 24)
         *(u64 *)(r7 + 16) = r1
         r1 = r6
         r2 = 0xa888
         r3 = 200
         call skb_vlan_push
         *(u64 *)(r7 + 24) = r0
         r1 = *(u32 *)(r6 + 24)
         *(u64 *)(r7 + 32) = r1
         r1 = *(u32 *)(r6 + 16)
         *(u64 *)(r7 + 40) = r1
         r1 = r6
         call skb_vlan_pop
         *(u64 *)(r7 + 48) = r0
         r1 = *(u32 *)(r6 + 24)
         *(u64 *)(r7 + 56) = r1
         r0 = *(u32 *)(r6 + 0)
         exit",
    ),
    case(
        "protocol and type of the packet",
        SchedCls,
        "r6 = r1
         r7 = map[results][0]+0 ll
         r1 = r6
         r2 = 0xdd86
         r3 = 0
         call skb_change_proto
         *(u64 *)(r7 + 0) = r0
         r1 = *(u32 *)(r6 + 16)
         *(u64 *)(r7 + 8) = r1
         r1 = r6
         r2 = 0xdd86
         r3 = 0
         call skb_change_proto
         *(u64 *)(r7 + 16) = r0
         r1 = r6
         r2 = 0
         call skb_change_type
         *(u64 *)(r7 + 24) = r0
         r1 = *(u32 *)(r6 + 4)
         *(u64 *)(r7 + 32) = r1
         r1 = r6
         r2 = 9
         call skb_change_type
         *(u64 *)(r7 + 40) = r0
         r0 = *(u32 *)(r6 + 0)
         exit",
    ),
    case(
        "borders of an XDP packet",
        Xdp,
        "r6 = r1
         r7 = map[results][0]+0 ll
         r1 = r6
         r2 = -20
         call xdp_adjust_head
         *(u64 *)(r7 + 0) = r0
         r1 = r6
         r2 = -300
         call xdp_adjust_head
         *(u64 *)(r7 + 8) = r0
         r1 = r6
         r2 = 70
         call xdp_adjust_head
         *(u64 *)(r7 + 16) = r0
         r1 = r6
         r2 = -16
         call xdp_adjust_meta
         *(u64 *)(r7 + 24) = r0
         r1 = r6
         r2 = -6
         call xdp_adjust_meta
         *(u64 *)(r7 + 32) = r0
         r1 = r6
         r2 = 30
         call xdp_adjust_tail
         *(u64 *)(r7 + 40) = r0
         r1 = r6
         r2 = -200
         call xdp_adjust_tail
         *(u64 *)(r7 + 48) = r0
         r1 = r6
         r2 = 5000
         call xdp_adjust_tail
         *(u64 *)(r7 + 56) = r0
         r1 = r6
         call xdp_get_buff_len
         exit",
    ),
    case(
        "bytes of an XDP packet",
        Xdp,
        "r6 = r1
         r7 = map[results][0]+0 ll
         r1 = r6
         r2 = 26
         r3 = r7
         r4 = 8
         call xdp_load_bytes
         *(u64 *)(r7 + 8) = r0
         r1 = r6
         r2 = 56
         r3 = r7
         r3 += 16
         r4 = 8
         call xdp_load_bytes
         *(u64 *)(r7 + 24) = r0
         r1 = r6
         r2 = 0x10000
         r3 = r7
         r3 += 16
         r4 = 8
         call xdp_load_bytes
         *(u64 *)(r7 + 32) = r0
         r1 = r6
         r2 = 1
         r3 = r7
         r4 = 4
         call xdp_store_bytes
         *(u64 *)(r7 + 40) = r0
         r0 = 2
         exit",
    ),
    case(
        "tail call",
        SchedCls,
        "r6 = r1
         r2 = map[programs] ll
         r3 = 3
         call tail_call
         r1 = r6
         r2 = map[programs] ll
         r3 = 1
         call tail_call
         r0 = 1
         exit",
    ),
    case(
        "ring buffer",
        SchedCls,
        "r6 = map[results][0]+0 ll
         *(u64 *)(r10 - 8) = 5
         r1 = map[ring] ll
         r2 = r10
         r2 += -8
         r3 = 8
         r4 = 0
         call ringbuf_output
         *(u64 *)(r6 + 0) = r0
         r1 = map[ring] ll
         r2 = 24
         r3 = 0
         call ringbuf_reserve
         if r0 == 0 goto out
         *(u64 *)(r0 + 0) = 1
         r1 = r0
         r2 = 0
         call ringbuf_discard
         r1 = map[ring] ll
         r2 = 4081
         r3 = 0
         call ringbuf_reserve
         if r0 == 0 goto none
         r1 = r0
         r2 = 0
         call ringbuf_submit
   none: r1 = map[ring] ll
         r2 = 0
         call ringbuf_query
         *(u64 *)(r6 + 8) = r0
         r1 = map[ring] ll
         r2 = 1
         call ringbuf_query
         *(u64 *)(r6 + 16) = r0
         r1 = map[ring] ll
         r2 = 3
         call ringbuf_query
         *(u64 *)(r6 + 24) = r0
         r1 = map[ring] ll
         r2 = r10
         r2 += -8
         r3 = 8
         r4 = 64
         call ringbuf_output
         *(u64 *)(r6 + 32) = r0
    out: r0 = 0
         exit",
    ),
    case(
        "perf events that are not there",
        SchedCls,
        "r6 = r1
         r7 = map[results][0]+0 ll
         *(u64 *)(r10 - 8) = 5
         r2 = map[events] ll
         r3 = 0
         r4 = r10
         r4 += -8
         r5 = 8
         call perf_event_output
         *(u64 *)(r7 + 0) = r0
         r1 = r6
         r2 = map[events] ll
         r3 = 9
         r4 = r10
         r4 += -8
         r5 = 8
         call perf_event_output
         *(u64 *)(r7 + 8) = r0
         r0 = 0
         exit",
    ),
    case(
        "redirection",
        SchedCls,
        "r6 = map[results][0]+0 ll
         r1 = 1
         r2 = 9
         call redirect
         *(u64 *)(r6 + 0) = r0
         r1 = 1
         r2 = 1
         call redirect
         *(u64 *)(r6 + 8) = r0
         r0 = 0
         exit",
    ),
    formatted(
        "comparison with a constant string",
        "GET /",
        "r6 = map[results][0]+0 ll
         r1 = 0x2f20544547 ll
         *(u64 *)(r10 - 8) = r1
         r1 = r10
         r1 += -8
         r2 = 8
         r3 = map[text][0]+0 ll
         call strncmp
         *(u64 *)(r6 + 0) = r0
         *(u8 *)(r10 - 8) = 0x48
         r1 = r10
         r1 += -8
         r2 = 8
         r3 = map[text][0]+0 ll
         call strncmp
         *(u64 *)(r6 + 8) = r0
         *(u8 *)(r10 - 8) = 0x41
         r1 = r10
         r1 += -8
         r2 = 4
         r3 = map[text][0]+0 ll
         call strncmp
         *(u64 *)(r6 + 16) = r0
         r0 = 0
         exit",
    ),
    formatted("format: decimal", "%d|%ld|%5d|%c", SNPRINTF),
    formatted("format: unsigned", "%u|%lu|%-12llu|%u", SNPRINTF),
    formatted("format: hexadecimal", "%x|%lX|%08x|%llx", SNPRINTF),
    formatted("format: signs and zeroes", "%+d|% ld|%012ld|%i", SNPRINTF),
    formatted("format: widths", "%20lx|%-6d|%6u|%3c", SNPRINTF),
    formatted("format: percent", "100%% %d", SNPRINTF),
    formatted("format: no values", "plain", SNPRINTF),
    formatted("format: pointers", "%px|%px|%px", SNPRINTF),
    formatted("format: cut", "value=%d!", SNPRINTF_SHORT),
];

/// Compares all cases on two kernels.
fn compare(ours: &Arc<dyn Kernel>, theirs: &Arc<dyn Kernel>) {
    let mut differences = Vec::new();
    for case in CASES {
        let (one, log) = carry_out(ours, case);
        let (other, other_log) = carry_out(theirs, case);
        if one != other {
            let last = |log: &str| log.lines().rev().take(3).collect::<Vec<_>>().join(" / ");
            differences.push(format!("{}:\n  {one:x?} {}\n  {other:x?} {}", case.name, last(&log), last(&other_log)));
        }
    }
    assert!(differences.is_empty(), "{} of {}:\n{}", differences.len(), CASES.len(), differences.join("\n"));
}

#[test]
fn programs_do_as_on_linux() {
    let Some(linux) = linux("programs") else { return };
    compare(&user_like(&linux), &linux);
}

#[test]
fn programs_do_the_same_in_the_sandbox() {
    let kernel = |mode| UserKernel::new(Config { mode, ..Config::deterministic() }) as Arc<dyn Kernel>;
    compare(&kernel(Mode::Sandbox), &kernel(Mode::Interpreter));
}
