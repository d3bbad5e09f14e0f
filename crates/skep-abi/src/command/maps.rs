//! Commands on maps and their elements.

use super::flags::{ElementFlags, FileFlags};
use super::layout::{ObjectName, command};
use crate::map_type::MapFlags;

command! {
    /// `BPF_MAP_CREATE`: makes a map and gives a descriptor.
    MapCreate<'a>, len 92 {
        /// `enum bpf_map_type`.
        map_type: u32 = "map_type" @ 0, Scalar(4);
        /// Bytes of a key.
        key_size: u32 = "key_size" @ 4, Scalar(4);
        /// Bytes of a value.
        value_size: u32 = "value_size" @ 8, Scalar(4);
        /// Number of elements; bytes of a ring buffer.
        max_entries: u32 = "max_entries" @ 12, Scalar(4);
        /// Flags.
        map_flags: MapFlags = "map_flags" @ 16, Scalar(4);
        /// Pattern of the inner maps of a map of maps.
        inner_map_fd: i32 = "inner_map_fd" @ 20, Scalar(4);
        /// Where to allocate, with [`MapFlags::NUMA_NODE`].
        numa_node: u32 = "numa_node" @ 24, Scalar(4);
        /// Name.
        map_name: ObjectName = "map_name" @ 28, Scalar(16);
        /// Interface to offload to, or 0.
        map_ifindex: u32 = "map_ifindex" @ 44, Scalar(4);
        /// BTF with the types of key and value, or 0.
        btf_fd: i32 = "btf_fd" @ 48, Scalar(4);
        /// Type of a key.
        btf_key_type_id: u32 = "btf_key_type_id" @ 52, Scalar(4);
        /// Type of a value.
        btf_value_type_id: u32 = "btf_value_type_id" @ 56, Scalar(4);
        /// Type of a `struct_ops` value in the kernel's BTF.
        btf_vmlinux_value_type_id: u32 = "btf_vmlinux_value_type_id" @ 60, Scalar(4);
        /// Of the type's own: number of hash functions of a bloom filter, address of an arena.
        map_extra: u64 = "map_extra" @ 64, Scalar(8);
        /// Module BTF of a `struct_ops` value, with [`MapFlags::VTYPE_BTF_OBJ_FD`].
        value_type_btf_obj_fd: i32 = "value_type_btf_obj_fd" @ 72, Scalar(4);
        /// Token, with [`MapFlags::TOKEN_FD`].
        map_token_fd: i32 = "map_token_fd" @ 76, Scalar(4);
        /// SHA-256 of the only program that may use the map.
        excl_prog_hash: &'a [u8] = "excl_prog_hash" @ 80, Input(Records { count: 88, record: 1 });
    }
}

command! {
    /// `BPF_MAP_LOOKUP_ELEM`: copies a value.
    MapLookupElem<'a>, len 32 {
        /// Map.
        map_fd: i32 = "map_fd" @ 0, Scalar(4);
        /// Key; empty for maps without.
        key: &'a [u8] = "key" @ 8, Input(Key { map_fd: 0 });
        /// Receives the value.
        value: &'a mut [u8] = "value" @ 16, Output(Value { map_fd: 0 });
        /// [`ElementFlags::LOCK`] or none.
        flags: ElementFlags = "flags" @ 24, Scalar(8);
    }
}

command! {
    /// `BPF_MAP_UPDATE_ELEM`: creates or changes an element.
    MapUpdateElem<'a>, len 32 {
        /// Map.
        map_fd: i32 = "map_fd" @ 0, Scalar(4);
        /// Key; empty for maps without.
        key: &'a [u8] = "key" @ 8, Input(Key { map_fd: 0 });
        /// The value.
        value: &'a [u8] = "value" @ 16, Input(Value { map_fd: 0 });
        /// Whether it must or must not exist.
        flags: ElementFlags = "flags" @ 24, Scalar(8);
    }
}

command! {
    /// `BPF_MAP_DELETE_ELEM`: removes an element.
    MapDeleteElem<'a>, len 16 {
        /// Map.
        map_fd: i32 = "map_fd" @ 0, Scalar(4);
        /// Key.
        key: &'a [u8] = "key" @ 8, Input(Key { map_fd: 0 });
    }
}

command! {
    /// `BPF_MAP_GET_NEXT_KEY`: the key after the given one.
    MapGetNextKey<'a>, len 24 {
        /// Map.
        map_fd: i32 = "map_fd" @ 0, Scalar(4);
        /// Key to go on from; empty for the first.
        key: &'a [u8] = "key" @ 8, Input(Key { map_fd: 0 });
        /// Receives the next key.
        next_key: &'a mut [u8] = "next_key" @ 16, Output(Key { map_fd: 0 });
    }
}

command! {
    /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM`: takes an element out.
    MapLookupAndDeleteElem<'a>, len 32 {
        /// Map.
        map_fd: i32 = "map_fd" @ 0, Scalar(4);
        /// Key; empty for queues and stacks.
        key: &'a [u8] = "key" @ 8, Input(Key { map_fd: 0 });
        /// Receives the value.
        value: &'a mut [u8] = "value" @ 16, Output(Value { map_fd: 0 });
        /// [`ElementFlags::LOCK`] or none.
        flags: ElementFlags = "flags" @ 24, Scalar(8);
    }
}

command! {
    /// `BPF_MAP_FREEZE`: no more writes from user space.
    MapFreeze, len 4 {
        /// Map.
        map_fd: i32 = "map_fd" @ 0, Scalar(4);
    }
}

command! {
    /// `BPF_MAP_LOOKUP_BATCH`: copies many elements.
    MapLookupBatch<'a>, len 56 {
        /// Position to go on from; empty at the start.
        in_batch: &'a [u8] = "batch.in_batch" @ 0, Input(BatchPosition { map_fd: 36 });
        /// Receives the position after the last element.
        out_batch: &'a mut [u8] = "batch.out_batch" @ 8, Output(BatchPosition { map_fd: 36 });
        /// Receives keys.
        keys: &'a mut [u8] = "batch.keys" @ 16, Output(Keys { map_fd: 36, count: 32 });
        /// Receives values.
        values: &'a mut [u8] = "batch.values" @ 24, Output(Values { map_fd: 36, count: 32 });
        /// How many fit.
        count: u32 = "batch.count" @ 32, Scalar(4);
        /// Map.
        map_fd: i32 = "batch.map_fd" @ 36, Scalar(4);
        /// As for one element.
        elem_flags: ElementFlags = "batch.elem_flags" @ 40, Scalar(8);
        /// None are defined.
        flags: u64 = "batch.flags" @ 48, Scalar(8);
    }
}

command! {
    /// `BPF_MAP_LOOKUP_AND_DELETE_BATCH`: takes many elements out.
    MapLookupAndDeleteBatch<'a>, len 56 {
        /// Position to go on from; empty at the start.
        in_batch: &'a [u8] = "batch.in_batch" @ 0, Input(BatchPosition { map_fd: 36 });
        /// Receives the position after the last element.
        out_batch: &'a mut [u8] = "batch.out_batch" @ 8, Output(BatchPosition { map_fd: 36 });
        /// Receives keys.
        keys: &'a mut [u8] = "batch.keys" @ 16, Output(Keys { map_fd: 36, count: 32 });
        /// Receives values.
        values: &'a mut [u8] = "batch.values" @ 24, Output(Values { map_fd: 36, count: 32 });
        /// How many fit.
        count: u32 = "batch.count" @ 32, Scalar(4);
        /// Map.
        map_fd: i32 = "batch.map_fd" @ 36, Scalar(4);
        /// As for one element.
        elem_flags: ElementFlags = "batch.elem_flags" @ 40, Scalar(8);
        /// None are defined.
        flags: u64 = "batch.flags" @ 48, Scalar(8);
    }
}

command! {
    /// `BPF_MAP_UPDATE_BATCH`: creates or changes many elements.
    MapUpdateBatch<'a>, len 56 {
        /// Keys.
        keys: &'a [u8] = "batch.keys" @ 16, Input(Keys { map_fd: 36, count: 32 });
        /// Values.
        values: &'a [u8] = "batch.values" @ 24, Input(Values { map_fd: 36, count: 32 });
        /// How many.
        count: u32 = "batch.count" @ 32, Scalar(4);
        /// Map.
        map_fd: i32 = "batch.map_fd" @ 36, Scalar(4);
        /// As for one element.
        elem_flags: ElementFlags = "batch.elem_flags" @ 40, Scalar(8);
        /// None are defined.
        flags: u64 = "batch.flags" @ 48, Scalar(8);
    }
}

command! {
    /// `BPF_MAP_DELETE_BATCH`: removes many elements.
    MapDeleteBatch<'a>, len 56 {
        /// Keys.
        keys: &'a [u8] = "batch.keys" @ 16, Input(Keys { map_fd: 36, count: 32 });
        /// How many.
        count: u32 = "batch.count" @ 32, Scalar(4);
        /// Map.
        map_fd: i32 = "batch.map_fd" @ 36, Scalar(4);
        /// As for one element.
        elem_flags: ElementFlags = "batch.elem_flags" @ 40, Scalar(8);
        /// None are defined.
        flags: u64 = "batch.flags" @ 48, Scalar(8);
    }
}

command! {
    /// `BPF_MAP_GET_NEXT_ID`: the smallest map id above the given one.
    MapGetNextId, len 8 {
        /// Id to go on from.
        start_id: u32 = "start_id" @ 0, Scalar(4);
    }
    replies { "next_id" @ 4, 4; }
}

command! {
    /// `BPF_MAP_GET_FD_BY_ID`: a descriptor of the map of that id.
    MapGetFdById, len 12 {
        /// Id.
        map_id: u32 = "map_id" @ 0, Scalar(4);
        /// Read-only or write-only.
        open_flags: FileFlags = "open_flags" @ 8, Scalar(4);
    }
}
