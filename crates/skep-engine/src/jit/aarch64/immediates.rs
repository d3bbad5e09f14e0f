//! Constants that fit into instructions.

use skep_isa::Width;

/// The bits `N:immr:imms` of a logical instruction with this operand, if it has them (Arm ARM, `DecodeBitMasks`): a run of
/// ones, rotated, repeated every 2, 4, 8, 16, 32 or 64 bits. Neither 0 nor all ones is one.
pub(super) fn bitmask(width: Width, value: u64) -> Option<u32> {
    let value = match width {
        Width::W64 => value,
        // A 32-bit operand is one that repeats.
        Width::W32 => value & 0xffff_ffff | value << 32,
    };
    if value == 0 || value == u64::MAX {
        return None;
    }
    let mut period = 64;
    while period > 2 && value.rotate_right(period / 2) == value {
        period /= 2;
    }
    let element = if period == 64 { value } else { value & ((1 << period) - 1) };
    // The rotation that brings the run of ones to the lowest bits: from where a one follows a zero.
    let starts = value & !value.rotate_left(1);
    let rotation = starts.trailing_zeros() % period;
    let ones = element.count_ones();
    let run = if ones == 64 { u64::MAX } else { (1_u64 << ones) - 1 };
    let rotated = match period {
        64 => element.rotate_right(rotation),
        _ => (element >> rotation | element << (period - rotation)) & ((1 << period) - 1),
    };
    if rotated != run {
        return None;
    }
    let n = u32::from(period == 64);
    let immr = (period - rotation) % period;
    // Ones above the length of the run tell the period.
    let imms = !(2 * period - 1) & 0x3f | (ones - 1);
    Some(n << 12 | immr << 6 | imms)
}

/// The bits `sh:imm12` of an addition, if the number has at most 12 bits, or 12 zeroes below them.
pub(super) const fn unsigned12(value: u64) -> Option<u32> {
    if value < 1 << 12 {
        Some(value as u32)
    } else if value & 0xfff == 0 && value < 1 << 24 {
        Some(1 << 12 | (value >> 12) as u32)
    } else {
        None
    }
}

/// One instruction of those that make a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// These sixteen bits at 16 times `at`, zeroes elsewhere.
    Zeroes { bits: u16, at: u8 },
    /// The complement of that.
    Ones { bits: u16, at: u8 },
    /// A bit mask, encoded.
    Mask(u32),
    /// These sixteen bits, and elsewhere what is there.
    Keep { bits: u16, at: u8 },
}

/// The fewest instructions that make the constant, in a register of that width.
pub(super) fn parts(value: u64) -> (Width, impl Iterator<Item = Part>) {
    let width = if value >> 32 == 0 { Width::W32 } else { Width::W64 };
    let halves = width.bits() / 16;
    let half = move |at: u32| (value >> (16 * at)) as u16;
    let count = |of: u16| (0..halves).filter(|at| half(*at) == of).count() as u32;
    let complemented = count(0xffff) > count(0);
    let filler = if complemented { 0xffff } else { 0 };
    let first = (0..halves).find(|at| half(*at) != filler).unwrap_or(0);
    let plain = halves - count(filler);
    let mask = if plain > 1 { bitmask(width, value) } else { None };
    let begin = match mask {
        Some(mask) => Part::Mask(mask),
        None if complemented => Part::Ones { bits: !half(first), at: first as u8 },
        None => Part::Zeroes { bits: half(first), at: first as u8 },
    };
    let rest = (first + 1..halves).filter(move |at| mask.is_none() && half(*at) != filler);
    let rest = rest.map(move |at| Part::Keep { bits: half(at), at: at as u8 });
    (width, std::iter::once(begin).chain(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the Arm ARM's `DecodeBitMasks` gives for the encoded bits.
    fn decoded(bits: u32, width: Width) -> u64 {
        let (n, immr, imms) = (bits >> 12, bits >> 6 & 0x3f, bits & 0x3f);
        let len = 31 - (n << 6 | !imms & 0x3f).leading_zeros();
        let size = 1_u32 << len;
        let levels = size - 1;
        let (s, r) = (imms & levels, immr & levels);
        let element = if s + 1 == 64 { u64::MAX } else { (1_u64 << (s + 1)) - 1 };
        let mut all = 0;
        for bit in 0..64 {
            let from = (bit % size + r) % size;
            all |= (element >> from & 1) << bit;
        }
        width.truncate(all)
    }

    /// Every bit mask there is: 5334 of 64 bits, 1302 of 32.
    #[test]
    fn every_bitmask_is_found() {
        let mut found = 0;
        for period in [2_u32, 4, 8, 16, 32, 64] {
            for ones in 1..period {
                for rotation in 0..period {
                    let run = (1_u64 << ones) - 1;
                    let element = if rotation == 0 { run } else { run >> rotation | run << (period - rotation) };
                    let element = if period == 64 { element } else { element & ((1 << period) - 1) };
                    let value = (0..64 / period).fold(0, |all, at| all | element << (at * period));
                    let bits = bitmask(Width::W64, value).unwrap_or_else(|| panic!("{value:#x} is a bit mask"));
                    assert_eq!(decoded(bits, Width::W64), value);
                    found += 1;
                    if period < 64 {
                        let bits = bitmask(Width::W32, value & 0xffff_ffff).expect("a bit mask");
                        assert_eq!(bits >> 12, 0);
                        assert_eq!(decoded(bits, Width::W32), value & 0xffff_ffff);
                    }
                }
            }
        }
        assert_eq!(found, 5334);
    }

    fn made(value: u64) -> (u64, usize) {
        let (width, parts) = parts(value);
        let (mut result, mut count) = (0_u64, 0);
        for part in parts {
            count += 1;
            result = match part {
                Part::Zeroes { bits, at } => u64::from(bits) << (16 * at),
                Part::Ones { bits, at } => width.truncate(!(u64::from(bits) << (16 * at))),
                Part::Mask(bits) => decoded(bits, width),
                Part::Keep { bits, at } => result & !(0xffff << (16 * at)) | u64::from(bits) << (16 * at),
            };
        }
        (result, count)
    }

    #[test]
    fn constants_take_few_instructions() {
        for value in [0, 1, 0xffff, 0x1_0000, u64::MAX, -2_i64 as u64, 0xffff_ffff, 0xffff_fffe, 0x5555_5555_5555_5555]
        {
            assert_eq!(made(value), (value, 1), "{value:#x}");
        }
        assert_eq!(made(0x7f12_3456_7890), (0x7f12_3456_7890, 3));
    }

    proptest! {
        #[test]
        fn constants_are_made(value: u64, small: i32, shift in 0_u32..64) {
            for value in [value, small as u64, u64::from(small as u32), value >> shift, value << shift, !(value >> shift)] {
                let (result, count) = made(value);
                prop_assert_eq!(result, value);
                prop_assert!(count <= 4);
            }
        }

        #[test]
        fn what_is_no_bitmask_is_refused(value: u64) {
            for width in [Width::W32, Width::W64] {
                if let Some(bits) = bitmask(width, value) {
                    prop_assert_eq!(decoded(bits, width), width.truncate(value));
                }
            }
        }
    }
}
