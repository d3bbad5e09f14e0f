//! C definitions of all types, in an order that compiles and with the layout that BTF says.
//!
//! Types are written depth first: what a definition needs whole comes before it, what stands behind a pointer is
//! declared only. Padding is written out as unnamed bit fields, which take no part in alignment; a struct that
//! no natural layout can explain becomes packed.

mod declaration;
mod layout;
mod names;

use crate::btf::Btf;
use crate::types::{Kind, Type, TypeId};
use layout::Layouts;
use names::Names;
use std::collections::{BTreeMap, HashSet};

/// Deepest recursion: hostile BTF can nest anonymous structs behind pointers without end.
const MAX_NESTING: u32 = 512;
/// Most text: hostile BTF can repeat anonymous structs 2^256 times.
const MAX_TEXT: usize = 256 << 20;

/// How to dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CDumpOptions {
    /// Name of the include guard.
    pub guard: String,
    /// Have clang record accesses to all structs, so that they can be relocated (CO-RE).
    pub preserve_access_index: bool,
    /// Declare the functions that are tagged as kfuncs.
    pub kfuncs: bool,
}

impl Default for CDumpOptions {
    fn default() -> Self {
        CDumpOptions { guard: "__VMLINUX_H__".into(), preserve_access_index: true, kfuncs: true }
    }
}

/// A C dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CDump {
    /// The header file.
    pub text: String,
    /// How each named type is spelled, where it was defined: `struct file`, `u8`, `enum foo___2`.
    pub spellings: BTreeMap<TypeId, String>,
}

/// Why there is no C for a BTF.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CDumpError {
    /// Only by way of types without a name does this type need itself.
    #[error("type {0} needs itself, which C cannot say of types without a name")]
    Cycle(TypeId),
    /// Too deep.
    #[error("type {0} is nested too deep in other types to be written as C")]
    Depth(TypeId),
    /// Too long.
    #[error("the C text would be longer than {MAX_TEXT} bytes: types without a name repeat each other")]
    TooLong,
}

impl Btf {
    /// Writes all types (the base's too) as a C header.
    ///
    /// # Errors
    /// When C cannot express a type; such BTF does not come from C.
    pub fn dump_c(&self, options: &CDumpOptions) -> Result<CDump, CDumpError> {
        let mut dump = Dump::new(self);
        dump.open(options);
        for (id, ty) in self.types() {
            match ty.kind() {
                Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 if ty.name().is_empty() => {
                    dump.loose_enum(id)?;
                }
                Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Typedef | Kind::Forward | Kind::Int => {
                    dump.require(id, true)?;
                }
                _ => {}
            }
            if dump.text.len() > MAX_TEXT {
                return Err(CDumpError::TooLong);
            }
        }
        dump.close_types(options);
        if options.kfuncs {
            dump.kfuncs()?;
        }
        dump.text.push_str(&format!("#endif /* {} */\n", options.guard));
        Ok(CDump { text: dump.text, spellings: dump.names.spellings() })
    }
}

impl Btf {
    /// The C declaration of a `FUNC`, without a semicolon: `int count(struct xdp_md *ctx)`; `None` for other types.
    ///
    /// # Errors
    /// When C cannot express one of its types.
    pub fn function_declaration(&self, function: TypeId) -> Result<Option<String>, CDumpError> {
        let Type::Function(function) = self.ty(function) else { return Ok(None) };
        let mut dump = Dump::new(self);
        dump.function_text(function.prototype, self.str(function.name)).map(Some)
    }
}

/// How far a type has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Unseen,
    /// Being written: what it needs is looked for.
    Open,
    Defined,
}

struct Dump<'a> {
    btf: &'a Btf,
    text: String,
    states: Vec<State>,
    /// Structs and unions that were declared or defined.
    declared: HashSet<TypeId>,
    names: Names<'a>,
    layouts: Layouts<'a>,
    nesting: u32,
    /// Types that some other type refers to.
    referenced: HashSet<TypeId>,
}

impl<'a> Dump<'a> {
    fn new(btf: &'a Btf) -> Self {
        let mut referenced = HashSet::new();
        for (_, ty) in btf.types() {
            ty.for_each_id(|id| {
                if matches!(btf.kind(id), Kind::Enum | Kind::Enum64) {
                    referenced.insert(id);
                }
            });
        }
        Dump {
            btf,
            text: String::new(),
            declared: HashSet::new(),
            states: vec![State::Unseen; btf.type_count() as usize],
            names: Names::new(btf),
            layouts: Layouts::new(btf),
            nesting: 0,
            referenced,
        }
    }

    fn open(&mut self, options: &CDumpOptions) {
        let guard = &options.guard;
        self.text.push_str(&format!("#ifndef {guard}\n#define {guard}\n\n"));
        if options.preserve_access_index {
            self.text.push_str(
                "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n\
                 #pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)\n\
                 #endif\n\n",
            );
        }
    }

    fn close_types(&mut self, options: &CDumpOptions) {
        if options.preserve_access_index {
            self.text.push_str("#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#pragma clang attribute pop\n#endif\n\n");
        }
    }

    fn state(&self, id: TypeId) -> State {
        self.states.get(id.0 as usize).copied().unwrap_or(State::Defined)
    }

    fn set_state(&mut self, id: TypeId, state: State) {
        if let Some(slot) = self.states.get_mut(id.0 as usize) {
            *slot = state;
        }
    }

    /// Writes what has to stand before a declaration that uses a type: by value (`whole`) or behind a pointer.
    fn require(&mut self, id: TypeId, whole: bool) -> Result<(), CDumpError> {
        if self.nesting >= MAX_NESTING {
            return Err(CDumpError::Depth(id));
        }
        self.nesting += 1;
        let done = self.require_parts(id, whole);
        self.nesting -= 1;
        done
    }

    fn require_parts(&mut self, id: TypeId, whole: bool) -> Result<(), CDumpError> {
        let btf = self.btf;
        match btf.ty(id) {
            Type::Pointer(target) => self.require(*target, false),
            Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => self.require(*t, whole),
            Type::TypeTag(t) => self.require(t.target, whole),
            // Elements have to be complete even behind a pointer.
            Type::Array(array) => self.require(array.element, true),
            Type::FunctionPrototype(prototype) => {
                self.require(prototype.ret, false)?;
                prototype.parameters.iter().try_for_each(|p| self.require(p.ty, false))
            }
            Type::Struct(c) | Type::Union(c) if c.name.is_empty() => {
                self.once(id, |dump| c.members.iter().try_for_each(|m| dump.require(m.ty, true)))
            }
            Type::Struct(_) | Type::Union(_) | Type::Forward(_) if !whole => {
                self.declare(id);
                Ok(())
            }
            Type::Forward(_) => {
                self.declare(id);
                Ok(())
            }
            Type::Struct(_) | Type::Union(_) => self.define_composite(id),
            Type::Enum(_) | Type::Enum64(_) => self.define_enum(id),
            Type::Int(_) | Type::Float(_) => {
                self.define_scalar(id);
                Ok(())
            }
            Type::Typedef(t) => {
                self.define_typedef(id)?;
                if whole { self.require(t.target, true) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Does something for a type unless it was done before.
    fn once(&mut self, id: TypeId, write: impl FnOnce(&mut Self) -> Result<(), CDumpError>) -> Result<(), CDumpError> {
        match self.state(id) {
            State::Defined => return Ok(()),
            State::Open => return Err(CDumpError::Cycle(id)),
            State::Unseen => {}
        }
        self.set_state(id, State::Open);
        write(self)?;
        self.set_state(id, State::Defined);
        Ok(())
    }

    fn declare(&mut self, id: TypeId) {
        if self.declared.insert(id) {
            let spelling = self.names.spelling(id);
            self.text.push_str(&format!("{spelling};\n\n"));
        }
    }

    fn define_composite(&mut self, id: TypeId) -> Result<(), CDumpError> {
        let btf = self.btf;
        let Some(composite) = btf.ty(id).composite() else { return Ok(()) };
        self.once(id, |dump| {
            composite.members.iter().try_for_each(|m| dump.require(m.ty, true))?;
            let definition = dump.composite_text(id, true, 0)?;
            dump.text.push_str(&definition);
            dump.text.push_str(";\n\n");
            dump.declared.insert(id);
            Ok(())
        })
    }

    fn define_enum(&mut self, id: TypeId) -> Result<(), CDumpError> {
        if self.btf.ty(id).name().is_empty() {
            return Ok(());
        }
        self.once(id, |dump| {
            let definition = dump.enum_text(id, 0);
            dump.text.push_str(&definition);
            dump.text.push_str(";\n\n");
            Ok(())
        })
    }

    /// Writes an enum without a name that nothing refers to: its values are constants.
    fn loose_enum(&mut self, id: TypeId) -> Result<(), CDumpError> {
        if matches!(self.btf.kind(id), Kind::Enum | Kind::Enum64) && !self.referenced.contains(&id) {
            let definition = self.enum_text(id, 0);
            self.text.push_str(&definition);
            self.text.push_str(";\n\n");
        }
        Ok(())
    }

    fn define_typedef(&mut self, id: TypeId) -> Result<(), CDumpError> {
        let Type::Typedef(typedef) = self.btf.ty(id) else { return Ok(()) };
        let target = typedef.target;
        self.once(id, |dump| {
            dump.require(target, false)?;
            let name = dump.names.spelling(id);
            let declaration = dump.declaration(target, &name, 0)?;
            dump.text.push_str(&format!("typedef {declaration};\n\n"));
            Ok(())
        })
    }

    /// Languages other than C name their integers as they like: `u32`, `usize`.
    fn define_scalar(&mut self, id: TypeId) {
        if self.state(id) != State::Unseen {
            return;
        }
        self.set_state(id, State::Defined);
        if let Some(standard) = names::standard_scalar(self.btf, id) {
            let name = self.names.spelling(id);
            self.text.push_str(&format!("typedef {standard} {name};\n\n"));
        }
    }

    fn kfuncs(&mut self) -> Result<(), CDumpError> {
        let btf = self.btf;
        let is_kfunc = |(_, ty): &(TypeId, &'a Type)| matches!(ty, Type::DeclTag(t) if t.component.is_none() && btf.str(t.name) == "bpf_kfunc");
        let tagged: Vec<_> = btf.types().filter(is_kfunc).collect();
        if tagged.is_empty() {
            return Ok(());
        }
        self.text.push_str(
            "#ifndef BPF_NO_KFUNC_PROTOTYPES\n\
             #ifndef __ksym\n#define __ksym __attribute__((section(\".ksyms\")))\n#endif\n\n\
             #ifndef __weak\n#define __weak __attribute__((weak))\n#endif\n\n",
        );
        let mut seen = HashSet::new();
        for (_, tag) in tagged {
            let Type::DeclTag(tag) = tag else { continue };
            let Type::Function(function) = btf.ty(tag.target) else { continue };
            let name = btf.str(function.name);
            if self.names.is_ordinary(name) || !seen.insert(name) {
                continue;
            }
            self.require(function.prototype, false)?;
            let declaration = self.function_text(function.prototype, name)?;
            self.text.push_str(&format!("extern {declaration} __weak __ksym;\n"));
        }
        self.text.push_str("#endif\n\n");
        Ok(())
    }
}
