//! Fields of map values that belong to the kernel: locks, timers and their kin, found in the map's BTF by type name.

use skep_abi::special_field::{self, KERNEL_POINTER_TAGS, SpecialKind, SpecialStruct};
use skep_btf::{Btf, Type, TypeId};

/// One special field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpecialField {
    /// Its type's name.
    pub(crate) name: &'static str,
    /// Which it is.
    pub(crate) kind: SpecialKind,
    /// Not for programs that may interrupt anything.
    pub(crate) needs_known_context: bool,
    /// Byte offset in the value.
    pub(crate) offset: u32,
    /// Bytes.
    pub(crate) size: u32,
}

/// How deep structs may nest before we stop looking.
const MAX_DEPTH: usize = 4;

/// The special fields of a type.
pub(crate) fn find(btf: &Btf, ty: TypeId) -> Vec<SpecialField> {
    let mut found = Vec::new();
    visit(btf, ty, 0, 0, &mut found);
    found
}

fn visit(btf: &Btf, ty: TypeId, base: u32, depth: usize, found: &mut Vec<SpecialField>) {
    if depth > MAX_DEPTH || found.len() > 16 {
        return;
    }
    let (id, ty) = btf.resolve(ty);
    match ty {
        Type::Struct(composite) => {
            let name = btf.name(id);
            if let Some(row) = special_field::by_struct_name(name) {
                let SpecialStruct { name, kind, size, needs_known_context, .. } = *row;
                found.push(SpecialField { name, kind, needs_known_context, offset: base, size });
                return;
            }
            for member in &composite.members {
                visit(btf, member.ty, base.saturating_add(member.bit_offset / 8), depth + 1, found);
            }
        }
        Type::DataSection(section) => {
            for entry in &section.entries {
                visit(btf, entry.ty, base.saturating_add(entry.offset), depth + 1, found);
            }
        }
        Type::Variable(variable) => visit(btf, variable.ty, base, depth, found),
        Type::Pointer(target) => {
            // A tagged pointer is a kptr.
            let kptr = match btf.ty(*target) {
                Type::TypeTag(tag) => KERNEL_POINTER_TAGS.contains(&btf.str(tag.name)),
                _ => false,
            };
            if kptr {
                found.push(SpecialField {
                    name: "kptr",
                    kind: SpecialKind::KernelPointer,
                    needs_known_context: false,
                    offset: base,
                    size: 8,
                });
            }
        }
        _ => {}
    }
}
