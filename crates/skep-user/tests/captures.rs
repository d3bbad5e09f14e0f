//! Capture files: the real ones of this repository, and damaged ones.

use skep_testing::skip;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use proptest::prelude::*;
use skep_user::devices::{CaptureError, CaptureProblem, CaptureReader, CaptureWriter, Frame, PacketSink, PacketSource};

type Packet = (Duration, u32, Vec<u8>);

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures")
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(captures().join(name)).expect("a capture of this repository")
}

/// All packets, and what ended the reading if it was not the end of the file.
fn read(bytes: &[u8]) -> (Vec<Packet>, Option<CaptureError>) {
    let mut packets = Vec::new();
    let mut reader = match CaptureReader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return (packets, Some(error)),
    };
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => packets.push((frame.timestamp, frame.original_len, frame.data.to_vec())),
            Ok(None) => return (packets, None),
            Err(error) => {
                assert!(matches!(reader.next_frame(), Ok(None)), "nothing comes after an error");
                return (packets, Some(error));
            }
        }
    }
}

fn read_whole(bytes: &[u8]) -> Vec<Packet> {
    let (packets, error) = read(bytes);
    assert!(error.is_none(), "{error:?}");
    packets
}

fn write(packets: &[Packet]) -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new()).expect("memory");
    for (timestamp, original_len, data) in packets {
        let frame = Frame { timestamp: *timestamp, original_len: *original_len, data };
        writer.put_frame(frame).expect("memory");
    }
    assert_eq!(writer.packets(), packets.len() as u64);
    writer.finish().expect("memory")
}

#[test]
fn packets_and_their_times_are_those_that_tcpdump_sees() {
    if Command::new("tcpdump").arg("--version").output().is_err() {
        return skip("tcpdump is not installed");
    }
    for name in ["dns.pcap", "http.pcap", "http6.pcap", "mixed.pcap", "mixed.pcapng", "vlan.pcap"] {
        let output = Command::new("tcpdump")
            .args(["--nano", "-tt", "-nn", "-e", "-r"])
            .arg(captures().join(name))
            .output()
            .expect("tcpdump runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let seen: Vec<(String, bool)> = read_whole(&file(name))
            .iter()
            .zip(text.lines())
            .map(|((timestamp, original_len, data), line)| {
                let time = format!("{}.{:09} ", timestamp.as_secs(), timestamp.subsec_nanos());
                let source = data[6..12].iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":");
                let agrees =
                    line.starts_with(&format!("{time}{source}")) && line.contains(&format!(" length {original_len}:"));
                (format!("{time}{source} {original_len}: {line}"), agrees)
            })
            .collect();
        assert_eq!(seen.len(), text.lines().count(), "{name}");
        assert!(!seen.is_empty());
        if let Some((what, _)) = seen.iter().find(|(_, agrees)| !agrees) {
            panic!("{name}: {what}");
        }
    }
}

#[test]
fn what_is_written_reads_the_same() {
    for name in ["mixed.pcap", "mixed.pcapng", "vlan.pcap"] {
        let packets = read_whole(&file(name));
        assert_eq!(read_whole(&write(&packets)), packets, "{name}");
    }
}

#[test]
fn a_file_cut_anywhere_gives_the_packets_before_the_cut_and_says_where_it_ends() {
    for name in ["dns.pcap", "mixed.pcapng"] {
        let whole = file(name);
        let packets = read_whole(&whole);
        for len in 0..whole.len().min(6000) {
            let (before, error) = read(&whole[..len]);
            assert_eq!(before, packets[..before.len()], "{name} cut at {len}");
            match error {
                // The cut is at the end of a record.
                None => assert!(before.len() < packets.len()),
                Some(CaptureError { problem: CaptureProblem::NotACapture(_), offset: 0, .. }) => assert!(len < 4),
                Some(CaptureError { packet, offset, problem: CaptureProblem::Truncated { needed, left } }) => {
                    assert_eq!(packet, before.len() as u64 + 1, "{name} cut at {len}");
                    assert_eq!(offset + left, len as u64, "{name} cut at {len}");
                    assert!(needed > left);
                }
                Some(other) => panic!("{name} cut at {len}: {other}"),
            }
        }
    }
}

/// A pcap file of one packet.
fn pcap(magic: u32, link_type: u32, fraction: u32, packet: &[u8]) -> Vec<u8> {
    let words = [magic, 4 << 16 | 2, 0, 0, 65535, link_type, 1000, fraction, packet.len() as u32, packet.len() as u32];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend_from_slice(packet);
    bytes
}

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

#[test]
fn both_time_resolutions_are_read() {
    let time = |magic| read_whole(&pcap(magic, 1, 5, &[0; 14]))[0].0;
    assert_eq!(time(MICROSECONDS), Duration::new(1000, 5000));
    assert_eq!(time(NANOSECONDS), Duration::new(1000, 5));
}

#[test]
fn packets_without_an_ethernet_header_get_one() {
    let convert = |link_type, packet: &[u8]| read_whole(&pcap(MICROSECONDS, link_type, 0, packet)).remove(0);
    let raw = convert(101, &[0x60, 1, 2, 3]);
    assert_eq!(raw.2, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x86, 0xdd, 0x60, 1, 2, 3]);
    assert_eq!(raw.1, 18);
    let cooked = convert(113, &[0, 4, 0, 1, 0, 6, 2, 4, 6, 8, 10, 12, 0, 0, 8, 0, 0x45, 9]);
    assert_eq!(cooked.2, [0, 0, 0, 0, 0, 0, 2, 4, 6, 8, 10, 12, 8, 0, 0x45, 9]);
    let cooked = convert(276, &[8, 6, 0, 0, 0, 0, 0, 1, 0, 1, 4, 6, 2, 4, 6, 8, 10, 12, 0, 0, 7]);
    assert_eq!(cooked.2, [0, 0, 0, 0, 0, 0, 2, 4, 6, 8, 10, 12, 8, 6, 7]);
}

#[test]
fn what_cannot_be_read_is_said_plainly() {
    let message = |bytes: &[u8]| read(bytes).1.expect("an error").to_string();
    assert_eq!(
        message(&pcap(MICROSECONDS, 127, 0, &[1, 2])),
        "packet 1, byte offset 24: link type 127 cannot be read: only Ethernet (1), raw IP (12, 101, 228, 229) and \
         Linux cooked (113, 276) can"
    );
    assert_eq!(
        message(&pcap(MICROSECONDS, 101, 0, &[0x10])),
        "packet 1, byte offset 24: link type 101: the packet is neither IPv4 nor IPv6"
    );
    assert_eq!(
        message(b"GIF89a.."),
        "packet 1, byte offset 0: neither pcap nor pcapng: it begins with [47, 49, 46, 38, 39, 61, 2e, 2e]; make one with \
         `tcpdump -w`"
    );
    let mut absurd = pcap(MICROSECONDS, 1, 0, &[]);
    absurd[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(
        message(&absurd),
        "packet 1, byte offset 24: a packet of 4294967295 bytes: more than 262144, the file is damaged"
    );
    let mut block = file("mixed.pcapng");
    let second = u32::from_le_bytes(block[4..8].try_into().expect("four bytes")) as usize;
    block[second + 4..second + 8].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
    assert_eq!(
        message(&block),
        format!("packet 1, byte offset {second}: a block of 4294967280 bytes: more than 16777216, the file is damaged")
    );
}

/// One pcapng section in big-endian order: an interface with that time resolution and offset, and a packet.
fn big_endian_pcapng(resolution: u8, offset_seconds: i64, ticks: u64) -> Vec<u8> {
    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let len = (body.len() as u32 + 12).to_be_bytes();
        [&kind.to_be_bytes()[..], &len, body, &len].concat()
    }
    let header = [&0x1a2b_3c4d_u32.to_be_bytes()[..], &[0, 1, 0, 0], &[0xff; 8]].concat();
    let interface = [
        &[0, 1, 0, 0, 0, 0, 0, 0][..],
        // A comment that is not UTF-8.
        &[0, 1, 0, 3, 0xff, 0xfe, 0xfd, 0],
        &[0, 9, 0, 1, resolution, 0, 0, 0],
        &[0, 14, 0, 8],
        &offset_seconds.to_be_bytes(),
    ];
    let packet = [&[0; 4][..], &ticks.to_be_bytes(), &[0, 0, 0, 2], &[0, 0, 0, 60], &[0xab, 0xcd, 0, 0]].concat();
    [block(0x0a0d_0d0a, &header), block(1, &interface.concat()), block(0x7777, &[0; 8]), block(6, &packet)].concat()
}

#[test]
fn pcapng_times_follow_the_interfaces_resolution_and_offset() {
    let packets = |resolution, offset, ticks| read_whole(&big_endian_pcapng(resolution, offset, ticks));
    assert_eq!(packets(6, 0, 1_000_001), [(Duration::new(1, 1000), 60, vec![0xab, 0xcd])]);
    assert_eq!(packets(9, 100, 5)[0].0, Duration::new(100, 5));
    assert_eq!(packets(0x80 | 10, 0, 1024 + 512)[0].0, Duration::new(1, 500_000_000));
    assert!(read(&big_endian_pcapng(200, 0, 1)).1.is_some(), "2^-72 seconds");
    assert!(read(&big_endian_pcapng(6, -5, 1)).1.is_some(), "before 1970");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_files_are_read_without_panic(
        pcapng in any::<bool>(),
        damage in prop::collection::vec((0_usize..4000, any::<u8>()), 1..20),
        len in 0_usize..4000,
    ) {
        let mut bytes = file(if pcapng { "mixed.pcapng" } else { "mixed.pcap" });
        bytes.truncate(len);
        for (at, value) in damage {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        let (packets, _) = read(&bytes);
        let total: usize = packets.iter().map(|(_, _, data)| data.len()).sum();
        prop_assert!(total <= bytes.len() + 14 * packets.len());
    }

    #[test]
    fn random_files_are_read_without_panic(kind in 0..5_usize, mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let magics = [0xa1b2_c3d4_u32, 0xd4c3_b2a1, 0xa1b2_3c4d, 0x0a0d_0d0a, 0];
        if let Some(start) = bytes.first_chunk_mut::<4>() {
            *start = magics[kind].to_le_bytes();
        }
        let _ = read(&bytes);
    }
}
