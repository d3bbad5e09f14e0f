//! Patching of map, extern and function references.

use super::{LinkProblem, Poisoned, Resolver, external};
use crate::spec::{ExternKind, ObjectSpec, Relocation, Target};
use skep_isa::Slot;

/// Helper number put in place of an instruction whose CO-RE relocation the kernel cannot satisfy. The verifier's
/// "invalid func" message with this number is how every loader recognises it.
pub const POISON_CORE: i32 = 0x0bad_2310;
/// Helper number put in place of a reference to a map that was not created; the map's index is added.
pub const POISON_MAP: i32 = 2_001_000_000;
/// Helper number put in place of a call of a weak kernel function that does not exist; its index is added.
pub const POISON_KFUNC: i32 = 2_002_000_000;

const LDDW: u8 = 0x18;
const CALL: u8 = 0x85;
const PSEUDO_MAP_FD: u8 = 1;
const PSEUDO_MAP_VALUE: u8 = 2;
const PSEUDO_BTF_ID: u8 = 3;
const PSEUDO_KFUNC_CALL: u8 = 2;

/// The slot that makes the verifier refuse a path, naming `number`.
pub(super) fn poison(number: i32) -> Slot {
    Slot { opcode: CALL, dst: 0, src: 0, offset: 0, imm: number }
}

pub(super) fn apply(
    insns: &mut [Slot],
    relocation: &Relocation,
    object: &ObjectSpec,
    resolver: &dyn Resolver,
    poisoned: &mut Vec<Poisoned>,
) -> Result<(), LinkProblem> {
    let slot = relocation.slot as usize;
    match relocation.target {
        Target::Map(map) | Target::MapValue { map, .. } => {
            let pair = lddw(insns, slot)?;
            let Some(fd) = resolver.map_fd(map) else {
                let name = object.maps.get(map.0).map_or("?", |m| m.name.as_str());
                poisoned.push(Poisoned { slot: relocation.slot, reason: format!("map '{name}' was not created") });
                *pair = [poison(POISON_MAP.saturating_add(map.0 as i32)); 2];
                return Ok(());
            };
            let (src, offset) = match relocation.target {
                Target::MapValue { offset, .. } => (PSEUDO_MAP_VALUE, offset),
                _ => (PSEUDO_MAP_FD, 0),
            };
            set(pair, src, fd, offset.cast_signed());
            Ok(())
        }
        Target::ExternAddress(index) => {
            let wanted = external(object, index)?;
            let pair = lddw(insns, slot)?;
            let what = match wanted.kind {
                ExternKind::Address => {
                    if let Some(address) = resolver.kernel_address(wanted.kernel_name()) {
                        set(pair, 0, address as i32, (address >> 32) as i32);
                        return Ok(());
                    }
                    "symbol"
                }
                kind => {
                    if let Some(found) = resolver.kernel_object(wanted) {
                        set(pair, PSEUDO_BTF_ID, found.id.0.cast_signed(), found.btf_fd);
                        return Ok(());
                    }
                    if matches!(kind, ExternKind::Function { .. }) { "function" } else { "variable" }
                }
            };
            if !wanted.weak {
                return Err(LinkProblem::MissingExtern { what, name: wanted.kernel_name().to_owned() });
            }
            set(pair, 0, 0, 0);
            Ok(())
        }
        Target::ExternCall(index) => {
            let wanted = external(object, index)?;
            let call = insns
                .get_mut(slot)
                .filter(|s| s.opcode == CALL)
                .ok_or_else(|| LinkProblem::Instruction("a call was expected".to_owned()))?;
            match resolver.kernel_object(wanted) {
                Some(found) => {
                    call.src = PSEUDO_KFUNC_CALL;
                    call.imm = found.id.0.cast_signed();
                    call.offset = found.fd_array_index;
                }
                None if wanted.weak => {
                    let reason = format!("the kernel has no function '{}'", wanted.kernel_name());
                    poisoned.push(Poisoned { slot: relocation.slot, reason });
                    *call = poison(POISON_KFUNC.saturating_add(index.0 as i32));
                }
                None => {
                    let name = wanted.kernel_name().to_owned();
                    return Err(LinkProblem::MissingExtern { what: "function", name });
                }
            }
            Ok(())
        }
    }
}

fn lddw(insns: &mut [Slot], slot: usize) -> Result<&mut [Slot; 2], LinkProblem> {
    insns
        .get_mut(slot..)
        .and_then(|rest| rest.first_chunk_mut::<2>())
        .filter(|pair| pair[0].opcode == LDDW)
        .ok_or_else(|| LinkProblem::Instruction("a two-slot load (lddw) was expected".to_owned()))
}

fn set(pair: &mut [Slot; 2], src: u8, low: i32, high: i32) {
    pair[0].src = src;
    pair[0].offset = 0;
    pair[0].imm = low;
    pair[1].imm = high;
}
