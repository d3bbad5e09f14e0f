//! CO-RE: putting the kernel's offsets, sizes and answers into instructions.

use super::instructions::poison;
use super::{LinkProblem, POISON_CORE, Poisoned};
use crate::spec::CoreRelocationSpec;
use skep_btf::core_relocation::{Access, Resolution, Resolver};
use skep_btf::{Btf, CoreRelocation, RelocationKind};
use skep_isa::Slot;

const CLASS: u8 = 0x07;
const CLASS_LD: u8 = 0x00;
const CLASS_LDX: u8 = 0x01;
const CLASS_ST: u8 = 0x02;
const CLASS_STX: u8 = 0x03;
const CLASS_ALU: u8 = 0x04;
const CLASS_ALU64: u8 = 0x07;
const SOURCE_REGISTER: u8 = 0x08;
const SIZE: u8 = 0x18;
const LDDW: u8 = 0x18;

pub(super) fn apply(
    insns: &mut [Slot],
    relocation: &CoreRelocationSpec,
    local: &Btf,
    targets: &[&Btf],
    poisoned: &mut Vec<Poisoned>,
) -> Result<(), LinkProblem> {
    if targets.is_empty() && relocation.kind != RelocationKind::TypeIdLocal {
        return Err(LinkProblem::NoKernelTypes);
    }
    let record = CoreRelocation {
        insn_offset: relocation.slot.saturating_mul(8),
        type_id: relocation.type_id,
        access_spec: relocation.access,
        kind: relocation.kind,
    };
    let resolution = Resolver::new(local, targets).resolve(&record).map_err(|e| LinkProblem::Core(e.to_string()))?;
    let place = insns.get_mut(relocation.slot as usize..).unwrap_or_default();
    let Some(value) = resolution.value() else {
        let reason = format!(
            "the kernel has nothing that matches '{}', access {} ({})",
            local.name(relocation.type_id),
            local.str(relocation.access),
            relocation.kind.name()
        );
        poisoned.push(Poisoned { slot: relocation.slot, reason });
        let slots = if place.first().is_some_and(|s| s.opcode == LDDW) { 2 } else { 1 };
        place.iter_mut().take(slots).for_each(|s| *s = poison(POISON_CORE));
        return Ok(());
    };
    patch(place, &resolution, value).map_err(|reason| {
        let name = local.name(relocation.type_id);
        LinkProblem::Core(format!("{} of '{name}': {reason}", relocation.kind.name()))
    })
}

fn patch(place: &mut [Slot], resolution: &Resolution, value: u64) -> Result<(), String> {
    let (insn, rest) = place.split_first_mut().ok_or("it is beyond the program")?;
    let holds = |found: u64| {
        if !resolution.validate || found == resolution.original {
            return Ok(());
        }
        Err(format!("the instruction holds {found}, by the object's types it should be {}", resolution.original))
    };
    match insn.opcode & CLASS {
        CLASS_ALU | CLASS_ALU64 if insn.opcode & SOURCE_REGISTER == 0 => {
            holds(u64::from(insn.imm.cast_unsigned()))?;
            // The low half: negative enumerators are sign-extended again by the instruction.
            insn.imm = value as i32;
            Ok(())
        }
        CLASS_LDX | CLASS_ST | CLASS_STX => {
            holds(i64::from(insn.offset).cast_unsigned())?;
            if resolution.unsafe_size_change {
                return Err("the field has another size in the kernel, and a load or store of it would be wrong; \
                     read it with BPF_CORE_READ or bpf_core_read"
                    .to_owned());
            }
            insn.offset = i16::try_from(value).map_err(|_| format!("offset {value} does not fit an instruction"))?;
            resize(insn, resolution)
        }
        CLASS_LD if insn.opcode == LDDW && insn.src == 0 => {
            let second = rest.first_mut().filter(|s| s.opcode == 0).ok_or("its lddw has no second slot")?;
            let found = u64::from(insn.imm.cast_unsigned()) | u64::from(second.imm.cast_unsigned()) << 32;
            holds(found)?;
            insn.imm = value as i32;
            second.imm = (value >> 32) as i32;
            Ok(())
        }
        _ => Err(format!("an instruction of opcode {:#04x} cannot hold the value", insn.opcode)),
    }
}

/// A field may be wider or narrower in the kernel: pointers and unsigned integers are read as they are there.
fn resize(insn: &mut Slot, resolution: &Resolution) -> Result<(), String> {
    let (Some(Access { size: old, .. }), Some(Access { size: new, .. })) =
        (resolution.original_access, resolution.access)
    else {
        return Ok(());
    };
    if old == new {
        return Ok(());
    }
    let size_of = |code: u8| match code {
        0x00 => 4u64,
        0x08 => 2,
        0x10 => 1,
        _ => 8,
    };
    if size_of(insn.opcode & SIZE) != old {
        return Err(format!("it accesses {} bytes of a field that has {old}", size_of(insn.opcode & SIZE)));
    }
    let code = [0x00, 0x08, 0x10, 0x18].into_iter().find(|c| size_of(*c) == new);
    let code = code.ok_or_else(|| format!("the field has {new} bytes in the kernel, which no instruction accesses"))?;
    insn.opcode = insn.opcode & !SIZE | code;
    Ok(())
}
