//! Initial contents of a data section.

/// Bytes followed by zeros, so that a large `.bss` costs nothing until it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    bytes: Vec<u8>,
    size: u32,
}

impl Contents {
    /// So many zeros.
    pub fn zeros(size: u32) -> Self {
        Contents { bytes: Vec::new(), size }
    }

    /// These bytes; `None` when there are 4 GiB or more.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        Some(Contents { size: u32::try_from(bytes.len()).ok()?, bytes })
    }

    /// Size in bytes.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// All bytes are zero.
    pub fn is_zero(&self) -> bool {
        self.bytes.iter().all(|b| *b == 0)
    }

    /// The bytes of a range, or `None` when it is not inside.
    pub fn read(&self, offset: u32, size: u32) -> Option<Vec<u8>> {
        let end = offset.checked_add(size).filter(|e| *e <= self.size)?;
        let known = self.bytes.len().min(end as usize);
        let mut out = self.bytes.get(offset as usize..known).unwrap_or_default().to_vec();
        out.resize(size as usize, 0);
        Some(out)
    }

    /// Overwrites a range, or does nothing and gives `None` when it is not inside.
    pub fn write(&mut self, offset: u32, bytes: &[u8]) -> Option<()> {
        let end = (offset as usize).checked_add(bytes.len()).filter(|e| *e <= self.size as usize)?;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(offset as usize..end)?.copy_from_slice(bytes);
        Some(())
    }

    /// All bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = self.bytes.clone();
        out.resize(self.size as usize, 0);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_zero_and_ranges_are_checked() {
        let mut c = Contents::zeros(16);
        assert_eq!(c.read(12, 4), Some(vec![0; 4]));
        assert_eq!(c.read(13, 4), None);
        assert_eq!(c.read(u32::MAX, 2), None);
        assert_eq!(c.write(2, &[1, 2]), Some(()));
        assert_eq!(c.write(15, &[1, 2]), None);
        assert_eq!(c.read(1, 4), Some(vec![0, 1, 2, 0]));
        assert_eq!(c.to_vec().len(), 16);
    }
}
