//! Accesses to map values and to maps themselves.

use super::memory::{Access, Mode, Region};
use crate::domain::register::{MapRef, Register};
use crate::domain::state::State;
use crate::reason::Reason;
use crate::refusal::{Check, EACCES, Refusal, denied};
use crate::special_fields::SpecialField;
use crate::verifier::Verifier;
use skep_abi::map_type::MapFlags;
use skep_abi::special_field::SpecialKind;
use skep_isa::Reg;

impl Verifier<'_> {
    pub(crate) fn check_map_value_access(
        &mut self,
        state: &State,
        base: &Register,
        map: MapRef,
        offset: i32,
        access: &Access,
    ) -> Check<Register> {
        self.check_map_permission(map, offset, access.size, access.mode.is_write())?;
        self.check_map_value_bounds(access.base, base, map, offset, access.size, false)?;
        for field in self.touched_fields(base, map, offset, access.size) {
            check_direct_access(base, offset, access.size, field)?;
        }
        if let Some(field) = self.kernel_pointer_field(base, map, offset) {
            return self.access_kernel_pointer(state, base, &field, access);
        }
        if matches!(access.mode, Mode::Write(_)) {
            return Ok(Register::UNKNOWN);
        }
        Ok(self.frozen_constant(base, map, offset, access.size).map_or(Register::UNKNOWN, Register::constant))
    }

    /// A map may be closed to programs for reading or writing.
    pub(crate) fn check_map_permission(&self, map: MapRef, offset: i32, size: u32, write: bool) -> Check {
        let facts = self.maps.facts(map);
        let (forbidden, how) =
            if write { (MapFlags::RDONLY_PROG, "write into") } else { (MapFlags::WRONLY_PROG, "read from") };
        if facts.flags.contains(forbidden) {
            return denied(format!("{how} map forbidden, value_size={} off={offset} size={size}", facts.value_size));
        }
        Ok(())
    }

    /// Memory of a value that a helper is given: its bounds, and its special fields, which are not to be touched.
    pub(crate) fn check_map_value_region(
        &mut self,
        reg: Reg,
        base: &Register,
        map: MapRef,
        offset: i32,
        size: u32,
        zero_size: bool,
    ) -> Check {
        self.check_map_value_bounds(reg, base, map, offset, size, zero_size)?;
        match self.touched_fields(base, map, offset, size).next() {
            Some(SpecialField { name, kind: SpecialKind::KernelPointer, .. }) => {
                denied(format!("{name} cannot be accessed indirectly by helper"))
            }
            Some(field) => Err(no_direct_access(field)),
            None => Ok(()),
        }
    }

    fn check_map_value_bounds(
        &mut self,
        reg: Reg,
        base: &Register,
        map: MapRef,
        offset: i32,
        size: u32,
        zero_size: bool,
    ) -> Check {
        let bytes = self.maps.facts(map).value_size;
        self.check_region(reg, base, offset, size, Region { name: "map value, value_size", bytes }, zero_size)
    }

    /// The special fields that an access may touch.
    fn touched_fields(
        &self,
        base: &Register,
        map: MapRef,
        offset: i32,
        size: u32,
    ) -> impl Iterator<Item = &SpecialField> {
        let first = base.value.smin + i64::from(offset);
        let end = base.value.umax as i64 + i64::from(offset) + i64::from(size);
        self.maps.special_fields(map).touched(first, end)
    }

    /// What a load from a frozen read-only map gives.
    fn frozen_constant(&self, base: &Register, map: MapRef, offset: i32, size: u32) -> Option<u64> {
        let contents = self.maps.facts(map).frozen.as_ref()?;
        let at = base.value.as_constant()?.checked_add_signed(offset.into())?;
        let start = usize::try_from(at).ok()?;
        let bytes = contents.get(start..start.checked_add(size as usize)?)?;
        let mut value = [0; 8];
        value.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(u64::from_le_bytes(value))
    }

    /// A map itself can be looked into as the kernel struct it is, by privileged programs, read-only.
    pub(crate) fn check_map_pointer_access(&mut self, map: MapRef, offset: i32, access: &Access) -> Check<Register> {
        let number = access.base.number();
        let kernel_struct = crate::tables::map_info(self.maps.facts(map).map_type).kernel_struct;
        if !self.may_leak_pointers() {
            return Reason::NotAPointer.denied(format!("R{number} invalid mem access 'map_ptr'"));
        }
        if offset < 0 {
            return denied(format!("R{number} is {kernel_struct} invalid negative access: off={offset}"));
        }
        if access.mode.is_write() {
            return Reason::ReadOnly.denied(format!("only read from {kernel_struct} is supported"));
        }
        self.check_btf_struct_read(kernel_struct, offset, access.size)
    }
}

/// Of the special fields only kernel pointers are loaded and stored as such, each as a whole.
fn check_direct_access(base: &Register, offset: i32, size: u32, field: &SpecialField) -> Check {
    let SpecialField { name, offset: wanted, .. } = *field;
    if field.kind != SpecialKind::KernelPointer {
        return Err(no_direct_access(field));
    }
    if !base.value.is_constant() {
        return denied(format!("{name} access cannot have variable offset"));
    }
    let at = base.value.smin + i64::from(offset);
    if at != i64::from(wanted) {
        return Reason::Misaligned.denied(format!("{name} access misaligned expected={wanted} off={at}"));
    }
    if size != field.size {
        return denied(format!("{name} access size must be BPF_DW"));
    }
    Ok(())
}

fn no_direct_access(field: &SpecialField) -> Refusal {
    Refusal::new(EACCES, format!("{} cannot be accessed directly by load/store", field.name))
        .of(Reason::SpecialField)
        .hint("use the helpers made for it")
}
