//! The socket structs of the UAPI that programs read through pointers: which bytes may be read how.
//!
//! Source: `struct bpf_sock` and `struct bpf_tcp_sock` in `include/uapi/linux/bpf.h` (Linux 6.18).

use crate::domain::register::SocketKind;

/// A field: offset, size, and whether fewer bytes of it may be read.
type Field = (i32, u32, bool);

/// `struct bpf_sock`: bound_dev_if, family, type, protocol, mark, priority, src_ip4, src_ip6[4], src_port, dst_port,
/// dst_ip4, dst_ip6[4], state, rx_queue_mapping.
const SOCK: &[Field] = &[
    (0, 4, false),
    (4, 4, true),
    (8, 4, true),
    (12, 4, true),
    (16, 4, false),
    (20, 4, false),
    (24, 4, true),
    (28, 4, true),
    (32, 4, true),
    (36, 4, true),
    (40, 4, true),
    (44, 4, true),
    (48, 2, true),
    (52, 4, true),
    (56, 4, true),
    (60, 4, true),
    (64, 4, true),
    (68, 4, true),
    (72, 4, true),
    (76, 4, true),
];

/// Bytes of `struct bpf_tcp_sock`: 20 words, then `bytes_received` and `bytes_acked`, then 4 words.
const TCP_SOCK_BYTES: i32 = 112;
const TCP_SOCK_DOUBLES: [i32; 2] = [80, 88];

/// Fields that only full sockets have: type, protocol, mark and priority.
fn is_only_full(field: i32) -> bool {
    matches!(field, 8 | 12 | 16 | 20)
}

/// Whether `size` bytes at `offset` may be read.
pub(crate) fn may_read(kind: SocketKind, offset: i32, size: u32) -> bool {
    if offset < 0 || size == 0 || offset % size as i32 != 0 {
        return false;
    }
    match kind {
        SocketKind::Tcp => tcp_sock(offset, size),
        // `struct bpf_xdp_sock` has one field: `queue_id`.
        SocketKind::Xdp => offset == 0 && size == 4,
        _ => SOCK.iter().any(|(start, bytes, narrow)| {
            let inside = offset >= *start && offset + size as i32 <= start + *bytes as i32;
            // The destination port was four bytes once: a four-byte load still works.
            let whole = size == *bytes && offset == *start || (*start == 48 && offset == 48 && size == 4);
            let allowed = whole || (inside && *narrow);
            allowed && (kind == SocketKind::Full || !is_only_full(*start))
        }),
    }
}

fn tcp_sock(offset: i32, size: u32) -> bool {
    let inside = offset + size as i32 <= TCP_SOCK_BYTES;
    let double = TCP_SOCK_DOUBLES.contains(&offset);
    inside && (size == 4 && !double || size == 8 && double)
}
