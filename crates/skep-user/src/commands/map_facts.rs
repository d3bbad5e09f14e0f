//! Fields of a value that are the kernel's own: locks, timers and their kind, found by the names of their types.

use skep_abi::special_field::{self, SpecialStruct};
use skep_btf::{Btf, Kind, TypeId};

/// How deep structs may nest before we stop looking, as Linux does.
const MAX_DEPTH: u32 = 4;

/// The kernel's fields in a value of that type, with their byte offsets.
pub(super) fn kernel_fields(btf: &Btf, value: TypeId) -> Vec<(usize, &'static SpecialStruct)> {
    let mut found = Vec::new();
    visit(btf, value, 0, MAX_DEPTH, &mut found);
    found
}

fn visit(btf: &Btf, id: TypeId, base: u64, depth: u32, found: &mut Vec<(usize, &'static SpecialStruct)>) {
    let (id, _) = btf.resolve(id);
    if btf.kind(id) != Kind::Struct || depth == 0 {
        return;
    }
    for field in btf.members(id) {
        let (member, _) = btf.resolve(field.ty);
        let offset = base + field.byte_offset();
        let special = (btf.kind(member) == Kind::Struct).then(|| special_field::by_struct_name(btf.name(member)));
        match special.flatten() {
            Some(row) => found.push((offset as usize, row)),
            None => visit(btf, member, offset, depth - 1, found),
        }
    }
}
