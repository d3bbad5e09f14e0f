//! Fields of map values that belong to the kernel: locks, timers and their kin, found in the map's BTF by type name.

use skep_btf::{Btf, Type, TypeId};

/// What a special field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpecialKind {
    /// `struct bpf_spin_lock`
    SpinLock,
    /// `struct bpf_timer`
    Timer,
    /// One this verifier knows only to keep programs away from it.
    Other,
}

/// One special field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpecialField {
    /// Its type's name.
    pub(crate) name: &'static str,
    /// Which it is.
    pub(crate) kind: SpecialKind,
    /// Byte offset in the value.
    pub(crate) offset: u32,
    /// Bytes.
    pub(crate) size: u32,
}

/// Type name, kind, size in bytes (`include/uapi/linux/bpf.h`, Linux 6.18).
const TYPES: &[(&str, SpecialKind, u32)] = &[
    ("bpf_spin_lock", SpecialKind::SpinLock, 4),
    ("bpf_res_spin_lock", SpecialKind::Other, 4),
    ("bpf_timer", SpecialKind::Timer, 16),
    ("bpf_wq", SpecialKind::Other, 16),
    ("bpf_task_work", SpecialKind::Other, 8),
    ("bpf_list_head", SpecialKind::Other, 16),
    ("bpf_list_node", SpecialKind::Other, 24),
    ("bpf_rb_root", SpecialKind::Other, 16),
    ("bpf_rb_node", SpecialKind::Other, 32),
    ("bpf_refcount", SpecialKind::Other, 4),
];

/// How deep structs may nest before we stop looking.
const MAX_DEPTH: usize = 4;

/// The special fields of a type.
pub(crate) fn find(btf: &Btf, ty: TypeId) -> Vec<SpecialField> {
    let mut found = Vec::new();
    visit(btf, ty, 0, 0, &mut found);
    found
}

fn visit(btf: &Btf, ty: TypeId, base: u32, depth: usize, found: &mut Vec<SpecialField>) {
    if depth > MAX_DEPTH || found.len() > 16 {
        return;
    }
    let (id, ty) = btf.resolve(ty);
    match ty {
        Type::Struct(composite) => {
            let name = btf.name(id);
            if let Some((name, kind, size)) = TYPES.iter().find(|(special, ..)| *special == name) {
                found.push(SpecialField { name, kind: *kind, offset: base, size: *size });
                return;
            }
            for member in &composite.members {
                visit(btf, member.ty, base.saturating_add(member.bit_offset / 8), depth + 1, found);
            }
        }
        Type::DataSection(section) => {
            for entry in &section.entries {
                visit(btf, entry.ty, base.saturating_add(entry.offset), depth + 1, found);
            }
        }
        Type::Variable(variable) => visit(btf, variable.ty, base, depth, found),
        Type::Pointer(target) => {
            // A tagged pointer is a kptr.
            let kptr = match btf.ty(*target) {
                Type::TypeTag(tag) => matches!(btf.str(tag.name), "kptr" | "kptr_untrusted" | "percpu_kptr" | "uptr"),
                _ => false,
            };
            if kptr {
                found.push(SpecialField { name: "kptr", kind: SpecialKind::Other, offset: base, size: 8 });
            }
        }
        _ => {}
    }
}
