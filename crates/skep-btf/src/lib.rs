//! BTF and BTF.ext: read, write, dedup, split BTF, C dump, CO-RE.
//!
//! [`Btf`] is a checked, unchangeable set of types; [`BtfBuilder`] makes one.
//!
//! ```
//! use skep_btf::{Btf, BtfBuilder, IntEncoding, Kind};
//!
//! let mut builder = BtfBuilder::new();
//! let int = builder.int("int", 4, IntEncoding::SIGNED);
//! builder.structure("point", 8, &[("x", int, 0, 0), ("y", int, 32, 0)]);
//! let btf = builder.build()?;
//!
//! let point = btf.find(Kind::Struct, "point").unwrap();
//! assert_eq!(btf.find_member(point, "y").unwrap().byte_offset(), 4);
//! assert_eq!(Btf::parse(&btf.to_bytes(btf.endian())?)?, btf);
//! # Ok::<(), skep_btf::BtfError>(())
//! ```
#![forbid(unsafe_code)]

mod btf;
mod builder;
mod c_dump;
pub mod core_relocation;
mod dedup;
mod encode;
mod error;
mod ext;
pub mod format;
mod layout;
mod name_index;
mod parse;
mod raw_dump;
mod reader;
mod strings;
mod structure;
mod types;
mod validate;

pub use btf::{Btf, essential_name};
pub use builder::{BtfBuilder, IdMap};
pub use c_dump::{CDump, CDumpError, CDumpOptions};
pub use dedup::Dedup;
pub use error::{BtfError, Problem, Rule, Section};
pub use ext::{BtfExt, CoreRelocation, FuncInfo, Group, LineInfo, RelocationKind};
pub use layout::{Field, FieldAt, MAX_FLAT_MEMBERS, Step};
pub use reader::Endian;
pub use structure::MAX_DEPTH;
pub use types::{
    Array, Composite, DataSection, DeclTag, Enum, Enum64, Enumerator, Enumerator64, Float, Forward, Function,
    FunctionLinkage, FunctionPrototype, Int, IntEncoding, Kind, Member, Parameter, SectionEntry, StringOffset, Type,
    TypeId, TypeTag, Typedef, Variable, VariableLinkage,
};
