//! Knowing more never makes a result worse: where one set lies within another, so does the result on it.
//!
//! Known bits: every operation is monotone, multiplication too (it is made of sums and unions, which are).
//!
//! Numbers: ranges and bits tell each other what they know in a fixed number of rounds, as in Linux. That is no closure:
//! after an operation on the smaller set a round may be lacking that the larger one did not need. So the smaller result
//! is held against the larger one after some more rounds ([`closed`]).
//!
//! Refinements are not monotone, here as in Linux. Where `x & mask != 0` does not hold and the mask is known, the ranges of
//! `x` are taken from its bits alone; where the mask is not known they stay. And by `<`, `==` and their like a set that
//! reaches over a change of sign may be narrowed to the side that is left, and then know more than a smaller set whose ranges
//! meet in another order: rare, but random sets show it. What is left to prove of them is that they lose no member:
//! see the tests of the domain.

use super::arithmetic;
use super::known_bits::KnownBits;
use super::refine::{outcome, refine};
use super::scalar::Scalar;
use super::tests::{WIDTHS, set_with_member};
use proptest::prelude::*;
use skep_isa::{BinaryOp, Condition, Size, Width};

const BITS: u64 = 4;

/// All sets of known bits of four bits.
fn sets() -> impl Iterator<Item = KnownBits> {
    let all = 0..1u64 << BITS;
    all.clone().flat_map(move |unknown| {
        all.clone().filter(move |value| value & unknown == 0).map(move |value| KnownBits { value, unknown })
    })
}

/// All pairs of which the first lies within the second.
fn pairs() -> Vec<(KnownBits, KnownBits)> {
    sets()
        .flat_map(|small| sets().filter(move |large| large.includes(small)).map(move |large| (small, large)))
        .collect()
}

#[test]
fn known_bits_are_monotone() {
    type Operation = fn(KnownBits, KnownBits) -> KnownBits;
    let operations: [(&str, Operation); 7] = [
        ("add", KnownBits::add),
        ("sub", KnownBits::sub),
        ("mul", KnownBits::mul),
        ("and", KnownBits::and),
        ("or", KnownBits::or),
        ("xor", KnownBits::xor),
        ("union", KnownBits::union),
    ];
    let pairs = pairs();
    for (a, wide_a) in &pairs {
        for (b, wide_b) in &pairs {
            for (name, operation) in operations {
                let (result, wide) = (operation(*a, *b), operation(*wide_a, *wide_b));
                assert!(wide.includes(result), "{name}: {a}, {b} -> {result}; {wide_a}, {wide_b} -> {wide}");
            }
            if let Some(both) = a.intersect(*b) {
                let wide = wide_a.intersect(*wide_b).expect("what has members in common still has");
                assert!(wide.includes(both), "intersect: {a}, {b} -> {both}; {wide_a}, {wide_b} -> {wide}");
            }
        }
    }
}

/// Known bits of 64 bits, and more of them known.
fn bits_within() -> impl Strategy<Value = (KnownBits, KnownBits)> {
    (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(value, unknown, known, new)| {
        let large = KnownBits { value: value & !unknown, unknown };
        let small = KnownBits { value: large.value | new & unknown & known, unknown: unknown & !known };
        (small, large)
    })
}

/// A set, and one that contains it.
fn set_within() -> impl Strategy<Value = (Scalar, Scalar, u64)> {
    (set_with_member(), set_with_member()).prop_filter_map("not within", |((small, x), (other, _))| {
        let mut large = Scalar {
            bits: small.bits.union(other.bits),
            umin: small.umin.min(other.umin),
            umax: small.umax.max(other.umax),
            smin: small.smin.min(other.smin),
            smax: small.smax.max(other.smax),
            umin32: small.umin32.min(other.umin32),
            umax32: small.umax32.max(other.umax32),
            smin32: small.smin32.min(other.smin32),
            smax32: small.smax32.max(other.smax32),
        };
        large.synchronise();
        large.includes(&small).then_some((small, large, x))
    })
}

/// What bits and ranges tell each other after some more rounds.
fn closed(mut set: Scalar) -> Scalar {
    for _ in 0..4 {
        set.synchronise();
    }
    set
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn known_bits_of_64_bits_are_monotone((a, wide_a) in bits_within(), (b, wide_b) in bits_within(), by in 0u32..64) {
        prop_assert!(wide_a.add(wide_b).includes(a.add(b)));
        prop_assert!(wide_a.sub(wide_b).includes(a.sub(b)));
        prop_assert!(wide_a.mul(wide_b).includes(a.mul(b)));
        prop_assert!(wide_a.shift_left(by).includes(a.shift_left(by)));
        prop_assert!(wide_a.shift_right(by).includes(a.shift_right(by)));
        prop_assert!(wide_a.shift_right_signed(by).includes(a.shift_right_signed(by)));
        prop_assert!(wide_a.shift_right_signed32(by % 32).includes(a.shift_right_signed32(by % 32)));
        for size in [Size::Byte, Size::Half, Size::Word, Size::Double] {
            prop_assert!(wide_a.truncate(size.bytes()).includes(a.truncate(size.bytes())));
            prop_assert!(wide_a.sign_extend(size.bytes()).includes(a.sign_extend(size.bytes())));
            prop_assert!(wide_a.swap_bytes(size).includes(a.swap_bytes(size)));
        }
        prop_assert!(wide_a.with_low32(wide_b).includes(a.with_low32(b)));
    }

    #[test]
    fn bits_of_ranges_are_monotone(mut ends in prop::array::uniform4(any::<u64>())) {
        ends.sort_unstable();
        let [min, inner_min, inner_max, max] = ends;
        prop_assert!(KnownBits::range(min, max).includes(KnownBits::range(inner_min, inner_max)));
    }

    #[test]
    fn operations_are_monotone((a, wide_a, _) in set_within(), (b, wide_b, _) in set_within(), by in 0u64..64) {
        for width in WIDTHS {
            for op in BinaryOp::ALL {
                let (result, wide) = (arithmetic::binary(op, width, &a, &b), arithmetic::binary(op, width, &wide_a, &wide_b));
                prop_assert!(wide.includes(&closed(result)), "{op:?} {width:?}:\n{a:?}\n{b:?}\n{result:?}\n{wide_a:?}\n{wide_b:?}\n{wide:?}");
            }
            let by = Scalar::constant(by);
            for op in [BinaryOp::Lsh, BinaryOp::Rsh, BinaryOp::Arsh] {
                let (result, wide) = (arithmetic::binary(op, width, &a, &by), arithmetic::binary(op, width, &wide_a, &by));
                prop_assert!(wide.includes(&closed(result)), "{op:?} {width:?} {by:?}:\n{a:?}\n{result:?}\n{wide_a:?}\n{wide:?}");
            }
        }
    }

    #[test]
    fn extensions_are_monotone((a, wide_a, _) in set_within()) {
        for bytes in [1, 2, 4] {
            let change = |set: Scalar, change: fn(&mut Scalar, u8)| { let mut set = set; change(&mut set, bytes); set };
            prop_assert!(change(wide_a, Scalar::truncate).includes(&closed(change(a, Scalar::truncate))), "{bytes}: {a:?} {wide_a:?}");
            prop_assert!(change(wide_a, Scalar::sign_extend).includes(&closed(change(a, Scalar::sign_extend))), "{bytes}: {a:?} {wide_a:?}");
        }
    }

    #[test]
    fn outcomes_are_monotone((a, wide_a, _) in set_within(), (b, wide_b, _) in set_within()) {
        for width in WIDTHS {
            for condition in Condition::ALL {
                let wide = outcome(condition, width, &wide_a, &wide_b);
                prop_assert!(wide.is_none() || wide == outcome(condition, width, &a, &b), "{condition:?} {width:?}");
            }
        }
    }
}

#[test]
fn failed_bit_tests_lose_ranges_where_the_mask_is_known() {
    let number = Scalar::unsigned_range(5, 6);
    let (some, mask) = (Scalar::UNKNOWN, Scalar::constant(1 << 40));
    let (known, _) = refine(Condition::Set, Width::W64, false, &number, &mask);
    let (unknown, _) = refine(Condition::Set, Width::W64, false, &number, &some);
    assert!(some.includes(&mask) && !unknown.includes(&known) && known.includes(&unknown));
}
