//! The socket structs that programs read through pointers, and which of their bytes may be read how.
//!
//! Source: `struct bpf_sock`, `struct bpf_tcp_sock` and `struct bpf_xdp_sock` in `include/uapi/linux/bpf.h` (Linux 6.18).

/// The kinds of socket pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// `struct bpf_sock` of a full socket.
    Full,
    /// `struct bpf_sock` of what may be no full socket: without the fields only full ones have.
    Common,
    /// `struct bpf_tcp_sock`
    Tcp,
    /// `struct bpf_xdp_sock`
    Xdp,
}

/// A field of a socket struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketField {
    /// C name.
    pub name: &'static str,
    /// Byte offset.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
    /// Fewer bytes of it may be read.
    pub narrow: bool,
    /// Only full sockets have it.
    pub full_only: bool,
    /// A wider load that works too: the field was wider once. 0: none.
    pub also_loaded_as: u32,
}

const fn wide(name: &'static str, offset: u32, size: u32) -> SocketField {
    SocketField { name, offset, size, narrow: false, full_only: false, also_loaded_as: 0 }
}

const fn narrow(name: &'static str, offset: u32, size: u32) -> SocketField {
    SocketField { narrow: true, ..wide(name, offset, size) }
}

impl SocketField {
    const fn full_only(self) -> Self {
        SocketField { full_only: true, ..self }
    }

    const fn also_loaded_as(self, bytes: u32) -> Self {
        SocketField { also_loaded_as: bytes, ..self }
    }

    const fn allows(&self, offset: u32, size: u32) -> bool {
        let at_start = offset == self.offset && (size == self.size || size == self.also_loaded_as);
        // Offsets and sizes are those of one instruction and of this table: the sums are small.
        let inside = offset >= self.offset && offset + size <= self.offset + self.size;
        at_start || inside && self.narrow
    }
}

const SOCK: &[SocketField] = &[
    wide("bound_dev_if", 0, 4),
    narrow("family", 4, 4),
    narrow("type", 8, 4).full_only(),
    narrow("protocol", 12, 4).full_only(),
    wide("mark", 16, 4).full_only(),
    wide("priority", 20, 4).full_only(),
    narrow("src_ip4", 24, 4),
    narrow("src_ip6[0]", 28, 4),
    narrow("src_ip6[1]", 32, 4),
    narrow("src_ip6[2]", 36, 4),
    narrow("src_ip6[3]", 40, 4),
    narrow("src_port", 44, 4),
    narrow("dst_port", 48, 2).also_loaded_as(4),
    narrow("dst_ip4", 52, 4),
    narrow("dst_ip6[0]", 56, 4),
    narrow("dst_ip6[1]", 60, 4),
    narrow("dst_ip6[2]", 64, 4),
    narrow("dst_ip6[3]", 68, 4),
    narrow("state", 72, 4),
    narrow("rx_queue_mapping", 76, 4),
];

const TCP_SOCK: &[SocketField] = &[
    wide("snd_cwnd", 0, 4),
    wide("srtt_us", 4, 4),
    wide("rtt_min", 8, 4),
    wide("snd_ssthresh", 12, 4),
    wide("rcv_nxt", 16, 4),
    wide("snd_nxt", 20, 4),
    wide("snd_una", 24, 4),
    wide("mss_cache", 28, 4),
    wide("ecn_flags", 32, 4),
    wide("rate_delivered", 36, 4),
    wide("rate_interval_us", 40, 4),
    wide("packets_out", 44, 4),
    wide("retrans_out", 48, 4),
    wide("total_retrans", 52, 4),
    wide("segs_in", 56, 4),
    wide("data_segs_in", 60, 4),
    wide("segs_out", 64, 4),
    wide("data_segs_out", 68, 4),
    wide("lost_out", 72, 4),
    wide("sacked_out", 76, 4),
    wide("bytes_received", 80, 8),
    wide("bytes_acked", 88, 8),
    wide("dsack_dups", 96, 4),
    wide("delivered", 100, 4),
    wide("delivered_ce", 104, 4),
    wide("icsk_retransmits", 108, 4),
];

const XDP_SOCK: &[SocketField] = &[wide("queue_id", 0, 4)];

impl SocketKind {
    /// The kernel's struct that kernel functions take such a pointer for.
    pub const fn kernel_struct(self) -> Option<&'static str> {
        match self {
            SocketKind::Full => Some("sock"),
            SocketKind::Common => Some("sock_common"),
            SocketKind::Tcp => Some("tcp_sock"),
            SocketKind::Xdp => None,
        }
    }

    /// The fields of its struct, by offset.
    pub const fn fields(self) -> &'static [SocketField] {
        match self {
            SocketKind::Full | SocketKind::Common => SOCK,
            SocketKind::Tcp => TCP_SOCK,
            SocketKind::Xdp => XDP_SOCK,
        }
    }

    /// The name the verifier's log gives such a pointer.
    pub const fn log_name(self) -> &'static str {
        match self {
            SocketKind::Full => "sock",
            SocketKind::Common => "sock_common",
            SocketKind::Tcp => "tcp_sock",
            SocketKind::Xdp => "xdp_sock",
        }
    }

    /// Whether a load of `size` bytes at `offset` is possible.
    pub fn may_read(self, offset: i32, size: u32) -> bool {
        let Ok(offset) = u32::try_from(offset) else { return false };
        if size == 0 || size > 8 || !offset.is_multiple_of(size) || offset > 1 << 16 {
            return false;
        }
        let fields = self.fields().iter().filter(|field| self == SocketKind::Full || !field.full_only);
        fields.into_iter().any(|field| field.allows(offset, size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_follow_each_other() {
        for kind in [SocketKind::Full, SocketKind::Tcp, SocketKind::Xdp] {
            for pair in kind.fields().windows(2) {
                assert!(pair[0].offset + pair[0].size <= pair[1].offset, "{}", pair[1].name);
            }
        }
    }

    #[test]
    fn loads_that_linux_allows() {
        assert!(SocketKind::Full.may_read(8, 1) && !SocketKind::Common.may_read(8, 4));
        assert!(SocketKind::Full.may_read(48, 4) && !SocketKind::Full.may_read(50, 2));
        assert!(SocketKind::Full.may_read(49, 1) && !SocketKind::Full.may_read(16, 2));
        assert!(SocketKind::Tcp.may_read(80, 8) && !SocketKind::Tcp.may_read(80, 4));
        assert!(!SocketKind::Xdp.may_read(4, 4) && !SocketKind::Full.may_read(-4, 4));
    }
}
