//! Integers, and the names that Linux's headers give them.

use super::layout::TypeTable;
use skep_btf::{IntEncoding, TypeId};

/// An integer, or another name for one.
#[derive(Clone, Copy)]
pub(super) enum Scalar {
    /// C's name, bytes, signedness.
    Integer(&'static str, u32, IntEncoding),
    /// A typedef and what it stands for.
    Typedef(&'static str, &'static Scalar),
}

use Scalar::{Integer, Typedef};

pub(super) const UNSIGNED_CHAR: Scalar = Integer("unsigned char", 1, IntEncoding::UNSIGNED);
const SIGNED_CHAR: Scalar = Integer("signed char", 1, IntEncoding::SIGNED);
const SHORT: Scalar = Integer("short", 2, IntEncoding::SIGNED);
const UNSIGNED_SHORT: Scalar = Integer("unsigned short", 2, IntEncoding::UNSIGNED);
const INT: Scalar = Integer("int", 4, IntEncoding::SIGNED);
const UNSIGNED_INT: Scalar = Integer("unsigned int", 4, IntEncoding::UNSIGNED);
const LONG: Scalar = Integer("long", 8, IntEncoding::SIGNED);
const UNSIGNED_LONG: Scalar = Integer("unsigned long", 8, IntEncoding::UNSIGNED);
const LONG_LONG: Scalar = Integer("long long", 8, IntEncoding::SIGNED);
const UNSIGNED_LONG_LONG: Scalar = Integer("unsigned long long", 8, IntEncoding::UNSIGNED);
const BOOL: Scalar = Integer("_Bool", 1, IntEncoding::BOOL);

pub(super) const U8: Scalar = Typedef("__u8", &UNSIGNED_CHAR);
pub(super) const U16: Scalar = Typedef("__u16", &UNSIGNED_SHORT);
pub(super) const U32: Scalar = Typedef("__u32", &UNSIGNED_INT);
pub(super) const U64: Scalar = Typedef("__u64", &UNSIGNED_LONG_LONG);
const S8: Scalar = Typedef("__s8", &SIGNED_CHAR);
const S16: Scalar = Typedef("__s16", &SHORT);
const S32: Scalar = Typedef("__s32", &INT);
const S64: Scalar = Typedef("__s64", &LONG_LONG);
pub(super) const BE16: Scalar = Typedef("__be16", &U16);
pub(super) const BE32: Scalar = Typedef("__be32", &U32);
pub(super) const SUM16: Scalar = Typedef("__sum16", &U16);
pub(super) const SOCKET_FAMILY: Scalar = Typedef("__kernel_sa_family_t", &UNSIGNED_SHORT);

/// Every typedef: those of the UAPI, then the kernel's own.
const TYPEDEFS: &[Scalar] = &[
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    BE16,
    BE32,
    Typedef("__be64", &U64),
    Typedef("__le16", &U16),
    Typedef("__le32", &U32),
    Typedef("__le64", &U64),
    SUM16,
    Typedef("__wsum", &U32),
    SOCKET_FAMILY,
    Typedef("sa_family_t", &SOCKET_FAMILY),
    Typedef("u8", &U8),
    Typedef("u16", &U16),
    Typedef("u32", &U32),
    Typedef("u64", &U64),
    Typedef("s8", &S8),
    Typedef("s16", &S16),
    Typedef("s32", &S32),
    Typedef("s64", &S64),
    Typedef("uint8_t", &U8),
    Typedef("uint16_t", &U16),
    Typedef("uint32_t", &U32),
    Typedef("uint64_t", &U64),
    Typedef("int8_t", &S8),
    Typedef("int16_t", &S16),
    Typedef("int32_t", &S32),
    Typedef("int64_t", &S64),
    Typedef("bool", &BOOL),
    Typedef("size_t", &UNSIGNED_LONG),
    Typedef("ssize_t", &LONG),
    Typedef("uintptr_t", &UNSIGNED_LONG),
    Typedef("loff_t", &LONG_LONG),
    Typedef("ino_t", &UNSIGNED_LONG),
    Typedef("dev_t", &U32),
    Typedef("pid_t", &INT),
    Typedef("uid_t", &UNSIGNED_INT),
    Typedef("gid_t", &UNSIGNED_INT),
    Typedef("umode_t", &UNSIGNED_SHORT),
    Typedef("fmode_t", &UNSIGNED_INT),
    Typedef("gfp_t", &UNSIGNED_INT),
    Typedef("sector_t", &U64),
    Typedef("ktime_t", &S64),
    Typedef("time64_t", &S64),
];

impl Scalar {
    /// Its BTF.
    pub(super) fn describe(self, table: &mut TypeTable) -> TypeId {
        match self {
            Integer(name, size, encoding) => table.once(name, |builder| builder.int(name, size, encoding)),
            Typedef(name, of) => {
                let of = of.describe(table);
                table.once(&format!("typedef {name}"), |builder| builder.typedef(name, of))
            }
        }
    }
}

/// Adds all typedefs.
pub(super) fn describe_all(table: &mut TypeTable) {
    for scalar in TYPEDEFS {
        scalar.describe(table);
    }
}
