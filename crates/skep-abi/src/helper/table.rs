//! All helpers of Linux 6.18, in order of number.
//!
//! A row is `number name (since) [arguments] -> result, {flags} "C prototype" "what it does"`, and where it has one,
//! `release` with the argument whose reference it takes, `callback` with the shape of the function it calls, or
//! `variants` with the argument lists it has in some program types.

use super::args::*;
use super::{DynptrKind::*, HelperFlags, HelperProto, ReturnKind::*};
use crate::Version;

/// The name without `r#`, which one that is a word of Rust needs.
const fn plain(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', rest @ ..] => match str::from_utf8(rest) {
            Ok(rest) => rest,
            Err(_) => name,
        },
        _ => name,
    }
}

macro_rules! helpers {
    (@callback) => { None };
    (@callback $callback:expr) => { Some($callback) };
    (@release) => { 0 };
    (@release $release:literal) => { $release };
    (@variants) => { &[] };
    (@variants $variants:expr) => { $variants };
    ($(
        $id:literal $name:ident ($major:literal, $minor:literal) [$($arg:expr),*] -> $ret:expr, {$($flag:ident)*}
        $prototype:literal $doc:literal
        $(, release $release:literal)? $(, callback $callback:expr)? $(, variants $variants:expr)?;
    )*) => {
        /// One row per helper, in order of number: row `n` is helper `n + 1`.
        pub const HELPERS: &[HelperProto] = &[$(HelperProto {
            id: $id,
            name: plain(stringify!($name)),
            prototype: $prototype,
            args: &[$($arg),*],
            ret: $ret,
            flags: HelperFlags::from_bits_retain(0 $(| HelperFlags::$flag.bits())*),
            release_arg: helpers!(@release $($release)?),
            callback: helpers!(@callback $($callback)?),
            variants: helpers!(@variants $($variants)?),
            since: Version($major, $minor),
            doc: $doc,
        },)*];

        /// Numbers of the helpers, by name.
        #[allow(non_upper_case_globals, missing_docs, reason = "named like the helpers; the table says what each does")]
        pub mod id { $(pub const $name: u32 = $id;)* }
    };
}

helpers! {
    1 map_lookup_elem (3, 19) [MAP, KEY] -> MapValueOrNull, {PACKET_ACCESS MAP_ACCESS INLINE}
        "void *bpf_map_lookup_elem(void *map, const void *key)"
        "Looks a key up; the result points to the value in the map.";
    2 map_update_elem (3, 19) [MAP, KEY, VAL, ANY] -> Integer, {PACKET_ACCESS MAP_ACCESS INLINE}
        "long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags)"
        "Creates or changes an element, as the flags allow.";
    3 map_delete_elem (3, 19) [MAP, KEY] -> Integer, {PACKET_ACCESS MAP_ACCESS INLINE}
        "long bpf_map_delete_elem(void *map, const void *key)"
        "Removes an element.";
    4 probe_read (4, 1) [WR, SZ0, ANY] -> Integer, {GPL_ONLY}
        "long bpf_probe_read(void *dst, __u32 size, const void *unsafe_ptr)"
        "Copies memory of the kernel or of user space; the two newer forms say which.";
    5 ktime_get_ns (4, 1) [] -> Integer, {}
        "__u64 bpf_ktime_get_ns(void)"
        "Nanoseconds since boot, without time spent suspended.";
    6 trace_printk (4, 1) [RD, SZ] -> Integer, {GPL_ONLY NEEDS_CAP_PERFMON}
        "long bpf_trace_printk(const char *fmt, __u32 fmt_size, ...)"
        "Prints a line with up to three values to the trace pipe.";
    7 get_prandom_u32 (4, 1) [] -> Integer, {}
        "__u32 bpf_get_prandom_u32(void)"
        "A pseudo-random 32-bit number.";
    8 get_smp_processor_id (4, 1) [] -> Integer, {INLINE FASTCALL RETURNS_CPU}
        "__u32 bpf_get_smp_processor_id(void)"
        "Number of the CPU that runs the program.";
    9 skb_store_bytes (4, 1) [CTX, ANY, RD, SZ, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_skb_store_bytes(struct __sk_buff *skb, __u32 offset, const void *from, __u32 len, __u64 flags)"
        "Writes bytes into the packet, with checksum update if asked.";
    10 l3_csum_replace (4, 1) [CTX, ANY, ANY, ANY, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_l3_csum_replace(struct __sk_buff *skb, __u32 offset, __u64 from, __u64 to, __u64 size)"
        "Updates the IP header checksum for a change.";
    11 l4_csum_replace (4, 1) [CTX, ANY, ANY, ANY, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_l4_csum_replace(struct __sk_buff *skb, __u32 offset, __u64 from, __u64 to, __u64 flags)"
        "Updates a TCP, UDP or ICMP checksum for a change.";
    12 tail_call (4, 2) [CTX, MAP, ANY] -> Void, {TAIL_CALL CHANGES_PACKET INLINE}
        "long bpf_tail_call(void *ctx, void *prog_array_map, __u32 index)"
        "Goes on in the program at an index of a program array; returns only if it cannot.";
    13 clone_redirect (4, 2) [CTX, ANY, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_clone_redirect(struct __sk_buff *skb, __u32 ifindex, __u64 flags)"
        "Sends a copy of the packet to a device.";
    14 get_current_pid_tgid (4, 2) [] -> Integer, {}
        "__u64 bpf_get_current_pid_tgid(void)"
        "Thread group id in the upper and thread id in the lower half.";
    15 get_current_uid_gid (4, 2) [] -> Integer, {NEEDS_CAP_BPF}
        "__u64 bpf_get_current_uid_gid(void)"
        "Group id in the upper and user id in the lower half.";
    16 get_current_comm (4, 2) [WR, SZ] -> Integer, {NEEDS_CAP_PERFMON}
        "long bpf_get_current_comm(void *buf, __u32 size_of_buf)"
        "Copies the name of the current task.";
    17 get_cgroup_classid (4, 3) [CTX] -> Integer, {NEEDS_CAP_BPF}
        "__u32 bpf_get_cgroup_classid(struct __sk_buff *skb)"
        "Class of the net_cls cgroup of the current task or packet.";
    18 skb_vlan_push (4, 3) [CTX, ANY, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_skb_vlan_push(struct __sk_buff *skb, __be16 vlan_proto, __u16 vlan_tci)"
        "Puts a VLAN tag on.";
    19 skb_vlan_pop (4, 3) [CTX] -> Integer, {CHANGES_PACKET}
        "long bpf_skb_vlan_pop(struct __sk_buff *skb)"
        "Takes the VLAN tag off.";
    20 skb_get_tunnel_key (4, 3) [CTX, WR, SZ, ANY] -> Integer, {}
        "long bpf_skb_get_tunnel_key(struct __sk_buff *skb, struct bpf_tunnel_key *key, __u32 size, __u64 flags)"
        "Copies the tunnel metadata of a received packet.";
    21 skb_set_tunnel_key (4, 3) [CTX, RD, SZ, ANY] -> Integer, {}
        "long bpf_skb_set_tunnel_key(struct __sk_buff *skb, struct bpf_tunnel_key *key, __u32 size, __u64 flags)"
        "Sets the tunnel metadata of a packet to send.";
    22 perf_event_read (4, 3) [MAP, ANY] -> Integer, {GPL_ONLY NEEDS_CAP_PERFMON}
        "__u64 bpf_perf_event_read(void *map, __u64 flags)"
        "Reads the perf counter at an index of a perf event array.";
    23 redirect (4, 4) [ANY, ANY] -> Integer, {}
        "long bpf_redirect(__u32 ifindex, __u64 flags)"
        "Sends the packet to another device, once the program returns what this returns.";
    24 get_route_realm (4, 4) [CTX] -> Integer, {}
        "__u32 bpf_get_route_realm(struct __sk_buff *skb)"
        "Routing realm of the packet's destination.";
    25 perf_event_output (4, 4) [CTX, MAP, ANY, RD, SZ0] -> Integer, {GPL_ONLY}
        "long bpf_perf_event_output(void *ctx, void *map, __u64 flags, void *data, __u64 size)"
        "Writes a sample into the ring of a perf event.";
    26 skb_load_bytes (4, 5) [CTX, ANY, WR, SZ] -> Integer, {}
        "long bpf_skb_load_bytes(const void *skb, __u32 offset, void *to, __u32 len)"
        "Copies bytes out of the packet, wherever they are.";
    27 get_stackid (4, 6) [CTX, MAP, ANY] -> Integer, {GPL_ONLY}
        "long bpf_get_stackid(void *ctx, void *map, __u64 flags)"
        "Walks a stack and gives its id in a stack-trace map.";
    28 csum_diff (4, 6) [RDN, SZ0, RDN, SZ0, ANY] -> Integer, {PACKET_ACCESS}
        "__s64 bpf_csum_diff(__be32 *from, __u32 from_size, __be32 *to, __u32 to_size, __wsum seed)"
        "Checksum difference between two buffers.";
    29 skb_get_tunnel_opt (4, 6) [CTX, WR, SZ] -> Integer, {}
        "long bpf_skb_get_tunnel_opt(struct __sk_buff *skb, void *opt, __u32 size)"
        "Copies the tunnel options of a received packet.";
    30 skb_set_tunnel_opt (4, 6) [CTX, RD, SZ] -> Integer, {}
        "long bpf_skb_set_tunnel_opt(struct __sk_buff *skb, void *opt, __u32 size)"
        "Sets the tunnel options of a packet to send.";
    31 skb_change_proto (4, 8) [CTX, ANY, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_skb_change_proto(struct __sk_buff *skb, __be16 proto, __u64 flags)"
        "Turns an IPv4 packet into IPv6 or back.";
    32 skb_change_type (4, 8) [CTX, ANY] -> Integer, {}
        "long bpf_skb_change_type(struct __sk_buff *skb, __u32 type)"
        "Changes for whom the packet is taken to be.";
    33 skb_under_cgroup (4, 8) [CTX, MAP, ANY] -> Integer, {}
        "long bpf_skb_under_cgroup(struct __sk_buff *skb, void *map, __u32 index)"
        "Whether the packet's socket is below a cgroup of a cgroup array.";
    34 get_hash_recalc (4, 8) [CTX] -> Integer, {}
        "__u32 bpf_get_hash_recalc(struct __sk_buff *skb)"
        "Flow hash of the packet, computed if there is none.";
    35 get_current_task (4, 8) [] -> Integer, {GPL_ONLY NEEDS_CAP_PERFMON INLINE}
        "__u64 bpf_get_current_task(void)"
        "Address of the current task as a number.";
    36 probe_write_user (4, 8) [ANY, RD, SZ] -> Integer, {GPL_ONLY}
        "long bpf_probe_write_user(void *dst, const void *src, __u32 len)"
        "Writes into memory of the current task; for experiments only.";
    37 current_task_under_cgroup (4, 9) [MAP, ANY] -> Integer, {NEEDS_CAP_BPF}
        "long bpf_current_task_under_cgroup(void *map, __u32 index)"
        "Whether the current task is below a cgroup of a cgroup array.";
    38 skb_change_tail (4, 9) [CTX, ANY, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_skb_change_tail(struct __sk_buff *skb, __u32 len, __u64 flags)"
        "Cuts or lengthens the packet at its end.";
    39 skb_pull_data (4, 9) [CTX, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_skb_pull_data(struct __sk_buff *skb, __u32 len)"
        "Makes the first bytes of the packet contiguous, so that direct access reaches them.";
    40 csum_update (4, 9) [CTX, ANY] -> Integer, {}
        "__s64 bpf_csum_update(struct __sk_buff *skb, __wsum csum)"
        "Adds to the packet's checksum.";
    41 set_hash_invalid (4, 9) [CTX] -> Integer, {}
        "void bpf_set_hash_invalid(struct __sk_buff *skb)"
        "Forgets the packet's flow hash.";
    42 get_numa_node_id (4, 10) [] -> Integer, {}
        "long bpf_get_numa_node_id(void)"
        "NUMA node of the CPU that runs the program.";
    43 skb_change_head (4, 10) [CTX, ANY, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_skb_change_head(struct __sk_buff *skb, __u32 len, __u64 flags)"
        "Makes room in front of the packet for a link-layer header.";
    44 xdp_adjust_head (4, 10) [CTX, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_xdp_adjust_head(struct xdp_md *xdp_md, int delta)"
        "Moves the start of the packet.";
    45 probe_read_str (4, 11) [WR, SZ0, ANY] -> Integer, {GPL_ONLY RETURN_BOUNDED_BY_SIZE}
        "long bpf_probe_read_str(void *dst, __u32 size, const void *unsafe_ptr)"
        "Copies a string of the kernel or of user space; the two newer forms say which.";
    46 get_socket_cookie (4, 12) [CTX] -> Integer, {}
        "__u64 bpf_get_socket_cookie(void *ctx)"
        "A number that stays with the socket and is used for no other.", variants SOCKET_COOKIE;
    47 get_socket_uid (4, 12) [CTX] -> Integer, {}
        "__u32 bpf_get_socket_uid(struct __sk_buff *skb)"
        "Owner of the packet's socket.";
    48 set_hash (4, 13) [CTX, ANY] -> Integer, {}
        "long bpf_set_hash(struct __sk_buff *skb, __u32 hash)"
        "Sets the packet's flow hash.";
    49 setsockopt (4, 13) [CTX, ANY, ANY, RD, SZ] -> Integer, {}
        "long bpf_setsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)"
        "Sets an option of the socket.", variants SET_SOCKET_OPTION;
    50 skb_adjust_room (4, 13) [CTX, ANY, ANY, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_skb_adjust_room(struct __sk_buff *skb, __s32 len_diff, __u32 mode, __u64 flags)"
        "Makes or removes room at the network or link layer, for encapsulation.";
    51 redirect_map (4, 14) [MAP, ANY, ANY] -> Integer, {INLINE MAP_ACCESS}
        "long bpf_redirect_map(void *map, __u64 key, __u64 flags)"
        "Sends the packet where an entry of a device, CPU or socket map says, once the program returns what this returns.";
    52 sk_redirect_map (4, 14) [CTX, MAP, ANY, ANY] -> Integer, {}
        "long bpf_sk_redirect_map(struct __sk_buff *skb, void *map, __u32 key, __u64 flags)"
        "Sends the packet to a socket of a socket map.";
    53 sock_map_update (4, 14) [CTX, MAP, KEY, ANY] -> Integer, {PACKET_ACCESS}
        "long bpf_sock_map_update(struct bpf_sock_ops *skops, void *map, void *key, __u64 flags)"
        "Puts the context's socket into a socket map.";
    54 xdp_adjust_meta (4, 15) [CTX, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_xdp_adjust_meta(struct xdp_md *xdp_md, int delta)"
        "Moves the start of the metadata in front of the packet.";
    55 perf_event_read_value (4, 15) [MAP, ANY, WR, SZ] -> Integer, {GPL_ONLY NEEDS_CAP_PERFMON}
        "long bpf_perf_event_read_value(void *map, __u64 flags, struct bpf_perf_event_value *buf, __u32 buf_size)"
        "Reads a perf counter with its enabled and running times.";
    56 perf_prog_read_value (4, 15) [CTX, WR, SZ] -> Integer, {GPL_ONLY}
        "long bpf_perf_prog_read_value(struct bpf_perf_event_data *ctx, struct bpf_perf_event_value *buf, __u32 buf_size)"
        "Reads the counter whose overflow runs the program.";
    57 getsockopt (4, 15) [CTX, ANY, ANY, WR, SZ] -> Integer, {}
        "long bpf_getsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)"
        "Reads an option of the socket.", variants GET_SOCKET_OPTION;
    58 override_return (4, 16) [CTX, ANY] -> Integer, {GPL_ONLY}
        "long bpf_override_return(struct pt_regs *regs, __u64 rc)"
        "Makes the probed function return a value without running it.";
    59 sock_ops_cb_flags_set (4, 16) [CTX, ANY] -> Integer, {}
        "long bpf_sock_ops_cb_flags_set(struct bpf_sock_ops *bpf_sock, int argval)"
        "Chooses which events of the connection run the program.";
    60 msg_redirect_map (4, 17) [CTX, MAP, ANY, ANY] -> Integer, {}
        "long bpf_msg_redirect_map(struct sk_msg_md *msg, void *map, __u32 key, __u64 flags)"
        "Sends the message to a socket of a socket map.";
    61 msg_apply_bytes (4, 17) [CTX, ANY] -> Integer, {}
        "long bpf_msg_apply_bytes(struct sk_msg_md *msg, __u32 bytes)"
        "Lets the verdict hold for the next bytes.";
    62 msg_cork_bytes (4, 17) [CTX, ANY] -> Integer, {}
        "long bpf_msg_cork_bytes(struct sk_msg_md *msg, __u32 bytes)"
        "Runs the program again only once so many bytes are there.";
    63 msg_pull_data (4, 17) [CTX, ANY, ANY, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_msg_pull_data(struct sk_msg_md *msg, __u32 start, __u32 end, __u64 flags)"
        "Makes a range of the message contiguous, so that direct access reaches it.";
    64 bind (4, 17) [CTX, RD, SZ] -> Integer, {}
        "long bpf_bind(struct bpf_sock_addr *ctx, struct sockaddr *addr, int addr_len)"
        "Chooses the source address of a connection.";
    65 xdp_adjust_tail (4, 18) [CTX, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_xdp_adjust_tail(struct xdp_md *xdp_md, int delta)"
        "Moves the end of the packet.";
    66 skb_get_xfrm_state (4, 18) [CTX, ANY, WR, SZ, ANY] -> Integer, {}
        "long bpf_skb_get_xfrm_state(struct __sk_buff *skb, __u32 index, struct bpf_xfrm_state *xfrm_state, __u32 size, __u64 flags)"
        "Copies the IPsec state of the packet.";
    67 get_stack (4, 18) [CTX, WR, SZ0, ANY] -> Integer, {GPL_ONLY RETURN_BOUNDED_BY_SIZE}
        "long bpf_get_stack(void *ctx, void *buf, __u32 size, __u64 flags)"
        "Copies the addresses of a stack.";
    68 skb_load_bytes_relative (4, 18) [CTX, ANY, WR, SZ, ANY] -> Integer, {}
        "long bpf_skb_load_bytes_relative(const void *skb, __u32 offset, void *to, __u32 len, __u32 start_header)"
        "Copies bytes out of the packet, from its link or network header.";
    69 fib_lookup (4, 18) [CTX, RW, SZ, ANY] -> Integer, {GPL_ONLY}
        "long bpf_fib_lookup(void *ctx, struct bpf_fib_lookup *params, int plen, __u32 flags)"
        "Looks a route up, with next hop and neighbour.";
    70 sock_hash_update (4, 18) [CTX, MAP, KEY, ANY] -> Integer, {PACKET_ACCESS}
        "long bpf_sock_hash_update(struct bpf_sock_ops *skops, void *map, void *key, __u64 flags)"
        "Puts the context's socket into a socket hash.";
    71 msg_redirect_hash (4, 18) [CTX, MAP, KEY, ANY] -> Integer, {}
        "long bpf_msg_redirect_hash(struct sk_msg_md *msg, void *map, void *key, __u64 flags)"
        "Sends the message to a socket of a socket hash.";
    72 sk_redirect_hash (4, 18) [CTX, MAP, KEY, ANY] -> Integer, {}
        "long bpf_sk_redirect_hash(struct __sk_buff *skb, void *map, void *key, __u64 flags)"
        "Sends the packet to a socket of a socket hash.";
    73 lwt_push_encap (4, 18) [CTX, ANY, RD, SZ] -> Integer, {CHANGES_PACKET}
        "long bpf_lwt_push_encap(struct __sk_buff *skb, __u32 type, void *hdr, __u32 len)"
        "Puts an outer header on.";
    74 lwt_seg6_store_bytes (4, 18) [CTX, ANY, RD, SZ] -> Integer, {CHANGES_PACKET}
        "long bpf_lwt_seg6_store_bytes(struct __sk_buff *skb, __u32 offset, const void *from, __u32 len)"
        "Writes into the segment routing header.";
    75 lwt_seg6_adjust_srh (4, 18) [CTX, ANY, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_lwt_seg6_adjust_srh(struct __sk_buff *skb, __u32 offset, __s32 delta)"
        "Makes or removes room in the segment routing header.";
    76 lwt_seg6_action (4, 18) [CTX, ANY, RD, SZ] -> Integer, {CHANGES_PACKET}
        "long bpf_lwt_seg6_action(struct __sk_buff *skb, __u32 action, void *param, __u32 param_len)"
        "Applies a segment routing action.";
    77 rc_repeat (4, 18) [CTX] -> Integer, {GPL_ONLY}
        "long bpf_rc_repeat(void *ctx)"
        "Reports that the last infrared key is held.";
    78 rc_keydown (4, 18) [CTX, ANY, ANY, ANY] -> Integer, {GPL_ONLY}
        "long bpf_rc_keydown(void *ctx, __u32 protocol, __u64 scancode, __u32 toggle)"
        "Reports a pressed infrared key.";
    79 skb_cgroup_id (4, 18) [CTX] -> Integer, {}
        "__u64 bpf_skb_cgroup_id(struct __sk_buff *skb)"
        "Id of the cgroup of the packet's socket.";
    80 get_current_cgroup_id (4, 18) [] -> Integer, {NEEDS_CAP_BPF}
        "__u64 bpf_get_current_cgroup_id(void)"
        "Id of the cgroup of the current task.";
    81 get_local_storage (4, 19) [MAP, ANY] -> MapValue, {FLAGS_MUST_BE_ZERO}
        "void *bpf_get_local_storage(void *map, __u64 flags)"
        "Storage of the program's attachment to its cgroup.";
    82 sk_select_reuseport (4, 19) [CTX, MAP, KEY, ANY] -> Integer, {}
        "long bpf_sk_select_reuseport(struct sk_reuseport_md *reuse, void *map, void *key, __u64 flags)"
        "Chooses the socket that gets the packet.";
    83 skb_ancestor_cgroup_id (4, 19) [CTX, ANY] -> Integer, {}
        "__u64 bpf_skb_ancestor_cgroup_id(struct __sk_buff *skb, int ancestor_level)"
        "Id of an ancestor of the cgroup of the packet's socket.";
    84 sk_lookup_tcp (4, 20) [CTX, RD, SZ, ANY, ANY] -> SocketOrNull, {ACQUIRES PACKET_ACCESS}
        "struct bpf_sock *bpf_sk_lookup_tcp(void *ctx, struct bpf_sock_tuple *tuple, __u32 tuple_size, __u64 netns, __u64 flags)"
        "Finds a TCP socket by its addresses.";
    85 sk_lookup_udp (4, 20) [CTX, RD, SZ, ANY, ANY] -> SocketOrNull, {ACQUIRES PACKET_ACCESS}
        "struct bpf_sock *bpf_sk_lookup_udp(void *ctx, struct bpf_sock_tuple *tuple, __u32 tuple_size, __u64 netns, __u64 flags)"
        "Finds a UDP socket by its addresses.";
    86 sk_release (4, 20) [BSK] -> Integer, {RELEASES}
        "long bpf_sk_release(void *sock)"
        "Gives a found socket back.", release 1;
    87 map_push_elem (4, 20) [MAP, VAL, ANY] -> Integer, {PACKET_ACCESS MAP_ACCESS INLINE}
        "long bpf_map_push_elem(void *map, const void *value, __u64 flags)"
        "Puts an element into a queue, stack or bloom filter.";
    88 map_pop_elem (4, 20) [MAP, VALU] -> Integer, {MAP_ACCESS INLINE}
        "long bpf_map_pop_elem(void *map, void *value)"
        "Takes the next element out of a queue or stack.";
    89 map_peek_elem (4, 20) [MAP, VALU] -> Integer, {MAP_ACCESS INLINE}
        "long bpf_map_peek_elem(void *map, void *value)"
        "Copies the next element of a queue or stack; asks a bloom filter.";
    90 msg_push_data (4, 20) [CTX, ANY, ANY, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_msg_push_data(struct sk_msg_md *msg, __u32 start, __u32 len, __u64 flags)"
        "Makes room in the message.";
    91 msg_pop_data (5, 0) [CTX, ANY, ANY, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_msg_pop_data(struct sk_msg_md *msg, __u32 start, __u32 len, __u64 flags)"
        "Removes bytes from the message.";
    92 rc_pointer_rel (5, 0) [CTX, ANY, ANY] -> Integer, {GPL_ONLY}
        "long bpf_rc_pointer_rel(void *ctx, __s32 rel_x, __s32 rel_y)"
        "Reports a movement of an infrared pointer.";
    93 spin_lock (5, 1) [LOCK] -> Void, {LOCKS NEEDS_CAP_BPF}
        "long bpf_spin_lock(struct bpf_spin_lock *lock)"
        "Takes the lock in a map value.";
    94 spin_unlock (5, 1) [LOCK] -> Void, {UNLOCKS ALLOWED_IN_LOCK NEEDS_CAP_BPF}
        "long bpf_spin_unlock(struct bpf_spin_lock *lock)"
        "Gives the lock in a map value back.";
    95 sk_fullsock (5, 1) [SKC] -> SocketOrNull, {CASTS}
        "struct bpf_sock *bpf_sk_fullsock(struct bpf_sock *sk)"
        "The full socket of a pointer that may be a smaller kind.";
    96 tcp_sock (5, 1) [SKC] -> TcpSockOrNull, {CASTS}
        "struct bpf_tcp_sock *bpf_tcp_sock(struct bpf_sock *sk)"
        "The TCP part of a socket.";
    97 skb_ecn_set_ce (5, 1) [CTX] -> Integer, {}
        "long bpf_skb_ecn_set_ce(struct __sk_buff *skb)"
        "Marks the packet as having met congestion.";
    98 get_listener_sock (5, 1) [SKC] -> SocketOrNull, {}
        "struct bpf_sock *bpf_get_listener_sock(struct bpf_sock *sk)"
        "The listening socket that a connection came by.";
    99 skc_lookup_tcp (5, 2) [CTX, RD, SZ, ANY, ANY] -> SockCommonOrNull, {ACQUIRES PACKET_ACCESS}
        "struct bpf_sock *bpf_skc_lookup_tcp(void *ctx, struct bpf_sock_tuple *tuple, __u32 tuple_size, __u64 netns, __u64 flags)"
        "Finds a TCP socket of any state by its addresses.";
    100 tcp_check_syncookie (5, 2) [BSK, RD, SZ, RD, SZ] -> Integer, {GPL_ONLY PACKET_ACCESS}
        "long bpf_tcp_check_syncookie(void *sk, void *iph, __u32 iph_len, struct tcphdr *th, __u32 th_len)"
        "Whether an ACK carries a SYN cookie of the listening socket.";
    101 sysctl_get_name (5, 2) [CTX, WR, SZ, ANY] -> Integer, {}
        "long bpf_sysctl_get_name(struct bpf_sysctl *ctx, char *buf, unsigned long buf_len, __u64 flags)"
        "Copies the name of the sysctl.";
    102 sysctl_get_current_value (5, 2) [CTX, WR, SZ] -> Integer, {}
        "long bpf_sysctl_get_current_value(struct bpf_sysctl *ctx, char *buf, unsigned long buf_len)"
        "Copies the value that the sysctl has.";
    103 sysctl_get_new_value (5, 2) [CTX, WR, SZ] -> Integer, {}
        "long bpf_sysctl_get_new_value(struct bpf_sysctl *ctx, char *buf, unsigned long buf_len)"
        "Copies the value that is being written.";
    104 sysctl_set_new_value (5, 2) [CTX, RD, SZ] -> Integer, {}
        "long bpf_sysctl_set_new_value(struct bpf_sysctl *ctx, const char *buf, unsigned long buf_len)"
        "Replaces the value that is being written.";
    105 strtol (5, 2) [RD, SZ, ANY, F8W] -> Integer, {}
        "long bpf_strtol(const char *buf, unsigned long buf_len, __u64 flags, long *res)"
        "Reads a signed number from text.";
    106 strtoul (5, 2) [RD, SZ, ANY, F8W] -> Integer, {}
        "long bpf_strtoul(const char *buf, unsigned long buf_len, __u64 flags, unsigned long *res)"
        "Reads an unsigned number from text.";
    107 sk_storage_get (5, 2) [MAP, BSK, MVN, ANY] -> MapValueOrNull, {}
        "void *bpf_sk_storage_get(void *map, void *sk, void *value, __u64 flags)"
        "Storage of a socket, made if asked.", variants SK_STORAGE;
    108 sk_storage_delete (5, 2) [MAP, BSK] -> Integer, {}
        "long bpf_sk_storage_delete(void *map, void *sk)"
        "Removes the storage of a socket.", variants SK_STORAGE_DELETE;
    109 send_signal (5, 3) [ANY] -> Integer, {NEEDS_CAP_PERFMON}
        "long bpf_send_signal(__u32 sig)"
        "Sends a signal to the current process.";
    110 tcp_gen_syncookie (5, 4) [BSK, RD, SZ, RD, SZ] -> Integer, {GPL_ONLY PACKET_ACCESS}
        "__s64 bpf_tcp_gen_syncookie(void *sk, void *iph, __u32 iph_len, struct tcphdr *th, __u32 th_len)"
        "Makes a SYN cookie for the listening socket.";
    111 skb_output (5, 5) [btf("sk_buff"), MAP, ANY, RD, SZ0] -> Integer, {GPL_ONLY}
        "long bpf_skb_output(void *ctx, void *map, __u64 flags, void *data, __u64 size)"
        "Writes a sample with the packet's bytes into the ring of a perf event.";
    112 probe_read_user (5, 5) [WR, SZ0, ANY] -> Integer, {GPL_ONLY NEEDS_CAP_PERFMON}
        "long bpf_probe_read_user(void *dst, __u32 size, const void *unsafe_ptr)"
        "Copies memory of user space.";
    113 probe_read_kernel (5, 5) [WR, SZ0, ANY] -> Integer, {GPL_ONLY NEEDS_CAP_PERFMON}
        "long bpf_probe_read_kernel(void *dst, __u32 size, const void *unsafe_ptr)"
        "Copies memory of the kernel.";
    114 probe_read_user_str (5, 5) [WR, SZ0, ANY] -> Integer, {GPL_ONLY NEEDS_CAP_PERFMON RETURN_BOUNDED_BY_SIZE}
        "long bpf_probe_read_user_str(void *dst, __u32 size, const void *unsafe_ptr)"
        "Copies a string of user space.";
    115 probe_read_kernel_str (5, 5) [WR, SZ0, ANY] -> Integer, {GPL_ONLY NEEDS_CAP_PERFMON RETURN_BOUNDED_BY_SIZE}
        "long bpf_probe_read_kernel_str(void *dst, __u32 size, const void *unsafe_ptr)"
        "Copies a string of the kernel.";
    116 tcp_send_ack (5, 6) [btf("tcp_sock"), ANY] -> Integer, {}
        "long bpf_tcp_send_ack(void *tp, __u32 rcv_nxt)"
        "Sends a TCP acknowledgement; for congestion control.";
    117 send_signal_thread (5, 6) [ANY] -> Integer, {NEEDS_CAP_PERFMON}
        "long bpf_send_signal_thread(__u32 sig)"
        "Sends a signal to the current thread.";
    118 jiffies64 (5, 6) [] -> Integer, {INLINE NEEDS_CAP_BPF}
        "__u64 bpf_jiffies64(void)"
        "The 64-bit jiffies counter.";
    119 read_branch_records (5, 7) [CTX, WRN, SZ0, ANY] -> Integer, {GPL_ONLY}
        "long bpf_read_branch_records(struct bpf_perf_event_data *ctx, void *buf, __u32 size, __u64 flags)"
        "Copies the branch records of the sample.";
    120 get_ns_current_pid_tgid (5, 7) [ANY, ANY, WR, SZ] -> Integer, {}
        "long bpf_get_ns_current_pid_tgid(__u64 dev, __u64 ino, struct bpf_pidns_info *nsdata, __u32 size)"
        "Process and thread ids in a given PID namespace.";
    121 xdp_output (5, 7) [btf("xdp_buff"), MAP, ANY, RD, SZ0] -> Integer, {GPL_ONLY}
        "long bpf_xdp_output(void *ctx, void *map, __u64 flags, void *data, __u64 size)"
        "Writes a sample with the frame's bytes into the ring of a perf event.";
    122 get_netns_cookie (5, 7) [CTXN] -> Integer, {}
        "__u64 bpf_get_netns_cookie(void *ctx)"
        "A number of the network namespace; of the first one for NULL.";
    123 get_current_ancestor_cgroup_id (5, 7) [ANY] -> Integer, {NEEDS_CAP_BPF}
        "__u64 bpf_get_current_ancestor_cgroup_id(int ancestor_level)"
        "Id of an ancestor of the cgroup of the current task.";
    124 sk_assign (5, 7) [CTX, BSK, ANY] -> Integer, {}
        "long bpf_sk_assign(void *ctx, void *sk, __u64 flags)"
        "Gives the packet to a socket.", variants SK_ASSIGN;
    125 ktime_get_boot_ns (5, 8) [] -> Integer, {}
        "__u64 bpf_ktime_get_boot_ns(void)"
        "Nanoseconds since boot, with time spent suspended.";
    126 seq_printf (5, 8) [btf("seq_file"), RD, SZ, RDN, SZ0] -> Integer, {GPL_ONLY}
        "long bpf_seq_printf(struct seq_file *m, const char *fmt, __u32 fmt_size, const void *data, __u32 data_len)"
        "Prints formatted text to an iterator's output.";
    127 seq_write (5, 8) [btf("seq_file"), RD, SZ0] -> Integer, {GPL_ONLY}
        "long bpf_seq_write(struct seq_file *m, const void *data, __u32 len)"
        "Writes bytes to an iterator's output.";
    128 sk_cgroup_id (5, 8) [BSK] -> Integer, {}
        "__u64 bpf_sk_cgroup_id(void *sk)"
        "Id of the cgroup of a socket.";
    129 sk_ancestor_cgroup_id (5, 8) [BSK, ANY] -> Integer, {}
        "__u64 bpf_sk_ancestor_cgroup_id(void *sk, int ancestor_level)"
        "Id of an ancestor of the cgroup of a socket.";
    130 ringbuf_output (5, 8) [MAP, RD, SZ0, ANY] -> Integer, {}
        "long bpf_ringbuf_output(void *ringbuf, void *data, __u64 size, __u64 flags)"
        "Copies a record into a ring buffer.";
    131 ringbuf_reserve (5, 8) [MAP, CASZ, ANY] -> AllocMemOrNull, {ACQUIRES}
        "void *bpf_ringbuf_reserve(void *ringbuf, __u64 size, __u64 flags)"
        "Reserves a record in a ring buffer.";
    132 ringbuf_submit (5, 8) [AM, ANY] -> Void, {RELEASES}
        "void bpf_ringbuf_submit(void *data, __u64 flags)"
        "Publishes a reserved record.", release 1;
    133 ringbuf_discard (5, 8) [AM, ANY] -> Void, {RELEASES}
        "void bpf_ringbuf_discard(void *data, __u64 flags)"
        "Drops a reserved record.", release 1;
    134 ringbuf_query (5, 8) [MAP, ANY] -> Integer, {}
        "__u64 bpf_ringbuf_query(void *ringbuf, __u64 flags)"
        "Size, positions or unread bytes of a ring buffer.";
    135 csum_level (5, 8) [CTX, ANY] -> Integer, {}
        "long bpf_csum_level(struct __sk_buff *skb, __u64 level)"
        "Changes how many of the packet's checksums are known to be right.";
    136 skc_to_tcp6_sock (5, 9) [BSK] -> btf_or_null_result("tcp6_sock"), {CASTS}
        "struct tcp6_sock *bpf_skc_to_tcp6_sock(void *sk)"
        "The socket as an IPv6 TCP socket.";
    137 skc_to_tcp_sock (5, 9) [BSK] -> btf_or_null_result("tcp_sock"), {CASTS}
        "struct tcp_sock *bpf_skc_to_tcp_sock(void *sk)"
        "The socket as a TCP socket.";
    138 skc_to_tcp_timewait_sock (5, 9) [BSK] -> btf_or_null_result("tcp_timewait_sock"), {CASTS}
        "struct tcp_timewait_sock *bpf_skc_to_tcp_timewait_sock(void *sk)"
        "The socket as a TCP socket in TIME_WAIT.";
    139 skc_to_tcp_request_sock (5, 9) [BSK] -> btf_or_null_result("tcp_request_sock"), {CASTS}
        "struct tcp_request_sock *bpf_skc_to_tcp_request_sock(void *sk)"
        "The socket as a TCP connection request.";
    140 skc_to_udp6_sock (5, 9) [BSK] -> btf_or_null_result("udp6_sock"), {CASTS}
        "struct udp6_sock *bpf_skc_to_udp6_sock(void *sk)"
        "The socket as an IPv6 UDP socket.";
    141 get_task_stack (5, 9) [btf("task_struct"), WR, SZ0, ANY] -> Integer, {RETURN_BOUNDED_BY_SIZE NEEDS_CAP_PERFMON}
        "long bpf_get_task_stack(struct task_struct *task, void *buf, __u32 size, __u64 flags)"
        "Copies the addresses of a task's stack.";
    142 load_hdr_opt (5, 10) [CTX, WR, SZ, ANY] -> Integer, {}
        "long bpf_load_hdr_opt(struct bpf_sock_ops *skops, void *searchby_res, __u32 len, __u64 flags)"
        "Copies a TCP header option.";
    143 store_hdr_opt (5, 10) [CTX, RD, SZ, ANY] -> Integer, {CHANGES_PACKET}
        "long bpf_store_hdr_opt(struct bpf_sock_ops *skops, const void *from, __u32 len, __u64 flags)"
        "Writes a TCP header option.";
    144 reserve_hdr_opt (5, 10) [CTX, ANY, ANY] -> Integer, {}
        "long bpf_reserve_hdr_opt(struct bpf_sock_ops *skops, __u32 len, __u64 flags)"
        "Reserves room for TCP header options.";
    145 inode_storage_get (5, 10) [MAP, btf_or_null("inode"), MVN, ANY] -> MapValueOrNull, {}
        "void *bpf_inode_storage_get(void *map, void *inode, void *value, __u64 flags)"
        "Storage of an inode, made if asked.";
    146 inode_storage_delete (5, 10) [MAP, btf_or_null("inode")] -> Integer, {}
        "int bpf_inode_storage_delete(void *map, void *inode)"
        "Removes the storage of an inode.";
    147 d_path (5, 10) [btf("path"), WR, SZ0] -> Integer, {}
        "long bpf_d_path(struct path *path, char *buf, __u32 sz)"
        "Copies the full path of a kernel path.";
    148 copy_from_user (5, 10) [WR, SZ0, ANY] -> Integer, {MIGHT_SLEEP NEEDS_CAP_PERFMON}
        "long bpf_copy_from_user(void *dst, __u32 size, const void *user_ptr)"
        "Copies memory of user space, with page faults.";
    149 snprintf_btf (5, 10) [WR, SZ, RD, SZ, ANY] -> Integer, {NEEDS_CAP_PERFMON}
        "long bpf_snprintf_btf(char *str, __u32 str_size, struct btf_ptr *ptr, __u32 btf_ptr_size, __u64 flags)"
        "Prints a kernel object by its BTF into a buffer.";
    150 seq_printf_btf (5, 10) [btf("seq_file"), RD, SZ0, ANY] -> Integer, {GPL_ONLY}
        "long bpf_seq_printf_btf(struct seq_file *m, struct btf_ptr *ptr, __u32 ptr_size, __u64 flags)"
        "Prints a kernel object by its BTF to an iterator's output.";
    151 skb_cgroup_classid (5, 10) [CTX] -> Integer, {}
        "__u64 bpf_skb_cgroup_classid(struct __sk_buff *skb)"
        "Class of the net_cls cgroup of the packet's socket.";
    152 redirect_neigh (5, 10) [ANY, RDN, SZ0, ANY] -> Integer, {}
        "long bpf_redirect_neigh(__u32 ifindex, struct bpf_redir_neigh *params, int plen, __u64 flags)"
        "Sends the packet to another device, with link-layer addresses looked up.";
    153 per_cpu_ptr (5, 10) [PCB, ANY] -> PerCpuMem { or_null: true }, {NEEDS_CAP_BPF}
        "void *bpf_per_cpu_ptr(const void *percpu_ptr, __u32 cpu)"
        "A per-CPU kernel variable on a given CPU.";
    154 this_cpu_ptr (5, 10) [PCB] -> PerCpuMem { or_null: false }, {NEEDS_CAP_BPF}
        "void *bpf_this_cpu_ptr(const void *percpu_ptr)"
        "A per-CPU kernel variable on this CPU.";
    155 redirect_peer (5, 10) [ANY, ANY] -> Integer, {}
        "long bpf_redirect_peer(__u32 ifindex, __u64 flags)"
        "Sends the packet to the peer of a device, in the peer's namespace.";
    156 task_storage_get (5, 11) [MAP, btf_or_null("task_struct"), MVN, ANY] -> MapValueOrNull, {NEEDS_CAP_BPF}
        "void *bpf_task_storage_get(void *map, struct task_struct *task, void *value, __u64 flags)"
        "Storage of a task, made if asked.";
    157 task_storage_delete (5, 11) [MAP, btf_or_null("task_struct")] -> Integer, {NEEDS_CAP_BPF}
        "long bpf_task_storage_delete(void *map, struct task_struct *task)"
        "Removes the storage of a task.";
    158 get_current_task_btf (5, 11) [] -> trusted_result("task_struct"), {GPL_ONLY NEEDS_CAP_PERFMON INLINE}
        "struct task_struct *bpf_get_current_task_btf(void)"
        "The current task.";
    159 bprm_opts_set (5, 11) [btf("linux_binprm"), ANY] -> Integer, {}
        "long bpf_bprm_opts_set(struct linux_binprm *bprm, __u64 flags)"
        "Sets options of the program being started.";
    160 ktime_get_coarse_ns (5, 11) [] -> Integer, {}
        "__u64 bpf_ktime_get_coarse_ns(void)"
        "Nanoseconds since boot, at the resolution of a tick.";
    161 ima_inode_hash (5, 11) [btf("inode"), WR, SZ] -> Integer, {MIGHT_SLEEP}
        "long bpf_ima_inode_hash(struct inode *inode, void *dst, __u32 size)"
        "Copies the IMA hash of an inode.";
    162 sock_from_file (5, 11) [btf("file")] -> btf_or_null_result("socket"), {}
        "struct socket *bpf_sock_from_file(struct file *file)"
        "The socket of a file.";
    163 check_mtu (5, 12) [CTX, ANY, F4RW, ANY, ANY] -> Integer, {GPL_ONLY}
        "long bpf_check_mtu(void *ctx, __u32 ifindex, __u32 *mtu_len, __s32 len_diff, __u64 flags)"
        "Whether the packet would fit the MTU of a device.";
    164 for_each_map_elem (5, 13) [MAP, FUNC, STN, ANY] -> Integer, {CALLBACK_LOOPS MAP_ACCESS NEEDS_CAP_BPF}
        "long bpf_for_each_map_elem(void *map, void *callback_fn, void *callback_ctx, __u64 flags)"
        "Calls a function with each element of a map.", callback FOR_EACH_ELEMENT;
    165 snprintf (5, 13) [WRN, SZ0, STR, RDN, SZ0] -> Integer, {CHECKS_FORMAT GPL_ONLY NEEDS_CAP_PERFMON}
        "long bpf_snprintf(char *str, __u32 str_size, const char *fmt, __u64 *data, __u32 data_len)"
        "Prints formatted text into a buffer.";
    166 sys_bpf (5, 14) [ANY, RD, SZ] -> Integer, {}
        "long bpf_sys_bpf(__u32 cmd, void *attr, __u32 attr_size)"
        "Makes a bpf() call.";
    167 btf_find_by_name_kind (5, 14) [RD, SZ, ANY, ANY] -> Integer, {}
        "long bpf_btf_find_by_name_kind(char *name, int name_sz, __u32 kind, int flags)"
        "Finds a kernel type by name and kind.";
    168 sys_close (5, 14) [ANY] -> Integer, {}
        "long bpf_sys_close(__u32 fd)"
        "Closes a descriptor.";
    169 timer_init (5, 15) [TIMER, MAP, ANY] -> Integer, {GPL_ONLY NEEDS_CAP_BPF}
        "long bpf_timer_init(struct bpf_timer *timer, void *map, __u64 flags)"
        "Initialises a timer in a map value.";
    170 timer_set_callback (5, 15) [TIMER, FUNC] -> Integer, {GPL_ONLY ASYNC_CALLBACK NEEDS_CAP_BPF INLINE}
        "long bpf_timer_set_callback(struct bpf_timer *timer, void *callback_fn)"
        "Sets the function that a timer calls.", callback TIMER_EXPIRY;
    171 timer_start (5, 15) [TIMER, ANY, ANY] -> Integer, {GPL_ONLY NEEDS_CAP_BPF}
        "long bpf_timer_start(struct bpf_timer *timer, __u64 nsecs, __u64 flags)"
        "Starts a timer.";
    172 timer_cancel (5, 15) [TIMER] -> Integer, {GPL_ONLY NEEDS_CAP_BPF}
        "long bpf_timer_cancel(struct bpf_timer *timer)"
        "Stops a timer.";
    173 get_func_ip (5, 15) [CTX] -> Integer, {GPL_ONLY INLINE}
        "__u64 bpf_get_func_ip(void *ctx)"
        "Address of the traced function.";
    174 get_attach_cookie (5, 15) [CTX] -> Integer, {}
        "__u64 bpf_get_attach_cookie(void *ctx)"
        "The number that the attachment was given.";
    175 task_pt_regs (5, 15) [btf("task_struct")] -> btf_result("pt_regs"), {GPL_ONLY NEEDS_CAP_PERFMON}
        "long bpf_task_pt_regs(struct task_struct *task)"
        "User registers of a task.";
    176 get_branch_snapshot (5, 16) [WR, SZ0, ANY] -> Integer, {GPL_ONLY NEEDS_CAP_PERFMON}
        "long bpf_get_branch_snapshot(void *entries, __u32 size, __u64 flags)"
        "Copies the CPU's branch records of this moment.";
    177 trace_vprintk (5, 16) [RD, SZ, RDN, SZ0] -> Integer, {GPL_ONLY NEEDS_CAP_PERFMON}
        "long bpf_trace_vprintk(const char *fmt, __u32 fmt_size, const void *data, __u32 data_len)"
        "Prints a line with any number of values to the trace pipe.";
    178 skc_to_unix_sock (5, 16) [BSK] -> btf_or_null_result("unix_sock"), {}
        "struct unix_sock *bpf_skc_to_unix_sock(void *sk)"
        "The socket as a Unix socket.";
    179 kallsyms_lookup_name (5, 16) [RD, SZ, ANY, F8W] -> Integer, {}
        "long bpf_kallsyms_lookup_name(const char *name, int name_sz, int flags, __u64 *res)"
        "Address of a kernel symbol.";
    180 find_vma (5, 17) [btf("task_struct"), ANY, FUNC, STN, ANY] -> Integer, {CALLBACK_LOOPS NEEDS_CAP_PERFMON}
        "long bpf_find_vma(struct task_struct *task, __u64 addr, void *callback_fn, void *callback_ctx, __u64 flags)"
        "Calls a function with the memory area of a task that holds an address.", callback FIND_VMA;
    181 r#loop (5, 17) [ANY, FUNC, STN, ANY] -> Integer, {CALLBACK_COUNT_IN_R1 CALLBACK_LOOPS NEEDS_CAP_BPF INLINE}
        "long bpf_loop(__u32 nr_loops, void *callback_fn, void *callback_ctx, __u64 flags)"
        "Calls a function so many times, or until it returns 1.", callback LOOP;
    182 strncmp (5, 17) [RD, SZ, STR] -> Integer, {}
        "long bpf_strncmp(const char *s1, __u32 s1_sz, const char *s2)"
        "Compares bytes with a constant string.";
    183 get_func_arg (5, 17) [CTX, ANY, F8W] -> Integer, {INLINE}
        "long bpf_get_func_arg(void *ctx, __u32 n, __u64 *value)"
        "An argument of the traced function.";
    184 get_func_ret (5, 17) [CTX, F8W] -> Integer, {INLINE}
        "long bpf_get_func_ret(void *ctx, __u64 *value)"
        "The result of the traced function.";
    185 get_func_arg_cnt (5, 17) [CTX] -> Integer, {INLINE}
        "long bpf_get_func_arg_cnt(void *ctx)"
        "How many arguments the traced function has.";
    186 get_retval (5, 18) [] -> Integer, {}
        "int bpf_get_retval(void)"
        "The result so far of the cgroup's programs.";
    187 set_retval (5, 18) [ANY] -> Integer, {}
        "int bpf_set_retval(int retval)"
        "Sets the result of the cgroup's programs.";
    188 xdp_get_buff_len (5, 18) [CTX] -> Integer, {}
        "__u64 bpf_xdp_get_buff_len(struct xdp_md *xdp_md)"
        "Bytes of the frame, fragments included.", variants FRAME_LENGTH;
    189 xdp_load_bytes (5, 18) [CTX, ANY, WR, SZ] -> Integer, {}
        "long bpf_xdp_load_bytes(struct xdp_md *xdp_md, __u32 offset, void *buf, __u32 len)"
        "Copies bytes out of the frame, fragments included.";
    190 xdp_store_bytes (5, 18) [CTX, ANY, RD, SZ] -> Integer, {}
        "long bpf_xdp_store_bytes(struct xdp_md *xdp_md, __u32 offset, void *buf, __u32 len)"
        "Writes bytes into the frame, fragments included.";
    191 copy_from_user_task (5, 18) [WR, SZ0, ANY, btf("task_struct"), ANY] -> Integer, {GPL_ONLY MIGHT_SLEEP NEEDS_CAP_PERFMON}
        "long bpf_copy_from_user_task(void *dst, __u32 size, const void *user_ptr, struct task_struct *tsk, __u64 flags)"
        "Copies memory of another task, with page faults.";
    192 skb_set_tstamp (5, 18) [CTX, ANY, ANY] -> Integer, {}
        "long bpf_skb_set_tstamp(struct __sk_buff *skb, __u64 tstamp, __u32 tstamp_type)"
        "Sets the packet's time stamp and its clock.";
    193 ima_file_hash (5, 18) [btf("file"), WR, SZ] -> Integer, {MIGHT_SLEEP}
        "long bpf_ima_file_hash(struct file *file, void *dst, __u32 size)"
        "Copies the IMA hash of a file.";
    194 kptr_xchg (5, 19) [KPTR, OBN] -> KptrOrNull, {ACQUIRES RELEASES NEEDS_CAP_BPF INLINE}
        "void *bpf_kptr_xchg(void *map_value, void *ptr)"
        "Exchanges the kernel pointer in a map value.", release 2;
    195 map_lookup_percpu_elem (5, 19) [MAP, KEY, ANY] -> MapValueOrNull, {PACKET_ACCESS MAP_ACCESS INLINE}
        "void *bpf_map_lookup_percpu_elem(void *map, const void *key, __u32 cpu)"
        "Looks a key up and gives the value of a given CPU.";
    196 skc_to_mptcp_sock (5, 19) [BSK] -> btf_or_null_result("mptcp_sock"), {CASTS}
        "struct mptcp_sock *bpf_skc_to_mptcp_sock(void *sk)"
        "The socket as a multipath TCP socket.";
    197 dynptr_from_mem (5, 19) [WR, SZ0, ANY, new_dynptr(Local)] -> Integer, {MEMORY_OF_MAP NEEDS_CAP_BPF}
        "long bpf_dynptr_from_mem(void *data, __u32 size, __u64 flags, struct bpf_dynptr *ptr)"
        "Makes a dynptr over a map value.";
    198 ringbuf_reserve_dynptr (5, 19) [MAP, ANY, ANY, new_dynptr(Ringbuf)] -> Integer, {NEEDS_CAP_BPF}
        "long bpf_ringbuf_reserve_dynptr(void *ringbuf, __u32 size, __u64 flags, struct bpf_dynptr *ptr)"
        "Reserves a record of any size in a ring buffer.";
    199 ringbuf_submit_dynptr (5, 19) [dynptr(Ringbuf), ANY] -> Void, {RELEASES NEEDS_CAP_BPF}
        "void bpf_ringbuf_submit_dynptr(struct bpf_dynptr *ptr, __u64 flags)"
        "Publishes a record reserved by dynptr.", release 1;
    200 ringbuf_discard_dynptr (5, 19) [dynptr(Ringbuf), ANY] -> Void, {RELEASES NEEDS_CAP_BPF}
        "void bpf_ringbuf_discard_dynptr(struct bpf_dynptr *ptr, __u64 flags)"
        "Drops a record reserved by dynptr.", release 1;
    201 dynptr_read (5, 19) [WR, SZ0, DYNR, ANY, ANY] -> Integer, {NEEDS_CAP_BPF}
        "long bpf_dynptr_read(void *dst, __u32 len, const struct bpf_dynptr *src, __u32 offset, __u64 flags)"
        "Copies bytes out of a dynptr.";
    202 dynptr_write (5, 19) [DYNR, ANY, RD, SZ0, ANY] -> Integer, {WRITES_DYNPTR NEEDS_CAP_BPF}
        "long bpf_dynptr_write(const struct bpf_dynptr *dst, __u32 offset, void *src, __u32 len, __u64 flags)"
        "Writes bytes through a dynptr.";
    203 dynptr_data (5, 19) [DYNR, ANY, CASZ] -> DynptrMemOrNull, {NEEDS_CAP_BPF}
        "void *bpf_dynptr_data(const struct bpf_dynptr *ptr, __u32 offset, __u32 len)"
        "A pointer to a part of constant size of a dynptr.";
    204 tcp_raw_gen_syncookie_ipv4 (6, 0) [F20R, RD, SZ] -> Integer, {GPL_ONLY PACKET_ACCESS}
        "__s64 bpf_tcp_raw_gen_syncookie_ipv4(struct iphdr *iph, struct tcphdr *th, __u32 th_len)"
        "Makes a SYN cookie for an IPv4 packet without a socket.";
    205 tcp_raw_gen_syncookie_ipv6 (6, 0) [F40R, RD, SZ] -> Integer, {GPL_ONLY PACKET_ACCESS}
        "__s64 bpf_tcp_raw_gen_syncookie_ipv6(struct ipv6hdr *iph, struct tcphdr *th, __u32 th_len)"
        "Makes a SYN cookie for an IPv6 packet without a socket.";
    206 tcp_raw_check_syncookie_ipv4 (6, 0) [F20R, F20R] -> Integer, {GPL_ONLY PACKET_ACCESS}
        "long bpf_tcp_raw_check_syncookie_ipv4(struct iphdr *iph, struct tcphdr *th)"
        "Checks the SYN cookie of an IPv4 packet without a socket.";
    207 tcp_raw_check_syncookie_ipv6 (6, 0) [F40R, F20R] -> Integer, {GPL_ONLY PACKET_ACCESS}
        "long bpf_tcp_raw_check_syncookie_ipv6(struct ipv6hdr *iph, struct tcphdr *th)"
        "Checks the SYN cookie of an IPv6 packet without a socket.";
    208 ktime_get_tai_ns (6, 1) [] -> Integer, {NEEDS_CAP_BPF}
        "__u64 bpf_ktime_get_tai_ns(void)"
        "Nanoseconds of international atomic time.";
    209 user_ringbuf_drain (6, 1) [MAP, FUNC, STN, ANY] -> Integer, {CALLBACK_LOOPS NEEDS_CAP_BPF}
        "long bpf_user_ringbuf_drain(void *map, void *callback_fn, void *ctx, __u64 flags)"
        "Calls a function with each record that user space put into a user ring buffer.", callback USER_RINGBUF;
    210 cgrp_storage_get (6, 2) [MAP, btf_or_null("cgroup"), MVN, ANY] -> MapValueOrNull, {NEEDS_CAP_BPF}
        "void *bpf_cgrp_storage_get(void *map, struct cgroup *cgroup, void *value, __u64 flags)"
        "Storage of a cgroup, made if asked.";
    211 cgrp_storage_delete (6, 2) [MAP, btf_or_null("cgroup")] -> Integer, {NEEDS_CAP_BPF}
        "long bpf_cgrp_storage_delete(void *map, struct cgroup *cgroup)"
        "Removes the storage of a cgroup.";
}
