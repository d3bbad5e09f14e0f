//! The semantics against exact arithmetic: results computed in 128 bits, without wrapping, then cut to the width.

use proptest::prelude::*;
use skep_isa::semantics::{mov_sign_extended, negate, swap};
use skep_isa::{AtomicOp, BinaryOp, Condition, Operand, Reg, Size, SwapKind, Width};

const WIDTHS: [Width; 2] = [Width::W32, Width::W64];
const SIZES: [Size; 4] = [Size::Byte, Size::Half, Size::Word, Size::Double];

/// `value` modulo 2^bits.
fn unsigned(bits: u32, value: i128) -> u128 {
    value.rem_euclid(1 << bits) as u128
}

/// The number from -2^(bits-1) on that is `value` modulo 2^bits.
fn signed(bits: u32, value: i128) -> i128 {
    let value = value.rem_euclid(1 << bits);
    if value >> (bits - 1) == 1 { value - (1 << bits) } else { value }
}

/// What RFC 9669 says, in the whole numbers.
fn exact(op: BinaryOp, bits: u32, dst: u64, src: u64) -> u64 {
    let (a, b) = (unsigned(bits, dst.into()) as i128, unsigned(bits, src.into()) as i128);
    let (sa, sb) = (signed(bits, a), signed(bits, b));
    let amount = (b as u32) % bits;
    let result = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        // Wraps at 128 bits, which leaves the lower 64 exact.
        BinaryOp::Mul => a.wrapping_mul(b),
        BinaryOp::Div => a.checked_div(b).unwrap_or(0),
        BinaryOp::SDiv => sa.checked_div(sb).unwrap_or(0),
        BinaryOp::Mod => a.checked_rem(b).unwrap_or(a),
        BinaryOp::SMod => sa.checked_rem(sb).unwrap_or(a),
        BinaryOp::Or => a | b,
        BinaryOp::And => a & b,
        BinaryOp::Xor => a ^ b,
        BinaryOp::Lsh => a.wrapping_mul(1 << amount),
        BinaryOp::Rsh => a.div_euclid(1 << amount),
        BinaryOp::Arsh => sa.div_euclid(1 << amount),
        BinaryOp::Mov => b,
    };
    unsigned(bits, result) as u64
}

fn holds(condition: Condition, bits: u32, a: u64, b: u64) -> bool {
    let (ua, ub) = (unsigned(bits, a.into()), unsigned(bits, b.into()));
    let (sa, sb) = (signed(bits, a.into()), signed(bits, b.into()));
    match condition {
        Condition::Eq => ua == ub,
        Condition::Ne => ua != ub,
        Condition::Set => (0..bits).any(|bit| ua >> bit & ub >> bit & 1 == 1),
        Condition::Gt => ua > ub,
        Condition::Ge => ua >= ub,
        Condition::Lt => ua < ub,
        Condition::Le => ua <= ub,
        Condition::SGt => sa > sb,
        Condition::SGe => sa >= sb,
        Condition::SLt => sa < sb,
        Condition::SLe => sa <= sb,
    }
}

/// Numbers with many zeros, ones, small and large values among them.
fn number() -> impl Strategy<Value = u64> {
    let edges = vec![
        0,
        1,
        u64::MAX,
        i64::MIN as u64,
        i64::MAX as u64,
        u32::MAX.into(),
        i32::MIN as u32 as u64,
        i32::MIN as u64,
        i32::MAX as u64,
        1 << 32,
    ];
    prop_oneof![any::<u64>(), 0u64..70, prop::sample::select(edges), any::<i32>().prop_map(|n| n as u64)]
}

#[test]
fn division_never_traps() {
    let min = i64::MIN as u64;
    assert_eq!(BinaryOp::SDiv.eval(Width::W64, min, u64::MAX), min);
    assert_eq!(BinaryOp::SMod.eval(Width::W64, min, u64::MAX), 0);
    assert_eq!(BinaryOp::SDiv.eval(Width::W32, 0x8000_0000, u64::MAX), 0x8000_0000);
    assert_eq!(BinaryOp::SDiv.eval(Width::W64, 5, 0), 0);
    assert_eq!(BinaryOp::SMod.eval(Width::W64, 5, 0), 5);
    assert_eq!(BinaryOp::Mod.eval(Width::W32, 0xffff_ffff_0000_0005, 0), 5);
    assert_eq!(BinaryOp::SDiv.eval(Width::W64, -13_i64 as u64, 3), -4_i64 as u64);
    assert_eq!(BinaryOp::SMod.eval(Width::W64, -13_i64 as u64, 3), -1_i64 as u64);
}

#[test]
fn byte_order() {
    let value = 0x0102_0304_0506_0708;
    for (kind, size, expected) in [
        (SwapKind::ToLittle, Size::Half, 0x0708),
        (SwapKind::ToLittle, Size::Double, value),
        (SwapKind::ToBig, Size::Half, 0x0807),
        (SwapKind::ToBig, Size::Word, 0x0807_0605),
        (SwapKind::Swap, Size::Word, 0x0807_0605),
        (SwapKind::Swap, Size::Double, 0x0807_0605_0403_0201),
    ] {
        assert_eq!(swap(kind, size, value), expected);
    }
}

#[test]
fn operands() {
    let mut registers = [0; Reg::COUNT];
    registers[3] = 7;
    assert_eq!(Operand::Reg(Reg::R3).value(&registers), 7);
    assert_eq!(Operand::Imm(-1).value(&registers), u64::MAX);
}

/// The semantics can be used in constants.
const _: () = assert!(BinaryOp::Add.eval(Width::W32, 0xffff_ffff, 1) == 0);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arithmetic(dst in number(), src in number()) {
        for op in BinaryOp::ALL {
            for width in WIDTHS {
                let expected = exact(op, width.bits(), dst, src);
                prop_assert_eq!(op.eval(width, dst, src), expected, "{:?} {:?} {:#x} {:#x}", op, width, dst, src);
            }
        }
    }

    #[test]
    fn comparisons(a in number(), b in number()) {
        for condition in Condition::ALL {
            for width in WIDTHS {
                let expected = holds(condition, width.bits(), a, b);
                prop_assert_eq!(condition.eval(width, a, b), expected, "{:?} {:?} {:#x} {:#x}", condition, width, a, b);
                prop_assert_eq!(condition.swapped().eval(width, b, a), expected);
                if let Some(negated) = condition.negated() {
                    prop_assert_eq!(negated.eval(width, a, b), !expected);
                }
            }
        }
    }

    #[test]
    fn extension_and_negation(value in number()) {
        for size in SIZES {
            let bits = u32::from(size.bits());
            let extended = signed(bits, value.into());
            prop_assert_eq!(i128::from(size.sign_extend(value) as i64), extended);
            prop_assert_eq!(u128::from(size.truncate(value)), unsigned(bits, value.into()));
            prop_assert_eq!(size.extend(true, value), size.sign_extend(value));
            prop_assert_eq!(size.extend(false, value), size.truncate(value));
            for width in WIDTHS {
                let expected = unsigned(width.bits(), extended) as u64;
                prop_assert_eq!(mov_sign_extended(width, size, value), expected);
            }
        }
        for width in WIDTHS {
            prop_assert_eq!(negate(width, value), unsigned(width.bits(), -i128::from(value)) as u64);
        }
    }

    #[test]
    fn swapping_twice_changes_nothing(value: u64) {
        for size in [Size::Half, Size::Word, Size::Double] {
            let once = swap(SwapKind::Swap, size, value);
            prop_assert_eq!(swap(SwapKind::Swap, size, once), size.truncate(value));
            prop_assert_eq!(swap(SwapKind::ToBig, size, value), once);
            let bytes = &value.to_le_bytes()[..size.bytes().into()];
            prop_assert_eq!(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)), once);
        }
    }

    #[test]
    fn atomics(old in number(), src in number(), r0 in number()) {
        for op in AtomicOp::ALL {
            for (size, width) in [(Size::Word, Width::W32), (Size::Double, Width::W64)] {
                prop_assert_eq!(size.width(), width);
                let result = op.eval(size, old, src, r0);
                let expected = match op {
                    AtomicOp::Add { .. } => BinaryOp::Add.eval(width, old, src),
                    AtomicOp::Or { .. } => BinaryOp::Or.eval(width, old, src),
                    AtomicOp::And { .. } => BinaryOp::And.eval(width, old, src),
                    AtomicOp::Xor { .. } => BinaryOp::Xor.eval(width, old, src),
                    AtomicOp::Xchg => width.truncate(src),
                    AtomicOp::Cmpxchg if Condition::Eq.eval(width, old, r0) => width.truncate(src),
                    AtomicOp::Cmpxchg => width.truncate(old),
                };
                prop_assert_eq!(result.memory, expected);
                prop_assert_eq!(result.fetched, op.fetches().then(|| width.truncate(old)));
            }
        }
    }
}
