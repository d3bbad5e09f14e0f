//! Members of kernel structs that programs may write directly; everything else they may only read.
//!
//! Source: the `btf_struct_access` functions of Linux 6.18 (`net/netfilter/nf_conntrack_bpf.c`, `net/ipv4/bpf_tcp_ca.c`,
//! `net/bpf/bpf_dummy_struct_ops.c`).

use crate::program_type::ProgramType;

/// Which programs a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    /// Programs of these types.
    Types(&'static [ProgramType]),
    /// Implementations of this kernel interface.
    Interface(&'static str),
}

/// A struct with members that may be written.
#[derive(Clone, Copy, Debug)]
pub struct WritableStruct {
    /// By whom.
    pub writers: Writers,
    /// The struct as the kernel's messages call it.
    pub name: &'static str,
    /// Another name of it, with the same layout.
    pub alias: Option<&'static str>,
    /// Paths of the members; without one, all.
    pub members: &'static [&'static str],
}

/// The structs.
pub const WRITABLE_STRUCTS: &[WritableStruct] = &[
    WritableStruct {
        writers: Writers::Types(&[ProgramType::Xdp, ProgramType::SchedCls, ProgramType::SchedAct]),
        name: "nf_conn",
        alias: Some("nf_conn___init"),
        members: &["mark"],
    },
    WritableStruct {
        writers: Writers::Interface("tcp_congestion_ops"),
        name: "tcp_sock",
        alias: None,
        members: &[
            "inet_conn.icsk_inet.sk.sk_pacing_rate",
            "inet_conn.icsk_inet.sk.sk_pacing_status",
            "inet_conn.icsk_ca_priv",
            "inet_conn.icsk_ack.pending",
            "snd_cwnd",
            "snd_cwnd_cnt",
            "snd_cwnd_stamp",
            "snd_ssthresh",
            "ecn_flags",
            "app_limited",
        ],
    },
    WritableStruct {
        writers: Writers::Interface("bpf_dummy_ops"),
        name: "bpf_dummy_ops_state",
        alias: None,
        members: &[],
    },
];

/// What programs of that type, implementing that interface if any, may write.
pub fn writable(program_type: ProgramType, interface: Option<&str>) -> Option<&'static WritableStruct> {
    WRITABLE_STRUCTS.iter().find(|row| match row.writers {
        Writers::Types(types) => types.contains(&program_type),
        Writers::Interface(name) => interface == Some(name),
    })
}

/// Structs that implementations of an interface see as another, of which they are the beginning.
pub fn promoted(interface: &str, name: &str) -> Option<&'static str> {
    match (interface, name) {
        ("tcp_congestion_ops", "sock") => Some("tcp_sock"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_write_what() {
        assert_eq!(writable(ProgramType::Xdp, None).map(|row| row.members), Some(&["mark"][..]));
        assert!(writable(ProgramType::StructOps, None).is_none());
        let congestion = writable(ProgramType::StructOps, Some("tcp_congestion_ops"));
        assert!(congestion.is_some_and(|row| row.members.contains(&"snd_cwnd")));
        assert_eq!(promoted("tcp_congestion_ops", "sock"), Some("tcp_sock"));
        assert_eq!(promoted("sched_ext_ops", "sock"), None);
    }
}
