//! The examples that look at packets: numbers as tcpdump counts them, the same in both kernels, nothing left behind.

mod common;

use common::{can_compile, can_count, can_use_linux, capture, number, root, run, tcpdump, tcpdump_first};

const FIREWALL: &str = env!("CARGO_BIN_EXE_firewall");
const PROTO_COUNT: &str = env!("CARGO_BIN_EXE_proto-count");
const TAIL_PARSER: &str = env!("CARGO_BIN_EXE_tail-parser");
const URL_FILTER: &str = env!("CARGO_BIN_EXE_url-filter");

const RULES: &[&str] =
    &["block tcp 23", "block tcp 8080", "block udp 514", "block 10.66.7.0/24", "block fd66:bad::/32"];

/// An example on a capture, in one kernel.
fn on(program: &str, kernel: &str, capture_name: &str, arguments: &[&str]) -> String {
    let file = capture(capture_name);
    run(program, &[&["--kernel", kernel, "--pcap", &file], arguments].concat())
}

/// That both kernels print the same, and that nothing of it stays on the machine.
fn same_on_linux(program: &str, capture_name: &str, arguments: &[&str]) {
    if !can_use_linux() {
        return;
    }
    let before = common::network();
    assert_eq!(on(program, "linux", capture_name, arguments), on(program, "user", capture_name, arguments));
    assert_eq!(common::network(), before);
}

#[test]
fn firewall_blocks_what_tcpdump_selects() {
    if !can_count() {
        return;
    }
    let bad = "src net 10.66.7.0/24 or src net fd66:bad::/32";
    for file in ["mixed.pcap", "mixed.pcapng"] {
        let output = on(FIREWALL, "user", file, RULES);
        let ports = "tcp dst port 23 or tcp dst port 8080 or udp dst port 514";
        assert_eq!(number(&output, "blocked port"), tcpdump(file, &format!("({ports}) and not ({bad})")));
        assert_eq!(number(&output, "blocked IPv4"), tcpdump(file, "ip and src net 10.66.7.0/24"));
        assert_eq!(number(&output, "blocked IPv6"), tcpdump(file, "src net fd66:bad::/32"));
        let all = tcpdump(file, "");
        let counted =
            ["passed", "blocked port", "blocked IPv4", "blocked IPv6", "malformed"].map(|l| number(&output, l));
        assert_eq!((counted.iter().sum::<u64>(), counted[4]), (all, 0));
    }
}

#[test]
fn firewall_rules_change_while_it_runs() {
    if !can_count() {
        return;
    }
    let output = on(FIREWALL, "user", "mixed.pcap", &["block tcp 80", "100: allow tcp 80", "200: block tcp 22"]);
    let early = tcpdump_first("mixed.pcap", 99, "tcp dst port 80");
    let late = tcpdump("mixed.pcap", "tcp dst port 22") - tcpdump_first("mixed.pcap", 199, "tcp dst port 22");
    assert!(early > 0 && late > 0, "the capture has both");
    assert_eq!(number(&output, "blocked port"), early + late);
}

#[test]
fn firewall_sees_through_vlan_tags() {
    if !can_count() {
        return;
    }
    let output = on(FIREWALL, "user", "vlan.pcap", &["block udp 53"]);
    let tagged = tcpdump("vlan.pcap", "vlan 42 and udp dst port 53");
    let twice = tcpdump("vlan.pcap", "vlan 100 and vlan 7 and udp dst port 53");
    assert_eq!(number(&output, "blocked port"), tagged + twice);
}

#[test]
fn firewall_is_the_same_on_linux() {
    same_on_linux(FIREWALL, "mixed.pcap", RULES);
    same_on_linux(FIREWALL, "mixed.pcap", &["block tcp 80", "100: allow tcp 80", "200: block tcp 22"]);
    same_on_linux(FIREWALL, "vlan.pcap", &["block udp 53", "block fd07::2"]);
}

#[test]
fn protocols_are_counted_as_tcpdump_does() {
    if !can_count() {
        return;
    }
    let output = on(PROTO_COUNT, "user", "mixed.pcap", &[]);
    for (label, filter) in [
        ("TCP", "ip proto 6 or ip6[6] == 6"),
        ("UDP", "ip proto 17 or ip6[6] == 17"),
        ("ICMP", "ip proto 1"),
        ("ICMPv6", "ip6[6] == 58"),
        ("IPv6 fragment", "ip6[6] == 44"),
        ("not IP", "not ip and not ip6"),
    ] {
        assert_eq!(number(&output, label), tcpdump("mixed.pcap", filter), "{label}");
    }
}

#[test]
fn protocols_are_the_same_on_linux() {
    same_on_linux(PROTO_COUNT, "mixed.pcap", &[]);
    same_on_linux(PROTO_COUNT, "vlan.pcap", &[]);
}

#[test]
fn the_chain_of_parsers_counts_as_tcpdump_does() {
    if !can_count() {
        return;
    }
    let output = on(TAIL_PARSER, "user", "mixed.pcap", &[]);
    for (label, filter) in [
        ("Ethernet", ""),
        ("ARP", "arp"),
        ("IPv4", "ip"),
        ("IPv6", "ip6"),
        ("TCP", "ip proto 6 or ip6[6] == 6"),
        ("fragment", "ip[6:2] & 0x1fff != 0"),
        ("cut short", "less 13"),
        ("tcp 80", "tcp dst port 80"),
    ] {
        assert_eq!(number(&output, label), tcpdump("mixed.pcap", filter), "{label}");
    }
    let output = on(TAIL_PARSER, "user", "vlan.pcap", &[]);
    let [once, twice] = ["vlan 42", "vlan 100 and vlan 7"].map(|filter| tcpdump("vlan.pcap", filter));
    assert_eq!(number(&output, "VLAN"), once + 2 * twice);
}

#[test]
fn the_chain_of_parsers_is_the_same_on_linux() {
    same_on_linux(TAIL_PARSER, "mixed.pcap", &[]);
    same_on_linux(TAIL_PARSER, "vlan.pcap", &[]);
}

/// The whole URLs that the example shows, sorted.
fn shown(output: &str) -> Vec<&str> {
    let whole = |line: &&str| line.contains(" /") && !line.ends_with(']');
    let mut lines: Vec<&str> = output.lines().filter(whole).collect();
    lines.sort_unstable();
    lines
}

/// What the HTTP server of the capture was asked for.
fn asked(name: &str) -> String {
    std::fs::read_to_string(root().join("captures").join(name)).expect("the capture's list is there")
}

#[test]
fn urls_are_those_that_the_server_was_asked_for() {
    if !can_compile() {
        return;
    }
    for name in ["http", "http6", "vlan"] {
        let output = on(URL_FILTER, "user", &format!("{name}.pcap"), &[]);
        let expected = asked(&format!("{name}.urls"));
        assert_eq!(shown(&output), expected.lines().collect::<Vec<_>>(), "{name}");
        assert_eq!(number(&output, "whole URLs"), expected.lines().count() as u64, "{name}");
    }
}

#[test]
fn the_first_version_sees_only_first_packets() {
    if !can_compile() {
        return;
    }
    let output = on(URL_FILTER, "user", "http.pcap", &["--filter", "1"]);
    let expected = asked("http.urls");
    let whole = shown(&output);
    assert!(whole.iter().all(|line| expected.lines().any(|asked| asked == *line)));
    let cut: Vec<&str> = output.lines().filter_map(|line| line.strip_suffix(" [cut]")).collect();
    assert!(cut.iter().filter(|cut| expected.lines().any(|asked| asked.starts_with(**cut))).count() >= cut.len() - 1);
    assert_eq!(whole.len() + cut.len(), expected.lines().count() + 1, "all, and the request that was abandoned");
}

#[test]
fn a_silent_session_is_dropped() {
    if !can_compile() {
        return;
    }
    let output = on(URL_FILTER, "user", "http-stale.pcap", &[]);
    let silent: Vec<&str> = output.lines().filter(|line| line.ends_with("[silent for 30 seconds]")).collect();
    assert!(matches!(silent[..], [line] if line.starts_with("GET /stale?")), "{silent:?}");
    let expected = asked("http-stale.urls");
    let others: Vec<&str> = expected.lines().filter(|line| !line.contains("/stale?")).collect();
    assert_eq!(shown(&output), others);
    assert_eq!(number(&output, "silent sessions"), 1);
    assert_eq!(number(&output, "sessions left"), 0, "its end came after it was dropped");
}

#[test]
fn urls_are_the_same_on_linux() {
    for file in ["http.pcap", "http6.pcap", "vlan.pcap", "http-stale.pcap"] {
        same_on_linux(URL_FILTER, file, &[]);
    }
    same_on_linux(URL_FILTER, "http.pcap", &["--filter", "1"]);
}

#[test]
fn a_capture_cut_in_a_packet_is_an_error_that_says_where() {
    if !can_compile() {
        return;
    }
    let whole = std::fs::read(capture("dns.pcap")).expect("the capture is there");
    let cut = std::env::temp_dir().join(format!("skep-cut-{}.pcap", std::process::id()));
    std::fs::write(&cut, &whole[..whole.len() - 7]).expect("a file for a while");
    let output = std::process::Command::new(PROTO_COUNT).arg("--pcap").arg(&cut).output().expect("it starts");
    std::fs::remove_file(&cut).expect("and away again");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(error.starts_with("error: ") && error.contains("88"), "names the packet: {error}");
}
