//! Numbers: known bits together with unsigned and signed ranges of both widths.
//!
//! Invariant after [`Scalar::synchronise`]: the five descriptions hold for the same set of values and each was
//! narrowed by what the others say. A set that turns out empty makes `synchronise` answer `false`: no run gets there.

use super::known_bits::KnownBits;
use crate::planted::{Fault, is_planted};
use std::fmt::{self, Write as _};

/// A set of 64-bit numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// Known bits.
    pub bits: KnownBits,
    /// Smallest value, unsigned.
    pub umin: u64,
    /// Largest value, unsigned.
    pub umax: u64,
    /// Smallest value, signed.
    pub smin: i64,
    /// Largest value, signed.
    pub smax: i64,
    /// Smallest low half, unsigned.
    pub umin32: u32,
    /// Largest low half, unsigned.
    pub umax32: u32,
    /// Smallest low half, signed.
    pub smin32: i32,
    /// Largest low half, signed.
    pub smax32: i32,
}

impl Scalar {
    /// Any number.
    pub const UNKNOWN: Scalar = Scalar {
        bits: KnownBits::UNKNOWN,
        umin: 0,
        umax: u64::MAX,
        smin: i64::MIN,
        smax: i64::MAX,
        umin32: 0,
        umax32: u32::MAX,
        smin32: i32::MIN,
        smax32: i32::MAX,
    };

    /// Exactly this number.
    pub const fn constant(value: u64) -> Scalar {
        Scalar {
            bits: KnownBits::constant(value),
            umin: value,
            umax: value,
            smin: value as i64,
            smax: value as i64,
            umin32: value as u32,
            umax32: value as u32,
            smin32: value as i32,
            smax32: value as i32,
        }
    }

    /// A number of `bytes` bytes, zero-extended.
    pub fn of_size(bytes: u8) -> Scalar {
        let mut scalar = Scalar::UNKNOWN;
        scalar.truncate(bytes);
        scalar
    }

    /// A number in a signed range.
    pub fn signed_range(min: i64, max: i64) -> Scalar {
        let mut scalar = Scalar { smin: min, smax: max, ..Scalar::UNKNOWN };
        scalar.synchronise();
        scalar
    }

    /// A number in an unsigned range.
    pub fn unsigned_range(min: u64, max: u64) -> Scalar {
        let mut scalar = Scalar { umin: min, umax: max, ..Scalar::UNKNOWN };
        scalar.synchronise();
        scalar
    }

    /// The one value, if there is only one.
    pub const fn as_constant(&self) -> Option<u64> {
        self.bits.as_constant()
    }

    /// The one value of the low half, zero-extended, if there is only one.
    pub const fn as_constant32(&self) -> Option<u64> {
        self.bits.low32().as_constant()
    }

    /// The two values there are, if they are all zeros and all ones, each on its own: of the whole number or of its low
    /// half.
    pub fn zeros_or_ones(&self) -> Option<[Scalar; 2]> {
        if self.smin == -1 && self.smax == 0 {
            return Some([Scalar::constant(0), Scalar::constant(u64::MAX)]);
        }
        let low = |value: u32| Scalar {
            bits: self.bits.with_low32(KnownBits::constant(value.into())),
            umin32: value,
            umax32: value,
            smin32: value as i32,
            smax32: value as i32,
            ..*self
        };
        (self.smin32 == -1 && self.smax32 == 0).then(|| [low(0), low(u32::MAX)])
    }

    /// Whether only one value is possible.
    pub const fn is_constant(&self) -> bool {
        self.bits.is_constant()
    }

    /// Whether `x` is a member.
    pub const fn contains(&self, x: u64) -> bool {
        let (signed, low) = (x as i64, x as u32);
        self.bits.contains(x)
            && self.umin <= x
            && x <= self.umax
            && self.smin <= signed
            && signed <= self.smax
            && self.umin32 <= low
            && low <= self.umax32
            && self.smin32 <= low as i32
            && low as i32 <= self.smax32
    }

    /// Whether every member of `other` is a member of this set, as far as bits and ranges tell.
    pub const fn includes(&self, other: &Scalar) -> bool {
        self.ranges_include(other) && self.bits.includes(other.bits)
    }

    /// Whether the ranges of `other` lie within the ranges of this set.
    pub const fn ranges_include(&self, other: &Scalar) -> bool {
        self.umin <= other.umin
            && self.umax >= other.umax
            && self.smin <= other.smin
            && self.smax >= other.smax
            && self.umin32 <= other.umin32
            && self.umax32 >= other.umax32
            && self.smin32 <= other.smin32
            && self.smax32 >= other.smax32
    }

    /// Forgets the 32-bit ranges.
    pub const fn forget_ranges32(&mut self) {
        self.umin32 = 0;
        self.umax32 = u32::MAX;
        self.smin32 = i32::MIN;
        self.smax32 = i32::MAX;
    }

    /// Makes bits and ranges tell each other what they know. `false`: the set is empty.
    pub fn synchronise(&mut self) -> bool {
        self.ranges_from_bits();
        for _ in 0..3 {
            self.deduce32();
            self.deduce64();
            self.deduce_between_widths();
        }
        self.bits_from_ranges();
        self.ranges_from_bits();
        self.is_consistent()
    }

    /// Whether the ranges are ranges, and those of a constant are that constant.
    fn is_consistent(&self) -> bool {
        let ordered = self.umin <= self.umax
            && self.smin <= self.smax
            && self.umin32 <= self.umax32
            && self.smin32 <= self.smax32;
        let wide = self
            .as_constant()
            .is_none_or(|n| (self.umin, self.umax, self.smin, self.smax) == (n, n, n.cast_signed(), n.cast_signed()));
        let low = self.as_constant32().is_none_or(|n| {
            let n = n as u32;
            (self.umin32, self.umax32, self.smin32, self.smax32) == (n, n, n.cast_signed(), n.cast_signed())
        });
        ordered && wide && low
    }

    /// The bits bound the ranges: unknown bits all zero or all one, the sign bit apart.
    fn ranges_from_bits(&mut self) {
        let KnownBits { value, unknown } = self.bits;
        self.umin = self.umin.max(value);
        self.umax = self.umax.min(value | unknown);
        let sign = 1u64 << 63;
        self.smin = self.smin.max((value | (unknown & sign)) as i64);
        self.smax = self.smax.min((value | (unknown & !sign)) as i64);
        let (value, unknown) = (value as u32, unknown as u32);
        self.umin32 = self.umin32.max(value);
        self.umax32 = self.umax32.min(value | unknown);
        let sign = 1u32 << 31;
        self.smin32 = self.smin32.max((value | (unknown & sign)) as i32);
        self.smax32 = self.smax32.min((value | (unknown & !sign)) as i32);
        if let Some(only) = self.only_member() {
            *self = Scalar::constant(only);
        }
    }

    /// The one number that both the bits and the unsigned range allow, if there is just one. Where they allow none, the
    /// answer is Linux's: often a number all the same.
    fn only_member(&self) -> Option<u64> {
        if self.umin == 0 && self.umax == u64::MAX {
            return None;
        }
        let next = self.bits.member_above(self.umin);
        if self.bits.contains(self.umin) {
            return (next > self.umax).then_some(self.umin);
        }
        let last = next == self.bits.max() || next <= self.umax && self.bits.member_above(next) > self.umax;
        last.then_some(next)
    }

    /// The ranges bound the bits: what all numbers of a range have in common.
    fn bits_from_ranges(&mut self) {
        let wide = self.bits.merge(KnownBits::range(self.umin, self.umax));
        let low = wide.low32().merge(KnownBits::range(u64::from(self.umin32), u64::from(self.umax32)));
        self.bits = wide.with_low32(low);
    }

    /// 32-bit ranges from 64-bit ranges that keep their upper half (or cross it once), then from each other.
    fn deduce32(&mut self) {
        self.deduce32_from(self.umin, self.umax, true);
        // A signed range without members says nothing of low halves: in Linux an unsigned one does.
        self.deduce32_from(self.smin as u64, self.smax as u64, self.smin <= self.smax);
        // A range of one sign is the same range whether read as signed or unsigned.
        if self.umin32 as i32 <= self.umax32 as i32 {
            self.smin32 = self.smin32.max(self.umin32 as i32);
            self.smax32 = self.smax32.min(self.umax32 as i32);
        }
        if self.smin32 as u32 <= self.smax32 as u32 {
            self.umin32 = self.umin32.max(self.smin32 as u32);
            self.umax32 = self.umax32.min(self.smax32 as u32);
        } else if self.umax32 < self.smin32 as u32 && self.umin32 as i32 >= 0 {
            // The unsigned range misses the negative part of the signed one: only the positive part is left.
            self.smin32 = self.umin32 as i32;
            self.umax32 = self.umax32.min(self.smax32 as u32);
        } else if (self.smax32 as u32) < self.umin32 {
            // … misses the non-negative part. Where signed bounds contradict each other Linux concludes it, too.
            self.smax32 = self.umax32 as i32;
            self.umin32 = self.umin32.max(self.smin32 as u32);
        }
    }

    fn deduce32_from(&mut self, min: u64, max: u64, bounds_low_half: bool) {
        let (low_min, low_max) = (min as u32, max as u32);
        if min >> 32 == max >> 32 {
            // min <= max and equal upper halves: the low halves are ordered too.
            if bounds_low_half {
                self.umin32 = self.umin32.max(low_min);
                self.umax32 = self.umax32.min(low_max);
            }
            if low_min as i32 <= low_max as i32 {
                self.smin32 = self.smin32.max(low_min as i32);
                self.smax32 = self.smax32.min(low_max as i32);
            }
        } else if ((min >> 32) as u32).wrapping_add(1) == (max >> 32) as u32
            && (low_min as i32) < 0
            && low_max as i32 >= 0
        {
            // The upper half steps once while the lower one wraps from negative to non-negative.
            self.smin32 = self.smin32.max(low_min as i32);
            self.smax32 = self.smax32.min(low_max as i32);
        }
    }

    /// 64-bit ranges from each other.
    fn deduce64(&mut self) {
        if self.umin as i64 <= self.umax as i64 {
            self.smin = self.smin.max(self.umin as i64);
            self.smax = self.smax.min(self.umax as i64);
        } else if self.umax < self.smin as u64 && self.smin < 0 && self.smax >= 0 {
            // The unsigned range crosses the sign boundary and misses the negative part: only the positive is left.
            self.smin = self.umin as i64;
            self.umax = self.umax.min(self.smax as u64);
        } else if (self.smax as u64) < self.umin && self.smin < 0 && self.smax >= 0 {
            // … misses the non-negative part.
            self.smax = self.umax as i64;
            self.umin = self.umin.max(self.smin as u64);
        }
        if self.smin as u64 <= self.smax as u64 {
            self.umin = self.umin.max(self.smin as u64);
            self.umax = self.umax.min(self.smax as u64);
        }
    }

    /// 64-bit ranges from 32-bit ranges, the upper half of the bounds kept.
    fn deduce_between_widths(&mut self) {
        let upper = !u64::from(u32::MAX);
        let low_min = |bound: u64, low: u32| (bound & upper) | u64::from(low);
        self.umin = self.umin.max(low_min(self.umin, self.umin32));
        self.umax = self.umax.min(low_min(self.umax, self.umax32));
        self.smin = self.smin.max(low_min(self.smin as u64, self.umin32) as i64);
        self.smax = self.smax.min(low_min(self.smax as u64, self.umax32) as i64);
        // A number that fits into 32 signed bits is the sign extension of its low half: where that is not negative, it
        // is the low half.
        if self.smin32 >= 0 && self.smin >= i64::from(i32::MIN) && self.smax <= i64::from(i32::MAX) {
            (self.smin, self.smax) = (self.smin32.into(), self.smax32.into());
            (self.umin, self.umax) = (self.smin32 as u64, self.smax32 as u64);
            self.bits = self.bits.merge(KnownBits::range(self.umin, self.umax));
        }
    }

    /// After a 32-bit operation: the upper half is zero.
    pub fn zero_extend32(&mut self) {
        self.bits = self.bits.low32();
        self.umin = u64::from(self.umin32);
        self.umax = u64::from(self.umax32);
        // A low half of either sign is a non-negative 64-bit number.
        if self.smin32 >= 0 {
            self.smin = i64::from(self.smin32);
            self.smax = i64::from(self.smax32);
        } else {
            self.smin = 0;
            self.smax = i64::from(u32::MAX);
        }
        self.synchronise();
    }

    /// Keeps the low `bytes` bytes, zero-extended: what a narrow load or store of the number gives.
    pub fn truncate(&mut self, bytes: u8) {
        if bytes >= 8 {
            return;
        }
        self.bits = self.bits.truncate(bytes);
        let mask = (1u64 << (8 * bytes)) - 1;
        if self.umin & !mask == self.umax & !mask || is_planted(Fault::TruncationKeepsRange) {
            self.umin &= mask;
            self.umax &= mask;
        } else {
            self.umin = 0;
            self.umax = mask;
        }
        self.smin = self.umin as i64;
        self.smax = self.umax as i64;
        if bytes < 4 {
            self.forget_ranges32();
        }
        self.synchronise();
    }

    /// Sign extension of the low `bytes` bytes to 64 bits (`bytes` 1, 2 or 4). Known bits count only where all are.
    pub fn sign_extend(&mut self, bytes: u8) {
        if is_planted(Fault::SignExtensionForgotten) {
            return self.truncate(bytes);
        }
        let bits = 8 * u32::from(bytes);
        let extend = |x: i64| x << (64 - bits) >> (64 - bits);
        let (first, last) = (extend(self.smin), extend(self.smax));
        if self.is_constant() {
            *self = Scalar::constant(extend(self.bits.value as i64) as u64);
            return;
        }
        // The upper parts agree, and so do the signs: the narrow range is a range.
        let one_range = self.smin >> bits == self.smax >> bits && (first < 0) == (last < 0);
        let (smin, smax) = if one_range { (first, last) } else { (-(1i64 << (bits - 1)), (1i64 << (bits - 1)) - 1) };
        *self = Scalar { smin, smax, ..Scalar::UNKNOWN };
        self.synchronise();
    }

    /// Sign extension of the low `bytes` bytes (1 or 2) to 32 bits; the upper half is zero.
    pub fn sign_extend32(&mut self, bytes: u8) {
        if is_planted(Fault::NarrowSignExtensionTooWide) {
            return self.sign_extend(bytes);
        }
        let bits = 8 * u32::from(bytes);
        let extend = |x: i32| x << (32 - bits) >> (32 - bits);
        let (first, last) = (extend(self.smin32), extend(self.smax32));
        if self.is_constant() {
            *self = Scalar::constant(u64::from(extend(self.bits.value as i32) as u32));
            return;
        }
        let one_range = self.smin32 >> bits == self.smax32 >> bits && (first < 0) == (last < 0);
        let (smin32, smax32) =
            if one_range { (first, last) } else { (-(1i32 << (bits - 1)), (1i32 << (bits - 1)) - 1) };
        *self = Scalar { smin32, smax32, ..Scalar::UNKNOWN };
        self.synchronise();
        self.zero_extend32();
    }

    /// What is in both sets, the descriptions not yet brought into line with each other.
    pub fn overlap(&self, other: &Scalar) -> Scalar {
        Scalar {
            bits: self.bits.merge(other.bits),
            umin: self.umin.max(other.umin),
            umax: self.umax.min(other.umax),
            smin: self.smin.max(other.smin),
            smax: self.smax.min(other.smax),
            umin32: self.umin32.max(other.umin32),
            umax32: self.umax32.min(other.umax32),
            smin32: self.smin32.max(other.smin32),
            smax32: self.smax32.min(other.smax32),
        }
    }
}

/// Linux prints large numbers in hexadecimal.
fn number_unsigned(n: u64) -> String {
    if n <= u64::from(u16::MAX) { n.to_string() } else { format!("{n:#x}") }
}

fn number_signed(n: i64) -> String {
    if is_small(n) { n.to_string() } else { format!("{n:#x}") }
}

/// Whether Linux's log prints a signed number in decimal.
pub fn is_small(n: i64) -> bool {
    i16::try_from(n).is_ok()
}

/// Signed 32-bit bounds: where they are printed in hexadecimal, without sign extension.
fn low_half(n: i32) -> i64 {
    if is_small(n.into()) { n.into() } else { (n as u32).into() }
}

/// The bounds as Linux's log prints them: `smin=1,smax=5,var_off=(0x0; 0x7)`; equal bounds are joined, trivial ones left out.
impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed = |n: i64| (number_signed(n), true);
        let entries: [(&str, String, i128, bool); 8] = [
            ("smin", signed(self.smin).0, self.smin.into(), self.smin == i64::MIN),
            ("smax", signed(self.smax).0, self.smax.into(), self.smax == i64::MAX),
            ("umin", number_unsigned(self.umin), self.umin.into(), self.umin == 0),
            ("umax", number_unsigned(self.umax), self.umax.into(), self.umax == u64::MAX),
            ("smin32", number_signed(low_half(self.smin32)), low_half(self.smin32).into(), self.smin32 == i32::MIN),
            ("smax32", number_signed(low_half(self.smax32)), low_half(self.smax32).into(), self.smax32 == i32::MAX),
            ("umin32", number_unsigned(self.umin32.into()), self.umin32.into(), self.umin32 == 0),
            ("umax32", number_unsigned(self.umax32.into()), self.umax32.into(), self.umax32 == u32::MAX),
        ];
        let mut out = String::new();
        let mut done = [false; 8];
        for i in 0..entries.len() {
            if entries[i].3 || done[i] {
                continue;
            }
            if !out.is_empty() {
                out.push(',');
            }
            write!(out, "{}=", entries[i].0)?;
            // Linux groups minima with minima, maxima with maxima.
            for j in (i + 2..entries.len()).step_by(2) {
                if !entries[j].3 && !done[j] && entries[j].2 == entries[i].2 {
                    write!(out, "{}=", entries[j].0)?;
                    done[j] = true;
                }
            }
            out.push_str(&entries[i].1);
        }
        if !self.bits.is_unknown() {
            if !out.is_empty() {
                out.push(',');
            }
            write!(out, "var_off={}", self.bits)?;
        }
        f.write_str(&out)
    }
}
