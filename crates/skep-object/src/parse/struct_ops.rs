//! Variables in `.struct_ops` sections.

use super::types::Types;
use crate::elf::{Elf, ElfRelocation, Section};
use crate::error::{ErrorKind, ObjectError, Result};
use crate::spec::{Contents, ProgramIndex, StructOpsMember, StructOpsSpec};

/// What the section's name says about its variables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SectionKind {
    link: bool,
    autocreate: bool,
}

pub(crate) fn section_kind(name: &str) -> Option<SectionKind> {
    let (autocreate, name) = super::section_name::autoload(name);
    match name {
        ".struct_ops" => Some(SectionKind { link: false, autocreate }),
        ".struct_ops.link" => Some(SectionKind { link: true, autocreate }),
        _ => None,
    }
}

pub(crate) fn read(
    elf: &Elf<'_>,
    types: &Types,
    (index, section): (usize, &Section<'_>),
    kind: SectionKind,
    out: &mut Vec<StructOpsSpec>,
    program: impl Fn(&ElfRelocation) -> Result<ProgramIndex>,
) -> Result<()> {
    let btf = &types.btf;
    let mut room = section.size;
    for (_, variable) in types.section_variables(section.name) {
        let name = btf.str(variable.name);
        let fail = |message: &str, offset| {
            ObjectError::new(ErrorKind::Malformed, format!("variable '{name}': {message}")).at(section.name, offset)
        };
        let start = elf.variable(index, name).ok_or_else(|| fail("it has no symbol", 0))?.value;
        let (type_id, ty) = btf.resolve(variable.ty);
        if ty.composite().is_none() {
            return Err(fail("it is not a struct", start));
        }
        let size = btf.size_of(type_id).unwrap_or(0);
        // An empty one takes room too, so that there are no more of them than bytes.
        room = room.checked_sub(size.max(1)).ok_or_else(|| fail("the variables overlap", start))?;
        let range = usize::try_from(start).ok().zip(usize::try_from(size).ok());
        let bytes = range.and_then(|(s, n)| section.data.get(s..s.checked_add(n)?));
        let bytes = bytes.ok_or_else(|| fail("it ends beyond the section", start))?;
        let contents = Contents::from_bytes(bytes.to_vec()).ok_or_else(|| fail("it is too large", start))?;
        let mut members = Vec::new();
        let inside = start..start.saturating_add(size);
        for relocation in elf.relocations(index).iter().filter(|r| inside.contains(&r.offset)) {
            // Below `size`, which is a u32 in BTF.
            let offset = (relocation.offset - start) as u32;
            let field = btf.field_at(type_id, offset).filter(|f| f.remainder == 0);
            let field =
                field.ok_or_else(|| fail("a pointer stands where the struct has no member", relocation.offset))?;
            let name = btf.path_text(type_id, &field.steps);
            members.push(StructOpsMember { name, offset, program: program(relocation)? });
        }
        let type_name = btf.name(type_id).to_owned();
        let SectionKind { link, autocreate } = kind;
        out.push(StructOpsSpec { name: name.to_owned(), type_name, type_id, link, autocreate, contents, members });
    }
    Ok(())
}
