//! What is known about registers while walking forwards through straight code.
//!
//! Invariant: a [`Value`] tells what its register holds *now*, in terms of other registers. Each register has a stamp
//! that changes when it is written; a value that mentions a register holds only while that register has the stamp it had.

use skep_isa::{Size, Width};

use super::inst::{Address, Index, Register, Registers, Source};

/// A register as it was at some point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dated {
    pub(super) register: Register,
    stamp: u32,
}

/// In which order a value put together from bytes has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// One byte only.
    Any,
    Little,
    Big,
}

/// Bytes of memory as a number, shifted to the left: everything else is zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes {
    pub(super) base: Dated,
    pub(super) offset: i32,
    /// 1 to 8.
    pub(super) count: u8,
    pub(super) shift: u8,
    pub(super) order: Order,
    /// Stamp of the memory they were read from.
    memory: u32,
}

/// What a register holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Value {
    #[default]
    Unknown,
    Constant(u64),
    /// `base + (index << shift) + offset`.
    Address {
        base: Dated,
        index: Option<(Dated, u8)>,
        offset: i32,
    },
    /// `index << shift`, 1 to 3.
    Shifted {
        index: Dated,
        shift: u8,
    },
    /// `of & mask`.
    Masked {
        of: Dated,
        mask: i32,
        width: Width,
    },
    Bytes(Bytes),
    /// 1 if `left < right`, unsigned, else 0.
    Less {
        left: Dated,
        right: DatedSource,
        width: Width,
    },
}

/// An operand as it was at some point.
#[derive(Clone, Copy, Debug)]
pub(super) enum DatedSource {
    Reg(Dated),
    Imm(i32),
}

/// What was stored in the frame.
#[derive(Clone, Copy, Debug)]
struct Stored {
    offset: i32,
    size: Size,
    value: DatedSource,
}

/// The offset behind an access; far from any frame, where one would be too large.
fn end(offset: i32, size: Size) -> i32 {
    offset.saturating_add(size.bytes().into())
}

/// How many stores are kept in mind.
const STORES: usize = 8;

/// What is known about all registers.
#[derive(Debug, Default)]
pub(super) struct Values {
    values: [Value; Register::COUNT],
    /// What a register is a copy of.
    copies: [Option<Dated>; Register::COUNT],
    stamps: [u32; Register::COUNT],
    /// Registers whose upper half is known to be zero.
    narrow: Registers,
    memory: u32,
    clock: u32,
    stores: [Option<Stored>; STORES],
    next_store: usize,
}

impl Values {
    /// Where other paths join, nothing is known.
    pub(super) fn forget(&mut self) {
        self.values = [Value::Unknown; Register::COUNT];
        self.copies = [None; Register::COUNT];
        self.narrow = Registers::NONE;
        self.clock += 1;
        self.memory = self.clock;
        self.stores = [None; STORES];
    }

    /// Memory was written, no matter where.
    pub(super) fn write_memory(&mut self) {
        self.clock += 1;
        self.memory = self.clock;
        self.stores = [None; STORES];
    }

    /// Memory was written there.
    pub(super) fn store(&mut self, address: Address, size: Size, src: Source) {
        if address.base != Register::FRAME || address.index.is_some() {
            return self.write_memory();
        }
        self.clock += 1;
        self.memory = self.clock;
        let start = address.offset;
        for place in &mut self.stores {
            let overlaps = |old: &Stored| old.offset < end(start, size) && start < end(old.offset, old.size);
            if place.as_ref().is_some_and(overlaps) {
                *place = None;
            }
        }
        let value = self.dated_source(src);
        self.stores[self.next_store % STORES] = Some(Stored { offset: start, size, value });
        self.next_store += 1;
    }

    /// What was stored there last, if it is still somewhere else, too. Of a register, only the lowest `size` bytes were.
    pub(super) fn stored(&self, address: Address, size: Size) -> Option<Source> {
        if address.base != Register::FRAME || address.index.is_some() {
            return None;
        }
        let same = |stored: &&Stored| stored.offset == address.offset && stored.size == size;
        match self.stores.iter().flatten().find(same)?.value {
            DatedSource::Imm(imm) => Some(Source::Imm(imm)),
            DatedSource::Reg(dated) => self.holds(dated).then_some(Source::Reg(dated.register)),
        }
    }

    /// An operand as it is now.
    pub(super) fn dated_source(&self, src: Source) -> DatedSource {
        match src {
            Source::Reg(register) => DatedSource::Reg(self.dated(register)),
            Source::Imm(imm) => DatedSource::Imm(imm),
        }
    }

    /// The register was written; `narrow`: with zeroes in its upper half.
    pub(super) fn set(&mut self, register: Register, value: Value, narrow: bool) {
        self.clock += 1;
        self.stamps[register.index()] = self.clock;
        self.values[register.index()] = value;
        self.copies[register.index()] = None;
        self.narrow = self.narrow.without(register.bit());
        if narrow {
            self.narrow = self.narrow.union(register.bit());
        }
    }

    /// The register became a copy of another one.
    pub(super) fn copy(&mut self, dst: Register, src: Register) {
        let (value, origin, narrow) = (self.get(src), self.dated(src), self.is_narrow(src));
        self.set(dst, value, narrow);
        self.copies[dst.index()] = Some(origin);
    }

    pub(super) fn is_narrow(&self, register: Register) -> bool {
        self.narrow.contains(register)
    }

    /// The register as it is now.
    pub(super) fn dated(&self, register: Register) -> Dated {
        Dated { register, stamp: self.stamps[register.index()] }
    }

    fn holds(&self, dated: Dated) -> bool {
        self.stamps[dated.register.index()] == dated.stamp
    }

    /// What it holds, if the registers that this mentions have not changed.
    pub(super) fn get(&self, register: Register) -> Value {
        let value = self.values[register.index()];
        let holds = match value {
            Value::Unknown | Value::Constant(_) => true,
            Value::Address { base, index, .. } => self.holds(base) && index.is_none_or(|(index, _)| self.holds(index)),
            Value::Shifted { index, .. } => self.holds(index),
            Value::Masked { of, .. } => self.holds(of),
            Value::Bytes(bytes) => self.holds(bytes.base) && bytes.memory == self.memory,
            Value::Less { left, right, .. } => {
                self.holds(left)
                    && match right {
                        DatedSource::Reg(right) => self.holds(right),
                        DatedSource::Imm(_) => true,
                    }
            }
        };
        if holds { value } else { Value::Unknown }
    }

    /// The register that this one is a copy of, or itself.
    pub(super) fn origin(&self, register: Register) -> Register {
        match self.copies[register.index()] {
            Some(origin) if self.holds(origin) => origin.register,
            _ => register,
        }
    }

    /// As an immediate of an instruction.
    pub(super) fn immediate(&self, register: Register) -> Option<i32> {
        match self.get(register) {
            Value::Constant(value) => i32::try_from(value.cast_signed()).ok(),
            _ => None,
        }
    }

    /// The same place in terms of the oldest registers.
    pub(super) fn address(&self, address: Address) -> Address {
        let Address { base, index, offset } = address;
        let Value::Address { base: older, index: older_index, offset: add } = self.get(base) else {
            return Address { base: self.origin(base), ..address };
        };
        let (Some(offset), true) = (offset.checked_add(add), index.is_none() || older_index.is_none()) else {
            return address;
        };
        let older_index = older_index.map(|(index, shift)| Index { register: index.register, shift });
        Address { base: older.register, index: index.or(older_index), offset }
    }

    /// What a register will hold that gets this address; `dst` is that register.
    pub(super) fn value_of_address(&self, address: Address, dst: Register) -> Value {
        if address.registers().contains(dst) {
            return Value::Unknown;
        }
        let index = address.index.map(|index| (self.dated(index.register), index.shift));
        Value::Address { base: self.dated(address.base), index, offset: address.offset }
    }

    /// What a register will hold that is loaded from there.
    pub(super) fn value_of_load(&self, address: Address, size: Size, swapped: bool, dst: Register) -> Value {
        if address.index.is_some() || address.base == dst {
            return Value::Unknown;
        }
        let order = match (size, swapped) {
            (Size::Byte, _) => Order::Any,
            (_, false) => Order::Little,
            (_, true) => Order::Big,
        };
        Value::Bytes(Bytes {
            base: self.dated(address.base),
            offset: address.offset,
            count: size.bytes(),
            shift: 0,
            order,
            memory: self.memory,
        })
    }
}

impl Bytes {
    /// The same, shifted further, if no byte is lost at that width.
    pub(super) fn shifted(self, by: u32, width: Width) -> Option<Bytes> {
        let shift = u32::from(self.shift) + by;
        let fits = by.is_multiple_of(8) && u32::from(self.count) * 8 + shift <= width.bits();
        fits.then_some(Bytes { shift: shift as u8, ..self })
    }

    /// Both together, if they are neighbours in memory and in the number.
    pub(super) fn joined(self, other: Bytes) -> Option<Bytes> {
        let (low, high) = if self.shift < other.shift { (self, other) } else { (other, self) };
        let adjacent = low.shift + 8 * low.count == high.shift && low.base == high.base && low.memory == high.memory;
        let ordered = |bytes: &Bytes, order| bytes.order == Order::Any || bytes.order == order;
        let both = |order| ordered(&low, order) && ordered(&high, order);
        let count = low.count + high.count;
        if !adjacent {
            None
        } else if low.offset.checked_add(low.count.into()) == Some(high.offset) && both(Order::Little) {
            Some(Bytes { count, order: Order::Little, ..low })
        } else if high.offset.checked_add(high.count.into()) == Some(low.offset) && both(Order::Big) {
            Some(Bytes { count, order: Order::Big, offset: high.offset, ..low })
        } else {
            None
        }
    }

    /// The load that gives them in one go.
    pub(super) fn as_load(&self) -> Option<(Address, Size, bool)> {
        let size = Size::from_bytes(self.count.into())?;
        let address = Address::new(self.base.register, self.offset);
        (self.shift == 0).then_some((address, size, self.order == Order::Big))
    }

    /// The same with its bytes in the other order, if it is as long as a number of `size`.
    pub(super) fn swapped(self, size: Size) -> Option<Bytes> {
        let whole = self.shift == 0 && self.count == size.bytes();
        let order = match self.order {
            Order::Little => Order::Big,
            Order::Big => Order::Little,
            Order::Any => Order::Any,
        };
        whole.then_some(Bytes { order, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_forget_what_they_overlap() {
        let at = |offset| Address::new(Register::FRAME, offset);
        let mut values = Values::default();
        values.store(at(-16), Size::Double, Source::Imm(1));
        values.store(at(-8), Size::Word, Source::Imm(2));
        assert!(matches!(values.stored(at(-16), Size::Double), Some(Source::Imm(1))));
        values.store(at(-9), Size::Byte, Source::Imm(3));
        assert!(values.stored(at(-16), Size::Double).is_none());
        assert!(matches!(values.stored(at(-8), Size::Word), Some(Source::Imm(2))));
        assert!(values.stored(at(-8), Size::Half).is_none());
    }

    /// Code that never runs may name any address.
    #[test]
    fn stores_far_from_the_frame_are_harmless() {
        let mut values = Values::default();
        for offset in [i32::MAX, i32::MIN, i32::MAX - 3] {
            values.store(Address::new(Register::FRAME, offset), Size::Double, Source::Imm(0));
        }
        assert!(values.stored(Address::new(Register::FRAME, -8), Size::Double).is_none());
    }
}
