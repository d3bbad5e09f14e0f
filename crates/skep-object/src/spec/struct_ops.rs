//! Implementations of kernel interfaces (`.struct_ops` sections).

use super::{Contents, ProgramIndex};
use skep_btf::TypeId;

/// A variable in `.struct_ops` or `.struct_ops.link`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructOpsSpec {
    /// Name of the variable, and of the map.
    pub name: String,
    /// Kernel struct it implements: `tcp_congestion_ops`.
    pub type_name: String,
    /// The struct in the object's BTF.
    pub type_id: TypeId,
    /// Registered by a link (`.struct_ops.link`).
    pub link: bool,
    /// To be created unless asked otherwise: `false` for `SEC("?.struct_ops")`.
    pub autocreate: bool,
    /// Bytes of the variable as the compiler wrote them, function members zero.
    pub contents: Contents,
    /// Members that programs implement.
    pub members: Vec<StructOpsMember>,
}

/// A member of a kernel interface that a program implements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructOpsMember {
    /// Member name.
    pub name: String,
    /// Byte offset in the struct.
    pub offset: u32,
    /// Program.
    pub program: ProgramIndex,
}
