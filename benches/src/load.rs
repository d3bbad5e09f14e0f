//! What it takes until a program can run: verifying and compiling, without reading the object or creating maps.

use crate::Error;
use skep::LoadedObject;
use skep_abi::command::ProgLoad;
use skep_btf::Btf;
use skep_isa::Slot;
use skep_kernel::calls;
use skep_object::{ExternSpec, KernelObject, MapIndex, Resolver};
use std::ffi::CString;
use std::sync::Arc;

/// `PROG_LOAD` of the first program of an object once more, with the maps that it has already.
///
/// # Errors
/// The kernel refuses it.
pub fn load_again(object: &LoadedObject) -> Result<(), Error> {
    Again::new(object)?.load()
}

/// A program to be loaded again and again.
pub struct Again<'o> {
    object: &'o LoadedObject,
    insns: Vec<u8>,
    license: CString,
    program_type: u32,
}

impl<'o> Again<'o> {
    /// Links the first program of an object.
    ///
    /// # Errors
    /// There is none.
    pub fn new(object: &'o LoadedObject) -> Result<Again<'o>, Error> {
        let spec = object.spec();
        let program = spec.programs.first().ok_or_else(|| Error::unfit("the object has no program"))?;
        let linked = program.link(spec, &Maps(object))?;
        let kind = program.kind.as_ref().ok_or_else(|| Error::unfit("the program has no type"))?;
        Ok(Again {
            object,
            insns: Slot::write_program(&linked.insns),
            license: CString::new(spec.license.as_deref().unwrap_or_default()).unwrap_or_default(),
            program_type: kind.program_type.number(),
        })
    }

    /// Loads it and forgets it.
    ///
    /// # Errors
    /// The kernel refuses it.
    pub fn load(&self) -> Result<(), Error> {
        let command = ProgLoad {
            prog_type: self.program_type,
            insns: &self.insns,
            license: Some(&self.license),
            ..ProgLoad::default()
        };
        calls::prog_load(self.object.kernel(), command).map(drop).map_err(|failure| failure.errno.into())
    }
}

/// Maps by the descriptors they have.
struct Maps<'o>(&'o LoadedObject);

impl Resolver for Maps<'_> {
    fn map_fd(&self, map: MapIndex) -> Option<i32> {
        let name = &self.0.spec().maps.get(map.0)?.name;
        Some(self.0.map(name).ok()?.fd())
    }

    fn kernel_object(&self, _external: &ExternSpec) -> Option<KernelObject> {
        None
    }

    fn kernel_address(&self, _name: &str) -> Option<u64> {
        None
    }

    fn kernel_types(&self) -> &[Arc<Btf>] {
        &[]
    }
}
