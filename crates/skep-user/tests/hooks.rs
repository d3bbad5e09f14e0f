//! What hooks make of events and of programs' answers.

use skep_abi::program_type::ProgramType;
use skep_btf::{Btf, Kind};
use skep_user::devices::Frame;
use skep_user::hooks::{
    CgroupSkb, Direction, Fate, Hook, Kprobe, PacketEvent, PacketHook, RawTracepoint, RawTracepointEvent, Registers,
    SystemCall, Tracepoint, TracepointEvent, packet_hook,
};
use skep_user::{Context, Outcome, Redirect};
use std::time::Duration;

const ELSEWHERE: Redirect = Redirect { target: 7, flags: 0, map_id: 0, broadcast: false };

fn outcome(ret: u64, redirect: Option<Redirect>) -> Outcome {
    Outcome { ret, redirect, nanoseconds: 0, fault: None }
}

fn event(data: &[u8]) -> PacketEvent<'_> {
    PacketEvent { frame: Frame { timestamp: Duration::ZERO, original_len: data.len() as u32, data }, ifindex: 3 }
}

fn hook(program_type: ProgramType) -> PacketHook {
    packet_hook(program_type).expect("a hook for packets")
}

/// Name and fate for each answer.
fn verdicts(hook: &PacketHook, answers: &[(i64, Option<Redirect>)]) -> Vec<(String, Fate)> {
    let verdict = |(ret, redirect): &(i64, Option<Redirect>)| hook.verdict(&outcome(ret.cast_unsigned(), *redirect));
    answers.iter().map(verdict).map(|verdict| (verdict.name.into_owned(), verdict.fate)).collect()
}

fn named(expected: &[(&str, Fate)]) -> Vec<(String, Fate)> {
    expected.iter().map(|(name, fate)| ((*name).to_owned(), *fate)).collect()
}

fn vlan_frame() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend_from_slice(&[2; 6]);
    frame.extend_from_slice(&[0x81, 0, 0x60, 42, 0x08, 0, 0x45]);
    frame.resize(60, 9);
    frame
}

fn fields(context: &dyn Context, names: &[&str]) -> Vec<u64> {
    names.iter().map(|name| context.field(name).unwrap_or_else(|| panic!("no field {name}"))).collect()
}

fn big_endian(number: u16) -> u64 {
    u16::from_ne_bytes(number.to_be_bytes()).into()
}

#[test]
fn xdp_sees_the_frame_as_it_is() {
    let mut hook = hook(ProgramType::Xdp);
    let frame = vlan_frame();
    let context = hook.enter(event(&frame));
    assert_eq!(fields(context, &["ingress_ifindex"]), [3]);
    assert_eq!(context.packet().expect("a packet").to_vec(), frame);
    assert_eq!(hook.frame(), Some(frame));
}

#[test]
fn xdp_actions_have_their_names() {
    let answers =
        [(0, None), (1, None), (2, None), (3, None), (4, Some(ELSEWHERE)), (4, None), (5, None), (1 << 32 | 2, None)];
    let expected = [
        ("XDP_ABORTED", Fate::Drop),
        ("XDP_DROP", Fate::Drop),
        ("XDP_PASS", Fate::Pass),
        ("XDP_TX", Fate::Transmit),
        ("XDP_REDIRECT", Fate::Redirect(ELSEWHERE)),
        ("XDP_REDIRECT", Fate::Drop),
        ("XDP_ABORTED (5)", Fate::Drop),
        ("XDP_PASS", Fate::Pass),
    ];
    assert_eq!(verdicts(&hook(ProgramType::Xdp), &answers), named(&expected));
}

#[test]
fn socket_buffers_have_their_outer_tag_beside_them() {
    for program_type in [ProgramType::SchedCls, ProgramType::SocketFilter] {
        let mut hook = hook(program_type);
        let frame = vlan_frame();
        let context = hook.enter(event(&frame));
        let names =
            ["len", "pkt_type", "protocol", "vlan_present", "vlan_tci", "vlan_proto", "ifindex", "ingress_ifindex"];
        let expected = [56, 1, big_endian(0x0800), 1, 0x602a, big_endian(0x8100), 3, 3];
        assert_eq!(fields(context, &names), expected, "{program_type:?}");
        let seen = context.packet().expect("a packet").to_vec();
        assert_eq!(seen, [&frame[..12], &frame[16..]].concat());
        assert_eq!(hook.frame(), Some(frame), "the tag is put back");
    }
}

#[test]
fn a_hook_is_good_for_many_packets() {
    let mut hook = hook(ProgramType::SchedCls);
    hook.enter(event(&vlan_frame())).set_field("mark", 5);
    let plain = [&[0x01, 0, 0x5e, 0, 0, 1, 2, 2, 2, 2, 2, 2, 0x86, 0xdd][..], &[7; 3000]].concat();
    let context = hook.enter(event(&plain));
    let names = ["len", "pkt_type", "protocol", "vlan_present", "mark"];
    assert_eq!(fields(context, &names), [3014, 2, big_endian(0x86dd), 0, 0]);
    assert_eq!(hook.frame(), Some(plain));
}

#[test]
fn tc_actions_have_their_names() {
    let answers = [(-1, None), (0, None), (2, None), (4, None), (8, None), (7, Some(ELSEWHERE)), (7, None), (3, None)];
    let expected = [
        ("TC_ACT_UNSPEC", Fate::Pass),
        ("TC_ACT_OK", Fate::Pass),
        ("TC_ACT_SHOT", Fate::Drop),
        ("TC_ACT_STOLEN", Fate::Drop),
        ("TC_ACT_TRAP", Fate::Drop),
        ("TC_ACT_REDIRECT", Fate::Redirect(ELSEWHERE)),
        ("TC_ACT_REDIRECT", Fate::Drop),
        ("TC_ACT_UNSPEC (3)", Fate::Pass),
    ];
    assert_eq!(verdicts(&hook(ProgramType::SchedCls), &answers), named(&expected));
}

#[test]
fn a_socket_filter_says_how_many_bytes_to_keep() {
    let mut hook = hook(ProgramType::SocketFilter);
    hook.enter(event(&[5; 60]));
    let answers = [(0, None), (20, None), (60, None), (-1, None), (1 << 32, None)];
    let expected = [
        ("drop", Fate::Drop),
        ("cut", Fate::Cut(20)),
        ("pass", Fate::Pass),
        ("pass", Fate::Pass),
        ("drop", Fate::Drop),
    ];
    assert_eq!(verdicts(&hook, &answers), named(&expected));
}

#[test]
fn cgroup_programs_see_packets_from_the_network_header_on() {
    let mut hook = hook(ProgramType::CgroupSkb);
    let mut frame = vec![2; 12];
    frame.extend_from_slice(&[0x08, 0, 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    let context = hook.enter(event(&frame));
    assert_eq!(context.packet().expect("a packet").to_vec(), frame[14..]);
    assert_eq!(fields(context, &["len", "family", "protocol"]), [20, 2, big_endian(0x0800)]);
    assert_eq!(hook.frame(), Some(frame));
    assert_eq!(verdicts(&hook, &[(0, None), (1, None)]), named(&[("drop", Fate::Drop), ("pass", Fate::Pass)]));

    let egress: PacketHook = Box::new(CgroupSkb::new(Direction::Egress));
    let expected = [
        ("drop", Fate::Deny(1)),
        ("pass", Fate::Pass),
        ("drop (congestion)", Fate::Drop),
        ("pass (congestion)", Fate::Pass),
    ];
    assert_eq!(verdicts(&egress, &[(0, None), (1, None), (2, None), (3, None)]), named(&expected));
}

#[test]
fn frames_of_any_length_get_through_every_hook() {
    for program_type in [ProgramType::Xdp, ProgramType::SchedCls, ProgramType::SocketFilter, ProgramType::CgroupSkb] {
        let mut hook = hook(program_type);
        for len in 0..40 {
            for ethertype in [[8, 0], [0x81, 0], [0x88, 0xa8], [0, 0]] {
                let mut frame = [vec![1; 12], ethertype.to_vec(), vec![3; 26]].concat();
                frame.truncate(len);
                hook.enter(event(&frame));
                assert_eq!(hook.frame(), Some(frame), "{program_type:?}");
            }
        }
    }
}

#[test]
fn types_without_packets_have_no_packet_hook() {
    assert!(packet_hook(ProgramType::Kprobe).is_none());
}

#[test]
fn system_calls_are_recorded_as_tracepoints_record_them() {
    let call = SystemCall { pid: 0x0102_0304, number: 257 };
    let record = call.enter_record([1, 2, 3, 4, 5, 6]);
    // Offsets of `format`: common_pid 4, id 8, args 16.
    assert_eq!(record.len(), 64);
    assert_eq!(record[4..8], 0x0102_0304_i32.to_ne_bytes());
    assert_eq!(record[8..16], 257_i64.to_ne_bytes());
    assert_eq!(record[24..32], 2_u64.to_ne_bytes());
    assert_eq!(call.exit_record(-2)[16..], (-2_i64).to_ne_bytes());

    let mut hook = Tracepoint::new();
    assert_ne!(hook.enter(TracepointEvent { record: &record }).address(), 0);
    assert_eq!(hook.verdict(&outcome(0, None)).fate, Fate::Observed);
}

#[test]
fn registers_stand_where_the_running_kernels_btf_says() {
    let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
        return skep_testing::skip("the kernel shows no BTF");
    };
    let btf = Btf::parse(&bytes).expect("the kernel's BTF");
    let registers = Registers {
        arguments: [101, 102, 103, 104, 105, 106],
        result: 107,
        instruction_pointer: 108,
        stack_pointer: 109,
        frame_pointer: 110,
    };
    let bytes = registers.to_bytes();
    let (name, places): (&str, &[(&str, u64)]) = if cfg!(target_arch = "x86_64") {
        let places = [
            ("di", 101),
            ("si", 102),
            ("dx", 103),
            ("cx", 104),
            ("r8", 105),
            ("r9", 106),
            ("ax", 107),
            ("ip", 108),
            ("sp", 109),
            ("bp", 110),
        ];
        ("pt_regs", &places.clone())
    } else {
        ("user_pt_regs", &[("sp", 109), ("pc", 108)])
    };
    let structure = btf.find(Kind::Struct, name).expect("registers in the kernel's BTF");
    assert_eq!(btf.size_of(structure), Some(bytes.len() as u64));
    for (register, value) in places {
        let field = btf.find_member(structure, register).unwrap_or_else(|| panic!("no {register}"));
        let at = field.byte_offset() as usize;
        assert_eq!(bytes[at..at + 8], value.to_ne_bytes(), "{register}");
    }
    assert_ne!(Kprobe::new().enter(registers).address(), 0);
}

#[test]
fn raw_tracepoints_take_any_number_of_arguments() {
    let mut hook = RawTracepoint::new();
    for count in [0, 1, 12, 40] {
        assert_ne!(hook.enter(RawTracepointEvent { arguments: &vec![1; count] }).address(), 0);
    }
}
