//! Enums of the UAPI: the names that programs write for numbers.
//!
//! Those whose numbers stand in a table of `skep-abi` are made from it. Source of the others:
//! `include/uapi/linux/bpf.h` and `include/uapi/linux/in.h` of Linux 6.18.

use super::layout::TypeTable;
use skep_abi::attach_type::AttachType;
use skep_abi::command::{CommandNumber, ElementFlags, LinkType};
use skep_abi::helper::HELPERS;
use skep_abi::map_type::{MapFlags, MapType};
use skep_abi::program_type::ProgramType;

/// An enum; an anonymous one has no name.
struct Enumeration {
    name: &'static str,
    values: &'static [(&'static str, i64)],
}

const fn named(name: &'static str, values: &'static [(&'static str, i64)]) -> Enumeration {
    Enumeration { name, values }
}

const fn constants(values: &'static [(&'static str, i64)]) -> Enumeration {
    named("", values)
}

const ENUMS: &[Enumeration] = &[
    // `bool` is no keyword in the C of the kernel.
    constants(&[("false", 0), ("true", 1)]),
    named("xdp_action", &[("XDP_ABORTED", 0), ("XDP_DROP", 1), ("XDP_PASS", 2), ("XDP_TX", 3), ("XDP_REDIRECT", 4)]),
    named("sk_action", &[("SK_DROP", 0), ("SK_PASS", 1)]),
    named(
        "bpf_ret_code",
        &[
            ("BPF_OK", 0),
            ("BPF_DROP", 2),
            ("BPF_REDIRECT", 7),
            ("BPF_LWT_REROUTE", 128),
            ("BPF_FLOW_DISSECTOR_CONTINUE", 129),
        ],
    ),
    named("bpf_adj_room_mode", &[("BPF_ADJ_ROOM_NET", 0), ("BPF_ADJ_ROOM_MAC", 1)]),
    named("bpf_hdr_start_off", &[("BPF_HDR_START_MAC", 0), ("BPF_HDR_START_NET", 1)]),
    named(
        "bpf_lwt_encap_mode",
        &[("BPF_LWT_ENCAP_SEG6", 0), ("BPF_LWT_ENCAP_SEG6_INLINE", 1), ("BPF_LWT_ENCAP_IP", 2)],
    ),
    constants(&[
        ("BPF_ANY", ElementFlags::ANY.bits() as i64),
        ("BPF_NOEXIST", ElementFlags::NOEXIST.bits() as i64),
        ("BPF_EXIST", ElementFlags::EXIST.bits() as i64),
        ("BPF_F_LOCK", ElementFlags::LOCK.bits() as i64),
    ]),
    // Flags of helpers, in the order of the header.
    constants(&[("BPF_F_RECOMPUTE_CSUM", 1), ("BPF_F_INVALIDATE_HASH", 2)]),
    constants(&[("BPF_F_HDR_FIELD_MASK", 0xf)]),
    constants(&[
        ("BPF_F_PSEUDO_HDR", 1 << 4),
        ("BPF_F_MARK_MANGLED_0", 1 << 5),
        ("BPF_F_MARK_ENFORCE", 1 << 6),
        ("BPF_F_IPV6", 1 << 7),
    ]),
    constants(&[("BPF_F_TUNINFO_IPV6", 1)]),
    constants(&[
        ("BPF_F_SKIP_FIELD_MASK", 0xff),
        ("BPF_F_USER_STACK", 1 << 8),
        ("BPF_F_FAST_STACK_CMP", 1 << 9),
        ("BPF_F_REUSE_STACKID", 1 << 10),
        ("BPF_F_USER_BUILD_ID", 1 << 11),
    ]),
    constants(&[
        ("BPF_F_ZERO_CSUM_TX", 1 << 1),
        ("BPF_F_DONT_FRAGMENT", 1 << 2),
        ("BPF_F_SEQ_NUMBER", 1 << 3),
        ("BPF_F_NO_TUNNEL_KEY", 1 << 4),
    ]),
    constants(&[("BPF_F_TUNINFO_FLAGS", 1 << 4)]),
    constants(&[
        ("BPF_F_INDEX_MASK", 0xffff_ffff),
        ("BPF_F_CURRENT_CPU", 0xffff_ffff),
        ("BPF_F_CTXLEN_MASK", 0xf_ffff << 32),
    ]),
    constants(&[("BPF_F_CURRENT_NETNS", -1)]),
    constants(&[
        ("BPF_CSUM_LEVEL_QUERY", 0),
        ("BPF_CSUM_LEVEL_INC", 1),
        ("BPF_CSUM_LEVEL_DEC", 2),
        ("BPF_CSUM_LEVEL_RESET", 3),
    ]),
    constants(&[
        ("BPF_F_ADJ_ROOM_FIXED_GSO", 1 << 0),
        ("BPF_F_ADJ_ROOM_ENCAP_L3_IPV4", 1 << 1),
        ("BPF_F_ADJ_ROOM_ENCAP_L3_IPV6", 1 << 2),
        ("BPF_F_ADJ_ROOM_ENCAP_L4_GRE", 1 << 3),
        ("BPF_F_ADJ_ROOM_ENCAP_L4_UDP", 1 << 4),
        ("BPF_F_ADJ_ROOM_NO_CSUM_RESET", 1 << 5),
        ("BPF_F_ADJ_ROOM_ENCAP_L2_ETH", 1 << 6),
        ("BPF_F_ADJ_ROOM_DECAP_L3_IPV4", 1 << 7),
        ("BPF_F_ADJ_ROOM_DECAP_L3_IPV6", 1 << 8),
    ]),
    constants(&[("BPF_F_SYSCTL_BASE_NAME", 1)]),
    constants(&[("BPF_LOCAL_STORAGE_GET_F_CREATE", 1), ("BPF_SK_STORAGE_GET_F_CREATE", 1)]),
    constants(&[("BPF_F_GET_BRANCH_RECORDS_SIZE", 1)]),
    constants(&[("BPF_RB_NO_WAKEUP", 1), ("BPF_RB_FORCE_WAKEUP", 2)]),
    constants(&[("BPF_RB_AVAIL_DATA", 0), ("BPF_RB_RING_SIZE", 1), ("BPF_RB_CONS_POS", 2), ("BPF_RB_PROD_POS", 3)]),
    constants(&[("BPF_RINGBUF_BUSY_BIT", 1 << 31), ("BPF_RINGBUF_DISCARD_BIT", 1 << 30), ("BPF_RINGBUF_HDR_SZ", 8)]),
    constants(&[("BPF_SK_LOOKUP_F_REPLACE", 1), ("BPF_SK_LOOKUP_F_NO_REUSEPORT", 2)]),
    constants(&[("BPF_F_BPRM_SECUREEXEC", 1)]),
    constants(&[("BPF_F_INGRESS", 1), ("BPF_F_BROADCAST", 8), ("BPF_F_EXCLUDE_INGRESS", 16)]),
    constants(&[("BPF_F_NEIGH", 1 << 16), ("BPF_F_PEER", 1 << 17), ("BPF_F_NEXTHOP", 1 << 18)]),
    constants(&[("BPF_F_TIMER_ABS", 1), ("BPF_F_TIMER_CPU_PIN", 2)]),
    constants(&[("BPF_F_KPROBE_MULTI_RETURN", 1)]),
    constants(&[("BPF_F_UPROBE_MULTI_RETURN", 1)]),
    constants(&[
        ("BPF_FIB_LOOKUP_DIRECT", 1 << 0),
        ("BPF_FIB_LOOKUP_OUTPUT", 1 << 1),
        ("BPF_FIB_LOOKUP_SKIP_NEIGH", 1 << 2),
        ("BPF_FIB_LOOKUP_TBID", 1 << 3),
        ("BPF_FIB_LOOKUP_SRC", 1 << 4),
        ("BPF_FIB_LOOKUP_MARK", 1 << 5),
    ]),
    constants(&[
        ("BPF_FIB_LKUP_RET_SUCCESS", 0),
        ("BPF_FIB_LKUP_RET_BLACKHOLE", 1),
        ("BPF_FIB_LKUP_RET_UNREACHABLE", 2),
        ("BPF_FIB_LKUP_RET_PROHIBIT", 3),
        ("BPF_FIB_LKUP_RET_NOT_FWDED", 4),
        ("BPF_FIB_LKUP_RET_FWD_DISABLED", 5),
        ("BPF_FIB_LKUP_RET_UNSUPP_LWT", 6),
        ("BPF_FIB_LKUP_RET_NO_NEIGH", 7),
        ("BPF_FIB_LKUP_RET_FRAG_NEEDED", 8),
        ("BPF_FIB_LKUP_RET_NO_SRC_ADDR", 9),
    ]),
    constants(&[
        ("BPF_SOCK_OPS_VOID", 0),
        ("BPF_SOCK_OPS_TIMEOUT_INIT", 1),
        ("BPF_SOCK_OPS_RWND_INIT", 2),
        ("BPF_SOCK_OPS_TCP_CONNECT_CB", 3),
        ("BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB", 4),
        ("BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB", 5),
        ("BPF_SOCK_OPS_NEEDS_ECN", 6),
        ("BPF_SOCK_OPS_BASE_RTT", 7),
        ("BPF_SOCK_OPS_RTO_CB", 8),
        ("BPF_SOCK_OPS_RETRANS_CB", 9),
        ("BPF_SOCK_OPS_STATE_CB", 10),
        ("BPF_SOCK_OPS_TCP_LISTEN_CB", 11),
        ("BPF_SOCK_OPS_RTT_CB", 12),
        ("BPF_SOCK_OPS_PARSE_HDR_OPT_CB", 13),
        ("BPF_SOCK_OPS_HDR_OPT_LEN_CB", 14),
        ("BPF_SOCK_OPS_WRITE_HDR_OPT_CB", 15),
    ]),
    constants(&[
        ("BPF_SOCK_OPS_RTO_CB_FLAG", 1 << 0),
        ("BPF_SOCK_OPS_RETRANS_CB_FLAG", 1 << 1),
        ("BPF_SOCK_OPS_STATE_CB_FLAG", 1 << 2),
        ("BPF_SOCK_OPS_RTT_CB_FLAG", 1 << 3),
        ("BPF_SOCK_OPS_PARSE_ALL_HDR_OPT_CB_FLAG", 1 << 4),
        ("BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG", 1 << 5),
        ("BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG", 1 << 6),
        ("BPF_SOCK_OPS_ALL_CB_FLAGS", 0x7f),
    ]),
    constants(&[
        ("BPF_TCP_ESTABLISHED", 1),
        ("BPF_TCP_SYN_SENT", 2),
        ("BPF_TCP_SYN_RECV", 3),
        ("BPF_TCP_FIN_WAIT1", 4),
        ("BPF_TCP_FIN_WAIT2", 5),
        ("BPF_TCP_TIME_WAIT", 6),
        ("BPF_TCP_CLOSE", 7),
        ("BPF_TCP_CLOSE_WAIT", 8),
        ("BPF_TCP_LAST_ACK", 9),
        ("BPF_TCP_LISTEN", 10),
        ("BPF_TCP_CLOSING", 11),
        ("BPF_TCP_NEW_SYN_RECV", 12),
    ]),
    // Protocol numbers of IANA.
    constants(&[
        ("IPPROTO_IP", 0),
        ("IPPROTO_ICMP", 1),
        ("IPPROTO_IGMP", 2),
        ("IPPROTO_IPIP", 4),
        ("IPPROTO_TCP", 6),
        ("IPPROTO_UDP", 17),
        ("IPPROTO_DCCP", 33),
        ("IPPROTO_IPV6", 41),
        ("IPPROTO_RSVP", 46),
        ("IPPROTO_GRE", 47),
        ("IPPROTO_ESP", 50),
        ("IPPROTO_AH", 51),
        ("IPPROTO_PIM", 103),
        ("IPPROTO_COMP", 108),
        ("IPPROTO_L2TP", 115),
        ("IPPROTO_SCTP", 132),
        ("IPPROTO_UDPLITE", 136),
        ("IPPROTO_MPLS", 137),
        ("IPPROTO_RAW", 255),
        ("IPPROTO_MPTCP", 262),
    ]),
];

/// Adds them all.
pub(super) fn describe_all(table: &mut TypeTable) {
    for Enumeration { name, values } in ENUMS {
        add(table, name, values);
    }
    let upper = |prefix: &str, name: &str| format!("{prefix}{}", name.to_uppercase());
    from_table(table, "bpf_cmd", CommandNumber::ALL.iter().map(|c| (format!("BPF_{}", c.name()), c.number())));
    let maps = MapType::ALL.iter().map(|t| (upper("BPF_MAP_TYPE_", t.info().name), t.number()));
    from_table(table, "bpf_map_type", with_unspecified("BPF_MAP_TYPE_UNSPEC", maps));
    let programs = ProgramType::ALL.iter().map(|t| (upper("BPF_PROG_TYPE_", t.info().name), t.number()));
    from_table(table, "bpf_prog_type", with_unspecified("BPF_PROG_TYPE_UNSPEC", programs));
    let attach = AttachType::ALL.iter().map(|t| (upper("BPF_", t.name()), t.number()));
    from_table(table, "bpf_attach_type", attach);
    let links = LinkType::ALL.iter().map(|t| (upper("BPF_LINK_TYPE_", t.name()), t.number()));
    from_table(table, "bpf_link_type", with_unspecified("BPF_LINK_TYPE_UNSPEC", links));
    let helpers = HELPERS.iter().map(|helper| (format!("BPF_FUNC_{}", helper.name), helper.id));
    from_table(table, "bpf_func_id", with_unspecified("BPF_FUNC_unspec", helpers));
    from_table(table, "", MapFlags::all().iter_names().map(|(name, flag)| (format!("BPF_F_{name}"), flag.bits())));
}

fn with_unspecified(name: &str, values: impl Iterator<Item = (String, u32)>) -> impl Iterator<Item = (String, u32)> {
    std::iter::once((name.to_owned(), 0)).chain(values)
}

fn from_table(table: &mut TypeTable, name: &str, values: impl Iterator<Item = (String, u32)>) {
    let values: Vec<_> = values.collect();
    let values: Vec<(&str, i64)> = values.iter().map(|(name, value)| (name.as_str(), i64::from(*value))).collect();
    add(table, name, &values);
}

/// Adds an enum, of eight bytes where four do not hold its values.
fn add(table: &mut TypeTable, name: &str, values: &[(&str, i64)]) {
    if values.iter().all(|(_, value)| i32::try_from(*value).is_ok() || u32::try_from(*value).is_ok()) {
        table.builder().enumeration(name, 4, values);
    } else {
        let values: Vec<(&str, u64)> = values.iter().map(|(name, value)| (*name, *value as u64)).collect();
        table.builder().enumeration64(name, 8, false, &values);
    }
}
