//! All map types of Linux 6.18, in order of number.

use super::{EntriesRule::*, MapFlags, MapOps, MapType, MapTypeInfo, SizeRule::*, ValueKind};
use crate::Version;

/// Largest allocation of a key and value together, less the kernel's own part of an element.
const ALLOCATION: u32 = (4 << 20) - 512;
/// Largest allocation.
const WHOLE_ALLOCATION: u32 = 4 << 20;
/// Largest value of an array.
const INT_MAX: u32 = i32::MAX as u32;
/// Largest value of a per-CPU map.
const PER_CPU: u32 = 32 << 10;
/// Largest value of a local storage, less the kernel's own part of an element.
const STORAGE: u32 = (64 << 10) - 512;

macro_rules! rows {
    (@has $property:ident $($given:ident)*) => { false $(|| rows!(@same $property $given))* };
    (@same direct_value direct_value) => { true };
    (@same index_key index_key) => { true };
    (@same no_inner no_inner) => { true };
    (@same needs_btf needs_btf) => { true };
    (@same sleepable sleepable) => { true };
    (@same alone alone) => { true };
    (@same no_programs no_programs) => { true };
    (@same $a:ident $b:ident) => { false };
    ($(
        $name:ident $text:literal ($major:literal, $minor:literal)
        key $key:expr, value $value:expr, $kind:ident, entries $entries:expr,
        flags {$($flag:ident)*} required {$($required:ident)*} operations {$($operation:ident)*}
        kernel $kernel_struct:literal helpers [$($helper:literal),*]
        $(properties {$($property:ident)*})?
        $doc:literal;
    )*) => {
        /// One row per map type, in order of number.
        pub const MAP_TYPES: &[MapTypeInfo] = &[$(MapTypeInfo {
            map_type: MapType::$name,
            name: $text,
            key: $key,
            value: $value,
            value_kind: ValueKind::$kind,
            entries: $entries,
            flags: MapFlags::from_bits_retain(0 $(| MapFlags::$flag.bits())*),
            required_flags: MapFlags::from_bits_retain(0 $(| MapFlags::$required.bits())*),
            ops: MapOps::from_bits_retain(0 $(| MapOps::$operation.bits())*),
            kernel_struct: $kernel_struct,
            helpers: &[$($helper),*],
            direct_value: rows!(@has direct_value $($($property)*)?),
            index_key: rows!(@has index_key $($($property)*)?),
            inner: !rows!(@has no_inner $($($property)*)?),
            needs_btf: rows!(@has needs_btf $($($property)*)?),
            sleepable: rows!(@has sleepable $($($property)*)?),
            one_per_program: rows!(@has alone $($($property)*)?),
            programs: !rows!(@has no_programs $($($property)*)?),
            since: Version($major, $minor),
            doc: $doc,
        },)*];
    };
}

rows! {
    Hash "hash" (3, 19) key Range(1, ALLOCATION), value Range(1, ALLOCATION), Data, entries NonZero,
        flags {NO_PREALLOC NUMA_NODE ZERO_SEED RDONLY WRONLY RDONLY_PROG WRONLY_PROG} required {} operations {LOOKUP UPDATE DELETE NEXT_KEY LOOKUP_AND_DELETE BATCH DELETE_BATCH LOOKUP_AND_DELETE_BATCH FREEZE}
        kernel "bpf_htab" helpers ["map_lookup_elem", "map_update_elem", "map_delete_elem", "for_each_map_elem", "timer_init"]
        properties {sleepable}
        "Hash table.";
    Array "array" (3, 19) key Exactly(4), value Range(1, INT_MAX), Data, entries NonZero,
        flags {NUMA_NODE MMAPABLE INNER_MAP RDONLY WRONLY RDONLY_PROG WRONLY_PROG} required {} operations {LOOKUP UPDATE NEXT_KEY BATCH MMAP FREEZE}
        kernel "bpf_array" helpers ["map_lookup_elem", "map_update_elem", "map_delete_elem", "for_each_map_elem", "timer_init"]
        properties {direct_value index_key sleepable}
        "Array of values that are always there.";
    ProgArray "prog_array" (4, 2) key Exactly(4), value Exactly(4), ProgramFd, entries NonZero,
        flags {NUMA_NODE RDONLY WRONLY} required {} operations {LOOKUP UPDATE DELETE NEXT_KEY FREEZE}
        kernel "bpf_array" helpers ["tail_call"]
        properties {no_inner}
        "Programs to go on in by tail call.";
    PerfEventArray "perf_event_array" (4, 3) key Exactly(4), value Exactly(4), PerfEventFd, entries DefaultCpus,
        flags {NUMA_NODE RDONLY WRONLY PRESERVE_ELEMS} required {} operations {UPDATE DELETE NEXT_KEY FREEZE}
        kernel "bpf_array" helpers ["perf_event_read", "perf_event_output", "perf_event_read_value", "skb_output", "xdp_output"]
        "Perf events, most often one ring for each CPU.";
    PerCpuHash "percpu_hash" (4, 6) key Range(1, ALLOCATION), value Range(1, PER_CPU), PerCpu, entries NonZero,
        flags {NO_PREALLOC ZERO_SEED RDONLY WRONLY RDONLY_PROG WRONLY_PROG} required {} operations {LOOKUP UPDATE DELETE NEXT_KEY LOOKUP_AND_DELETE BATCH DELETE_BATCH LOOKUP_AND_DELETE_BATCH FREEZE}
        kernel "bpf_htab" helpers ["map_lookup_elem", "map_update_elem", "map_delete_elem", "for_each_map_elem", "map_lookup_percpu_elem"]
        properties {sleepable}
        "Hash table with a value for each CPU.";
    PerCpuArray "percpu_array" (4, 6) key Exactly(4), value Range(1, PER_CPU), PerCpu, entries NonZero,
        flags {RDONLY WRONLY RDONLY_PROG WRONLY_PROG} required {} operations {LOOKUP UPDATE NEXT_KEY BATCH FREEZE}
        kernel "bpf_array" helpers ["map_lookup_elem", "map_update_elem", "map_delete_elem", "for_each_map_elem", "map_lookup_percpu_elem"]
        properties {index_key sleepable}
        "Array with a value for each CPU.";
    StackTrace "stack_trace" (4, 6) key Exactly(4), value MultipleOf(8, 8, 1016), Data, entries NonZero,
        flags {NUMA_NODE RDONLY WRONLY STACK_BUILD_ID} required {} operations {LOOKUP DELETE NEXT_KEY LOOKUP_AND_DELETE FREEZE}
        kernel "bpf_stack_map" helpers ["get_stackid"]
        "Stack traces by id; a value is up to 127 addresses, or build ids of 32 bytes.";
    CgroupArray "cgroup_array" (4, 8) key Exactly(4), value Exactly(4), CgroupFd, entries NonZero,
        flags {NUMA_NODE RDONLY WRONLY} required {} operations {UPDATE DELETE NEXT_KEY FREEZE}
        kernel "bpf_array" helpers ["skb_under_cgroup", "current_task_under_cgroup"]
        "Cgroups to ask about.";
    LruHash "lru_hash" (4, 10) key Range(1, ALLOCATION), value Range(1, ALLOCATION), Data, entries NonZero,
        flags {NO_COMMON_LRU NUMA_NODE ZERO_SEED RDONLY WRONLY RDONLY_PROG WRONLY_PROG} required {} operations {LOOKUP UPDATE DELETE NEXT_KEY LOOKUP_AND_DELETE BATCH DELETE_BATCH LOOKUP_AND_DELETE_BATCH FREEZE}
        kernel "bpf_htab" helpers ["map_lookup_elem", "map_update_elem", "map_delete_elem", "for_each_map_elem", "timer_init"]
        properties {sleepable}
        "Hash table that drops what was not used for longest.";
    LruPerCpuHash "lru_percpu_hash" (4, 10) key Range(1, ALLOCATION), value Range(1, PER_CPU), PerCpu, entries NonZero,
        flags {NO_COMMON_LRU ZERO_SEED RDONLY WRONLY RDONLY_PROG WRONLY_PROG} required {} operations {LOOKUP UPDATE DELETE NEXT_KEY LOOKUP_AND_DELETE BATCH DELETE_BATCH LOOKUP_AND_DELETE_BATCH FREEZE}
        kernel "bpf_htab" helpers ["map_lookup_elem", "map_update_elem", "map_delete_elem", "for_each_map_elem", "map_lookup_percpu_elem"]
        properties {sleepable}
        "The same with a value for each CPU.";
    LpmTrie "lpm_trie" (4, 11) key Range(5, 260), value Range(1, ALLOCATION), Data, entries NonZero,
        flags {NO_PREALLOC NUMA_NODE RDONLY WRONLY RDONLY_PROG WRONLY_PROG} required {NO_PREALLOC} operations {LOOKUP UPDATE DELETE NEXT_KEY BATCH DELETE_BATCH FREEZE}
        kernel "lpm_trie" helpers ["map_lookup_elem", "map_update_elem", "map_delete_elem"]
        "Longest-prefix match; a key is the prefix length in bits and then its bytes.";
    ArrayOfMaps "array_of_maps" (4, 12) key Exactly(4), value Exactly(4), MapFd, entries NonZero,
        flags {NUMA_NODE RDONLY WRONLY} required {} operations {LOOKUP UPDATE DELETE NEXT_KEY BATCH FREEZE}
        kernel "bpf_array" helpers ["map_lookup_elem"]
        properties {no_inner sleepable}
        "Array of maps of one shape.";
    HashOfMaps "hash_of_maps" (4, 12) key Range(1, ALLOCATION), value Exactly(4), MapFd, entries NonZero,
        flags {NO_PREALLOC NUMA_NODE ZERO_SEED RDONLY WRONLY RDONLY_PROG WRONLY_PROG} required {} operations {LOOKUP UPDATE DELETE NEXT_KEY BATCH DELETE_BATCH LOOKUP_AND_DELETE_BATCH FREEZE}
        kernel "bpf_htab" helpers ["map_lookup_elem"]
        properties {no_inner sleepable}
        "Hash table of maps of one shape.";
    Devmap "devmap" (4, 14) key Exactly(4), value OneOf(4, 8), Redirect, entries NonZero,
        flags {NUMA_NODE RDONLY WRONLY} required {} operations {LOOKUP UPDATE DELETE NEXT_KEY FREEZE}
        kernel "bpf_dtab" helpers ["redirect_map", "map_lookup_elem"]
        "Net devices to redirect to, by index; with a program for each where values have 8 bytes.";
    Sockmap "sockmap" (4, 14) key Exactly(4), value OneOf(4, 8), Socket, entries NonZero,
        flags {NUMA_NODE RDONLY WRONLY} required {} operations {LOOKUP UPDATE DELETE NEXT_KEY FREEZE}
        kernel "bpf_stab" helpers ["sk_redirect_map", "sock_map_update", "map_delete_elem", "map_update_elem", "map_lookup_elem", "msg_redirect_map", "sk_select_reuseport"]
        "Sockets by index.";
    Cpumap "cpumap" (4, 15) key Exactly(4), value OneOf(4, 8), Redirect, entries NonZero,
        flags {NUMA_NODE} required {} operations {LOOKUP UPDATE DELETE NEXT_KEY FREEZE}
        kernel "bpf_cpu_map" helpers ["redirect_map"]
        "CPUs to redirect to: queue length, and a program where values have 8 bytes.";
    Xskmap "xskmap" (4, 18) key Exactly(4), value Exactly(4), XdpSocket, entries NonZero,
        flags {NUMA_NODE RDONLY WRONLY} required {} operations {UPDATE DELETE NEXT_KEY FREEZE}
        kernel "xsk_map" helpers ["redirect_map", "map_lookup_elem"]
        "AF_XDP sockets to redirect to.";
    Sockhash "sockhash" (4, 18) key Range(1, 512), value OneOf(4, 8), Socket, entries NonZero,
        flags {NUMA_NODE RDONLY WRONLY} required {} operations {LOOKUP UPDATE DELETE NEXT_KEY FREEZE}
        kernel "bpf_shtab" helpers ["sk_redirect_hash", "sock_hash_update", "map_delete_elem", "map_update_elem", "map_lookup_elem", "msg_redirect_hash", "sk_select_reuseport"]
        "Sockets by any key.";
    CgroupStorage "cgroup_storage" (4, 19) key OneOf(8, 16), value Range(1, STORAGE), LocalStorage, entries Zero,
        flags {NUMA_NODE RDONLY WRONLY RDONLY_PROG WRONLY_PROG} required {} operations {LOOKUP UPDATE NEXT_KEY FREEZE}
        kernel "bpf_cgroup_storage_map" helpers ["get_local_storage"]
        properties {no_inner alone}
        "Storage for each cgroup a program is attached to (deprecated).";
    ReuseportSockarray "reuseport_sockarray" (4, 19) key Exactly(4), value OneOf(4, 8), Socket, entries NonZero,
        flags {NUMA_NODE RDONLY WRONLY RDONLY_PROG WRONLY_PROG} required {} operations {LOOKUP UPDATE DELETE NEXT_KEY FREEZE}
        kernel "reuseport_array" helpers ["sk_select_reuseport"]
        "Listening sockets to choose from.";
    PerCpuCgroupStorage "percpu_cgroup_storage" (4, 20) key OneOf(8, 16), value Range(1, PER_CPU), LocalStorage, entries Zero,
        flags {NUMA_NODE RDONLY WRONLY RDONLY_PROG WRONLY_PROG} required {} operations {LOOKUP UPDATE NEXT_KEY FREEZE}
        kernel "bpf_cgroup_storage_map" helpers ["get_local_storage"]
        properties {no_inner alone}
        "The same with a value for each CPU (deprecated).";
    Queue "queue" (4, 20) key Exactly(0), value Range(1, WHOLE_ALLOCATION), Data, entries NonZero,
        flags {NUMA_NODE RDONLY WRONLY RDONLY_PROG WRONLY_PROG} required {} operations {LOOKUP UPDATE LOOKUP_AND_DELETE FREEZE}
        kernel "bpf_queue_stack" helpers ["map_peek_elem", "map_pop_elem", "map_push_elem"]
        properties {sleepable}
        "First in, first out.";
    Stack "stack" (4, 20) key Exactly(0), value Range(1, WHOLE_ALLOCATION), Data, entries NonZero,
        flags {NUMA_NODE RDONLY WRONLY RDONLY_PROG WRONLY_PROG} required {} operations {LOOKUP UPDATE LOOKUP_AND_DELETE FREEZE}
        kernel "bpf_queue_stack" helpers ["map_peek_elem", "map_pop_elem", "map_push_elem"]
        properties {sleepable}
        "Last in, first out.";
    SkStorage "sk_storage" (5, 2) key Exactly(4), value Range(1, STORAGE), LocalStorage, entries Zero,
        flags {NO_PREALLOC CLONE} required {NO_PREALLOC} operations {LOOKUP UPDATE DELETE FREEZE}
        kernel "bpf_local_storage_map" helpers ["sk_storage_get", "sk_storage_delete"]
        properties {needs_btf sleepable}
        "Storage for each socket; user space names it by descriptor.";
    DevmapHash "devmap_hash" (5, 4) key Exactly(4), value OneOf(4, 8), Redirect, entries NonZero,
        flags {NUMA_NODE RDONLY WRONLY} required {} operations {LOOKUP UPDATE DELETE NEXT_KEY FREEZE}
        kernel "bpf_dtab" helpers ["redirect_map", "map_lookup_elem"]
        "Net devices to redirect to, by any number.";
    StructOps "struct_ops" (5, 6) key Exactly(4), value Range(1, ALLOCATION), None, entries NonZero,
        flags {VTYPE_BTF_OBJ_FD LINK} required {} operations {LOOKUP UPDATE DELETE}
        kernel "bpf_struct_ops_map" helpers []
        properties {no_inner needs_btf no_programs}
        "Implementation of a kernel interface; its one value registers it.";
    Ringbuf "ringbuf" (5, 8) key Exactly(0), value Exactly(0), None, entries PowerOfTwoPages,
        flags {NUMA_NODE} required {} operations {MMAP FREEZE}
        kernel "bpf_ringbuf_map" helpers ["ringbuf_output", "ringbuf_reserve", "ringbuf_query", "ringbuf_reserve_dynptr"]
        properties {sleepable}
        "Ring of records from programs to user space.";
    InodeStorage "inode_storage" (5, 10) key Exactly(4), value Range(1, STORAGE), LocalStorage, entries Zero,
        flags {NO_PREALLOC CLONE} required {NO_PREALLOC} operations {LOOKUP UPDATE DELETE FREEZE}
        kernel "bpf_local_storage_map" helpers ["inode_storage_get", "inode_storage_delete"]
        properties {needs_btf sleepable}
        "Storage for each inode; user space names it by descriptor.";
    TaskStorage "task_storage" (5, 11) key Exactly(4), value Range(1, STORAGE), LocalStorage, entries Zero,
        flags {NO_PREALLOC CLONE} required {NO_PREALLOC} operations {LOOKUP UPDATE DELETE FREEZE}
        kernel "bpf_local_storage_map" helpers ["task_storage_get", "task_storage_delete"]
        properties {needs_btf sleepable}
        "Storage for each task; user space names it by pidfd.";
    BloomFilter "bloom_filter" (5, 16) key Exactly(0), value Range(1, WHOLE_ALLOCATION), Data, entries NonZero,
        flags {NUMA_NODE ZERO_SEED RDONLY WRONLY RDONLY_PROG WRONLY_PROG} required {} operations {LOOKUP UPDATE FREEZE}
        kernel "bpf_bloom_filter" helpers ["map_peek_elem", "map_push_elem"]
        "Set that may say yes wrongly but never no; `map_extra` is the number of hash functions.";
    UserRingbuf "user_ringbuf" (6, 1) key Exactly(0), value Exactly(0), None, entries PowerOfTwoPages,
        flags {NUMA_NODE} required {} operations {MMAP FREEZE}
        kernel "bpf_ringbuf_map" helpers ["user_ringbuf_drain"]
        properties {sleepable}
        "Ring of records from user space to programs.";
    CgrpStorage "cgrp_storage" (6, 2) key Exactly(4), value Range(1, STORAGE), LocalStorage, entries Zero,
        flags {NO_PREALLOC CLONE} required {NO_PREALLOC} operations {LOOKUP UPDATE DELETE FREEZE}
        kernel "bpf_local_storage_map" helpers ["cgrp_storage_get", "cgrp_storage_delete"]
        properties {needs_btf sleepable}
        "Storage for each cgroup; user space names it by descriptor.";
    Arena "arena" (6, 9) key Exactly(0), value Exactly(0), Pages, entries NonZero,
        flags {MMAPABLE SEGV_ON_FAULT NO_USER_CONV} required {MMAPABLE} operations {MMAP FREEZE}
        kernel "bpf_arena" helpers []
        properties {direct_value sleepable}
        "Sparse memory shared with user space; entries are pages, `map_extra` its address.";
}
