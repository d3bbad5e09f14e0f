//! Members of kernel structs that programs may write through typed pointers; all others are only read.
//!
//! Source: `btf_struct_access` of the program types in Linux 6.18.

use crate::program_type::ProgramType;

/// One member.
#[derive(Clone, Copy, Debug)]
pub struct WritableMember {
    /// Who may write it.
    pub program_types: &'static [ProgramType],
    /// Structs that have it at the same place; Linux names the first in messages.
    pub structs: &'static [&'static str],
    /// Its name in the first of them.
    pub member: &'static str,
}

/// All of them.
pub const WRITABLE_MEMBERS: &[WritableMember] = &[WritableMember {
    program_types: &[ProgramType::Xdp, ProgramType::SchedCls, ProgramType::SchedAct],
    structs: &["nf_conn", "nf_conn___init"],
    member: "mark",
}];
