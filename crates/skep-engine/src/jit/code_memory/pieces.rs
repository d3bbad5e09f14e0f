//! Which parts of an arena are free.

use std::collections::{BTreeMap, BTreeSet};

/// Free pieces.
///
/// Invariant: pieces do not touch each other, and both sets hold the same ones.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// Length by offset.
    by_offset: BTreeMap<u32, u32>,
    /// Length, then offset.
    by_length: BTreeSet<(u32, u32)>,
}

impl Pieces {
    /// One piece of that length.
    pub(super) fn all_of(len: u32) -> Pieces {
        let mut pieces = Pieces::default();
        pieces.insert(0, len);
        pieces
    }

    /// Takes `len` bytes from the smallest piece that has them, and gives their offset.
    pub(super) fn take(&mut self, len: u32) -> Option<u32> {
        let (found, offset) = *self.by_length.range((len, 0)..).next()?;
        self.remove(offset, found);
        if found > len {
            self.insert(offset + len, found - len);
        }
        Some(offset)
    }

    /// Makes a piece free again.
    pub(super) fn give(&mut self, mut offset: u32, mut len: u32) {
        if let Some((before, before_len)) = self.by_offset.range(..offset).next_back().map(|(o, l)| (*o, *l))
            && before + before_len == offset
        {
            self.remove(before, before_len);
            (offset, len) = (before, len + before_len);
        }
        if let Some(after_len) = self.by_offset.get(&(offset + len)).copied() {
            self.remove(offset + len, after_len);
            len += after_len;
        }
        self.insert(offset, len);
    }

    /// Length of the largest piece.
    pub(super) fn largest(&self) -> u32 {
        self.by_length.last().map_or(0, |(len, _)| *len)
    }

    fn insert(&mut self, offset: u32, len: u32) {
        self.by_offset.insert(offset, len);
        self.by_length.insert((len, offset));
    }

    fn remove(&mut self, offset: u32, len: u32) {
        self.by_offset.remove(&offset);
        self.by_length.remove(&(len, offset));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_smallest_piece_that_suffices_is_taken() {
        let mut pieces = Pieces::all_of(100);
        let taken: Vec<_> = [10, 30, 10, 20].map(|len| pieces.take(len)).into();
        assert_eq!(taken, [Some(0), Some(10), Some(40), Some(50)]);
        pieces.give(10, 30);
        pieces.give(50, 20);
        assert_eq!(pieces.take(15), Some(10));
        assert_eq!(pieces.take(51), None);
    }

    proptest! {
        /// Against one flag per byte.
        #[test]
        fn pieces_neither_overlap_nor_get_lost(steps in prop::collection::vec((any::<bool>(), 1_u32..40), 1..200)) {
            let mut pieces = Pieces::all_of(256);
            let mut bytes = [false; 256];
            let mut taken = Vec::new();
            for (take, number) in steps {
                if take {
                    let run = bytes.chunk_by(|a, b| a == b).filter(|run| !run[0]).map(<[_]>::len).max().unwrap_or(0);
                    let got = pieces.take(number);
                    prop_assert_eq!(got.is_some(), run >= number as usize);
                    let Some(offset) = got else { continue };
                    let place = &mut bytes[offset as usize..(offset + number) as usize];
                    prop_assert!(place.iter().all(|byte| !byte));
                    place.fill(true);
                    taken.push((offset, number));
                } else if !taken.is_empty() {
                    let (offset, len) = taken.swap_remove(number as usize % taken.len());
                    bytes[offset as usize..(offset + len) as usize].fill(false);
                    pieces.give(offset, len);
                }
            }
            for (offset, len) in taken {
                pieces.give(offset, len);
            }
            prop_assert_eq!(pieces.largest(), 256);
        }
    }
}
