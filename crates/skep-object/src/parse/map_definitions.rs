//! Maps defined by variables in `.maps`, whose type, not value, says what they are.
//!
//! The variable is a struct; each member's name is a field's and its type is the field's value:
//!
//! | member | value |
//! |---|---|
//! | `int (*type)[N]` and all other numbers | the array's length |
//! | an enum whose name is the field's, or `enum { unique = N } field` | the enumerator |
//! | `T *key`, `T *value` | type and size of `T` |
//! | `struct inner *values[]` | what inner maps look like |
//! | `void (*values[])(void)` | a map of programs |

use super::Tables;
use super::types::Types;
use crate::elf::Elf;
use crate::error::{ErrorKind, ObjectError, Result};
use crate::spec::{MapOrigin, MapSpec, Pinning};
use skep_abi::map_type::{MapFlags, MapType};
use skep_btf::{Btf, Kind, Member, Type, TypeId};

pub(crate) const SECTION: &str = ".maps";

/// Where the array of initial values of a map stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValuesArray {
    /// Byte offset of the array in the map's variable.
    pub(crate) offset: u32,
    /// Whether it holds programs rather than maps.
    pub(crate) programs: bool,
}

pub(crate) fn read(elf: &Elf<'_>, types: Option<&Types>, tables: &mut Tables) -> Result<()> {
    let Some((index, section)) = elf.section(SECTION) else { return Ok(()) };
    tables.map_sections.push(index);
    let Some(types) = types else {
        if section.data.is_empty() {
            return Ok(());
        }
        return Err(ObjectError::new(
            ErrorKind::Btf,
            "maps are defined by their BTF types, and there is no .BTF section",
        )
        .section(SECTION)
        .hint("compile with -g"));
    };
    let btf = &types.btf;
    let mut found = Vec::new();
    for (id, variable) in types.section_variables(SECTION) {
        let name = btf.str(variable.name);
        let fail = |e: ObjectError, offset| {
            ObjectError { message: format!("map '{name}': {}", e.message), ..e }.at(SECTION, offset)
        };
        let Some(symbol) = elf.variable(index, name) else {
            return Err(fail(bad("its BTF variable has no symbol in the section"), 0));
        };
        let size = btf.size_of(variable.ty).unwrap_or(0);
        if symbol.value.checked_add(size).is_none_or(|end| end > section.size) {
            let message = format!("its {size} bytes end beyond the section, which has {}", section.size);
            return Err(fail(bad(message), symbol.value));
        }
        let offset = u32::try_from(symbol.value).map_err(|_| fail(bad("the section is too large"), 0))?;
        let (map, values) = definition(btf, name, id, variable.ty, offset).map_err(|e| fail(e, symbol.value))?;
        found.push((symbol.value, map, values));
    }
    found.sort_by_key(|(offset, ..)| *offset);
    if let Some([(offset, first, _), (_, second, _)]) = found.array_windows().find(|[a, b]| a.0 == b.0) {
        let message = format!("maps '{}' and '{}' are defined in the same place", first.name, second.name);
        return Err(bad(message).at(SECTION, *offset));
    }
    for (offset, map, values) in found {
        let map = tables.add_map(map);
        tables.defined_maps.insert((index, offset), map);
        tables.values_arrays.push((offset, map, values));
    }
    Ok(())
}

fn bad(message: impl Into<String>) -> ObjectError {
    ObjectError::new(ErrorKind::Map, message)
}

fn definition(btf: &Btf, name: &str, var: TypeId, ty: TypeId, offset: u32) -> Result<(MapSpec, Option<ValuesArray>)> {
    let mut reader = Reader { btf, map: empty(name, offset), values: None, inner: false };
    reader.read(ty).map_err(|e| ObjectError { message: format!("{} (variable {var})", e.message), ..e })?;
    Ok((reader.map, reader.values))
}

fn empty(name: &str, section_offset: u32) -> MapSpec {
    MapSpec {
        name: name.to_owned(),
        origin: MapOrigin::BtfDefined,
        section: SECTION.to_owned(),
        section_offset,
        type_number: 0,
        key_size: 0,
        value_size: 0,
        max_entries: 0,
        flags: MapFlags::empty(),
        numa_node: None,
        map_extra: 0,
        key_type: None,
        value_type: None,
        pinning: Pinning::None,
        autocreate: true,
        inner: None,
        initial_values: Vec::new(),
        contents: None,
        freeze: false,
    }
}

struct Reader<'a> {
    btf: &'a Btf,
    map: MapSpec,
    values: Option<ValuesArray>,
    /// This is the definition of an inner map.
    inner: bool,
}

impl Reader<'_> {
    fn read(&mut self, ty: TypeId) -> Result<()> {
        let (_, Type::Struct(definition)) = self.btf.resolve(ty) else {
            let kind = self.btf.resolve(ty).1.kind();
            return Err(bad(format!("a map is defined by a struct, this is {kind}")));
        };
        let last = definition.members.len().saturating_sub(1);
        for (i, member) in definition.members.iter().enumerate() {
            let field = self.btf.str(member.name);
            self.field(field, member, i == last)
                .map_err(|e| ObjectError { message: format!("field '{field}': {}", e.message), ..e })?;
        }
        if self.map.type_number == 0 {
            return Err(bad("it has no type; write __uint(type, BPF_MAP_TYPE_…)"));
        }
        Ok(())
    }

    fn field(&mut self, name: &str, member: &Member, last: bool) -> Result<()> {
        match name {
            "type" => self.map.type_number = self.number(member.ty)?,
            "max_entries" => self.map.max_entries = self.number(member.ty)?,
            "map_flags" => self.map.flags |= MapFlags::from_bits_retain(self.number(member.ty)?),
            "numa_node" => {
                self.map.numa_node = Some(self.number(member.ty)?);
                self.map.flags |= MapFlags::NUMA_NODE;
            }
            "map_extra" => self.map.map_extra = self.long(member.ty)?,
            "key_size" => {
                let size = self.number(member.ty)?;
                set_size(&mut self.map.key_size, size)?;
            }
            "value_size" => {
                let size = self.number(member.ty)?;
                set_size(&mut self.map.value_size, size)?;
            }
            "key" => {
                let (ty, size) = self.pointee(member.ty)?;
                set_size(&mut self.map.key_size, size)?;
                self.map.key_type = Some(ty);
            }
            "value" => {
                let (ty, size) = self.pointee(member.ty)?;
                set_size(&mut self.map.value_size, size)?;
                self.map.value_type = Some(ty);
            }
            "values" if !last => return Err(bad("it must be the last field")),
            "values" => self.values_array(member)?,
            "pinning" if self.inner => return Err(bad("an inner map cannot be pinned")),
            "pinning" => {
                self.map.pinning = match self.number(member.ty)? {
                    0 => Pinning::None,
                    1 => Pinning::ByName,
                    other => return Err(bad(format!("{other} is not a way of pinning; use LIBBPF_PIN_BY_NAME"))),
                }
            }
            _ => {
                return Err(ObjectError::new(ErrorKind::Unsupported, "there is no such field").hint(
                    "known fields are type, key, key_size, value, value_size, max_entries, map_flags, numa_node, \
                     pinning, values and map_extra",
                ));
            }
        }
        Ok(())
    }

    /// `int (*field)[N]` is N.
    fn number(&self, ty: TypeId) -> Result<u32> {
        let array = match self.btf.resolve(ty).1 {
            Type::Pointer(target) => self.btf.resolve(*target).1,
            other => other,
        };
        match array {
            Type::Array(array) => Ok(array.len),
            other => Err(bad(format!("a number is written as __uint(field, N), this is {}", other.kind()))),
        }
    }

    /// The same, or the only value of an enum.
    fn long(&self, ty: TypeId) -> Result<u64> {
        match self.btf.resolve(ty).1 {
            Type::Enum64(e) if e.values.len() == 1 => Ok(e.values[0].value),
            Type::Enum(e) if e.values.len() == 1 && e.signed => {
                Ok(i64::from(e.values[0].value.cast_signed()).cast_unsigned())
            }
            Type::Enum(e) if e.values.len() == 1 => Ok(e.values[0].value.into()),
            _ => self.number(ty).map(u64::from),
        }
    }

    /// Type and size behind `T *`.
    fn pointee(&self, ty: TypeId) -> Result<(TypeId, u32)> {
        let Type::Pointer(target) = *self.btf.resolve(ty).1 else {
            let kind = self.btf.resolve(ty).1.kind();
            return Err(bad(format!("a type is written as __type(field, T), this is {kind}")));
        };
        let size = self.btf.size_of(target).and_then(|s| u32::try_from(s).ok());
        size.map(|s| (target, s)).ok_or_else(|| bad(format!("type {target} has no size")))
    }

    fn values_array(&mut self, member: &Member) -> Result<()> {
        if self.inner {
            return Err(ObjectError::new(ErrorKind::Unsupported, "an inner map cannot itself hold maps"));
        }
        let holds_programs = match self.map.map_type() {
            Some(MapType::ArrayOfMaps | MapType::HashOfMaps) => false,
            Some(MapType::ProgArray) => true,
            _ => return Err(bad("only maps of maps and of programs have initial values; put the type before them")),
        };
        let Type::Array(array) = self.btf.resolve(member.ty).1 else {
            return Err(bad("it must be an array; write __array(values, …)"));
        };
        let Type::Pointer(element) = self.btf.resolve(array.element).1 else {
            return Err(bad("its elements must be pointers; write __array(values, …)"));
        };
        set_size(&mut self.map.key_size, 4)?;
        set_size(&mut self.map.value_size, 4)?;
        self.values = Some(ValuesArray { offset: member.bit_offset / 8, programs: holds_programs });
        let (target, ty) = self.btf.resolve(*element);
        match (holds_programs, ty.kind()) {
            (true, Kind::FunctionPrototype) => Ok(()),
            (true, kind) => Err(bad(format!("its elements must point to functions, not to {kind}"))),
            (false, Kind::Struct) => {
                let name = format!("{}.inner", self.map.name);
                let mut inner =
                    Reader { btf: self.btf, map: empty(&name, self.map.section_offset), values: None, inner: true };
                inner.read(target).map_err(|e| ObjectError { message: format!("inner map: {}", e.message), ..e })?;
                self.map.inner = Some(Box::new(inner.map));
                Ok(())
            }
            (false, kind) => Err(bad(format!("its elements must point to a map definition, not to {kind}"))),
        }
    }
}

/// Sizes may be given twice, if they agree: by type and by number.
fn set_size(field: &mut u32, size: u32) -> Result<()> {
    if *field != 0 && *field != size {
        return Err(bad(format!("{size} bytes contradict the {field} bytes that another field says")));
    }
    *field = size;
    Ok(())
}
