//! What an object holds, as plain data.
//!
//! Invariants of a parsed [`ObjectSpec`]: every [`MapIndex`], [`ProgramIndex`] and [`ExternIndex`] in it is in range;
//! every slot index of a program is below its number of slots; every global lies inside its map's contents.

mod contents;
mod external;
mod map;
mod program;
mod struct_ops;

pub use contents::Contents;
pub use external::{ExternKind, ExternSpec, KconfigKind, KconfigValue};
pub use map::{InitialValue, MapOrigin, MapSpec, Pinning, SlotValue};
pub use program::{
    CoreRelocationSpec, FunctionSpec, LineRecord, Linkage, ProgramKind, ProgramSpec, Relocation, Target,
};
pub use struct_ops::{StructOpsMember, StructOpsSpec};

use crate::error::ObjectError;
use skep_btf::{Btf, TypeId};
use std::sync::Arc;

/// Index of a map in [`ObjectSpec::maps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapIndex(pub usize);

/// Index of a program in [`ObjectSpec::programs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProgramIndex(pub usize);

/// Index of an extern in [`ObjectSpec::externs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternIndex(pub usize);

/// Byte order of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// `bpfel`
    Little,
    /// `bpfeb`: can be inspected, not linked.
    Big,
}

/// Everything an object file says, with no kernel involved: the same bytes give the same spec.
#[derive(Clone, Debug)]
pub struct ObjectSpec {
    /// Byte order of the file.
    pub byte_order: ByteOrder,
    /// The `license` section, without its terminating zero. Linux treats a missing licence as not GPL-compatible.
    pub license: Option<String>,
    /// The `version` section: a kernel version, as kprobe programs before Linux 5.0 needed it.
    pub kernel_version: Option<u32>,
    /// Programs in order of section and offset.
    pub programs: Vec<ProgramSpec>,
    /// Maps: those of data sections, then `.kconfig`, then defined ones.
    pub maps: Vec<MapSpec>,
    /// Global variables that live in maps.
    pub globals: Vec<GlobalSpec>,
    /// What the object wants from the kernel: `.kconfig` and `.ksyms` externs.
    pub externs: Vec<ExternSpec>,
    /// Implementations of kernel interfaces.
    pub struct_ops: Vec<StructOpsSpec>,
    /// The object's own types, with the fix-ups that loading needs: sizes and offsets of data sections filled in,
    /// externs as the kernel's BTF check wants them. `None` for an object compiled without `-g`.
    pub btf: Option<Arc<Btf>>,
    /// What is legal and yet will not work as its author may think.
    pub warnings: Vec<ObjectError>,
    /// Names of sections in file order, for inspection.
    pub sections: Vec<SectionSummary>,
}

/// A section of the file, for inspection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionSummary {
    /// Name.
    pub name: String,
    /// Offset in the file.
    pub offset: u64,
    /// Bytes, in the file or (`.bss`) in memory.
    pub size: u64,
    /// Holds instructions.
    pub executable: bool,
    /// Has no bytes in the file (`SHT_NOBITS`).
    pub zero_filled: bool,
}

/// A global variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalSpec {
    /// Name.
    pub name: String,
    /// Map whose only value holds it.
    pub map: MapIndex,
    /// Byte offset in that value.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
    /// Its type (what the `VAR` refers to), if the object has BTF for it.
    pub type_id: Option<TypeId>,
    /// `static` in C: other objects do not see it.
    pub is_static: bool,
}

impl ObjectSpec {
    /// The map of that name, such as `counters` or `.rodata`.
    pub fn map(&self, name: &str) -> Option<(MapIndex, &MapSpec)> {
        self.maps.iter().enumerate().find(|(_, m)| m.name == name).map(|(i, m)| (MapIndex(i), m))
    }

    /// The program of that (C function) name.
    pub fn program(&self, name: &str) -> Option<(ProgramIndex, &ProgramSpec)> {
        self.programs.iter().enumerate().find(|(_, p)| p.name == name).map(|(i, p)| (ProgramIndex(i), p))
    }

    /// The global variable of that name.
    pub fn global(&self, name: &str) -> Option<&GlobalSpec> {
        self.globals.iter().find(|g| g.name == name)
    }

    /// The initial bytes of a global variable.
    pub fn global_bytes(&self, name: &str) -> Option<Vec<u8>> {
        let global = self.global(name)?;
        let contents = self.maps.get(global.map.0)?.contents.as_ref()?;
        contents.read(global.offset, global.size)
    }

    /// Sets the initial bytes of a global variable; has effect on later loads only.
    ///
    /// # Errors
    /// [`GlobalError`] when there is no such variable or its size is another.
    pub fn set_global(&mut self, name: &str, bytes: &[u8]) -> Result<(), GlobalError> {
        let global = self.global(name).ok_or_else(|| GlobalError::Unknown(name.to_owned()))?;
        let (map, offset, size) = (global.map, global.offset, global.size);
        if bytes.len() != size as usize {
            return Err(GlobalError::Size { name: name.to_owned(), size, given: bytes.len() });
        }
        let contents = self.maps.get_mut(map.0).and_then(|m| m.contents.as_mut());
        match contents.and_then(|c| c.write(offset, bytes)) {
            Some(()) => Ok(()),
            None => Err(GlobalError::Unknown(name.to_owned())),
        }
    }
}

impl ObjectSpec {
    /// Writes the kernel's configuration into the `.kconfig` map: `setting` says what a setting is by its name
    /// (`CONFIG_HZ`, and those that only loaders know: `LINUX_KERNEL_VERSION`, `LINUX_HAS_BPF_COOKIE`,
    /// `LINUX_HAS_SYSCALL_WRAPPER`). What a weak extern asks for and nobody knows stays zero.
    ///
    /// # Errors
    /// [`KconfigError`] names the setting that is missing, or whose value does not fit its variable.
    pub fn set_kconfig(&mut self, setting: &dyn Fn(&str) -> Option<KconfigValue>) -> Result<(), KconfigError> {
        let map = self.maps.iter_mut().find(|m| m.origin == MapOrigin::Kconfig);
        let Some(contents) = map.and_then(|m| m.contents.as_mut()) else { return Ok(()) };
        for external in self.externs.iter().filter(|e| e.is_kconfig()) {
            match setting(&external.name) {
                Some(value) => external
                    .kind
                    .store_kconfig(contents, &value)
                    .map_err(|reason| KconfigError::Value { name: external.name.clone(), reason })?,
                None if external.weak => {}
                None => return Err(KconfigError::Missing(external.name.clone())),
            }
        }
        Ok(())
    }
}

/// Why the kernel's configuration could not be given to a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KconfigError {
    /// The configuration has no such setting.
    #[error("the kernel's configuration has no '{0}'; declare it __weak if the program can do without")]
    Missing(String),
    /// The value does not fit the variable.
    #[error("setting '{name}': {reason}")]
    Value {
        /// Setting.
        name: String,
        /// Why.
        reason: String,
    },
}

/// Why a global variable could not be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobalError {
    /// There is no such variable.
    #[error("the object has no global variable '{0}'")]
    Unknown(String),
    /// The bytes given are not as many as the variable has.
    #[error("global variable '{name}' has {size} bytes, {given} were given")]
    Size {
        /// Variable.
        name: String,
        /// Its size in bytes.
        size: u32,
        /// Bytes given.
        given: usize,
    },
}
