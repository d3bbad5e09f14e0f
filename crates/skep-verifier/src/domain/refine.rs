//! What a comparison tells about its operands.
//!
//! Fact preserved: if `x` in `a` and `y` in `b` compare as assumed, then `x` is in the refined `a` and `y` in the
//! refined `b`. Where no two members compare so, the ranges contradict each other; Linux notices that less often than it
//! could ([`outcome`]), and follows such a path with a number of which it knows nothing but bits. So is it here.

use super::known_bits::KnownBits;
use super::scalar::Scalar;
use crate::planted::{self, Fault, is_planted};
use skep_isa::{Condition, Width};

/// The outcome of `a cond b` where all members agree on it.
pub fn outcome(condition: Condition, width: Width, a: &Scalar, b: &Scalar) -> Option<bool> {
    let (x, y) = (View::new(width, a), View::new(width, b));
    // Numbers whose low halves differ differ.
    let equality = || x.equality(&y).or_else(|| View::new(Width::W32, a).ranges_apart(&View::new(Width::W32, b)));
    match condition {
        Condition::Eq => equality(),
        Condition::Ne => equality().map(|equal| !equal),
        Condition::Set => x.shares_bits(&y),
        Condition::Gt => above(x.umin > y.umax, x.umax <= y.umin),
        Condition::Ge => above(x.umin >= y.umax, x.umax < y.umin),
        Condition::Lt => above(x.umax < y.umin, x.umin >= y.umax),
        Condition::Le if is_planted(Fault::OrderDecidedTooEarly) => above(x.umax <= y.umin.saturating_add(1), false),
        Condition::Le => above(x.umax <= y.umin, x.umin > y.umax),
        Condition::SGt => above(x.smin > y.smax, x.smax <= y.smin),
        Condition::SGe => above(x.smin >= y.smax, x.smax < y.smin),
        Condition::SLt => above(x.smax < y.smin, x.smin >= y.smax),
        Condition::SLe => above(x.smax <= y.smin, x.smin > y.smax),
    }
}

fn above(always: bool, never: bool) -> Option<bool> {
    if always {
        Some(true)
    } else if never {
        Some(false)
    } else {
        None
    }
}

/// A scalar as a comparison of one width sees it.
struct View {
    bits: KnownBits,
    umin: u64,
    umax: u64,
    smin: i64,
    smax: i64,
}

impl View {
    fn new(width: Width, s: &Scalar) -> View {
        match width {
            Width::W64 => View { bits: s.bits, umin: s.umin, umax: s.umax, smin: s.smin, smax: s.smax },
            Width::W32 => View {
                bits: s.bits.low32(),
                umin: s.umin32.into(),
                umax: s.umax32.into(),
                smin: s.smin32.into(),
                smax: s.smax32.into(),
            },
        }
    }

    fn equality(&self, other: &View) -> Option<bool> {
        if let (Some(x), Some(y)) = (self.bits.as_constant(), other.bits.as_constant()) {
            return Some(x == y);
        }
        if self.bits.intersect(other.bits).is_none() { Some(false) } else { self.ranges_apart(other) }
    }

    fn ranges_apart(&self, other: &View) -> Option<bool> {
        let apart =
            self.umin > other.umax || self.umax < other.umin || self.smin > other.smax || self.smax < other.smin;
        apart.then_some(false)
    }

    /// Linux looks at this only where one of them is a constant.
    fn shares_bits(&self, other: &View) -> Option<bool> {
        self.bits.as_constant().or(other.bits.as_constant())?;
        let certain = self.bits.value & other.bits.value != 0;
        let impossible = self.bits.max() & other.bits.max() == 0;
        above(certain, impossible)
    }
}

/// Narrows both operands by the knowledge that `a cond b` is `holds`.
pub fn refine(condition: Condition, width: Width, holds: bool, a: &Scalar, b: &Scalar) -> (Scalar, Scalar) {
    let (x, y) = narrow(condition, width, holds, a, b);
    planted::refined((condition, width, holds), a, b, (consistent(x), consistent(y)))
}

/// What one number tells that is narrowed as the left and as the right operand of the same comparison.
pub fn refine_with_itself(condition: Condition, width: Width, holds: bool, a: &Scalar) -> Scalar {
    let (x, y) = narrow(condition, width, holds, a, a);
    let mut both = x.overlap(&y);
    // Once for either operand.
    both.synchronise();
    consistent(both)
}

/// Narrows what a comparison speaks of: the rest is not in line with it yet.
fn narrow(condition: Condition, width: Width, holds: bool, a: &Scalar, b: &Scalar) -> (Scalar, Scalar) {
    // Bit tests have no negation among the conditions.
    let condition = if holds { Some(condition) } else { condition.negated() };
    let (mut x, mut y) = (*a, *b);
    match condition {
        Some(Condition::Eq) => equal(width, &mut x, &mut y),
        Some(Condition::Ne) => {
            exclude(width, &mut x, b);
            exclude(width, &mut y, a);
        }
        Some(Condition::Set) => {
            set_bit(width, &mut x, b);
            set_bit(width, &mut y, a);
        }
        None => {
            clear_bits(width, &mut x, b);
            clear_bits(width, &mut y, a);
        }
        Some(Condition::Le) => unsigned_order(width, &mut x, &mut y, 0),
        Some(Condition::Lt) => unsigned_order(width, &mut x, &mut y, 1),
        Some(Condition::Ge) => unsigned_order(width, &mut y, &mut x, 0),
        Some(Condition::Gt) => unsigned_order(width, &mut y, &mut x, 1),
        Some(Condition::SLe) => signed_order(width, &mut x, &mut y, 0),
        Some(Condition::SLt) => signed_order(width, &mut x, &mut y, 1),
        Some(Condition::SGe) => signed_order(width, &mut y, &mut x, 0),
        Some(Condition::SGt) => signed_order(width, &mut y, &mut x, 1),
    }
    (x, y)
}

/// The ranges brought into line with each other; forgotten where they contradict each other.
fn consistent(mut number: Scalar) -> Scalar {
    if number.synchronise() { number } else { Scalar { bits: number.bits, ..Scalar::UNKNOWN } }
}

fn equal(width: Width, x: &mut Scalar, y: &mut Scalar) {
    match width {
        Width::W64 => {
            // Each keeps what it knows of its low half: the rest follows from the whole.
            let bits = x.bits.merge(y.bits);
            let (umin, umax) = (x.umin.max(y.umin), x.umax.min(y.umax));
            let (smin, smax) = (x.smin.max(y.smin), x.smax.min(y.smax));
            for side in [x, y] {
                (side.bits, side.umin, side.umax, side.smin, side.smax) = (bits, umin, umax, smin, smax);
            }
        }
        Width::W32 => {
            let low = x.bits.low32().merge(y.bits.low32());
            let umin32 = x.umin32.max(y.umin32);
            let umax32 = x.umax32.min(y.umax32);
            let smin32 = x.smin32.max(y.smin32);
            let smax32 = x.smax32.min(y.smax32);
            for side in [x, y] {
                side.bits = side.bits.with_low32(low);
                (side.umin32, side.umax32, side.smin32, side.smax32) = (umin32, umax32, smin32, smax32);
            }
        }
    }
}

/// `x != y`, `y` a constant: it falls off the ends of the ranges.
fn exclude(width: Width, x: &mut Scalar, y: &Scalar) {
    match width {
        Width::W64 => {
            let Some(value) = y.as_constant() else { return };
            if x.umin == value && x.umin < u64::MAX {
                x.umin += 1;
            }
            if x.umax == value && x.umax > 0 {
                x.umax -= 1;
            }
            if x.smin == value as i64 && x.smin < i64::MAX {
                x.smin += 1;
            }
            if x.smax == value as i64 && x.smax > i64::MIN {
                x.smax -= 1;
            }
        }
        Width::W32 => {
            let Some(value) = y.as_constant32() else { return };
            let value = value as u32;
            if x.umin32 == value && x.umin32 < u32::MAX {
                x.umin32 += 1;
            }
            if x.umax32 == value && x.umax32 > 0 {
                x.umax32 -= 1;
            }
            if x.smin32 == value as i32 && x.smin32 < i32::MAX {
                x.smin32 += 1;
            }
            if x.smax32 == value as i32 && x.smax32 > i32::MIN {
                x.smax32 -= 1;
            }
        }
    }
}

/// `x & y != 0`, `y` a single bit: it is set.
fn set_bit(width: Width, x: &mut Scalar, y: &Scalar) {
    let constant = match width {
        Width::W64 => y.as_constant(),
        Width::W32 => y.as_constant32(),
    };
    if let Some(bit) = constant.filter(|v| v.is_power_of_two()) {
        x.bits = x.bits.or(KnownBits::constant(bit));
    }
}

/// `x & y == 0`, `y` a constant: those bits are clear.
fn clear_bits(width: Width, x: &mut Scalar, y: &Scalar) {
    let constant = match width {
        Width::W64 => y.as_constant(),
        Width::W32 => y.as_constant32(),
    };
    if let Some(bits) = constant {
        // Linux takes the ranges from the bits alone here.
        let cleared = x.bits.and(KnownBits::constant(!bits));
        *x = Scalar { bits: cleared, ..Scalar::UNKNOWN };
    }
}

/// `low + gap <= high`, unsigned.
fn unsigned_order(width: Width, low: &mut Scalar, high: &mut Scalar, gap: u8) {
    match width {
        Width::W64 => {
            low.umax = low.umax.min(high.umax.saturating_sub(gap.into()));
            high.umin = high.umin.max(low.umin.saturating_add(gap.into()));
        }
        Width::W32 => {
            low.umax32 = low.umax32.min(high.umax32.saturating_sub(gap.into()));
            high.umin32 = high.umin32.max(low.umin32.saturating_add(gap.into()));
        }
    }
}

/// `low + gap <= high`, signed.
fn signed_order(width: Width, low: &mut Scalar, high: &mut Scalar, gap: u8) {
    match width {
        Width::W64 => {
            low.smax = low.smax.min(high.smax.saturating_sub(gap.into()));
            high.smin = high.smin.max(low.smin.saturating_add(gap.into()));
        }
        Width::W32 => {
            low.smax32 = low.smax32.min(high.smax32.saturating_sub(gap.into()));
            high.smin32 = high.smin32.max(low.smin32.saturating_add(gap.into()));
        }
    }
}
