//! Programs that do the same on both kernels, in the assembler's notation.

use skep_abi::program_type::ProgramType::{self, SchedCls, SocketFilter, Xdp};

/// A program and what it runs on.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) program_type: ProgramType,
    pub(crate) text: &'static str,
    pub(crate) program: &'static str,
    pub(crate) packet: &'static [u8],
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

/// All of them.
pub(crate) const CASES: &[Case] = &[
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
    case(
        "packet load in a called function without BTF",
        SocketFilter,
        "r6 = map[results][0]+0 ll
         call inner
         *(u64 *)(r6 + 0) = r0
         r0 += 9
         exit
  inner: r6 = r1
         r0 = *(u32 *)skb[1000]
         r0 = 5
         exit",
    ),
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
        "all the room before an XDP packet",
        Xdp,
        "r6 = r1
         r7 = map[results][0]+0 ll
         r2 = -217
         call xdp_adjust_head
         *(u64 *)(r7 + 0) = r0
         r1 = r6
         r2 = -216
         call xdp_adjust_head
         *(u64 *)(r7 + 8) = r0
         r1 = r6
         r2 = -4
         call xdp_adjust_meta
         *(u64 *)(r7 + 16) = r0
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
