//! The forward pass: what earlier instructions computed is folded into later ones.
//!
//! Copies are looked through, constants become immediates, additions become parts of addresses, bytes that are put
//! together become one load, masks that are only tested become tests. Nothing is removed here: what nobody reads any
//! more goes in the [backward pass](super::liveness).

use skep_isa::{BinaryOp, Size, Width};

use super::inst::{Address, Condition, Extension, Index, Inst, Register, Registers, Source};
use super::select::{Leader, Selected};
use super::values::{Order, Value, Values};

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
                // r1 to r5 are still there, but whoever relies on them makes the call save them.
                for register in Registers::CALL_CLOBBERED.iter() {
                    values.set(register, Value::Unknown, false);
                }
                if calls[index as usize].leaves() {
                    values.write_memory();
                }
                inst
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
        Inst::Extend { dst, src, size, signed, width } => fold_extend(values, inst, (dst, src), size, signed, width),
        Inst::Swap { size, dst } => fold_swap(values, size, dst),
        Inst::Load { size, extension, probing, dst, address } => {
            let address = values.address(address);
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
            let folded = Inst::Store { size, address: values.address(address), src: fold_source(values, src) };
            values.write_memory();
            folded
        }
        Inst::Branch { condition, width, left, right, target } => {
            fold_branch(values, condition, width, left, right, target)
        }
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
        Inst::Lea { dst, .. } | Inst::ShiftedMove { dst, .. } => {
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

/// 64-bit additions become three-operand ones where that makes the result independent of `dst`.
fn fold_add(values: &mut Values, dst: Register, src: Source) -> Inst {
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

fn fold_extend(
    values: &mut Values,
    inst: Inst,
    (dst, src): (Register, Register),
    size: Size,
    signed: bool,
    width: Width,
) -> Inst {
    let src = values.origin(src);
    if let (Value::Constant(value), false) = (values.get(src), signed) {
        return constant(values, dst, size.truncate(value));
    }
    if !signed && size == Size::Word && values.is_narrow(src) {
        return fold_move(values, dst, src);
    }
    let narrow = !signed || width == Width::W32;
    values.set(dst, Value::Unknown, narrow);
    match inst {
        Inst::Extend { .. } => Inst::Extend { dst, src, size, signed, width },
        other => other,
    }
}

fn fold_branch(
    values: &Values,
    condition: Condition,
    width: Width,
    left: Register,
    right: Source,
    target: u32,
) -> Inst {
    let right = fold_source(values, right);
    let test = match (condition, right) {
        (Condition::Eq, Source::Imm(0)) => Some(Condition::Clear),
        (Condition::Ne, Source::Imm(0)) => Some(Condition::Set),
        _ => None,
    };
    if let (Some(condition), Value::Masked { of, mask, width: masked }) = (test, values.get(left)) {
        // What a 32-bit mask leaves has no upper half to look at, and a 32-bit comparison looks at none.
        let width = if masked == Width::W32 || width == Width::W32 { Width::W32 } else { Width::W64 };
        return Inst::Branch { condition, width, left: of.register, right: Source::Imm(mask), target };
    }
    Inst::Branch { condition, width, left: values.origin(left), right, target }
}
