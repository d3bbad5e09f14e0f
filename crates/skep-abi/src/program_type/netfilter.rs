//! Netfilter hooks. The result is `NF_DROP` or `NF_ACCEPT`.

use super::prelude::*;

const FIELDS: &[ContextField] = &[
    field("state", 0, 8, 8).gives(FieldKind::BtfPtr { name: "nf_hook_state", or_null: false }),
    field("skb", 8, 8, 8).gives(FieldKind::BtfPtr { name: "sk_buff", or_null: false }),
];

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("netfilter").attach(A::Netfilter)],
    attach_types: &[A::Netfilter],
    context: ContextInfo::Struct { name: "bpf_nf_ctx", size: 16, fields: FIELDS },
    returns: &[returns(&[], 0, 1)],
    ..ProgramTypeInfo::new(
        ProgramType::Netfilter,
        "netfilter",
        Version(6, 4),
        "Decides about packets at a netfilter hook.",
    )
};
