//! What a type says: the data of every BTF kind, without the bytes.
//!
//! Names are offsets into the string section of the [`Btf`](crate::Btf) that the type stands in, so that a type is
//! small and a file can be written back as it was read. Sources: `include/uapi/linux/btf.h` (Linux 6.18) and
//! `Documentation/bpf/btf.rst`.

/// Number of a type in a BTF; 0 is `void`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

impl TypeId {
    /// `void`, which stands in no file.
    pub const VOID: TypeId = TypeId(0);

    /// Whether this is `void`.
    pub const fn is_void(self) -> bool {
        self.0 == 0
    }
}

impl std::fmt::Display for TypeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}]", self.0)
    }
}

/// Offset of a NUL-terminated string in the string section; 0 is the empty string. In split BTF offsets count on
/// from the end of the base's strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StringOffset(pub u32);

impl StringOffset {
    /// The empty string: no name.
    pub const EMPTY: StringOffset = StringOffset(0);

    /// Whether this is the empty string at the start of every string section.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Defines [`Kind`] from one table: variant, number in the file, bpftool's name, Linux version.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// The kinds of types; the values are the file's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $variant = $number,)* }

        impl Kind {
            /// All kinds, in order of their number.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant,)*];

            /// The kind with a number, if there is one.
            pub const fn from_number(number: u8) -> Option<Kind> {
                match number { $($number => Some(Kind::$variant),)* _ => None }
            }

            /// Its name in dumps, such as `STRUCT`.
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    /// `void`; type 0 only (4.18).
    Void = 0, "UNKN";
    /// Integer (4.18).
    Int = 1, "INT";
    /// Pointer (4.18).
    Pointer = 2, "PTR";
    /// Array (4.18).
    Array = 3, "ARRAY";
    /// Structure (4.18).
    Struct = 4, "STRUCT";
    /// Union (4.18).
    Union = 5, "UNION";
    /// Enumeration of up to 32 bits (4.18).
    Enum = 6, "ENUM";
    /// Forward declaration of a struct or union (4.18).
    Forward = 7, "FWD";
    /// Type definition (4.18).
    Typedef = 8, "TYPEDEF";
    /// `volatile` (4.18).
    Volatile = 9, "VOLATILE";
    /// `const` (4.18).
    Const = 10, "CONST";
    /// `restrict` (4.18).
    Restrict = 11, "RESTRICT";
    /// Function with a name (4.20).
    Function = 12, "FUNC";
    /// Signature of a function (4.20).
    FunctionPrototype = 13, "FUNC_PROTO";
    /// Global variable (5.2).
    Variable = 14, "VAR";
    /// Section of variables (5.2).
    DataSection = 15, "DATASEC";
    /// Floating-point number (5.13).
    Float = 16, "FLOAT";
    /// Tag of a declaration (5.16).
    DeclTag = 17, "DECL_TAG";
    /// Tag of a pointed-to type (5.17).
    TypeTag = 18, "TYPE_TAG";
    /// Enumeration of 64 bits (6.0).
    Enum64 = 19, "ENUM64";
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How the bits of an integer are read: bit 0 signed, bit 1 character, bit 2 boolean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct IntEncoding(pub u8);

impl IntEncoding {
    /// Unsigned.
    pub const UNSIGNED: IntEncoding = IntEncoding(0);
    /// Two's complement.
    pub const SIGNED: IntEncoding = IntEncoding(1);
    /// Character.
    pub const CHAR: IntEncoding = IntEncoding(2);
    /// Boolean.
    pub const BOOL: IntEncoding = IntEncoding(4);

    /// Whether the signed bit is set.
    pub const fn is_signed(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether the character bit is set.
    pub const fn is_char(self) -> bool {
        self.0 & 2 != 0
    }

    /// Whether the boolean bit is set.
    pub const fn is_bool(self) -> bool {
        self.0 & 4 != 0
    }
}

/// An integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Int {
    /// Name.
    pub name: StringOffset,
    /// Size in bytes.
    pub size: u32,
    /// How to read it.
    pub encoding: IntEncoding,
    /// Where its bits start (old compilers only; otherwise 0).
    pub bit_offset: u8,
    /// Number of bits, at most `8 * size`.
    pub bits: u8,
}

/// An array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Array {
    /// Type of an element.
    pub element: TypeId,
    /// Type of the index.
    pub index: TypeId,
    /// Number of elements; 0 for a flexible array.
    pub len: u32,
}

/// A member of a struct or union.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Name; empty for an anonymous struct or union.
    pub name: StringOffset,
    /// Type.
    pub ty: TypeId,
    /// Offset in bits from the start of the struct.
    pub bit_offset: u32,
    /// Number of bits if it is a bit field, else 0. Always 0 where [`Composite::kind_flag`] is false: such a file
    /// gives the size of a bit field in the bits of its [`Int`].
    pub bitfield_size: u8,
}

/// A struct or a union.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Composite {
    /// Name; may be empty.
    pub name: StringOffset,
    /// Size in bytes.
    pub size: u32,
    /// Whether members carry a bit-field size.
    pub kind_flag: bool,
    /// Members, in order.
    pub members: Box<[Member]>,
}

/// A name and value of an [`Enum`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enumerator {
    /// Name.
    pub name: StringOffset,
    /// Bits of its value; signed as the enum is.
    pub value: u32,
}

/// An enumeration of up to 32 bits. Without values it is a forward declaration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Enum {
    /// Name; may be empty.
    pub name: StringOffset,
    /// Size in bytes: 1, 2, 4 or 8.
    pub size: u32,
    /// Whether values are signed.
    pub signed: bool,
    /// Values, in order.
    pub values: Box<[Enumerator]>,
}

/// A name and value of an [`Enum64`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enumerator64 {
    /// Name.
    pub name: StringOffset,
    /// Bits of its value; signed as the enum is.
    pub value: u64,
}

/// An enumeration of 64 bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Enum64 {
    /// Name; may be empty.
    pub name: StringOffset,
    /// Size in bytes: 1, 2, 4 or 8.
    pub size: u32,
    /// Whether values are signed.
    pub signed: bool,
    /// Values, in order.
    pub values: Box<[Enumerator64]>,
}

/// A forward declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Forward {
    /// Name.
    pub name: StringOffset,
    /// Of a union rather than a struct.
    pub union: bool,
}

/// A typedef.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Typedef {
    /// Name.
    pub name: StringOffset,
    /// What it names.
    pub target: TypeId,
}

/// Linkage of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FunctionLinkage {
    /// `static`.
    Static = 0,
    /// Global, defined here.
    Global = 1,
    /// Declared here, defined elsewhere (kfuncs).
    Extern = 2,
}

/// A named function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Function {
    /// Name.
    pub name: StringOffset,
    /// Its [`FunctionPrototype`].
    pub prototype: TypeId,
    /// Linkage.
    pub linkage: FunctionLinkage,
}

/// A parameter of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// Name; may be empty.
    pub name: StringOffset,
    /// Type; a last parameter of `void` without a name is `...`.
    pub ty: TypeId,
}

/// The signature of a function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionPrototype {
    /// Return type.
    pub ret: TypeId,
    /// Parameters, in order.
    pub parameters: Box<[Parameter]>,
}

impl FunctionPrototype {
    /// Whether it ends in `...`.
    pub fn is_variadic(&self) -> bool {
        self.parameters.last().is_some_and(|p| p.ty.is_void() && p.name.is_empty())
    }
}

/// Linkage of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum VariableLinkage {
    /// `static`.
    Static = 0,
    /// Global, defined here.
    Global = 1,
    /// Declared here, defined elsewhere (`.kconfig`, `.ksyms`).
    Extern = 2,
}

/// A global variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Variable {
    /// Name.
    pub name: StringOffset,
    /// Type.
    pub ty: TypeId,
    /// Linkage.
    pub linkage: VariableLinkage,
}

/// A variable (or an extern function) in a [`DataSection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SectionEntry {
    /// Its [`Variable`] or [`Function`].
    pub ty: TypeId,
    /// Offset in bytes in the section (0 until an object is linked).
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
}

/// A section with variables.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataSection {
    /// Name, such as `.bss`.
    pub name: StringOffset,
    /// Size in bytes (0 until an object is linked).
    pub size: u32,
    /// Variables, by offset.
    pub entries: Box<[SectionEntry]>,
}

/// A floating-point number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Float {
    /// Name.
    pub name: StringOffset,
    /// Size in bytes.
    pub size: u32,
}

/// A tag on a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeclTag {
    /// The tag.
    pub name: StringOffset,
    /// What it stands on: a struct, union, typedef, variable or function.
    pub target: TypeId,
    /// The member or parameter it stands on; `None` (-1 in the file) is the target itself.
    pub component: Option<u32>,
    /// The tag is any C attribute rather than a `btf_decl_tag` (the kind flag; 6.15).
    pub attribute: bool,
}

/// A tag on a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeTag {
    /// The tag.
    pub name: StringOffset,
    /// The type it stands on.
    pub target: TypeId,
    /// The tag is any C attribute rather than a `btf_type_tag` (the kind flag; 6.15).
    pub attribute: bool,
}

/// A type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `void`; only type 0.
    Void,
    /// Integer.
    Int(Int),
    /// Pointer to a type.
    Pointer(TypeId),
    /// Array.
    Array(Array),
    /// Structure.
    Struct(Composite),
    /// Union.
    Union(Composite),
    /// Enumeration of up to 32 bits.
    Enum(Enum),
    /// Forward declaration.
    Forward(Forward),
    /// Typedef.
    Typedef(Typedef),
    /// Volatile type.
    Volatile(TypeId),
    /// Constant type.
    Const(TypeId),
    /// Restricted pointer.
    Restrict(TypeId),
    /// Named function.
    Function(Function),
    /// Signature.
    FunctionPrototype(FunctionPrototype),
    /// Global variable.
    Variable(Variable),
    /// Section of variables.
    DataSection(DataSection),
    /// Floating-point number.
    Float(Float),
    /// Tag of a declaration.
    DeclTag(DeclTag),
    /// Tag of a type.
    TypeTag(TypeTag),
    /// Enumeration of 64 bits.
    Enum64(Enum64),
}

impl Type {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Type::Void => Kind::Void,
            Type::Int(_) => Kind::Int,
            Type::Pointer(_) => Kind::Pointer,
            Type::Array(_) => Kind::Array,
            Type::Struct(_) => Kind::Struct,
            Type::Union(_) => Kind::Union,
            Type::Enum(_) => Kind::Enum,
            Type::Forward(_) => Kind::Forward,
            Type::Typedef(_) => Kind::Typedef,
            Type::Volatile(_) => Kind::Volatile,
            Type::Const(_) => Kind::Const,
            Type::Restrict(_) => Kind::Restrict,
            Type::Function(_) => Kind::Function,
            Type::FunctionPrototype(_) => Kind::FunctionPrototype,
            Type::Variable(_) => Kind::Variable,
            Type::DataSection(_) => Kind::DataSection,
            Type::Float(_) => Kind::Float,
            Type::DeclTag(_) => Kind::DeclTag,
            Type::TypeTag(_) => Kind::TypeTag,
            Type::Enum64(_) => Kind::Enum64,
        }
    }

    /// Its name; the empty string for kinds that have none.
    pub const fn name(&self) -> StringOffset {
        match self {
            Type::Int(t) => t.name,
            Type::Struct(t) | Type::Union(t) => t.name,
            Type::Enum(t) => t.name,
            Type::Forward(t) => t.name,
            Type::Typedef(t) => t.name,
            Type::Function(t) => t.name,
            Type::Variable(t) => t.name,
            Type::DataSection(t) => t.name,
            Type::Float(t) => t.name,
            Type::DeclTag(t) => t.name,
            Type::TypeTag(t) => t.name,
            Type::Enum64(t) => t.name,
            Type::Void
            | Type::Pointer(_)
            | Type::Array(_)
            | Type::Volatile(_)
            | Type::Const(_)
            | Type::Restrict(_)
            | Type::FunctionPrototype(_) => StringOffset::EMPTY,
        }
    }

    /// The struct or union, if it is one.
    pub const fn composite(&self) -> Option<&Composite> {
        match self {
            Type::Struct(c) | Type::Union(c) => Some(c),
            _ => None,
        }
    }

    /// The type behind `const`, `volatile`, `restrict` or a type tag.
    pub const fn qualified(&self) -> Option<TypeId> {
        match self {
            Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => Some(*t),
            Type::TypeTag(t) => Some(t.target),
            _ => None,
        }
    }

    /// The type behind a qualifier, type tag or typedef.
    pub const fn modified(&self) -> Option<TypeId> {
        match self {
            Type::Typedef(t) => Some(t.target),
            _ => self.qualified(),
        }
    }

    /// Calls `visit` with every type id it holds, in file order.
    pub fn for_each_id(&self, mut visit: impl FnMut(TypeId)) {
        match self {
            Type::Void | Type::Int(_) | Type::Enum(_) | Type::Forward(_) | Type::Float(_) | Type::Enum64(_) => {}
            Type::Pointer(t) | Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => visit(*t),
            Type::Array(a) => {
                visit(a.element);
                visit(a.index);
            }
            Type::Struct(c) | Type::Union(c) => c.members.iter().for_each(|m| visit(m.ty)),
            Type::Typedef(t) => visit(t.target),
            Type::Function(f) => visit(f.prototype),
            Type::FunctionPrototype(p) => {
                visit(p.ret);
                p.parameters.iter().for_each(|p| visit(p.ty));
            }
            Type::Variable(v) => visit(v.ty),
            Type::DataSection(s) => s.entries.iter().for_each(|e| visit(e.ty)),
            Type::DeclTag(t) => visit(t.target),
            Type::TypeTag(t) => visit(t.target),
        }
    }

    /// Calls `change` with every type id it holds, in file order.
    pub fn for_each_id_mut(&mut self, mut change: impl FnMut(&mut TypeId)) {
        match self {
            Type::Void | Type::Int(_) | Type::Enum(_) | Type::Forward(_) | Type::Float(_) | Type::Enum64(_) => {}
            Type::Pointer(t) | Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => change(t),
            Type::Array(a) => {
                change(&mut a.element);
                change(&mut a.index);
            }
            Type::Struct(c) | Type::Union(c) => c.members.iter_mut().for_each(|m| change(&mut m.ty)),
            Type::Typedef(t) => change(&mut t.target),
            Type::Function(f) => change(&mut f.prototype),
            Type::FunctionPrototype(p) => {
                change(&mut p.ret);
                p.parameters.iter_mut().for_each(|p| change(&mut p.ty));
            }
            Type::Variable(v) => change(&mut v.ty),
            Type::DataSection(s) => s.entries.iter_mut().for_each(|e| change(&mut e.ty)),
            Type::DeclTag(t) => change(&mut t.target),
            Type::TypeTag(t) => change(&mut t.target),
        }
    }

    /// Calls `change` with every string offset it holds: its own name first, then those of its parts.
    pub fn for_each_string_mut(&mut self, mut change: impl FnMut(&mut StringOffset)) {
        match self {
            Type::Void | Type::Pointer(_) | Type::Array(_) | Type::Volatile(_) | Type::Const(_) | Type::Restrict(_) => {
            }
            Type::Int(t) => change(&mut t.name),
            Type::Struct(t) | Type::Union(t) => {
                change(&mut t.name);
                t.members.iter_mut().for_each(|m| change(&mut m.name));
            }
            Type::Enum(t) => {
                change(&mut t.name);
                t.values.iter_mut().for_each(|v| change(&mut v.name));
            }
            Type::Enum64(t) => {
                change(&mut t.name);
                t.values.iter_mut().for_each(|v| change(&mut v.name));
            }
            Type::FunctionPrototype(t) => t.parameters.iter_mut().for_each(|p| change(&mut p.name)),
            Type::Forward(t) => change(&mut t.name),
            Type::Typedef(t) => change(&mut t.name),
            Type::Function(t) => change(&mut t.name),
            Type::Variable(t) => change(&mut t.name),
            Type::DataSection(t) => change(&mut t.name),
            Type::Float(t) => change(&mut t.name),
            Type::DeclTag(t) => change(&mut t.name),
            Type::TypeTag(t) => change(&mut t.name),
        }
    }

    /// Calls `visit` with every string offset it holds: its own name first, then those of its parts.
    pub fn for_each_string(&self, mut visit: impl FnMut(StringOffset)) {
        match self {
            Type::Struct(t) | Type::Union(t) => {
                visit(t.name);
                t.members.iter().for_each(|m| visit(m.name));
            }
            Type::Enum(t) => {
                visit(t.name);
                t.values.iter().for_each(|v| visit(v.name));
            }
            Type::Enum64(t) => {
                visit(t.name);
                t.values.iter().for_each(|v| visit(v.name));
            }
            Type::FunctionPrototype(t) => t.parameters.iter().for_each(|p| visit(p.name)),
            other => visit(other.name()),
        }
    }
}
