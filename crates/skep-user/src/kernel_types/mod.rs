//! The kernel's own structs, under Linux's names: what CO-RE programs relocate to and what helpers hand out.
//!
//! One table (`structs.rs`) lays out the memory and describes it as BTF. Only fields that programs commonly read are
//! there. An instance does not change once a program can see it. The other tables describe what is in no memory of the
//! kernel's own: packets, contexts, what programs hand to helpers, and the names of numbers. Together they make a
//! `vmlinux.h` for machines whose Linux shows no BTF.

mod contexts;
mod enums;
mod functions;
mod layout;
mod packet_headers;
mod records;
mod scalars;
mod structs;
#[cfg(test)]
mod tests;
mod uapi_structs;

pub(crate) use layout::Ptr;
pub(crate) use structs::{
    Cred, Dentry, File, Inode, MmStruct, MntNamespace, Mount, Net, NsProxy, Path, PidNamespace, QStr, SuperBlock,
    TaskStruct,
};

use layout::TypeTable;
use skep_btf::{Btf, BtfError};

/// BTF of all the structs, and of the functions and tracepoints that programs may name as their target.
///
/// # Errors
/// None that the table can cause; the builder's are passed on.
pub(crate) fn btf() -> Result<Btf, BtfError> {
    let mut table = TypeTable::default();
    scalars::describe_all(&mut table);
    enums::describe_all(&mut table);
    structs::describe_all(&mut table);
    packet_headers::describe_all(&mut table);
    uapi_structs::describe_all(&mut table);
    contexts::describe_all(&mut table);
    functions::describe_all(&mut table);
    table.build()
}
