//! Eight bytes of a program.

use std::fmt;

/// One 8-byte instruction slot, exactly as it stands in memory (RFC 9669, section 3.1).
///
/// Nothing is checked here: `opcode` may be reserved and the registers may be 11 to 15.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Class, operation or mode, and source or size.
    pub opcode: u8,
    /// Destination register number, 0 to 15.
    pub dst: u8,
    /// Source register number or pseudo source, 0 to 15.
    pub src: u8,
    /// Signed 16-bit offset.
    pub offset: i16,
    /// Signed 32-bit immediate.
    pub imm: i32,
}

impl Slot {
    /// Size in bytes.
    pub const SIZE: usize = 8;

    /// Reads a little-endian slot.
    pub const fn from_le_bytes(b: [u8; 8]) -> Self {
        Slot {
            opcode: b[0],
            dst: b[1] & 0xf,
            src: b[1] >> 4,
            offset: i16::from_le_bytes([b[2], b[3]]),
            imm: i32::from_le_bytes([b[4], b[5], b[6], b[7]]),
        }
    }

    /// Reads a big-endian slot: the register nibbles are swapped as well.
    pub const fn from_be_bytes(b: [u8; 8]) -> Self {
        Slot {
            opcode: b[0],
            dst: b[1] >> 4,
            src: b[1] & 0xf,
            offset: i16::from_be_bytes([b[2], b[3]]),
            imm: i32::from_be_bytes([b[4], b[5], b[6], b[7]]),
        }
    }

    /// Writes the slot in little-endian order.
    pub const fn to_le_bytes(self) -> [u8; 8] {
        let (o, i) = (self.offset.to_le_bytes(), self.imm.to_le_bytes());
        [self.opcode, self.dst & 0xf | self.src << 4, o[0], o[1], i[0], i[1], i[2], i[3]]
    }

    /// Writes the slot in big-endian order.
    pub const fn to_be_bytes(self) -> [u8; 8] {
        let (o, i) = (self.offset.to_be_bytes(), self.imm.to_be_bytes());
        [self.opcode, self.src & 0xf | self.dst << 4, o[0], o[1], i[0], i[1], i[2], i[3]]
    }

    /// Splits a little-endian program into slots.
    ///
    /// # Errors
    /// `Err(len)` when the length is not a multiple of eight.
    pub fn read_program(bytes: &[u8]) -> Result<Vec<Slot>, usize> {
        let (chunks, rest) = bytes.as_chunks::<8>();
        if rest.is_empty() { Ok(chunks.iter().map(|c| Slot::from_le_bytes(*c)).collect()) } else { Err(bytes.len()) }
    }

    /// Writes a program in little-endian order.
    pub fn write_program(slots: &[Slot]) -> Vec<u8> {
        slots.iter().flat_map(|s| s.to_le_bytes()).collect()
    }
}

impl fmt::LowerHex for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_le_bytes().iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}
