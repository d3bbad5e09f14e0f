//! Stores into kernel objects: only into the members that the table of `skep-abi` names.

use super::btf_walk::walk;
use super::memory::Access;
use crate::domain::register::{PointerFlags, Register};
use crate::reason::Reason;
use crate::refusal::{Check, EACCES, Refusal, denied};
use crate::verifier::Verifier;
use skep_abi::writable_member::writable;
use skep_btf::{Btf, Type, TypeId};

impl Verifier<'_> {
    /// A store at an offset in a kernel struct.
    pub(crate) fn check_object_write(
        &self,
        base: &Register,
        id: TypeId,
        offset: i32,
        access: &Access,
    ) -> Check<Register> {
        let btf = self.kernel_btf()?;
        let interface = self.program.attach_target.as_ref().and_then(|target| target.interface.as_deref());
        let row = writable(self.program_type, interface);
        let name = btf.name(id);
        // Only objects that are certainly there.
        let held = base.reference != 0 || base.flags.contains(PointerFlags::TRUSTED);
        let Some(row) = row.filter(|row| held && (row.name == name || row.alias == Some(name))) else {
            return Err(Refusal::new(EACCES, "only read is supported")
                .of(Reason::ReadOnly)
                .hint("kernel objects are changed by the functions made for it"));
        };
        if row.members.is_empty() {
            walk(btf, id, offset.unsigned_abs(), access.size)?;
            return Ok(Register::UNKNOWN);
        }
        let layout = btf.find(skep_btf::Kind::Struct, row.name).unwrap_or(id);
        let places = row.members.iter().filter_map(|path| member_place(btf, layout, path));
        let offset = u64::from(offset.unsigned_abs());
        let hit = |place: &Place| offset == place.start || place.array && (place.start..place.end).contains(&offset);
        let Some(Place { end, .. }) = places.into_iter().find(hit) else {
            return denied(format!("no write support to {} at off {offset}", row.name));
        };
        if offset + u64::from(access.size) > end {
            return denied(format!(
                "write access at off {offset} with size {} beyond the member of {} ended at {end}",
                access.size, row.name
            ));
        }
        Ok(Register::UNKNOWN)
    }
}

/// Where a member lies; what is stored must begin where it does, or anywhere in an array.
struct Place {
    start: u64,
    end: u64,
    array: bool,
}

fn member_place(btf: &Btf, id: TypeId, path: &str) -> Option<Place> {
    let (mut ty, mut start) = (id, 0u64);
    for name in path.split('.') {
        let field = btf.find_member(btf.resolve(ty).0, name)?;
        start = start.checked_add(field.byte_offset())?;
        ty = field.ty;
    }
    let array = matches!(btf.resolve(ty).1, Type::Array(_));
    Some(Place { start, end: start.checked_add(btf.size_of(ty)?)?, array })
}
