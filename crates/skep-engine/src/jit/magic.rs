//! Unsigned division by a number that is known, as a multiplication (Granlund and Montgomery, PLDI 1994).
//!
//! `quotient = (dividend * factor >> bits) >> shift`; where the factor has one bit more than the dividend, the part of the
//! product that this bit stands for is added without overflow: `(((dividend - high) >> 1) + high) >> (shift - 1)`.

/// How to divide by multiplying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Magic {
    /// Its lowest `bits` bits, if it needs one more: see `adds`.
    pub(super) factor: u128,
    /// By how much the upper half of the product is shifted.
    pub(super) shift: u8,
    /// The factor has one more bit, which stands for adding the dividend.
    pub(super) adds: bool,
}

impl Magic {
    /// For dividends of so many bits, and a divisor that is neither zero nor a power of two.
    pub(super) fn new(by: u64, bits: u32) -> Magic {
        let full = u64::BITS - by.leading_zeros();
        // 2^(bits + shift) / by, rounded up, serves if the error of rounding is at most 2^shift.
        let shift = full - 1;
        let power = 1_u128 << (bits + shift);
        let factor = power.div_ceil(by.into());
        if factor * u128::from(by) - power <= 1 << shift && factor >> bits == 0 {
            return Magic { factor, shift: shift as u8, adds: false };
        }
        // 2^(bits + full) may need 129 bits: the part of the quotient above 2^bits is 1 and is left out.
        let rest = ((1_u128 << full) - u128::from(by)) << bits;
        let factor = rest.div_ceil(by.into());
        // Rounding up exactly at a whole quotient cannot be: `by` is no power of two.
        Magic { factor, shift: full as u8, adds: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quotient(dividend: u64, by: u64, bits: u32) -> u64 {
        let magic = Magic::new(by, bits);
        let high = ((u128::from(dividend) * magic.factor) >> bits) as u64;
        if magic.adds { (((dividend - high) >> 1) + high) >> (magic.shift - 1) } else { high >> magic.shift }
    }

    proptest! {
        #[test]
        fn multiplying_divides(dividend: u64, by in 3_u64.., small in 3_u64..70_000, shift in 0_u32..62) {
            for by in [by, small, by >> shift].into_iter().filter(|by| *by > 2 && !by.is_power_of_two()) {
                for dividend in [dividend, u64::MAX, u64::MAX - dividend % 70_000, dividend / by * by, (dividend / by * by).wrapping_sub(1)] {
                    prop_assert_eq!(quotient(dividend, by, 64), dividend / by);
                }
                let (by, dividend) = (by & 0xffff_ffff, dividend & 0xffff_ffff);
                if by > 2 && !by.is_power_of_two() {
                    for dividend in [dividend, 0xffff_ffff, dividend / by * by, (dividend / by * by).wrapping_sub(1) & 0xffff_ffff] {
                        prop_assert_eq!(quotient(dividend, by, 32), dividend / by);
                    }
                }
            }
        }
    }
}
