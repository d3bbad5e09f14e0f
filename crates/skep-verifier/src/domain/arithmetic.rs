//! Abstract arithmetic on numbers.
//!
//! Fact preserved by every function here: if `x` is in `a` and `y` is in `b`, then the result of the instruction on
//! `x` and `y` is in the abstract result. The property tests hold it against the concrete semantics of `skep-isa`.

use super::known_bits::KnownBits;
use super::scalar::Scalar;
use crate::planted::{self, Fault, is_planted};
use skep_isa::{BinaryOp, Size, SwapKind, Width};

/// `a op b`. Divisions and shifts by an unknown amount are not tracked, as in Linux 6.18: their result is any number,
/// of 64 bits even where only the low half was computed.
pub fn binary(op: BinaryOp, width: Width, a: &Scalar, b: &Scalar) -> Scalar {
    planted::binary(op, width, a, b, result(op, width, a, b))
}

fn result(op: BinaryOp, width: Width, a: &Scalar, b: &Scalar) -> Scalar {
    if !is_tracked(op, width, b) {
        return Scalar::UNKNOWN;
    }
    let mut result = match op {
        BinaryOp::Add => add(a, b),
        BinaryOp::Sub => sub(a, b),
        BinaryOp::Mul => mul(a, b),
        BinaryOp::And => and(a, b),
        BinaryOp::Or => or(a, b),
        BinaryOp::Xor => xor(a, b),
        BinaryOp::Lsh | BinaryOp::Rsh | BinaryOp::Arsh => match shift_amount(width, b) {
            Some(by) => shift(op, width, a, by),
            None => Scalar::UNKNOWN,
        },
        BinaryOp::Mov => *b,
        BinaryOp::Div | BinaryOp::SDiv | BinaryOp::Mod | BinaryOp::SMod => Scalar::UNKNOWN,
    };
    finish(width, &mut result);
    result
}

/// A byte swap. Only known bits survive a real one; on this little-endian machine `le` merely cuts off.
pub fn swap(kind: SwapKind, size: Size, a: &Scalar) -> Scalar {
    let mut result = match kind {
        SwapKind::ToLittle => *a,
        _ if is_planted(Fault::SwapForgotten) => *a,
        SwapKind::ToBig | SwapKind::Swap => Scalar { bits: a.bits.swap_bytes(size), ..Scalar::UNKNOWN },
    };
    result.truncate(size.bytes());
    result.synchronise();
    result
}

/// `a` plus a constant, the upper half zero if it was added to the low half.
pub fn at_distance(a: &Scalar, distance: i64, narrow: bool) -> Scalar {
    let mut result = add(a, &Scalar::constant(distance as u64));
    let narrow = narrow && !is_planted(Fault::LinkDistanceOfWhole);
    finish(if narrow { Width::W32 } else { Width::W64 }, &mut result);
    result
}

/// `-a`
pub fn negate(width: Width, a: &Scalar) -> Scalar {
    if is_planted(Fault::NegationForgotten) {
        return *a;
    }
    binary(BinaryOp::Sub, width, &Scalar::constant(0), a)
}

/// Whether Linux tracks the result of this operation, so that it makes the operands' precision matter.
pub fn is_tracked(op: BinaryOp, width: Width, b: &Scalar) -> bool {
    match op {
        BinaryOp::Lsh | BinaryOp::Rsh | BinaryOp::Arsh => shift_amount(width, b).is_some(),
        BinaryOp::Div | BinaryOp::SDiv | BinaryOp::Mod | BinaryOp::SMod => false,
        _ => true,
    }
}

fn finish(width: Width, result: &mut Scalar) {
    match width {
        Width::W32 => result.zero_extend32(),
        Width::W64 => {
            result.synchronise();
        }
    }
}

/// The amount of a shift, where it is known and below the width.
fn shift_amount(width: Width, b: &Scalar) -> Option<u32> {
    let (limit, amount) = match width {
        // Linux wants all of the number below the width, though only its low half counts.
        Width::W32 if b.umax >= 32 => return None,
        Width::W32 => (32, b.as_constant32()?),
        Width::W64 => (64, b.as_constant()?),
    };
    (amount < limit).then_some(amount as u32)
}

fn add(a: &Scalar, b: &Scalar) -> Scalar {
    let (umin, low_wraps) = a.umin.overflowing_add(b.umin);
    let (umax, high_wraps) = a.umax.overflowing_add(b.umax);
    let (umin32, low_wraps32) = a.umin32.overflowing_add(b.umin32);
    let (umax32, high_wraps32) = a.umax32.overflowing_add(b.umax32);
    let mut sum = Scalar { bits: a.bits.add(b.bits), ..Scalar::UNKNOWN };
    // Both bounds wrap or none does: the order between them is kept.
    if low_wraps == high_wraps {
        (sum.umin, sum.umax) = (umin, umax);
    }
    if low_wraps32 == high_wraps32 {
        (sum.umin32, sum.umax32) = (umin32, umax32);
    }
    if let (Some(min), Some(max)) = (a.smin.checked_add(b.smin), a.smax.checked_add(b.smax)) {
        (sum.smin, sum.smax) = (min, max);
    }
    if let (Some(min), Some(max)) = (a.smin32.checked_add(b.smin32), a.smax32.checked_add(b.smax32)) {
        (sum.smin32, sum.smax32) = (min, max);
    }
    sum
}

fn sub(a: &Scalar, b: &Scalar) -> Scalar {
    let (umin, low_wraps) = a.umin.overflowing_sub(b.umax);
    let (umax, high_wraps) = a.umax.overflowing_sub(b.umin);
    let (umin32, low_wraps32) = a.umin32.overflowing_sub(b.umax32);
    let (umax32, high_wraps32) = a.umax32.overflowing_sub(b.umin32);
    let mut difference = Scalar { bits: a.bits.sub(b.bits), ..Scalar::UNKNOWN };
    if low_wraps == high_wraps {
        (difference.umin, difference.umax) = (umin, umax);
    }
    if low_wraps32 == high_wraps32 {
        (difference.umin32, difference.umax32) = (umin32, umax32);
    }
    if let (Some(min), Some(max)) = (a.smin.checked_sub(b.smax), a.smax.checked_sub(b.smin)) {
        (difference.smin, difference.smax) = (min, max);
    }
    if let (Some(min), Some(max)) = (a.smin32.checked_sub(b.smax32), a.smax32.checked_sub(b.smin32)) {
        (difference.smin32, difference.smax32) = (min, max);
    }
    difference
}

fn mul(a: &Scalar, b: &Scalar) -> Scalar {
    let mut product = Scalar { bits: a.bits.mul(b.bits), ..Scalar::UNKNOWN };
    if let Some(umax) = a.umax.checked_mul(b.umax) {
        (product.umin, product.umax) = (a.umin.wrapping_mul(b.umin), umax);
    }
    if let Some(umax32) = a.umax32.checked_mul(b.umax32) {
        (product.umin32, product.umax32) = (a.umin32.wrapping_mul(b.umin32), umax32);
    }
    // The extremes of a product of ranges are products of their bounds.
    let corners = [(a.smin, b.smin), (a.smin, b.smax), (a.smax, b.smin), (a.smax, b.smax)];
    if let Some(corners) = all(corners.map(|(x, y)| x.checked_mul(y))) {
        product.smin = corners.into_iter().fold(i64::MAX, i64::min);
        product.smax = corners.into_iter().fold(i64::MIN, i64::max);
    }
    let corners = [(a.smin32, b.smin32), (a.smin32, b.smax32), (a.smax32, b.smin32), (a.smax32, b.smax32)];
    if let Some(corners) = all(corners.map(|(x, y)| x.checked_mul(y))) {
        product.smin32 = corners.into_iter().fold(i32::MAX, i32::min);
        product.smax32 = corners.into_iter().fold(i32::MIN, i32::max);
    }
    product
}

fn all<T: Copy + Default>(values: [Option<T>; 4]) -> Option<[T; 4]> {
    let mut out = [T::default(); 4];
    for (to, from) in out.iter_mut().zip(values) {
        *to = from?;
    }
    Some(out)
}

/// Unsigned bounds are the caller's; the signed ones are the same while no sign bit is crossed.
fn bitwise(bits: KnownBits, umin: u64, umax: u64, umin32: u32, umax32: u32) -> Scalar {
    let mut result = Scalar { bits, umin, umax, umin32, umax32, ..Scalar::UNKNOWN };
    if umin as i64 <= umax as i64 {
        (result.smin, result.smax) = (umin as i64, umax as i64);
    }
    if umin32 as i32 <= umax32 as i32 {
        (result.smin32, result.smax32) = (umin32 as i32, umax32 as i32);
    }
    result
}

fn and(a: &Scalar, b: &Scalar) -> Scalar {
    let bits = a.bits.and(b.bits);
    // No bit is added: the result is at most either operand.
    bitwise(bits, bits.min(), a.umax.min(b.umax), bits.min() as u32, a.umax32.min(b.umax32))
}

fn or(a: &Scalar, b: &Scalar) -> Scalar {
    let bits = a.bits.or(b.bits);
    // No bit is lost: the result is at least either operand.
    bitwise(bits, a.umin.max(b.umin), bits.max(), a.umin32.max(b.umin32), bits.max() as u32)
}

fn xor(a: &Scalar, b: &Scalar) -> Scalar {
    let bits = a.bits.xor(b.bits);
    bitwise(bits, bits.min(), bits.max(), bits.min() as u32, bits.max() as u32)
}

fn shift(op: BinaryOp, width: Width, a: &Scalar, by: u32) -> Scalar {
    match (op, width) {
        (BinaryOp::Lsh, _) => shift_left(a, by),
        (BinaryOp::Rsh, Width::W64) => {
            Scalar { bits: a.bits.shift_right(by), umin: a.umin >> by, umax: a.umax >> by, ..Scalar::UNKNOWN }
        }
        (BinaryOp::Rsh, Width::W32) => Scalar {
            bits: a.bits.low32().shift_right(by),
            umin32: a.umin32 >> by,
            umax32: a.umax32 >> by,
            ..Scalar::UNKNOWN
        },
        (_, Width::W64) => {
            Scalar { bits: a.bits.shift_right_signed(by), smin: a.smin >> by, smax: a.smax >> by, ..Scalar::UNKNOWN }
        }
        (_, Width::W32) => Scalar {
            bits: a.bits.low32().shift_right_signed32(by),
            smin32: a.smin32 >> by,
            smax32: a.smax32 >> by,
            ..Scalar::UNKNOWN
        },
    }
}

fn shift_left(a: &Scalar, by: u32) -> Scalar {
    let mut result = Scalar { bits: a.bits.shift_left(by), ..Scalar::UNKNOWN };
    // Nothing may be shifted out at the top, and nothing but a single bit to the top: that is where Linux draws the line.
    if a.umax <= 1 << (63 - by) {
        (result.umin, result.umax) = (a.umin << by, a.umax << by);
    }
    if by < 32 && a.umax32 <= 1 << (31 - by) {
        (result.umin32, result.umax32) = (a.umin32 << by, a.umax32 << by);
    }
    // The first half of the usual sign extension by two shifts: only the low half is left.
    if by == 32 {
        (result.smin, result.smax) = (i64::from(a.smin32) << 32, i64::from(a.smax32) << 32);
    }
    result
}
