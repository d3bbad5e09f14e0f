//! Where choices come from.

/// A generator of numbers, or the bytes of a fuzzer.
pub trait Choices {
    /// A number below `limit`, which is not zero.
    fn below(&mut self, limit: u32) -> u32;

    /// Once in `times`.
    fn once_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u32) as usize]
    }
}

/// Reproducible numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// The numbers of that seed.
    pub const fn new(seed: u64) -> Seeded {
        Seeded(seed.wrapping_mul(0x5851_f42d_4c95_7f2d))
    }
}

impl Choices for Seeded {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 32) as u32) % limit
    }
}

/// The choices of a fuzzer's input; where it ends, always the first.
#[derive(Clone, Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Choices for Bytes<'_> {
    fn below(&mut self, limit: u32) -> u32 {
        // One byte where that is enough, so that a fuzzer can turn a choice over easily.
        let len = if limit <= 256 { 1 } else { 4 };
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)) % limit
    }
}

/// A number near the borders of what fits in 8, 16, 32 and 64 bits, or any other.
pub fn interesting(numbers: &mut impl Choices) -> u64 {
    let any = u64::from(numbers.below(u32::MAX)) << 32 | u64::from(numbers.below(u32::MAX));
    match numbers.below(8) {
        0 => 0,
        1 => u64::MAX,
        2 => any & 0xff,
        3 => 1 << (any & 63),
        4 => (1u64 << (any & 63)).wrapping_sub(1),
        5 => any as i32 as i64 as u64,
        6 => any & 0xffff_ffff,
        _ => any,
    }
}
