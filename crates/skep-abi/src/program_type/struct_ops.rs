//! Implementations of kernel interfaces, such as TCP congestion control. Arguments have the types of the interface's BTF.

use super::prelude::*;

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("struct_ops").with_rest(), section("struct_ops.s").with_rest().sleepable()],
    context: ContextInfo::Btf,
    sleepable: true,
    implements_target: true,
    helpers: crate::interface::CONGESTION_HELPERS,
    ..ProgramTypeInfo::new(
        ProgramType::StructOps,
        "struct_ops",
        Version(5, 6),
        "Implements a function of a kernel interface.",
    )
};
