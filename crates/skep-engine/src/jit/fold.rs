//! The forward pass: what earlier instructions computed is folded into later ones.
//!
//! Copies are looked through, constants become immediates, additions become parts of addresses, bytes that are put
//! together become one load, masks that are only tested become tests. Nothing is removed here: what nobody reads any
//! more goes in the [backward pass](super::liveness).

use skep_isa::{BinaryOp, Size, Width};

use super::call::Call;
use super::inst::{Address, Condition, Extension, Index, Inst, Register, Registers, Source, Test};
use super::select::{Leader, Selected};
use super::values::{DatedSource, Order, Value, Values};
use crate::direct::Direct;

/// Runs the pass over all instructions.
pub(super) fn fold(selected: &mut Selected) {
    let mut values = Values::default();
    let Selected { insts, calls, leaders, .. } = selected;
    for slot in 0..insts.len() {
        if leaders[slot] != Leader::No {
            values.forget();
        }
        join_shifts(insts, leaders, slot);
        let inst = insts[slot];
        insts[slot] = match inst {
            Inst::Call(index) => {
                if let Some(known) = known_element(&values, &calls[index as usize]) {
                    calls[index as usize] = known;
                }
                let folded = constant_element(&calls[index as usize]);
                // r1 to r5 may still be there, but whoever relies on them makes the call save them.
                for register in Registers::CALL_CLOBBERED.iter() {
                    values.set(register, Value::Unknown, false);
                }
                if calls[index as usize].leaves() {
                    values.write_memory();
                }
                folded.map_or(inst, |address| constant(&mut values, Register::R0, address))
            }
            _ => fold_one(inst, &mut values),
        };
    }
}

/// `x <<= n; x >>= m` with n ≤ m is an extension of what lies between, and a shift to the left by the difference if n > m.
fn join_shifts(insts: &mut [Inst], leaders: &[Leader], slot: usize) {
    let [first, second] = match insts.get(slot..slot + 2) {
        Some([first, second]) if leaders[slot + 1] == Leader::No => [*first, *second],
        _ => return,
    };
    let shift = |inst| match inst {
        Inst::Binary { op, width, dst, src: Source::Imm(by) } => Some((op, width, dst, by as u32)),
        _ => None,
    };
    let (Some((BinaryOp::Lsh, width, dst, left)), Some((back, back_width, back_dst, right))) =
        (shift(first), shift(second))
    else {
        return;
    };
    let signed = match back {
        BinaryOp::Rsh => false,
        BinaryOp::Arsh => true,
        _ => return,
    };
    let Some(size) = width.bits().checked_sub(left).and_then(|kept| Size::from_bytes(kept as usize / 8)) else {
        return;
    };
    let whole = width.bits() - left == u32::from(size.bits()) && size.width() == Width::W32 && left > 0;
    if !whole || width != back_width || dst != back_dst || right > left {
        return;
    }
    let extend = Inst::Extend { dst, src: dst, size, signed, width };
    if left == right {
        (insts[slot], insts[slot + 1]) = (Inst::Nop, extend);
    } else if width == Width::W64 {
        let by = Source::Imm((left - right) as i32);
        (insts[slot], insts[slot + 1]) = (extend, Inst::Binary { op: BinaryOp::Lsh, width, dst, src: by });
    }
}

fn fold_one(inst: Inst, values: &mut Values) -> Inst {
    match inst {
        Inst::Move { dst, src } => fold_move(values, dst, src),
        Inst::Constant { dst, value } => constant(values, dst, value),
        Inst::Binary { op, width, dst, src } => fold_binary(values, op, width, dst, src),
        Inst::Extend { dst, src, size, signed, width } => fold_extend(values, (dst, src), size, signed, width),
        Inst::Swap { size, dst } => fold_swap(values, size, dst),
        Inst::Load { size, extension, probing, dst, address } => {
            let address = values.address(address);
            if let Some(inst) = forwarded(values, size, extension, dst, address) {
                return inst;
            }
            let swapped = extension == Extension::SwappedZero;
            let value = match extension {
                Extension::Zero | Extension::SwappedZero if !probing => {
                    values.value_of_load(address, size, swapped, dst)
                }
                _ => Value::Unknown,
            };
            values.set(dst, value, extension != Extension::Sign && size.width() == Width::W32);
            Inst::Load { size, extension, probing, dst, address }
        }
        Inst::Store { size, address, src } => {
            let (address, src) = (values.address(address), fold_source(values, src));
            values.store(address, size, src);
            Inst::Store { size, address, src }
        }
        Inst::Branch { test, target } => {
            let test = fold_test(values, test);
            match decided(values, test) {
                Some(true) => Inst::Jump { target },
                Some(false) => Inst::Nop,
                None => Inst::Branch { test, target },
            }
        }
        Inst::Select { test, dst, value } => fold_select(values, test, dst, value),
        Inst::LoadPacket { .. } => {
            // It changes r1 to r5 as well.
            for register in Registers::CALL_CLOBBERED.iter() {
                values.set(register, Value::Unknown, false);
            }
            values.write_memory();
            inst
        }
        Inst::Atomic { op, size, address, src } => {
            values.write_memory();
            let folded = Inst::Atomic { op, size, address: values.address(address), src };
            if op.fetches() {
                let fetched = if op == skep_isa::AtomicOp::Cmpxchg { Register::R0 } else { src };
                values.set(fetched, Value::Unknown, size.width() == Width::W32);
            }
            folded
        }
        Inst::LoadAcquire { size, probing, dst, address } => {
            let address = values.address(address);
            values.set(dst, Value::Unknown, size.width() == Width::W32);
            values.write_memory();
            Inst::LoadAcquire { size, probing, dst, address }
        }
        Inst::StoreRelease { size, address, src } => {
            let address = values.address(address);
            values.write_memory();
            Inst::StoreRelease { size, address, src }
        }
        Inst::Negate { width, dst } => {
            values.set(dst, Value::Unknown, width == Width::W32);
            inst
        }
        // Selection makes none of these.
        Inst::Lea { dst, .. } | Inst::ShiftedMove { dst, .. } | Inst::Flag { dst, .. } | Inst::AddCarry { dst, .. } => {
            values.set(dst, Value::Unknown, false);
            inst
        }
        Inst::Nop | Inst::Jump { .. } | Inst::MayGoto { .. } | Inst::Exit | Inst::Call(_) => inst,
    }
}

fn constant(values: &mut Values, dst: Register, value: u64) -> Inst {
    values.set(dst, Value::Constant(value), u32::try_from(value).is_ok());
    Inst::Constant { dst, value }
}

fn fold_move(values: &mut Values, dst: Register, src: Register) -> Inst {
    let src = values.origin(src);
    if src == dst {
        return Inst::Nop;
    }
    if let Value::Constant(value) = values.get(src) {
        return constant(values, dst, value);
    }
    values.copy(dst, src);
    Inst::Move { dst, src }
}

fn fold_source(values: &Values, src: Source) -> Source {
    match src {
        Source::Reg(register) => match values.immediate(register) {
            Some(imm) => Source::Imm(imm),
            None => Source::Reg(values.origin(register)),
        },
        Source::Imm(_) => src,
    }
}

fn fold_binary(values: &mut Values, op: BinaryOp, width: Width, dst: Register, src: Source) -> Inst {
    let src = fold_source(values, src);
    if let (Value::Constant(left), Source::Imm(right)) = (values.get(dst), src) {
        return constant(values, dst, op.eval(width, left, i64::from(right).cast_unsigned()));
    }
    let narrow = width == Width::W32;
    let (value, inst) = match (op, width, src) {
        (BinaryOp::Add, Width::W64, _) => return fold_add(values, dst, src),
        (BinaryOp::Sub, Width::W64, Source::Imm(imm)) if imm != i32::MIN => {
            return fold_add(values, dst, Source::Imm(-imm));
        }
        (BinaryOp::And, _, Source::Imm(mask)) => return fold_mask(values, width, dst, mask),
        (BinaryOp::Lsh, _, Source::Imm(by)) => return fold_shift(values, width, dst, by),
        (BinaryOp::Or, _, Source::Reg(other)) => return fold_or(values, width, dst, other),
        _ => (Value::Unknown, Inst::Binary { op, width, dst, src }),
    };
    let zero_above = match (op, src) {
        (BinaryOp::Rsh, Source::Imm(by)) => by & 63 >= 32 || values.is_narrow(dst),
        (BinaryOp::And, Source::Reg(other)) => values.is_narrow(dst) || values.is_narrow(other),
        (BinaryOp::Xor, Source::Reg(other)) => values.is_narrow(dst) && values.is_narrow(other),
        (BinaryOp::Or | BinaryOp::Xor, Source::Imm(imm)) => imm >= 0 && values.is_narrow(dst),
        (BinaryOp::Div | BinaryOp::Mod, _) => values.is_narrow(dst),
        _ => false,
    };
    values.set(dst, value, narrow || zero_above);
    inst
}

/// The sum and whether it was carried, where `flag` says that one number is less than another.
fn add_carry(values: &Values, dst: Register, flag: Source) -> Option<Inst> {
    let Source::Reg(flag) = flag else { return None };
    let Value::Less { left, right, width } = values.get(flag) else { return None };
    let right = match right {
        DatedSource::Reg(right) => Source::Reg(right.register),
        DatedSource::Imm(imm) => Source::Imm(imm),
    };
    Some(Inst::AddCarry { width, left: left.register, right, dst })
}

/// 64-bit additions become three-operand ones where that makes the result independent of `dst`.
fn fold_add(values: &mut Values, dst: Register, src: Source) -> Inst {
    if let Some(inst) = add_carry(values, dst, src) {
        values.set(dst, Value::Unknown, false);
        return inst;
    }
    let plain = Inst::Binary { op: BinaryOp::Add, width: Width::W64, dst, src };
    let left = values.address(Address::new(dst, 0));
    let sum = match src {
        Source::Imm(imm) => left.offset.checked_add(imm).map(|offset| Address { offset, ..left }),
        Source::Reg(register) => add_addresses(left, values, register),
    };
    match sum {
        Some(sum) if sum != Address::new(dst, 0) => {
            let value = values.value_of_address(sum, dst);
            values.set(dst, value, false);
            match src {
                // As good, and shorter.
                Source::Imm(_) if sum.base == dst && sum.index.is_none() => plain,
                Source::Reg(right)
                    if sum
                        == (Address { index: Some(Index { register: right, shift: 0 }), ..Address::new(dst, 0) }) =>
                {
                    plain
                }
                _ => Inst::Lea { dst, address: sum },
            }
        }
        _ => {
            values.set(dst, Value::Unknown, false);
            plain
        }
    }
}

/// The sum as an address, if one can hold it.
fn add_addresses(left: Address, values: &Values, right: Register) -> Option<Address> {
    if left.index.is_some() {
        return None;
    }
    if let Value::Shifted { index, shift } = values.get(right) {
        return Some(Address { index: Some(Index { register: index.register, shift }), ..left });
    }
    match values.address(Address::new(right, 0)) {
        Address { base, index: None, offset } => {
            let offset = left.offset.checked_add(offset)?;
            Some(Address { base: left.base, index: Some(Index { register: base, shift: 0 }), offset })
        }
        _ => Some(Address { index: Some(Index { register: right, shift: 0 }), ..left }),
    }
}

fn fold_mask(values: &mut Values, width: Width, dst: Register, mask: i32) -> Inst {
    let of = values.origin(dst);
    let narrow = width == Width::W32 || mask >= 0 || values.is_narrow(of);
    let size = match mask {
        0xff => Some(Size::Byte),
        0xffff => Some(Size::Half),
        _ => None,
    };
    let value = if of == dst { Value::Unknown } else { Value::Masked { of: values.dated(of), mask, width } };
    values.set(dst, value, narrow);
    match size {
        Some(size) => Inst::Extend { dst, src: of, size, signed: false, width: Width::W64 },
        None => Inst::Binary { op: BinaryOp::And, width, dst, src: Source::Imm(mask) },
    }
}

fn fold_shift(values: &mut Values, width: Width, dst: Register, by: i32) -> Inst {
    let inst = Inst::Binary { op: BinaryOp::Lsh, width, dst, src: Source::Imm(by) };
    let by = by as u32 & (width.bits() - 1);
    let of = values.origin(dst);
    let narrow = width == Width::W32;
    match values.get(dst) {
        Value::Bytes(bytes) => {
            let value = bytes.shifted(by, width).map_or(Value::Unknown, Value::Bytes);
            values.set(dst, value, narrow);
            inst
        }
        _ if of != dst && width == Width::W64 && (1..=3).contains(&by) => {
            let value = Value::Shifted { index: values.dated(of), shift: by as u8 };
            values.set(dst, value, false);
            Inst::ShiftedMove { dst, src: of, shift: by as u8 }
        }
        _ => {
            values.set(dst, Value::Unknown, narrow);
            inst
        }
    }
}

fn fold_or(values: &mut Values, width: Width, dst: Register, other: Register) -> Inst {
    let inst = Inst::Binary { op: BinaryOp::Or, width, dst, src: Source::Reg(other) };
    let narrow = width == Width::W32 || values.is_narrow(dst) && values.is_narrow(other);
    let joined = match (values.get(dst), values.get(other)) {
        (Value::Bytes(one), Value::Bytes(two)) => {
            one.joined(two).filter(|all| u32::from(all.count) * 8 + u32::from(all.shift) <= width.bits())
        }
        _ => None,
    };
    let Some(joined) = joined else {
        values.set(dst, Value::Unknown, narrow);
        return inst;
    };
    let itself = joined.base.register == dst;
    values.set(dst, if itself { Value::Unknown } else { Value::Bytes(joined) }, narrow);
    match joined.as_load() {
        Some((address, size, swapped)) => load(dst, address, size, swapped),
        None => inst,
    }
}

fn load(dst: Register, address: Address, size: Size, swapped: bool) -> Inst {
    let extension = if swapped { Extension::SwappedZero } else { Extension::Zero };
    Inst::Load { size, extension, probing: false, dst, address }
}

fn fold_swap(values: &mut Values, size: Size, dst: Register) -> Inst {
    let narrow = size.width() == Width::W32;
    let swapped = match values.get(dst) {
        Value::Bytes(bytes) => bytes.swapped(size),
        _ => None,
    };
    let Some(bytes) = swapped else {
        values.set(dst, Value::Unknown, narrow);
        return Inst::Swap { size, dst };
    };
    values.set(dst, Value::Bytes(bytes), narrow);
    let address = Address::new(bytes.base.register, bytes.offset);
    load(dst, address, size, bytes.order == Order::Big)
}

fn fold_extend(values: &mut Values, (dst, src): (Register, Register), size: Size, signed: bool, width: Width) -> Inst {
    let src = values.origin(src);
    if let (Value::Constant(value), false) = (values.get(src), signed) {
        return constant(values, dst, size.truncate(value));
    }
    if !signed && size == Size::Word && values.is_narrow(src) {
        return fold_move(values, dst, src);
    }
    let narrow = !signed || width == Width::W32;
    values.set(dst, Value::Unknown, narrow);
    Inst::Extend { dst, src, size, signed, width }
}

/// A load of what was just stored in the frame: from where it still is.
fn forwarded(values: &mut Values, size: Size, extension: Extension, dst: Register, address: Address) -> Option<Inst> {
    match (values.stored(address, size)?, extension) {
        (Source::Imm(imm), Extension::Zero) => {
            Some(constant(values, dst, size.truncate(i64::from(imm).cast_unsigned())))
        }
        (Source::Reg(src), Extension::Zero) if size == Size::Double => Some(fold_move(values, dst, src)),
        (Source::Reg(src), Extension::Zero) => Some(fold_extend(values, (dst, src), size, false, Width::W64)),
        _ => None,
    }
}

fn fold_test(values: &Values, test: Test) -> Test {
    let Test { condition, width, left, right } = test;
    let right = fold_source(values, right);
    let bits = match (condition, right) {
        (Condition::Eq, Source::Imm(0)) => Some(Condition::Clear),
        (Condition::Ne, Source::Imm(0)) => Some(Condition::Set),
        _ => None,
    };
    if let (Some(condition), Value::Masked { of, mask, width: masked }) = (bits, values.get(left)) {
        // What a 32-bit mask leaves has no upper half to look at, and a 32-bit comparison looks at none.
        let width = if masked == Width::W32 || width == Width::W32 { Width::W32 } else { Width::W64 };
        return Test { condition, width, left: of.register, right: Source::Imm(mask) };
    }
    Test { condition, width, left: values.origin(left), right }
}

/// How a comparison of known numbers ends.
fn decided(values: &Values, test: Test) -> Option<bool> {
    match (values.get(test.left), test.right) {
        (Value::Constant(left), Source::Imm(right)) => {
            Some(test.condition.eval(test.width, left, i64::from(right).cast_unsigned()))
        }
        _ => None,
    }
}

fn fold_select(values: &mut Values, test: Test, dst: Register, value: Source) -> Inst {
    let test = fold_test(values, test);
    let value = fold_source(values, value);
    match (decided(values, test), value) {
        (Some(false), _) => return Inst::Nop,
        (Some(true), Source::Reg(src)) => return fold_move(values, dst, src),
        (Some(true), Source::Imm(imm)) => return constant(values, dst, i64::from(imm).cast_unsigned()),
        (None, _) => {}
    }
    let flag = match (values.get(dst), value) {
        (Value::Constant(0), Source::Imm(1)) => Some(test),
        (Value::Constant(1), Source::Imm(0)) => Some(test.inverted()),
        _ => None,
    };
    if let Some(test) = flag.filter(|test| !test.registers().contains(dst)) {
        let less = less(values, test);
        values.set(dst, less, true);
        return Inst::Flag { test, dst };
    }
    let narrow = values.is_narrow(dst)
        && match value {
            Source::Reg(src) => values.is_narrow(src),
            Source::Imm(imm) => imm >= 0,
        };
    values.set(dst, Value::Unknown, narrow);
    Inst::Select { test, dst, value }
}

/// What a flag of that comparison tells.
fn less(values: &Values, test: Test) -> Value {
    let Test { condition, width, left, right } = test;
    match (condition, right) {
        (Condition::Lt, _) => Value::Less { left: values.dated(left), right: values.dated_source(right), width },
        (Condition::Gt, Source::Reg(right)) => {
            let left = values.dated_source(Source::Reg(left));
            Value::Less { left: values.dated(right), right: left, width }
        }
        _ => Value::Unknown,
    }
}

/// A look-up whose key was just stored in the frame.
fn known_element(values: &Values, call: &Call) -> Option<Call> {
    let Call::Direct(array @ (Direct::Array { .. } | Direct::PerCpuArray { .. })) = *call else { return None };
    let index = values.stored(values.address(Address::new(Register::R2, 0)), Size::Word)?;
    Some(Call::Element { array, index })
}

/// The address of an element that is there and always at the same place.
fn constant_element(call: &Call) -> Option<u64> {
    let Call::Element { array: Direct::Array { values, stride, count }, index: Source::Imm(index) } = *call else {
        return None;
    };
    let index = index.cast_unsigned();
    (index < count).then(|| values + u64::from(index) * u64::from(stride))
}
