//! Captures of real traffic through the packet hooks, in both engines: as many packets match as `tcpdump` finds.

use skep_abi::command::ProgLoad;
use skep_abi::program_type::ProgramType;
use skep_engine::Mode;
use skep_isa::Slot;
use skep_kernel::Kernel;
use skep_user::devices::{CaptureReader, PacketSource};
use skep_user::hooks::{Fate, PacketEvent, packet_hook};
use skep_user::{Config, UserKernel};
use std::path::{Path, PathBuf};
use std::process::Command;

/// `XDP_DROP` or `TC_ACT_SHOT` for UDP over IPv4, else `XDP_PASS` or `TC_ACT_OK`.
fn drops_udp(drop: u8, pass: u8) -> String {
    let (data, data_end) = if drop == 1 { (0, 4) } else { (76, 80) };
    format!(
        "r2 = *(u32 *)(r1 + {data})
         r3 = *(u32 *)(r1 + {data_end})
         r4 = r2
         r4 += 34
         if r4 > r3 goto +6
         r5 = *(u16 *)(r2 + 12)
         if r5 != 8 goto +4
         r5 = *(u8 *)(r2 + 23)
         if r5 != 17 goto +2
         r0 = {drop}
         exit
         r0 = {pass}
         exit"
    )
}

/// Keeps 60 bytes of TCP over IPv4 and nothing else.
const KEEPS_TCP: &str = "
    r6 = r1
    r0 = *(u16 *)skb[12]
    if r0 != 2048 goto +4
    r0 = *(u8 *)skb[23]
    if r0 != 6 goto +2
    r0 = 60
    exit
    r0 = 0
    exit
";

/// Drops UDP over IPv4, seen from the network header on.
const CGROUP_DROPS_UDP: &str = "
    r4 = *(u32 *)(r1 + 16)
    if r4 != 8 goto +8
    r2 = *(u32 *)(r1 + 76)
    r3 = *(u32 *)(r1 + 80)
    r4 = r2
    r4 += 20
    if r4 > r3 goto +3
    r0 = 0
    r5 = *(u8 *)(r2 + 9)
    if r5 == 17 goto +1
    r0 = 1
    exit
";

fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures").join(name)
}

/// How many packets the filter matches; `None` without `tcpdump`.
fn tcpdump(name: &str, filter: &str) -> Option<usize> {
    let output = Command::new("tcpdump").args(["-nn", "-r"]).arg(capture(name)).arg(filter).output().ok()?;
    Some(output.stdout.iter().filter(|byte| **byte == b'\n').count())
}

/// How many packets of a capture meet a fate for which `counts` holds.
fn replay(mode: Mode, program_type: ProgramType, text: &str, name: &str, counts: fn(Fate) -> bool) -> usize {
    let kernel = UserKernel::new(Config { mode, ..Config::default() });
    let insns = Slot::write_program(&skep_isa::text::assemble(text).expect("the text assembles"));
    let prog_type = program_type.number();
    let command = ProgLoad { prog_type, insns: &insns, license: Some(c"GPL"), ..ProgLoad::default() };
    let fd = kernel.bpf(command.into()).expect("the verifier accepts it").fd().expect("a descriptor");
    let program = kernel.program(fd).expect("a program");
    let mut hook = packet_hook(program_type).expect("a hook for packets");
    let mut reader = CaptureReader::open(&capture(name)).expect("a capture of this repository");
    let mut count = 0;
    while let Some(frame) = reader.next_frame().expect("whole packets") {
        let outcome = kernel.run(&program, hook.enter(PacketEvent { frame, ifindex: 1 }));
        assert_eq!(outcome.fault, None);
        count += usize::from(counts(hook.verdict(&outcome).fate));
        assert_eq!(hook.frame().as_deref(), Some(frame.data), "no program here changes packets");
    }
    count
}

#[test]
fn hooks_count_what_tcpdump_counts() {
    if tcpdump("dns.pcap", "").is_none() {
        return skep_testing::skip("tcpdump is not installed");
    }
    let dropped: fn(Fate) -> bool = |fate| fate == Fate::Drop;
    let kept: fn(Fate) -> bool = |fate| matches!(fate, Fate::Pass | Fate::Cut(60));
    let programs = [
        (ProgramType::Xdp, drops_udp(1, 2), dropped, "ip proto 17", "ip proto 17"),
        // Socket buffers have lost their outer tag.
        (ProgramType::SchedCls, drops_udp(2, 0), dropped, "ip proto 17", "vlan and ip proto 17"),
        (ProgramType::CgroupSkb, CGROUP_DROPS_UDP.to_owned(), dropped, "ip proto 17", "vlan and ip proto 17"),
        (ProgramType::SocketFilter, KEEPS_TCP.to_owned(), kept, "ip proto 6", "vlan and ip proto 6"),
    ];
    let mut most = 0;
    for (program_type, text, counts, filter, tagged_filter) in &programs {
        for name in ["dns.pcap", "http.pcap", "http6.pcap", "mixed.pcap", "mixed.pcapng", "vlan.pcap"] {
            let filter = if name == "vlan.pcap" { tagged_filter } else { filter };
            let expected = tcpdump(name, filter);
            for mode in Mode::ALL {
                let counted = replay(*mode, *program_type, text, name, *counts);
                assert_eq!(Some(counted), expected, "{program_type:?} in the {mode} on {name}");
                most = most.max(counted);
            }
        }
    }
    assert!(most > 0, "something matched");
}
