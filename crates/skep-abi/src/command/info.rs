//! `BPF_OBJ_GET_INFO_BY_FD` and the info structs it fills.
//!
//! Each struct keeps the numbers of the ABI struct; where that holds a pointer, the request has a buffer. An empty
//! buffer asks only for the length.

use super::layout::{ObjectName, array_at, put};

/// A pointer in an info struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InfoPointer {
    /// Name in the UAPI header.
    pub name: &'static str,
    /// Byte offset.
    pub offset: usize,
    /// Offset of the `u32` that says how many there is room for, and afterwards how many there are.
    pub count: usize,
    /// Bytes of one.
    pub record: usize,
    /// Offset of the `u32` that must say the same as `record`.
    pub record_at: Option<usize>,
}

/// A number or array of bytes in an info struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InfoField {
    /// Name in the UAPI header.
    pub name: &'static str,
    /// Byte offset.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
}

trait InfoNumber: Sized {
    fn get(bytes: &[u8], offset: usize) -> Self;
    fn set(&self, bytes: &mut [u8], offset: usize);
}

macro_rules! info_numbers {
    ($($ty:ty),*) => {$(
        impl InfoNumber for $ty {
            fn get(bytes: &[u8], offset: usize) -> Self { <$ty>::from_ne_bytes(array_at(bytes, offset)) }
            fn set(&self, bytes: &mut [u8], offset: usize) { put(bytes, offset, &self.to_ne_bytes()); }
        }
    )*};
}
info_numbers!(u32, u64, i32);

impl InfoNumber for [u8; 8] {
    fn get(bytes: &[u8], offset: usize) -> Self {
        array_at(bytes, offset)
    }
    fn set(&self, bytes: &mut [u8], offset: usize) {
        put(bytes, offset, self);
    }
}

impl InfoNumber for ObjectName {
    fn get(bytes: &[u8], offset: usize) -> Self {
        ObjectName(array_at(bytes, offset))
    }
    fn set(&self, bytes: &mut [u8], offset: usize) {
        put(bytes, offset, &self.0);
    }
}

macro_rules! info_struct {
    (
        $(#[$doc:meta])* $name:ident, size $size:literal {
            $($(#[$field_doc:meta])* $field:ident: $ty:ty = $offset:literal;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: $ty,)* }

        impl $name {
            /// Bytes of the ABI struct in Linux 6.18.
            pub const SIZE: usize = $size;

            /// Its numbers, with their places; pointers are listed apart.
            pub const FIELDS: &'static [InfoField] = &[
                $(InfoField { name: stringify!($field), offset: $offset, size: size_of::<$ty>() },)*
            ];

            /// Reads the struct; bytes beyond the end of a shorter (older) one are zero.
            pub fn from_bytes(bytes: &[u8]) -> $name {
                $name { $($field: InfoNumber::get(bytes, $offset),)* }
            }

            /// Writes the struct with null pointers.
            pub fn to_bytes(&self) -> [u8; $size] {
                let mut bytes = [0; $size];
                $(InfoNumber::set(&self.$field, &mut bytes, $offset);)*
                bytes
            }
        }
    };
}

info_struct! {
    /// `struct bpf_prog_info`.
    ProgramInfo, size 232 {
        /// `enum bpf_prog_type`.
        program_type: u32 = 0;
        /// Id.
        id: u32 = 4;
        /// Start of the SHA of the instructions.
        tag: [u8; 8] = 8;
        /// Bytes of machine code.
        jited_prog_len: u32 = 16;
        /// Bytes of instructions after the verifier's rewriting.
        xlated_prog_len: u32 = 20;
        /// Nanoseconds after boot when it was loaded.
        load_time: u64 = 40;
        /// Who loaded it.
        created_by_uid: u32 = 48;
        /// Number of maps.
        nr_map_ids: u32 = 52;
        /// Name.
        name: ObjectName = 64;
        /// Interface it is bound to, or 0.
        ifindex: u32 = 80;
        /// Bit 0: the licence is GPL-compatible.
        gpl_compatible: u32 = 84;
        /// Device of the network namespace of that interface.
        netns_dev: u64 = 88;
        /// Inode of it.
        netns_ino: u64 = 96;
        /// Number of functions.
        nr_jited_ksyms: u32 = 104;
        /// Number of function lengths.
        nr_jited_func_lens: u32 = 108;
        /// Id of its BTF.
        btf_id: u32 = 128;
        /// Bytes of a record.
        func_info_rec_size: u32 = 132;
        /// Number of records.
        nr_func_info: u32 = 144;
        /// Number of records.
        nr_line_info: u32 = 148;
        /// Number of records.
        nr_jited_line_info: u32 = 168;
        /// Bytes of a record.
        line_info_rec_size: u32 = 172;
        /// Bytes of a record.
        jited_line_info_rec_size: u32 = 176;
        /// Number of tags: one for each function.
        nr_prog_tags: u32 = 180;
        /// Nanoseconds it ran, where statistics are on.
        run_time_ns: u64 = 192;
        /// How often it ran, where statistics are on.
        run_cnt: u64 = 200;
        /// How often it was left out because it was running already.
        recursion_misses: u64 = 208;
        /// Instructions the verifier processed.
        verified_insns: u32 = 216;
        /// Id of the BTF of its target.
        attach_btf_obj_id: u32 = 220;
        /// Type of its target there.
        attach_btf_id: u32 = 224;
    }
}

info_struct! {
    /// `struct bpf_map_info`.
    MapInfo, size 104 {
        /// `enum bpf_map_type`.
        map_type: u32 = 0;
        /// Id.
        id: u32 = 4;
        /// Bytes of a key.
        key_size: u32 = 8;
        /// Bytes of a value.
        value_size: u32 = 12;
        /// Number of elements.
        max_entries: u32 = 16;
        /// Flags.
        map_flags: u32 = 20;
        /// Name.
        name: ObjectName = 24;
        /// Interface it is offloaded to, or 0.
        ifindex: u32 = 40;
        /// Type of a `struct_ops` value in the kernel's BTF.
        btf_vmlinux_value_type_id: u32 = 44;
        /// Device of the network namespace of that interface.
        netns_dev: u64 = 48;
        /// Inode of it.
        netns_ino: u64 = 56;
        /// Id of its BTF.
        btf_id: u32 = 64;
        /// Type of a key.
        btf_key_type_id: u32 = 68;
        /// Type of a value.
        btf_value_type_id: u32 = 72;
        /// Id of the kernel BTF of a `struct_ops`.
        btf_vmlinux_id: u32 = 76;
        /// Of the type's own.
        map_extra: u64 = 80;
        /// Bytes of its hash.
        hash_size: u32 = 96;
    }
}

info_struct! {
    /// `struct bpf_btf_info`.
    BtfInfo, size 32 {
        /// Bytes of the BTF.
        btf_size: u32 = 8;
        /// Id.
        id: u32 = 12;
        /// Bytes of the name, without NUL.
        name_len: u32 = 24;
        /// 1 for the kernel's own and its modules'.
        kernel_btf: u32 = 28;
    }
}

info_struct! {
    /// `struct bpf_token_info`.
    TokenInfo, size 32 {
        /// Bit for each `enum bpf_cmd`.
        allowed_cmds: u64 = 0;
        /// Bit for each map type.
        allowed_maps: u64 = 8;
        /// Bit for each program type.
        allowed_progs: u64 = 16;
        /// Bit for each attach type.
        allowed_attachs: u64 = 24;
    }
}
