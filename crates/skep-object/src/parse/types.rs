//! The object's BTF: look-ups by section, and the fix-ups that every loader makes before a kernel sees it.
//!
//! Compilers leave to the loader: sizes of data sections and offsets of global variables in them (the symbol table
//! has them), and everything about externs, which kernels do not know as BTF linkage.

use super::externs::{KCONFIG, KSYMS};
use crate::elf::{Elf, MAX_NAME};
use crate::error::{ErrorKind, ObjectError, Result};
use crate::spec::{ExternKind, ExternSpec};
use skep_btf::{
    Btf, BtfBuilder, BtfError, FunctionLinkage, IntEncoding, Kind, Parameter, SectionEntry, Type, TypeId, Variable,
    VariableLinkage,
};
use std::collections::HashMap;

/// The types as the compiler wrote them.
#[derive(Debug)]
pub(crate) struct Types {
    pub(crate) btf: Btf,
    sections: HashMap<String, TypeId>,
    /// `FUNC` to its `DECL_TAG`.
    exception_callbacks: HashMap<TypeId, TypeId>,
}

pub(crate) fn error(section: &str, e: &BtfError) -> ObjectError {
    ObjectError::new(ErrorKind::Btf, e.to_string()).at(section, e.offset as u64)
}

impl Types {
    pub(crate) fn read(elf: &Elf<'_>) -> Result<Option<Types>> {
        let Some((_, section)) = elf.section(".BTF") else { return Ok(None) };
        let btf = Btf::parse(section.data).map_err(|e| error(section.name, &e))?;
        Ok(Some(Types::new(btf)))
    }

    pub(crate) fn new(btf: Btf) -> Types {
        let mut sections = HashMap::new();
        for (id, ty) in btf.own_types().filter(|(_, t)| t.kind() == Kind::DataSection) {
            let name = btf.str(ty.name());
            // No ELF section has a longer one.
            if name.len() <= MAX_NAME {
                sections.entry(name.to_owned()).or_insert(id);
            }
        }
        let mut exception_callbacks = HashMap::new();
        for (id, ty) in btf.own_types() {
            match ty {
                Type::DeclTag(tag) if btf.str(tag.name).starts_with("exception_callback:") => {
                    exception_callbacks.insert(tag.target, id);
                }
                _ => {}
            }
        }
        Types { btf, sections, exception_callbacks }
    }

    /// All `DATASEC`s, by name.
    pub(crate) fn sections(&self) -> impl Iterator<Item = (&str, TypeId)> {
        self.sections.iter().map(|(name, id)| (name.as_str(), *id))
    }

    /// The `DATASEC` of that name.
    pub(crate) fn section(&self, name: &str) -> Option<TypeId> {
        self.sections.get(name).copied()
    }

    /// The function that an exception of a program goes to, by the program's `FUNC`: a declaration tag names it.
    pub(crate) fn exception_callback(&self, program: TypeId) -> Option<&str> {
        const PREFIX: &str = "exception_callback:";
        self.exception_callbacks.get(&program).and_then(|tag| self.btf.name(*tag).strip_prefix(PREFIX))
    }

    /// `VAR`s and `FUNC`s of a section.
    pub(crate) fn section_entries(&self, name: &str) -> impl Iterator<Item = TypeId> + '_ {
        let section = match self.section(name).map(|id| self.btf.ty(id)) {
            Some(Type::DataSection(section)) => Some(section),
            _ => None,
        };
        section.into_iter().flat_map(|s| s.entries.iter().map(|e| e.ty))
    }

    /// `VAR`s of a section.
    pub(crate) fn section_variables(&self, name: &str) -> impl Iterator<Item = (TypeId, &Variable)> + '_ {
        self.section_entries(name).filter_map(|id| match self.btf.ty(id) {
            Type::Variable(v) => Some((id, v)),
            _ => None,
        })
    }
}

/// What the loadable BTF is made of besides the compiler's.
pub(crate) struct FixUps<'a, 'e> {
    pub(crate) elf: &'a Elf<'e>,
    pub(crate) externs: &'a [ExternSpec],
}

impl FixUps<'_, '_> {
    /// A builder with the same type ids; types may be added at the end.
    pub(crate) fn apply(&self, types: &Types) -> BtfBuilder {
        let mut builder = BtfBuilder::from_btf(&types.btf);
        for (name, id) in &types.sections {
            match name.as_str() {
                KSYMS | KCONFIG => {}
                _ => self.data_section(types, name, *id, &mut builder),
            }
        }
        if let Some(id) = types.section(KCONFIG) {
            self.configuration(types, id, &mut builder);
        }
        if let Some(id) = types.section(KSYMS) {
            kernel_symbols(types, id, &mut builder);
        }
        for (id, ty) in types.btf.own_types() {
            if let Type::Function(function) = ty {
                name_parameters(function.prototype, &mut builder);
            }
            make_known(id, &mut builder);
        }
        builder
    }

    /// Size from the section, offsets of global variables from their symbols.
    fn data_section(&self, types: &Types, name: &str, id: TypeId, builder: &mut BtfBuilder) {
        let Some((index, elf_section)) = self.elf.section(name) else { return };
        let Some(Type::DataSection(section)) = builder.type_mut(id) else { return };
        section.size = u32::try_from(elf_section.size).unwrap_or(u32::MAX);
        for entry in &mut section.entries {
            let Type::Variable(variable) = types.btf.ty(entry.ty) else { continue };
            // Names of static variables need not be unique; compilers write their offsets themselves.
            let known = variable.linkage == VariableLinkage::Static && entry.offset != 0;
            let symbol = self.elf.variable(index, types.btf.str(variable.name)).filter(|_| !known);
            let symbol = symbol.and_then(|s| u32::try_from(s.value).ok());
            if let Some(offset) = symbol {
                entry.offset = offset;
            }
            if entry.size == 0 {
                entry.size = types.btf.size_of(variable.ty).and_then(|s| u32::try_from(s).ok()).unwrap_or(0);
            }
        }
        section.entries.sort_by_key(|e| e.offset);
    }

    /// Configuration variables as laid out in their map.
    fn configuration(&self, types: &Types, id: TypeId, builder: &mut BtfBuilder) {
        let places: HashMap<&str, (u32, u32)> = self
            .externs
            .iter()
            .filter_map(|e| match e.kind {
                ExternKind::Kconfig { offset, value } => Some((e.name.as_str(), (offset, value.size()))),
                _ => None,
            })
            .collect();
        let mut entries: Vec<SectionEntry> = types
            .section_entries(KCONFIG)
            .filter_map(|ty| {
                let (offset, size) = *places.get(types.btf.name(ty))?;
                Some(SectionEntry { ty, offset, size })
            })
            .collect();
        entries.sort_by_key(|e| e.offset);
        let end = entries.iter().map(|e| e.offset.saturating_add(e.size)).max().unwrap_or(0);
        if let Some(Type::DataSection(section)) = builder.type_mut(id) {
            section.size = end;
            section.entries = entries.into();
        }
    }
}

/// Kernels know no extern linkage: what is not the kernel's was linked in.
fn make_known(id: TypeId, builder: &mut BtfBuilder) {
    match builder.type_mut(id) {
        Some(Type::Function(f)) if f.linkage == FunctionLinkage::Extern => f.linkage = FunctionLinkage::Global,
        Some(Type::Variable(v)) if v.linkage == VariableLinkage::Extern => v.linkage = VariableLinkage::Global,
        _ => {}
    }
}

/// A function whose symbol is hidden is visible to other objects at link time, not to the kernel.
pub(crate) fn make_static(id: TypeId, builder: &mut BtfBuilder) {
    if let Some(Type::Function(f)) = builder.type_mut(id) {
        f.linkage = FunctionLinkage::Static;
    }
}

/// Kernel symbols: the kernel's BTF check wants a section of variables with a size, and no extern linkage, so each
/// symbol becomes an `int`; functions get one stand-in variable.
fn kernel_symbols(types: &Types, id: TypeId, builder: &mut BtfBuilder) {
    const SLOT: u32 = 4;
    let int = types.btf.own_types().find(|(_, t)| matches!(t, Type::Int(i) if i.size == SLOT && i.bits == 32));
    let int = int.map_or_else(|| builder.int("int", SLOT, IntEncoding::SIGNED), |(id, _)| id);
    let mut stand_in = None;
    let mut entries = Vec::new();
    for (i, ty) in types.section_entries(KSYMS).enumerate() {
        let ty = match types.btf.ty(ty) {
            Type::Function(_) => {
                *stand_in.get_or_insert_with(|| builder.variable("dummy_ksym", int, VariableLinkage::Global))
            }
            _ => {
                if let Some(Type::Variable(v)) = builder.type_mut(ty) {
                    v.ty = int;
                }
                ty
            }
        };
        entries.push(SectionEntry { ty, offset: (i as u32).saturating_mul(SLOT), size: SLOT });
    }
    if let Some(Type::DataSection(section)) = builder.type_mut(id) {
        section.size = (entries.len() as u32).saturating_mul(SLOT);
        section.entries = entries.into();
    }
}

/// Kernels want names for the parameters of functions, and C does not.
fn name_parameters(prototype: TypeId, builder: &mut BtfBuilder) {
    let nameless = |p: &Parameter| p.name.is_empty() && !p.ty.is_void();
    match builder.type_mut(prototype) {
        Some(Type::FunctionPrototype(p)) if p.parameters.iter().any(nameless) => {}
        _ => return,
    }
    let name = builder.string("arg");
    if let Some(Type::FunctionPrototype(p)) = builder.type_mut(prototype) {
        for parameter in p.parameters.iter_mut().filter(|p| nameless(p)) {
            parameter.name = name;
        }
    }
}
