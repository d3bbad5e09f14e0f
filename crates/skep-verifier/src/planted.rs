//! Faults that can be planted in the verifier, to see whether they are found out.
//!
//! Only with the feature `planted-bugs` can one be planted; without it [`is_planted`] is `false` and every hook below gives
//! back what it was given. What is wrong about a computation stands here, so that the right one reads as if this were
//! not there; where a step is left out, the place of the step asks.

use crate::domain::scalar::Scalar;
use skep_isa::{BinaryOp, Condition, Width};

macro_rules! faults {
    ($($fault:ident, $text:literal;)*) => {
        /// A fault of the verifier.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(not(feature = "planted-bugs"), expect(dead_code, reason = "some are only planted with the feature"))]
        pub enum Fault { $(#[doc = $text] $fault,)* }

        #[cfg(feature = "planted-bugs")]
        impl Fault {
            /// All of them.
            pub const ALL: &[Fault] = &[$(Fault::$fault,)*];

            /// What is wrong.
            pub const fn text(self) -> &'static str {
                match self { $(Fault::$fault => $text,)* }
            }
        }
    };
}

faults! {
    SumWithoutCarries, "known bits of a sum: carries are forgotten";
    DifferenceWithoutBorrows, "known bits of a difference: borrows are forgotten";
    ProductOfKnownDigits, "known bits of a product: unknown digits count once";
    SumBoundTooSmall, "upper bound of a sum: one too small";
    WrappedSumKeepsBounds, "bounds of a sum: both are kept where one wraps";
    DifferenceOfLikeBounds, "bounds of a difference: minimum less minimum";
    SignedProductOfLikeBounds, "signed bounds of a product: two corners instead of four";
    AndNotBelowOperands, "lower bound of a bitwise and: the smaller operand's";
    OrNotAboveOperands, "upper bound of a bitwise or: the larger operand's";
    LeftShiftLosesNothing, "bounds of a left shift: bits shifted out are forgotten";
    SignedShiftAsUnsigned, "arithmetic shift right: zeros come in";
    NarrowResultNotExtended, "32-bit operation: the upper half stays";
    NarrowRightShiftOfWhole, "32-bit shift right: the upper half is shifted in";
    QuotientKeepsRange, "quotient: the dividend's range";
    RemainderTooSmall, "remainder: at most the divisor less two";
    SignedRemainderPositive, "signed remainder: never negative";
    NegationForgotten, "negation: the operand itself";
    SwapForgotten, "byte swap: the operand itself";
    SignExtensionForgotten, "sign extension to 64 bits: zeros come in";
    NarrowSignExtensionTooWide, "sign extension to 32 bits: goes on to 64";
    TruncationKeepsRange, "narrow load or copy: the range of the whole";
    LessThanTooMuch, "x < y: the bound is one too small";
    SignedOrderAsUnsigned, "signed comparison: refines unsigned ranges";
    NarrowComparisonOfWhole, "32-bit comparison: refines the whole number";
    AnyBitMeansAll, "x & y != 0: all bits of y are set";
    NoBitMeansMore, "x & y == 0: bits above those of y are clear, too";
    UnequalRemovesTwo, "x != y: two numbers are removed from the range";
    BranchesExchanged, "comparison: each way gets what the other should";
    OrderDecidedTooEarly, "x <= y: taken for certain one too early";
    MaskHasNoZeros, "mask of a sign bit: only all ones are followed";
    StoreKeepsSpill, "store into a spilled number: its range stays";
    VariableStoreKeepsSpill, "store at a variable place of the stack: ranges stay";
    HelperKeepsStack, "helper that writes stack: ranges stay";
    FillFromMiddle, "load of the upper bytes of a spilled number: gives the lower ones";
    FetchKeepsRegister, "atomic fetch: the register keeps its range";
    AtomicKeepsStack, "atomic operation on the stack: the range there stays";
    LinkWithoutDistance, "linked numbers: a constant added to one is forgotten";
    LinkOfNarrowCopy, "linked numbers: a copy of the low half is linked to the whole";
    LinkDistanceOfWhole, "linked numbers: a distance of low halves is taken for one of the whole";
    PacketRangeTooFar, "packet bounds: one byte too many";
    PacketPointersStay, "helper that moves the packet: old pointers stay";
    PointerOffsetNotPrecise, "pruning: what moves a pointer is not marked precise";
    BranchNotPrecise, "pruning: what decides a branch is not marked precise";
    SizeNotPrecise, "pruning: the size of what a helper accesses is not marked precise";
    PrecisionStopsAtLinks, "pruning: precision does not reach linked numbers";
    PrecisionStopsAtCovered, "pruning: precision does not reach paths that end at an old state";
    StackReadNotMarked, "pruning: what is read from the stack is not noted";
    ReadsStopAtCovered, "pruning: reads do not reach paths that end at an old state";
    BaseNotLive, "pruning: the address of a load is not live";
    IdentitiesNotCompared, "pruning: links between numbers are not compared";
    BitsNotCompared, "pruning: known bits are not compared";
    PacketRangeNotCompared, "pruning: packet bounds are not compared";
    CalleeStackNotCompared, "pruning: only the first frame's stack is compared";
}

#[cfg(feature = "planted-bugs")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault in all verifications of this thread, in place of any other; or none.
#[cfg(feature = "planted-bugs")]
pub fn plant(fault: Option<Fault>) {
    PLANTED.set(fault);
}

/// Whether that fault is planted.
#[cfg(feature = "planted-bugs")]
pub(crate) fn is_planted(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

/// Whether that fault is planted.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub(crate) const fn is_planted(_: Fault) -> bool {
    false
}

#[cfg(not(feature = "planted-bugs"))]
mod hooks {
    use super::{BinaryOp, Condition, Scalar, Width};

    #[inline(always)]
    pub(crate) fn binary(_: BinaryOp, _: Width, _: &Scalar, _: &Scalar, right: Scalar) -> Scalar {
        right
    }

    #[inline(always)]
    pub(crate) fn refined(
        _: (Condition, Width, bool),
        _: &Scalar,
        _: &Scalar,
        right: (Scalar, Scalar),
    ) -> (Scalar, Scalar) {
        right
    }
}

#[cfg(feature = "planted-bugs")]
mod hooks {
    use super::{BinaryOp, Condition, Fault, PLANTED, Scalar, Width};
    use crate::domain::arithmetic;
    use crate::domain::known_bits::KnownBits;
    use crate::domain::refine::refine;
    use BinaryOp::{Add, And, Arsh, Div, Lsh, Mod, Mul, Or, Rsh, SMod, Sub};

    /// The wrong result of an operation, where a fault is planted that is about it.
    pub(crate) fn binary(op: BinaryOp, width: Width, a: &Scalar, b: &Scalar, right: Scalar) -> Scalar {
        PLANTED.take().map_or(right, |fault| {
            let wrong = wrong(fault, op, width, a, b, right);
            super::plant(Some(fault));
            wrong
        })
    }

    fn wrong(fault: Fault, op: BinaryOp, width: Width, a: &Scalar, b: &Scalar, right: Scalar) -> Scalar {
        let unknown = a.bits.unknown | b.bits.unknown;
        let with_bits = |value: u64| {
            let bits = KnownBits { value: value & !unknown, unknown };
            Scalar { bits: if width == Width::W32 { bits.low32() } else { bits }, ..right }
        };
        let bounded = |umin: u64, umax: u64| {
            let fits = umin <= umax && (width == Width::W64 || umax <= u64::from(u32::MAX));
            if fits { Scalar { umin, umax, ..right } } else { right }
        };
        match (fault, op) {
            (Fault::SumWithoutCarries, Add) => with_bits(a.bits.value.wrapping_add(b.bits.value)),
            (Fault::DifferenceWithoutBorrows, Sub) => with_bits(a.bits.value.wrapping_sub(b.bits.value)),
            (Fault::ProductOfKnownDigits, Mul) => with_bits(a.bits.value.wrapping_mul(b.bits.value)),
            (Fault::SumBoundTooSmall, Add) => bounded(right.umin, right.umax.saturating_sub(1)),
            (Fault::WrappedSumKeepsBounds, Add) => bounded(a.umin.wrapping_add(b.umin), a.umax.wrapping_add(b.umax)),
            (Fault::DifferenceOfLikeBounds, Sub) => bounded(a.umin.wrapping_sub(b.umin), a.umax.wrapping_sub(b.umax)),
            (Fault::SignedProductOfLikeBounds, Mul) if width == Width::W64 => {
                match (a.smin.checked_mul(b.smin), a.smax.checked_mul(b.smax)) {
                    (Some(smin), Some(smax)) if smin <= smax => Scalar { smin, smax, ..right },
                    _ => right,
                }
            }
            (Fault::AndNotBelowOperands, And) => bounded(a.umin.min(b.umin), right.umax),
            (Fault::OrNotAboveOperands, Or) => bounded(right.umin, a.umax.max(b.umax)),
            (Fault::LeftShiftLosesNothing, Lsh) => match b.as_constant() {
                Some(by @ 0..64) => bounded(a.umin << by, a.umax << by),
                _ => right,
            },
            (Fault::SignedShiftAsUnsigned, Arsh) => arithmetic::binary(Rsh, width, a, b),
            (Fault::NarrowResultNotExtended, _) if width == Width::W32 => arithmetic::binary(op, Width::W64, a, b),
            (Fault::NarrowRightShiftOfWhole, Rsh) if width == Width::W32 => {
                let mut whole = arithmetic::binary(op, Width::W64, a, b);
                whole.truncate(4);
                whole
            }
            (Fault::QuotientKeepsRange, Div) => *a,
            (Fault::RemainderTooSmall, Mod) => match b.as_constant() {
                Some(divisor) if width == Width::W64 && divisor > 1 => Scalar::unsigned_range(0, divisor - 2),
                _ => right,
            },
            (Fault::SignedRemainderPositive, SMod) => match b.as_constant() {
                Some(divisor @ 1..0x7fff_ffff) if width == Width::W64 => Scalar::unsigned_range(0, divisor - 1),
                _ => right,
            },
            _ => right,
        }
    }

    /// What is wrongly learnt of a comparison, where a fault is planted that is about it.
    pub(crate) fn refined(
        (condition, width, holds): (Condition, Width, bool),
        a: &Scalar,
        b: &Scalar,
        right: (Scalar, Scalar),
    ) -> (Scalar, Scalar) {
        PLANTED.take().map_or(right, |fault| {
            let (x, y) = wrongly_refined(fault, (condition, width, holds), a, b, right);
            super::plant(Some(fault));
            (x, y)
        })
    }

    fn wrongly_refined(
        fault: Fault,
        (condition, width, holds): (Condition, Width, bool),
        a: &Scalar,
        b: &Scalar,
        right: (Scalar, Scalar),
    ) -> (Scalar, Scalar) {
        let (mut x, y) = right;
        let unsigned = match condition {
            Condition::SLt => Condition::Lt,
            Condition::SLe => Condition::Le,
            Condition::SGt => Condition::Gt,
            Condition::SGe => Condition::Ge,
            other => other,
        };
        match fault {
            Fault::LessThanTooMuch if condition == Condition::Lt && holds && x.umin < x.umax => x.umax -= 1,
            Fault::SignedOrderAsUnsigned => return refine(unsigned, width, holds, a, b),
            Fault::NarrowComparisonOfWhole => return refine(condition, Width::W64, holds, a, b),
            Fault::AnyBitMeansAll if condition == Condition::Set && holds => {
                x.bits = x.bits.or(KnownBits::constant(b.as_constant().unwrap_or(0)));
                x.synchronise();
            }
            Fault::NoBitMeansMore if condition == Condition::Set && !holds => {
                let clear = b.as_constant().map_or(0, |bits| bits | bits << 1);
                x.bits = x.bits.and(KnownBits::constant(!clear));
                x.synchronise();
            }
            Fault::UnequalRemovesTwo
                if (condition, holds) == (Condition::Ne, true)
                    && b.as_constant() == Some(a.umin)
                    && x.umin < x.umax =>
            {
                x.umin += 1;
            }
            Fault::BranchesExchanged => return refine(condition, width, !holds, a, b),
            _ => {}
        }
        (x, y)
    }
}

pub(crate) use hooks::{binary, refined};
