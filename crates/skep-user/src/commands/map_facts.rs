//! Fields of a value that are the kernel's own: locks, timers and their kind, found by the names of their types.

use skep_btf::{Btf, Kind, TypeId};

/// Such a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KernelField {
    /// Byte offset in the value.
    pub(super) offset: usize,
    /// Bytes.
    pub(super) size: usize,
    /// It is the value's lock.
    pub(super) is_spin_lock: bool,
}

/// Names of the types and their sizes.
const TYPES: &[(&str, usize)] = &[
    ("bpf_spin_lock", 4),
    ("bpf_res_spin_lock", 4),
    ("bpf_timer", 16),
    ("bpf_wq", 16),
    ("bpf_task_work", 8),
    ("bpf_list_head", 16),
    ("bpf_list_node", 24),
    ("bpf_rb_root", 16),
    ("bpf_rb_node", 32),
    ("bpf_refcount", 4),
];

/// The kernel's fields in a value of that type; only direct members and those of nested structs up to a depth that
/// Linux looks at.
pub(super) fn kernel_fields(btf: &Btf, value: TypeId) -> Vec<KernelField> {
    let mut found = Vec::new();
    visit(btf, value, 0, 4, &mut found);
    found
}

fn visit(btf: &Btf, id: TypeId, base: u64, depth: u32, found: &mut Vec<KernelField>) {
    let (id, _) = btf.resolve(id);
    if btf.kind(id) != Kind::Struct || depth == 0 {
        return;
    }
    for field in btf.members(id) {
        let (member, _) = btf.resolve(field.ty);
        let offset = base + field.byte_offset();
        match TYPES.iter().find(|(name, _)| btf.kind(member) == Kind::Struct && btf.name(member) == *name) {
            Some((name, size)) => {
                found.push(KernelField {
                    offset: offset as usize,
                    size: *size,
                    is_spin_lock: *name == "bpf_spin_lock",
                });
            }
            None => visit(btf, member, offset, depth - 1, found),
        }
    }
}
