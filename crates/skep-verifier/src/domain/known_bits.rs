//! Known bits: which bits of a value are known, and what they are.
//!
//! Linux calls this a *tnum*. Invariant: `value & unknown == 0`. The set described is every `x` with
//! `x & !unknown == value`. Each operation's result contains every result of the concrete operation on members.

use skep_isa::Size;
use std::fmt;

/// Bits that are known (`value`) and bits that are not (`unknown`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KnownBits {
    /// The known bits; zero where unknown.
    pub value: u64,
    /// One for each unknown bit.
    pub unknown: u64,
}

impl KnownBits {
    /// Nothing is known.
    pub const UNKNOWN: KnownBits = KnownBits { value: 0, unknown: u64::MAX };

    /// Exactly this value.
    pub const fn constant(value: u64) -> Self {
        KnownBits { value, unknown: 0 }
    }

    const fn normalised(value: u64, unknown: u64) -> Self {
        KnownBits { value: value & !unknown, unknown }
    }

    /// The smallest set of this form that contains `min..=max`.
    pub const fn range(min: u64, max: u64) -> Self {
        let differing = min ^ max;
        let bits = 64 - differing.leading_zeros();
        if bits > 63 {
            return Self::UNKNOWN;
        }
        Self::normalised(min, (1 << bits) - 1)
    }

    /// The one value, if there is only one.
    pub const fn as_constant(self) -> Option<u64> {
        if self.unknown == 0 { Some(self.value) } else { None }
    }

    /// Whether only one value is possible.
    pub const fn is_constant(self) -> bool {
        self.unknown == 0
    }

    /// Whether nothing is known.
    pub const fn is_unknown(self) -> bool {
        self.unknown == u64::MAX
    }

    /// Smallest member as an unsigned number.
    pub const fn min(self) -> u64 {
        self.value
    }

    /// Largest member as an unsigned number.
    pub const fn max(self) -> u64 {
        self.value | self.unknown
    }

    /// Whether `x` is a member.
    pub const fn contains(self, x: u64) -> bool {
        x & !self.unknown == self.value
    }

    /// The smallest member above `x`; the largest member if there is none.
    pub const fn member_above(self, x: u64) -> u64 {
        if x >= self.max() {
            return self.max();
        }
        // The bits of `x` from the highest one down that is not as known; all lower ones are free.
        let wrong = (x ^ self.value) & !self.unknown;
        let free = if wrong == 0 { 0 } else { u64::MAX >> wrong.leading_zeros() };
        let highest = free & !(free >> 1);
        if self.value & highest != 0 {
            return x & !free | self.value & free;
        }
        // Counts on in the unknown bits above: known ones carry through.
        let next = (x | free | !self.unknown).wrapping_add(1);
        next & self.unknown | self.value
    }

    /// Whether every member of `other` is a member of this set.
    pub const fn includes(self, other: Self) -> bool {
        other.unknown & !self.unknown == 0 && self.value == other.value & !self.unknown
    }

    /// Sum.
    pub const fn add(self, other: Self) -> Self {
        let unknowns = self.unknown.wrapping_add(other.unknown);
        let values = self.value.wrapping_add(other.value);
        let carries = unknowns.wrapping_add(values) ^ values;
        Self::normalised(values, carries | self.unknown | other.unknown)
    }

    /// Difference.
    pub const fn sub(self, other: Self) -> Self {
        let values = self.value.wrapping_sub(other.value);
        let most = values.wrapping_add(self.unknown);
        let least = values.wrapping_sub(other.unknown);
        Self::normalised(values, (most ^ least) | self.unknown | other.unknown)
    }

    /// Bitwise and.
    pub const fn and(self, other: Self) -> Self {
        let ones = self.value & other.value;
        KnownBits { value: ones, unknown: self.max() & other.max() & !ones }
    }

    /// Bitwise or.
    pub const fn or(self, other: Self) -> Self {
        let ones = self.value | other.value;
        KnownBits { value: ones, unknown: (self.unknown | other.unknown) & !ones }
    }

    /// Bitwise exclusive or.
    pub const fn xor(self, other: Self) -> Self {
        Self::normalised(self.value ^ other.value, self.unknown | other.unknown)
    }

    /// Product, by long multiplication; a digit that is unknown contributes both outcomes.
    pub const fn mul(self, other: Self) -> Self {
        let (mut left, mut right) = (self, other);
        let mut product = Self::constant(0);
        while left.value != 0 || left.unknown != 0 {
            if left.value & 1 != 0 {
                product = product.add(right);
            } else if left.unknown & 1 != 0 {
                product = product.union(product.add(right));
            }
            left = left.shift_right(1);
            right = right.shift_left(1);
        }
        product
    }

    /// Shift left by a number below 64.
    pub const fn shift_left(self, by: u32) -> Self {
        KnownBits { value: self.value << by, unknown: self.unknown << by }
    }

    /// Logical shift right by a number below 64.
    pub const fn shift_right(self, by: u32) -> Self {
        KnownBits { value: self.value >> by, unknown: self.unknown >> by }
    }

    /// Arithmetic shift right of the 64-bit value by a number below 64. An unknown sign bit spreads.
    pub const fn shift_right_signed(self, by: u32) -> Self {
        let value = ((self.value as i64) >> by) as u64;
        let unknown = ((self.unknown as i64) >> by) as u64;
        KnownBits { value, unknown }
    }

    /// Arithmetic shift right of the low 32 bits by a number below 32; the upper half is zero.
    pub const fn shift_right_signed32(self, by: u32) -> Self {
        let value = ((self.value as i32) >> by) as u32 as u64;
        let unknown = ((self.unknown as i32) >> by) as u32 as u64;
        KnownBits { value, unknown }
    }

    /// What is in both sets; `None` where they contradict each other.
    pub const fn intersect(self, other: Self) -> Option<Self> {
        let known_in_both = !self.unknown & !other.unknown;
        if (self.value ^ other.value) & known_in_both != 0 {
            return None;
        }
        Some(Self::normalised(self.value | other.value, self.unknown & other.unknown))
    }

    /// What both know together. Where they contradict each other, nothing is in both and the result means nothing, but it
    /// is Linux's: a bit is taken for set that is in either.
    pub const fn merge(self, other: Self) -> Self {
        Self::normalised(self.value | other.value, self.unknown & other.unknown)
    }

    /// What is in either set, and what cannot be told from it.
    pub const fn union(self, other: Self) -> Self {
        let unknown = (self.value ^ other.value) | self.unknown | other.unknown;
        Self::normalised(self.value & other.value, unknown)
    }

    /// The low `bytes` bytes, zero-extended.
    pub const fn truncate(self, bytes: u8) -> Self {
        if bytes >= 8 {
            return self;
        }
        let mask = (1 << (bytes * 8)) - 1;
        KnownBits { value: self.value & mask, unknown: self.unknown & mask }
    }

    /// The low 32 bits, zero-extended.
    pub const fn low32(self) -> Self {
        self.truncate(4)
    }

    /// The upper 32 bits with the low ones zero.
    pub const fn without_low32(self) -> Self {
        self.shift_right(32).shift_left(32)
    }

    /// The upper half of this with the lower half of `low`.
    pub const fn with_low32(self, low: Self) -> Self {
        self.without_low32().or(low.low32())
    }

    /// Sign extension of the low `bytes` bytes to 64 bits.
    pub const fn sign_extend(self, bytes: u8) -> Self {
        let by = 64 - 8 * bytes as u32;
        self.shift_left(by).shift_right_signed(by)
    }

    /// The low `size` bytes in opposite order, zero-extended.
    pub const fn swap_bytes(self, size: Size) -> Self {
        let by = 64 - size.bits() as u32;
        KnownBits { value: self.value.swap_bytes() >> by, unknown: self.unknown.swap_bytes() >> by }
    }

    /// Whether every member is a multiple of `size`, a power of two.
    pub const fn is_aligned(self, size: u64) -> bool {
        (self.value | self.unknown) & size.wrapping_sub(1) == 0
    }
}

impl fmt::Display for KnownBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:#x}; {:#x})", self.value, self.unknown)
    }
}

impl fmt::Debug for KnownBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
