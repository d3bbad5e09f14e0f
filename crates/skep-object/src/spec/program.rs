//! Programs as an object holds them.

use super::{ExternIndex, MapIndex};
use skep_abi::attach_type::AttachType;
use skep_abi::command::ProgramFlags;
use skep_abi::program_type::ProgramType;
use skep_btf::{RelocationKind, StringOffset, TypeId};
use skep_isa::Slot;

/// What the section name says about a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramKind {
    /// Program type.
    pub program_type: ProgramType,
    /// Expected attach type.
    pub attach_type: Option<AttachType>,
    /// The attach type is sent only to kernels that know it.
    pub attach_optional: bool,
    /// What follows the section's prefix: `do_unlinkat`, `syscalls/sys_enter_openat`, `/bin/bash:readline`.
    pub attach_to: Option<String>,
    /// The attach target is a BTF id of the kernel (fentry, lsm, tp_btf, iterators).
    pub attach_btf: bool,
    /// May sleep.
    pub sleepable: bool,
    /// Copes with XDP packets in several fragments.
    pub xdp_has_frags: bool,
}

/// Who can see a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Linkage {
    /// This object only: verified along with its callers.
    Static,
    /// Everybody: verified on its own.
    Global,
    /// Everybody, and another object may replace it.
    Weak,
}

/// One function of a program. The first is the program's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSpec {
    /// Name.
    pub name: String,
    /// Linkage.
    pub linkage: Linkage,
    /// First slot in the program.
    pub start: u32,
    /// Number of slots.
    pub len: u32,
    /// Section it was in.
    pub section: String,
    /// Its first slot in that section.
    pub section_slot: u32,
    /// Its `FUNC` in the object's BTF.
    pub type_id: Option<TypeId>,
}

/// The source line that begins at a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRecord {
    /// Slot in the program.
    pub slot: u32,
    /// File name, in the strings of [`super::ObjectSpec::btf`].
    pub file: StringOffset,
    /// Text of the line, in the same strings; may be empty.
    pub text: StringOffset,
    /// Line number, from 1.
    pub line: u32,
    /// Column, from 1; 0 if unknown.
    pub column: u16,
}

/// What a slot must be patched with when the program is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `lddw` of a map.
    Map(MapIndex),
    /// `lddw` of an address inside a data map's (or arena's) value.
    MapValue {
        /// Map.
        map: MapIndex,
        /// Byte offset.
        offset: u32,
    },
    /// `lddw` of the address of a kernel variable or function.
    ExternAddress(ExternIndex),
    /// `call` of a kernel function.
    ExternCall(ExternIndex),
}

/// A reference from a slot to something that only the loader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Slot in the program.
    pub slot: u32,
    /// What it refers to.
    pub target: Target,
}

/// A CO-RE relocation: an instruction whose number depends on the kernel's types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreRelocationSpec {
    /// Slot in the program.
    pub slot: u32,
    /// What is asked for.
    pub kind: RelocationKind,
    /// Root type in the object's BTF.
    pub type_id: TypeId,
    /// How to get from the root to the field or enumerator (`0:1:2`), in the strings of [`super::ObjectSpec::btf`].
    pub access: StringOffset,
}

/// A program: its entry function and all functions that it reaches, in one sequence of slots. Calls and function
/// addresses between them are resolved already; everything else is in `relocations` and `core_relocations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramSpec {
    /// Name of the entry function.
    pub name: String,
    /// Section name as written, `?` included.
    pub section: String,
    /// What the section name says; `None` when no program type has such a section.
    pub kind: Option<ProgramKind>,
    /// To be loaded unless asked otherwise: `false` for `SEC("?…")`.
    pub autoload: bool,
    /// Further flags of the load. The section's name has its own in `kind`.
    pub load_flags: ProgramFlags,
    /// Slots; in the order of the machine that runs this, whatever the file's.
    pub insns: Vec<Slot>,
    /// Functions in order; they cover `insns` without gaps.
    pub functions: Vec<FunctionSpec>,
    /// Source lines in order of slot.
    pub lines: Vec<LineRecord>,
    /// References to maps and externs, in order of slot.
    pub relocations: Vec<Relocation>,
    /// CO-RE relocations, in order of slot.
    pub core_relocations: Vec<CoreRelocationSpec>,
}

impl ProgramSpec {
    /// The maps it refers to, each once, in order of index.
    pub fn maps(&self) -> Vec<MapIndex> {
        let mut maps: Vec<MapIndex> = self
            .relocations
            .iter()
            .filter_map(|r| match r.target {
                Target::Map(map) | Target::MapValue { map, .. } => Some(map),
                Target::ExternAddress(_) | Target::ExternCall(_) => None,
            })
            .collect();
        maps.sort_unstable();
        maps.dedup();
        maps
    }

    /// The externs it refers to, each once, in order of index. `.kconfig` variables are not among them: they are
    /// reached through their map.
    pub fn externs(&self) -> Vec<ExternIndex> {
        let mut externs: Vec<ExternIndex> = self
            .relocations
            .iter()
            .filter_map(|r| match r.target {
                Target::ExternAddress(index) | Target::ExternCall(index) => Some(index),
                Target::Map(_) | Target::MapValue { .. } => None,
            })
            .collect();
        externs.sort_unstable();
        externs.dedup();
        externs
    }

    /// The function that holds a slot.
    pub fn function_at(&self, slot: u32) -> Option<&FunctionSpec> {
        self.functions.iter().find(|f| (f.start..f.start.saturating_add(f.len)).contains(&slot))
    }
}
