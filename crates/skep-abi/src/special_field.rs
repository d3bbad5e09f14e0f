//! Fields of map values and of a program's own objects that belong to the kernel: locks, timers and their kin.
//!
//! A field is special by the name of its struct in the BTF of the map. Programs may pass its address to the functions
//! made for it and may not touch its bytes. Source: `include/uapi/linux/bpf.h` and `kernel/bpf/btf.c` of Linux 6.18.

use crate::Version;

/// What a special field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpecialKind {
    /// `struct bpf_spin_lock`: must be taken for what it guards.
    SpinLock,
    /// `struct bpf_res_spin_lock`: a lock that notices deadlocks.
    ResilientSpinLock,
    /// `struct bpf_timer`: calls back later.
    Timer,
    /// `struct bpf_wq`: calls back later, where sleeping is possible.
    WorkQueue,
    /// `struct bpf_task_work`: calls back in the context of a task.
    TaskWork,
    /// `struct bpf_list_head`: the head of a linked list.
    ListHead,
    /// `struct bpf_list_node`: what makes an object a member of a list.
    ListNode,
    /// `struct bpf_rb_root`: the root of a red-black tree.
    TreeRoot,
    /// `struct bpf_rb_node`: what makes an object a member of a tree.
    TreeNode,
    /// `struct bpf_refcount`: counts the references to an object.
    ReferenceCount,
    /// A pointer to a kernel object, marked by a BTF type tag.
    KernelPointer,
}

/// One row: a struct that is special wherever it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialStruct {
    /// Name of the struct.
    pub name: &'static str,
    /// What it is.
    pub kind: SpecialKind,
    /// Size in bytes.
    pub size: u32,
    /// Programs that may interrupt anything cannot use maps with it: they might interrupt whoever uses the field.
    pub needs_known_context: bool,
    /// First Linux release that has it.
    pub since: Version,
}

const fn row(name: &'static str, kind: SpecialKind, size: u32, since: Version) -> SpecialStruct {
    SpecialStruct { name, kind, size, needs_known_context: false, since }
}

impl SpecialStruct {
    const fn in_known_context(self) -> Self {
        SpecialStruct { needs_known_context: true, ..self }
    }
}

/// The structs.
pub const SPECIAL_STRUCTS: &[SpecialStruct] = &[
    row("bpf_spin_lock", SpecialKind::SpinLock, 4, Version(5, 1)).in_known_context(),
    row("bpf_res_spin_lock", SpecialKind::ResilientSpinLock, 4, Version(6, 15)),
    row("bpf_timer", SpecialKind::Timer, 16, Version(5, 15)).in_known_context(),
    row("bpf_wq", SpecialKind::WorkQueue, 16, Version(6, 10)),
    row("bpf_task_work", SpecialKind::TaskWork, 8, Version(6, 18)),
    row("bpf_list_head", SpecialKind::ListHead, 16, Version(6, 2)),
    row("bpf_list_node", SpecialKind::ListNode, 24, Version(6, 2)),
    row("bpf_rb_root", SpecialKind::TreeRoot, 16, Version(6, 3)),
    row("bpf_rb_node", SpecialKind::TreeNode, 32, Version(6, 3)),
    row("bpf_refcount", SpecialKind::ReferenceCount, 4, Version(6, 4)),
];

/// The BTF type tags that make a pointer in a map value one to a kernel object.
pub const KERNEL_POINTER_TAGS: &[&str] = &["kptr", "kptr_untrusted", "percpu_kptr", "uptr"];

/// The row of a struct, if it is special.
pub fn by_struct_name(name: &str) -> Option<&'static SpecialStruct> {
    SPECIAL_STRUCTS.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_struct_stands_once() {
        for row in SPECIAL_STRUCTS {
            assert_eq!(by_struct_name(row.name), Some(row));
            assert_eq!(SPECIAL_STRUCTS.iter().filter(|other| other.kind == row.kind).count(), 1, "{}", row.name);
        }
        assert_eq!(by_struct_name("bpf_sock"), None);
    }
}
