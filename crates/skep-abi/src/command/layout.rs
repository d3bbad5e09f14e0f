//! How a command's fields stand in `union bpf_attr`: one macro row per field, from which the struct, the encoder, the
//! decoder and the layout tests are made.
//!
//! All numbers are in the byte order of the machine, as in the kernel's own struct.

use super::flags::{AttachFlags, ElementFlags, FileFlags, ProgramFlags, QueryFlags, TestRunFlags};
use crate::map_type::MapFlags;
use std::ffi::CStr;
use std::fmt;

/// Size of `union bpf_attr` in Linux 6.18.
pub const ATTR_SIZE: usize = 168;

/// One field of `union bpf_attr` as used by one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSpec {
    /// Name in the UAPI header.
    pub name: &'static str,
    /// Byte offset in the union.
    pub offset: usize,
    /// What it is.
    pub kind: FieldKind,
}

/// What an attr field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A number or name of so many bytes.
    Scalar(usize),
    /// A pointer to bytes that the kernel reads.
    Input(Length),
    /// A pointer to bytes that the kernel writes.
    Output(Length),
    /// A pointer to a NUL-terminated string that the kernel reads, at most so long with its NUL.
    Text(usize),
    /// A `u32` of this name that only the kernel writes.
    Reply(usize),
}

/// Where the length of a buffer is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// `u32` at `count`, times the fixed size `record`.
    Records {
        /// Offset of the count.
        count: usize,
        /// Bytes of one.
        record: usize,
    },
    /// `u32` at `count`, times the `u32` at `record`.
    RecordsOf {
        /// Offset of the count.
        count: usize,
        /// Offset of the record size.
        record: usize,
    },
    /// As `Records`, but another field sets the count.
    SameCount {
        /// Offset of the count.
        count: usize,
        /// Bytes of one.
        record: usize,
    },
    /// 32-bit entries whose count another field sets; where it is 0, as many as the instructions index.
    Sparse {
        /// Offset of the count.
        count: usize,
    },
    /// An array of pointers to NUL-terminated strings, as many as the `u32` at `count`.
    Symbols {
        /// Offset of the count.
        count: usize,
    },
    /// One key of the map whose descriptor stands at `map_fd`.
    Key {
        /// Offset of the descriptor.
        map_fd: usize,
    },
    /// One value of that map, as user space sees it (per-CPU values: one for each possible CPU).
    Value {
        /// Offset of the descriptor.
        map_fd: usize,
    },
    /// `count` keys of that map.
    Keys {
        /// Offset of the descriptor.
        map_fd: usize,
        /// Offset of the count.
        count: usize,
    },
    /// `count` values of that map.
    Values {
        /// Offset of the descriptor.
        map_fd: usize,
        /// Offset of the count.
        count: usize,
    },
    /// The position of a batch: the larger of four bytes and one key.
    BatchPosition {
        /// Offset of the descriptor.
        map_fd: usize,
    },
}

/// A name of a kernel object: at most 15 bytes of letters, digits, `_` and `.`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ObjectName(pub [u8; 16]);

impl ObjectName {
    /// The name, cut to 15 bytes; characters that the kernel refuses become `_`.
    pub fn lossy(name: &str) -> ObjectName {
        let mut bytes = [0; 16];
        for (to, from) in bytes[..15].iter_mut().zip(name.bytes()) {
            *to = if from.is_ascii_alphanumeric() || from == b'.' { from } else { b'_' };
        }
        ObjectName(bytes)
    }

    /// The bytes before the first NUL.
    pub fn as_bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(16);
        &self.0[..end]
    }

    /// As text, odd bytes replaced.
    pub fn to_text(&self) -> String {
        String::from_utf8_lossy(self.as_bytes()).into_owned()
    }

    /// Whether the kernel takes it: NUL-terminated, only letters, digits, `_` and `.`, zeros after the end.
    pub fn is_valid(&self) -> bool {
        let name = self.as_bytes();
        name.len() < 16
            && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'.')
            && self.0[name.len()..].iter().all(|b| *b == 0)
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}

impl From<&str> for ObjectName {
    fn from(name: &str) -> Self {
        ObjectName::lossy(name)
    }
}

/// Gives buffers the addresses that stand in the pointer fields.
pub trait Addresses {
    /// Address of bytes that the kernel reads.
    fn input(&mut self, bytes: &[u8]) -> u64;
    /// Address of bytes that the kernel writes.
    fn output(&mut self, bytes: &mut [u8]) -> u64;
}

/// The addresses that buffers have in this process: what `bpf(2)` itself wants.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnAddresses;

impl Addresses for OwnAddresses {
    fn input(&mut self, bytes: &[u8]) -> u64 {
        bytes.as_ptr().expose_provenance() as u64
    }

    fn output(&mut self, bytes: &mut [u8]) -> u64 {
        bytes.as_mut_ptr().expose_provenance() as u64
    }
}

/// The bytes of a `union bpf_attr`, and of what hangs on it by a second pointer.
///
/// After [`encode`](super::Command::encode) the pointer fields hold addresses of the command's buffers and of this
/// value's own: it must not be moved or changed until the call returned.
#[derive(Clone, Debug)]
pub struct Attr {
    /// The union.
    pub bytes: [u8; ATTR_SIZE],
    /// How many of its bytes the command knows: the `size` argument of `bpf(2)`.
    pub len: usize,
    /// An info struct or an array of addresses.
    pub(super) second: Vec<u8>,
}

impl Default for Attr {
    fn default() -> Self {
        Attr { bytes: [0; ATTR_SIZE], len: 0, second: Vec::new() }
    }
}

impl Attr {
    /// The bytes that the command knows.
    pub fn known(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }

    /// The `u32` at an offset; zero outside.
    pub fn u32_at(&self, offset: usize) -> u32 {
        u32_at(&self.bytes, offset)
    }

    /// The `u64` at an offset; zero outside.
    pub fn u64_at(&self, offset: usize) -> u64 {
        u64_at(&self.bytes, offset)
    }

    pub(super) fn put(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.bytes, offset, bytes);
    }
}

pub(super) fn put(into: &mut [u8], offset: usize, bytes: &[u8]) {
    if let Some(to) = into.get_mut(offset..offset + bytes.len()) {
        to.copy_from_slice(bytes);
    }
}

/// `N` bytes at an offset; bytes outside are zero.
pub(super) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(bytes.iter().skip(offset)) {
        *to = *from;
    }
    out
}

pub(super) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_ne_bytes(array_at(bytes, offset))
}

pub(super) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_ne_bytes(array_at(bytes, offset))
}

/// One buffer of a client, taken from its memory.
#[derive(Clone, Debug)]
pub(super) struct ClientBuffer {
    pub(super) spec: FieldSpec,
    pub(super) address: u64,
    pub(super) bytes: Vec<u8>,
}

/// The buffers of a decoded command, in the order of its pointer fields.
pub(super) type Buffers<'a> = std::slice::IterMut<'a, ClientBuffer>;

/// A Rust type that stands in a command for a field of the attr.
pub(super) trait AttrField<'a>: Sized {
    /// Writes the field.
    fn encode(&mut self, spec: &FieldSpec, attr: &mut Attr, addresses: &mut dyn Addresses);
    /// Reads the field; pointers take the next buffer.
    fn decode(spec: &FieldSpec, attr: &[u8; ATTR_SIZE], buffers: &mut Buffers<'a>) -> Self;
}

macro_rules! number_fields {
    ($($ty:ty),*) => {$(
        impl<'a> AttrField<'a> for $ty {
            fn encode(&mut self, spec: &FieldSpec, attr: &mut Attr, _: &mut dyn Addresses) {
                attr.put(spec.offset, &self.to_ne_bytes());
            }

            fn decode(spec: &FieldSpec, attr: &[u8; ATTR_SIZE], _: &mut Buffers<'a>) -> Self {
                <$ty>::from_ne_bytes(array_at(attr, spec.offset))
            }
        }
    )*};
}
number_fields!(u32, i32, u64);

macro_rules! flag_fields {
    ($($ty:ty: $bits:ty),*) => {$(
        impl<'a> AttrField<'a> for $ty {
            fn encode(&mut self, spec: &FieldSpec, attr: &mut Attr, _: &mut dyn Addresses) {
                attr.put(spec.offset, &self.bits().to_ne_bytes());
            }

            fn decode(spec: &FieldSpec, attr: &[u8; ATTR_SIZE], _: &mut Buffers<'a>) -> Self {
                <$ty>::from_bits_retain(<$bits>::from_ne_bytes(array_at(attr, spec.offset)))
            }
        }
    )*};
}
flag_fields!(
    MapFlags: u32,
    ProgramFlags: u32,
    AttachFlags: u32,
    QueryFlags: u32,
    TestRunFlags: u32,
    FileFlags: u32,
    ElementFlags: u64
);

impl<'a> AttrField<'a> for ObjectName {
    fn encode(&mut self, spec: &FieldSpec, attr: &mut Attr, _: &mut dyn Addresses) {
        attr.put(spec.offset, &self.0);
    }

    fn decode(spec: &FieldSpec, attr: &[u8; ATTR_SIZE], _: &mut Buffers<'a>) -> Self {
        ObjectName(array_at(attr, spec.offset))
    }
}

/// Writes how long a buffer is, where the attr says so.
pub(super) fn put_length(length: Length, len: usize, attr: &mut Attr) {
    let count = match length {
        Length::Records { count, record } => Some((count, len.checked_div(record))),
        Length::RecordsOf { count, record } => Some((count, len.checked_div(attr.u32_at(record) as usize))),
        _ => None,
    };
    if let Some((offset, count)) = count {
        let count = u32::try_from(count.unwrap_or(0)).unwrap_or(u32::MAX);
        attr.put(offset, &count.to_ne_bytes());
    }
}

impl<'a> AttrField<'a> for &'a [u8] {
    fn encode(&mut self, spec: &FieldSpec, attr: &mut Attr, addresses: &mut dyn Addresses) {
        if let FieldKind::Input(length) = spec.kind {
            put_length(length, self.len(), attr);
        }
        if !self.is_empty() {
            attr.put(spec.offset, &addresses.input(self).to_ne_bytes());
        }
    }

    fn decode(_: &FieldSpec, _: &[u8; ATTR_SIZE], buffers: &mut Buffers<'a>) -> Self {
        buffers.next().map_or(&[], |b| b.bytes.as_slice())
    }
}

impl<'a> AttrField<'a> for &'a mut [u8] {
    fn encode(&mut self, spec: &FieldSpec, attr: &mut Attr, addresses: &mut dyn Addresses) {
        if let FieldKind::Output(length) = spec.kind {
            put_length(length, self.len(), attr);
        }
        if !self.is_empty() {
            attr.put(spec.offset, &addresses.output(self).to_ne_bytes());
        }
    }

    fn decode(_: &FieldSpec, _: &[u8; ATTR_SIZE], buffers: &mut Buffers<'a>) -> Self {
        buffers.next().map_or(&mut [], |b| b.bytes.as_mut_slice())
    }
}

impl<'a> AttrField<'a> for Option<&'a CStr> {
    fn encode(&mut self, spec: &FieldSpec, attr: &mut Attr, addresses: &mut dyn Addresses) {
        if let Some(text) = self {
            attr.put(spec.offset, &addresses.input(text.to_bytes_with_nul()).to_ne_bytes());
        }
    }

    fn decode(_: &FieldSpec, _: &[u8; ATTR_SIZE], buffers: &mut Buffers<'a>) -> Self {
        buffers.next().filter(|b| b.address != 0).and_then(|b| CStr::from_bytes_until_nul(&b.bytes).ok())
    }
}

/// The attr of one command.
pub(super) trait CommandAttr<'a>: Sized {
    /// Its fields, pointers included; what the kernel only writes too.
    const FIELDS: &'static [FieldSpec];
    /// Bytes up to the end of the last field that Linux 6.18 knows for it.
    const LEN: usize;

    fn encode(&mut self, attr: &mut Attr, addresses: &mut dyn Addresses);
    fn decode(attr: &[u8; ATTR_SIZE], buffers: &mut Buffers<'a>) -> Self;
}

/// Defines the struct of a command. A row is `name: type = "uapi name" @ offset, kind;`, and `len` is the end of the last known field.
macro_rules! command {
    (
        $(#[$doc:meta])*
        $name:ident $(<$lt:lifetime>)?, len $len:literal {
            $($(#[$field_doc:meta])* $field:ident: $ty:ty = $uapi:literal @ $offset:literal, $kind:expr;)*
        }
        $(replies { $($reply:literal @ $reply_offset:literal, $reply_size:literal;)* })?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name $(<$lt>)? { $($(#[$field_doc])* pub $field: $ty,)* }

        impl<'a> $crate::command::layout::CommandAttr<'a> for $name $(<$lt>)? {
            const FIELDS: &'static [$crate::command::layout::FieldSpec] = {
                #[allow(unused_imports)]
                use $crate::command::layout::{FieldKind::*, Length::*};
                &[
                    $($crate::command::layout::FieldSpec { name: $uapi, offset: $offset, kind: $kind },)*
                    $($($crate::command::layout::FieldSpec {
                        name: $reply, offset: $reply_offset, kind: Reply($reply_size)
                    },)*)?
                ]
            };
            const LEN: usize = $len;

            fn encode(
                &mut self,
                attr: &mut $crate::command::layout::Attr,
                addresses: &mut dyn $crate::command::layout::Addresses,
            ) {
                #[allow(unused_mut, unused_variables)]
                let mut specs = Self::FIELDS.iter();
                $(if let Some(spec) = specs.next() {
                    $crate::command::layout::AttrField::encode(&mut self.$field, spec, attr, addresses);
                })*
            }

            fn decode(
                attr: &[u8; $crate::command::layout::ATTR_SIZE],
                buffers: &mut $crate::command::layout::Buffers<'a>,
            ) -> Self {
                let specs = Self::FIELDS;
                let mut index = 0;
                $(
                    let $field = $crate::command::layout::AttrField::decode(&specs[index], attr, buffers);
                    index += 1;
                )*
                let _ = index;
                $name { $($field,)* }
            }
        }
    };
}
pub(super) use command;
