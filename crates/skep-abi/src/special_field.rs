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

/// Where a special struct is one; elsewhere it is plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpecialPlace {
    /// In values of maps.
    MapValues,
    /// In objects that programs allocate.
    Objects,
    /// In both.
    Both,
}

impl SpecialPlace {
    /// Whether what is special in `self` is special in `place`.
    pub fn includes(self, place: SpecialPlace) -> bool {
        self == SpecialPlace::Both || self == place
    }
}

/// How many of a kind there may be in one value or object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpecialCount {
    /// One.
    One,
    /// Several, each a member of its own.
    Members,
    /// Several, also in arrays.
    Arrays,
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
    /// Alignment in bytes; where it stands otherwise it is plain data.
    pub alignment: u32,
    /// Where it is special.
    pub place: SpecialPlace,
    /// How many there may be.
    pub count: SpecialCount,
    /// Programs that may interrupt anything cannot use maps with it: they might interrupt whoever uses the field. How
    /// Linux calls what they cannot use.
    pub needs_known_context: Option<&'static str>,
    /// First Linux release that has it.
    pub since: Version,
}

const fn row(name: &'static str, kind: SpecialKind, size: u32, since: Version) -> SpecialStruct {
    let (place, count) = (SpecialPlace::Both, SpecialCount::One);
    let alignment = if size < 8 { size } else { 8 };
    SpecialStruct { name, kind, size, alignment, place, count, needs_known_context: None, since }
}

impl SpecialStruct {
    const fn in_known_context(self, name: &'static str) -> Self {
        SpecialStruct { needs_known_context: Some(name), ..self }
    }

    const fn only_in(self, place: SpecialPlace) -> Self {
        SpecialStruct { place, ..self }
    }

    const fn several(self, count: SpecialCount) -> Self {
        SpecialStruct { count, ..self }
    }
}

/// The structs, in the order in which Linux asks whether a program may use maps with them.
pub const SPECIAL_STRUCTS: &[SpecialStruct] = {
    use SpecialCount::{Arrays, Members};
    use SpecialPlace::{MapValues, Objects};
    const ROOTS: &str = "bpf_{list_head,rb_root}";
    const LOCKS: &str = "bpf_spin_lock";
    &[
        row("bpf_list_head", SpecialKind::ListHead, 16, Version(6, 2)).in_known_context(ROOTS).several(Arrays),
        row("bpf_rb_root", SpecialKind::TreeRoot, 16, Version(6, 3)).in_known_context(ROOTS).several(Arrays),
        row("bpf_spin_lock", SpecialKind::SpinLock, 4, Version(5, 1)).in_known_context(LOCKS),
        row("bpf_res_spin_lock", SpecialKind::ResilientSpinLock, 4, Version(6, 15)).in_known_context(LOCKS),
        row("bpf_timer", SpecialKind::Timer, 16, Version(5, 15)).in_known_context("bpf_timer").only_in(MapValues),
        row("bpf_wq", SpecialKind::WorkQueue, 16, Version(6, 10)).in_known_context("bpf_wq").only_in(MapValues),
        row("bpf_task_work", SpecialKind::TaskWork, 8, Version(6, 18)).only_in(MapValues),
        row("bpf_list_node", SpecialKind::ListNode, 24, Version(6, 2)).several(Members).only_in(Objects),
        row("bpf_rb_node", SpecialKind::TreeNode, 32, Version(6, 3)).several(Members).only_in(Objects),
        row("bpf_refcount", SpecialKind::ReferenceCount, 4, Version(6, 4)),
    ]
};

/// What a BTF type tag makes of a pointer in a map value or object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelPointerKind {
    /// `__kptr_untrusted`: an address, nothing more.
    Untrusted,
    /// `__kptr`: owns a reference.
    Referenced,
    /// `__percpu_kptr`: owns an object that each CPU has one of.
    PerCpu,
    /// `__uptr`: memory of user space that the kernel keeps mapped.
    User,
}

impl KernelPointerKind {
    /// The field's name in messages.
    pub fn name(self) -> &'static str {
        match self {
            KernelPointerKind::Untrusted | KernelPointerKind::Referenced => "kptr",
            KernelPointerKind::PerCpu => "percpu_kptr",
            KernelPointerKind::User => "uptr",
        }
    }

    /// Whether it can be exchanged by `bpf_kptr_xchg`, and by nothing else.
    pub fn is_owning(self) -> bool {
        matches!(self, KernelPointerKind::Referenced | KernelPointerKind::PerCpu)
    }
}

/// The BTF type tags that make a pointer a special field.
pub const KERNEL_POINTER_TAGS: &[(&str, KernelPointerKind)] = &[
    ("kptr", KernelPointerKind::Referenced),
    ("kptr_untrusted", KernelPointerKind::Untrusted),
    ("percpu_kptr", KernelPointerKind::PerCpu),
    ("uptr", KernelPointerKind::User),
];

/// A kernel struct that maps may own references to: the kernel knows how to give them back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnableStruct {
    /// Name of the struct.
    pub name: &'static str,
    /// It lives on until the RCU grace period is over: inside a read section it may be used without taking a reference.
    pub rcu_protected: bool,
}

/// Source: `register_btf_id_dtor_kfuncs` and `rcu_protected_types` of Linux 6.18.
pub const OWNABLE_STRUCTS: &[OwnableStruct] = &[
    OwnableStruct { name: "task_struct", rcu_protected: true },
    OwnableStruct { name: "cgroup", rcu_protected: true },
    OwnableStruct { name: "bpf_cpumask", rcu_protected: true },
    OwnableStruct { name: "bpf_crypto_ctx", rcu_protected: true },
    OwnableStruct { name: "sk_buff", rcu_protected: false },
    OwnableStruct { name: "prog_test_ref_kfunc", rcu_protected: true },
    OwnableStruct { name: "prog_test_member", rcu_protected: false },
];

/// The row of a kernel struct, if maps may own references to it.
pub fn ownable_struct(name: &str) -> Option<&'static OwnableStruct> {
    OWNABLE_STRUCTS.iter().find(|row| row.name == name)
}

/// The name of the struct of a kind; of kernel pointers, which are no structs, what they are called.
pub fn struct_name(kind: SpecialKind) -> &'static str {
    SPECIAL_STRUCTS.iter().find(|row| row.kind == kind).map_or("kptr", |row| row.name)
}

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
