//! The abstract contains the concrete: every operation and every refinement, on random and on boundary values, both
//! widths, against the semantics of `skep-isa`.

use super::arithmetic;
use super::known_bits::KnownBits;
use super::refine::{outcome, refine, refine_with_itself};
use super::scalar::Scalar;
use proptest::prelude::*;
use skep_isa::semantics;
use skep_isa::{BinaryOp, Condition, Size, SwapKind, Width};

/// Numbers around which things change.
const BOUNDARIES: &[u64] = &[
    0,
    1,
    2,
    7,
    8,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_7fff_ffff,
    0xffff_ffff_8000_0000,
    0xffff_ffff_ffff_ff80,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];

pub(super) const WIDTHS: [Width; 2] = [Width::W32, Width::W64];

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        any::<u32>().prop_map(u64::from),
        any::<i8>().prop_map(|n| i64::from(n) as u64),
        (prop::sample::select(BOUNDARIES), -3i64..=3).prop_map(|(n, d)| n.wrapping_add_signed(d)),
        (0u32..64).prop_map(|n| 1 << n),
    ]
}

/// A set and a member of it, made in one of the ways in which the verifier makes sets.
pub(super) fn set_with_member() -> impl Strategy<Value = (Scalar, u64)> {
    let constant = number().prop_map(|x| (Scalar::constant(x), x));
    let unsigned = (number(), number(), number()).prop_map(|(a, b, x)| {
        let (min, max) = (a.min(b), a.max(b));
        let x = if min <= x && x <= max { x } else { min };
        (Scalar::unsigned_range(min, max), x)
    });
    let signed = (number(), number(), number()).prop_map(|(a, b, x)| {
        let (a, b, x) = (a as i64, b as i64, x as i64);
        let (min, max) = (a.min(b), a.max(b));
        let x = if min <= x && x <= max { x } else { max };
        (Scalar::signed_range(min, max), x as u64)
    });
    let bits = (number(), number(), number()).prop_map(|(value, unknown, x)| {
        let bits = KnownBits { value: value & !unknown, unknown };
        let mut set = Scalar { bits, ..Scalar::UNKNOWN };
        set.synchronise();
        (set, bits.value | (x & unknown))
    });
    let both = (number(), number(), number(), number()).prop_map(|(a, b, mask, x)| {
        // Everything is stated of the two members, and of a few more bits.
        let bits = KnownBits::constant(a).union(KnownBits::constant(b)).or(KnownBits { value: 0, unknown: mask });
        let mut set = Scalar { bits, ..Scalar::UNKNOWN };
        (set.umin, set.umax) = (a.min(b), a.max(b));
        (set.smin, set.smax) = ((a as i64).min(b as i64), (a as i64).max(b as i64));
        (set.umin32, set.umax32) = ((a as u32).min(b as u32), (a as u32).max(b as u32));
        (set.smin32, set.smax32) = ((a as i32).min(b as i32), (a as i32).max(b as i32));
        let member = if x & 1 == 0 { a } else { b };
        if bits.contains(a) && bits.contains(b) {
            set.synchronise();
            (set, member)
        } else {
            (Scalar::constant(member), member)
        }
    });
    let low = (set_of_range(), any::<bool>()).prop_map(|((mut set, x), narrow)| {
        let bytes = if narrow { 2 } else { 4 };
        set.truncate(bytes);
        (set, if narrow { x & 0xffff } else { x & 0xffff_ffff })
    });
    prop_oneof![constant, unsigned, signed, bits, both, low]
}

fn set_of_range() -> impl Strategy<Value = (Scalar, u64)> {
    (number(), 0u64..0x1_0000).prop_map(|(min, len)| {
        let max = min.saturating_add(len);
        (Scalar::unsigned_range(min, max), max)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn members_stay_members((set, x) in set_with_member()) {
        prop_assert!(set.contains(x), "{x:#x} not in {set:?}");
    }

    #[test]
    fn operations_contain_their_results((a, x) in set_with_member(), (b, y) in set_with_member()) {
        for width in WIDTHS {
            for op in BinaryOp::ALL {
                let result = arithmetic::binary(op, width, &a, &b);
                let concrete = op.eval(width, x, y);
                let expected = if op == BinaryOp::Mov { width.truncate(y) } else { concrete };
                prop_assert!(result.contains(expected), "{op:?} {width:?}: {x:#x}, {y:#x} -> {expected:#x} not in {result:?}");
            }
            let result = arithmetic::negate(width, &a);
            prop_assert!(result.contains(semantics::negate(width, x)), "-{x:#x} not in {result:?}");
        }
    }

    #[test]
    fn shifts_by_constants_contain_their_results((a, x) in set_with_member(), by in 0u64..64) {
        for width in WIDTHS {
            for op in [BinaryOp::Lsh, BinaryOp::Rsh, BinaryOp::Arsh] {
                let result = arithmetic::binary(op, width, &a, &Scalar::constant(by));
                let concrete = op.eval(width, x, by);
                prop_assert!(result.contains(concrete), "{op:?} {width:?} {by}: {x:#x} -> {concrete:#x} not in {result:?}");
            }
        }
    }

    #[test]
    fn extensions_contain_their_results((a, x) in set_with_member()) {
        for size in [Size::Byte, Size::Half, Size::Word] {
            let mut narrow = a;
            narrow.truncate(size.bytes());
            prop_assert!(narrow.contains(size.truncate(x)), "{size:?} of {x:#x} not in {narrow:?}");
            let mut wide = a;
            wide.sign_extend(size.bytes());
            prop_assert!(wide.contains(size.sign_extend(x)), "{size:?} of {x:#x} not in {wide:?}");
            for kind in [SwapKind::ToLittle, SwapKind::ToBig, SwapKind::Swap] {
                let swapped = arithmetic::swap(kind, size, &a);
                let expected = semantics::swap(kind, size, x);
                prop_assert!(swapped.contains(expected), "{kind:?} {size:?} of {x:#x} not in {swapped:?}");
            }
        }
        for size in [Size::Byte, Size::Half] {
            let mut wide = a;
            wide.sign_extend32(size.bytes());
            let expected = semantics::mov_sign_extended(Width::W32, size, x);
            prop_assert!(wide.contains(expected), "{size:?} of {x:#x} not in {wide:?}");
        }
        for kind in [SwapKind::ToLittle, SwapKind::ToBig, SwapKind::Swap] {
            let swapped = arithmetic::swap(kind, Size::Double, &a);
            prop_assert!(swapped.contains(semantics::swap(kind, Size::Double, x)), "{kind:?} of {x:#x} not in {swapped:?}");
        }
        let mut low = a;
        low.zero_extend32();
        prop_assert!(low.contains(x & 0xffff_ffff));
    }

    #[test]
    fn linked_numbers_contain_what_is_at_their_distance((a, x) in set_with_member(), distance in any::<i32>()) {
        let sum = x.wrapping_add_signed(distance.into());
        for (narrow, expected) in [(false, sum), (true, u64::from(sum as u32))] {
            let result = arithmetic::at_distance(&a, distance.into(), narrow);
            prop_assert!(result.contains(expected), "{x:#x} + {distance:#x} ({narrow}) not in {result:?}, was {a:?}");
        }
    }

    #[test]
    fn masks_are_zeros_or_ones((a, x) in set_with_member(), wide in any::<bool>()) {
        let width = if wide { Width::W64 } else { Width::W32 };
        let sign = Scalar::constant(if wide { 63 } else { 31 });
        let mask = arithmetic::binary(BinaryOp::Arsh, width, &a, &sign);
        let concrete = BinaryOp::Arsh.eval(width, x, sign.umin);
        if let Some(both) = mask.zeros_or_ones() {
            prop_assert!(both.iter().any(|half| half.contains(concrete)), "{concrete:#x} in neither of {both:?}");
        }
    }

    #[test]
    fn untracked_operations_are_known_to_be(op in prop::sample::select(&BinaryOp::ALL[..]), (b, _) in set_with_member()) {
        for width in WIDTHS {
            let result = arithmetic::binary(op, width, &Scalar::constant(77), &b);
            prop_assert!(arithmetic::is_tracked(op, width, &b) || result == Scalar::UNKNOWN);
        }
    }

    #[test]
    fn branches_keep_what_goes_their_way((a, x) in set_with_member(), (b, y) in set_with_member()) {
        for width in WIDTHS {
            for condition in Condition::ALL {
                let holds = condition.eval(width, x, y);
                if let Some(known) = outcome(condition, width, &a, &b) {
                    prop_assert_eq!(known, holds, "{:?} {:?} {:#x} {:#x}", condition, width, x, y);
                }
                let (left, right) = refine(condition, width, holds, &a, &b);
                prop_assert!(left.contains(x), "{condition:?} {width:?} {holds}: {x:#x} not in {left:?}, was {a:?}");
                prop_assert!(right.contains(y), "{condition:?} {width:?} {holds}: {y:#x} not in {right:?}, was {b:?}");
            }
        }
    }

    #[test]
    fn branches_on_a_number_and_itself_keep_what_goes_their_way((a, x) in set_with_member()) {
        for width in WIDTHS {
            for condition in Condition::ALL {
                let holds = condition.eval(width, x, x);
                let refined = refine_with_itself(condition, width, holds, &a);
                prop_assert!(refined.contains(x), "{condition:?} {width:?} {holds}: {x:#x} not in {refined:?}, was {a:?}");
            }
        }
    }

    #[test]
    fn intersections_contain_common_members((a, x) in set_with_member(), (b, _) in set_with_member()) {
        let mut both = a.overlap(&b);
        both.synchronise();
        prop_assert!(!b.contains(x) || both.contains(x));
    }

    #[test]
    fn inclusion_is_about_members((a, _) in set_with_member(), (b, y) in set_with_member()) {
        if a.includes(&b) {
            prop_assert!(a.contains(y));
        }
    }
}

/// The operations on bits alone that shift, cut off and extend.
#[test]
fn known_bits_of_parts_contain_their_results() {
    let patterns = [0, 0x5555_5555_5555_5555, 0x8000_0000, 0xff00_ff00_00ff_00ff, 1 << 63, u64::MAX, 0x7fff_8080];
    for (value, unknown) in patterns.into_iter().flat_map(|v| patterns.into_iter().map(move |u| (v & !u, u))) {
        let set = KnownBits { value, unknown };
        for x in BOUNDARIES.iter().map(|x| value | x & unknown) {
            for by in 0..64 {
                assert!(set.shift_left(by).contains(x << by));
                assert!(set.shift_right(by).contains(x >> by));
                assert!(set.shift_right_signed(by).contains((x as i64 >> by) as u64));
            }
            for by in 0..32 {
                assert!(set.shift_right_signed32(by).contains(u64::from((x as i32 >> by) as u32)));
            }
            for size in [Size::Byte, Size::Half, Size::Word, Size::Double] {
                assert!(set.truncate(size.bytes()).contains(size.truncate(x)));
                assert!(set.sign_extend(size.bytes()).contains(size.sign_extend(x)));
                assert!(set.swap_bytes(size).contains(semantics::swap(SwapKind::Swap, size, x)));
                let multiple = x & !(u64::from(size.bytes()) - 1);
                assert!(!set.is_aligned(size.bytes().into()) || multiple == x);
            }
            assert!(set.with_low32(KnownBits::UNKNOWN).contains(x ^ 0xffff_ffff));
            assert!(set.includes(KnownBits::constant(x)) && set.min() <= x && x <= set.max());
        }
    }
}

/// All sets of known bits of four bits against all members: nothing random about it.
#[test]
fn known_bits_are_exhaustively_sound() {
    let sets = || {
        (0..16u64).flat_map(|u| (0..16u64).filter(move |v| v & u == 0).map(move |v| KnownBits { value: v, unknown: u }))
    };
    let members = |set: KnownBits| (0..16u64).filter(move |x| set.contains(*x));
    for a in sets() {
        for b in sets() {
            for x in members(a) {
                for y in members(b) {
                    let above = members(a).find(|member| *member > y);
                    assert_eq!(a.member_above(y), above.unwrap_or(a.max()), "{a:?} above {y}");
                    assert!(a.add(b).contains(x + y));
                    assert!(a.sub(b).contains(x.wrapping_sub(y)));
                    assert!(a.mul(b).contains(x * y));
                    assert!(a.and(b).contains(x & y));
                    assert!(a.or(b).contains(x | y));
                    assert!(a.xor(b).contains(x ^ y));
                    assert!(a.union(b).contains(x) && a.union(b).contains(y));
                }
            }
        }
    }
}

#[test]
fn text_is_that_of_the_kernel() {
    assert_eq!(Scalar::UNKNOWN.to_string(), "");
    assert_eq!(
        Scalar::unsigned_range(0, 0xff).to_string(),
        "smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff)"
    );
}
