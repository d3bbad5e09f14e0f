//! An object that is open but not loaded: the place to set globals and sizes.

use crate::error::Error;
use crate::load::{LoadOptions, LoadedObject};
use skep_kernel::Kernel;
use skep_object::{MapIndex, MapSpec, ObjectSpec, Pinning, ProgramSpec, SlotValue};
use std::path::Path;
use std::sync::Arc;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A BPF object read from a file, not yet in a kernel.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let kernel: std::sync::Arc<dyn skep::Kernel> = skep_user::UserKernel::new(Default::default());
/// let mut object = skep::Object::open("firewall.bpf.o")?;
/// object.set_global("verbose", &1u32)?;
/// object.map_mut("sessions")?.max_entries = 4096;
/// let loaded = object.load(&kernel)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Object {
    pub(crate) name: String,
    pub(crate) spec: ObjectSpec,
}

impl Object {
    /// Reads an object file.
    ///
    /// ```no_run
    /// # fn f() -> Result<(), skep::Error> {
    /// let object = skep::Object::open("firewall.bpf.o")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the file cannot be read or is no BPF object; the error names section and offset.
    pub fn open(path: impl AsRef<Path>) -> Result<Object, Error> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let stem = path.file_name().unwrap_or_default().to_string_lossy();
        Object::parse(stem.split('.').next().unwrap_or_default(), &bytes)
    }

    /// Reads an object from memory; `name` becomes part of the names of its data maps.
    ///
    /// ```no_run
    /// let object = skep::Object::parse("firewall", &std::fs::read("firewall.bpf.o").unwrap())?;
    /// # Ok::<(), skep::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the bytes are no BPF object.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Object, Error> {
        Ok(Object { name: name.to_owned(), spec: ObjectSpec::parse(bytes)? })
    }

    /// Everything that the object holds.
    ///
    /// ```no_run
    /// # fn f(object: &skep::Object) -> Result<(), skep::Error> {
    /// for program in &object.spec().programs {
    ///     println!("{} in {}", program.name, program.section);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn spec(&self) -> &ObjectSpec {
        &self.spec
    }

    /// A program, to change whether it is loaded (`autoload`) or what it is attached to.
    ///
    /// ```no_run
    /// # let mut object = skep::Object::open("firewall.bpf.o")?;
    /// object.program_mut("debug")?.autoload = false;
    /// # Ok::<(), skep::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Missing`] with the names there are.
    pub fn program_mut(&mut self, name: &str) -> Result<&mut ProgramSpec, Error> {
        let available = || self.spec.programs.iter().map(|p| p.name.clone()).collect();
        let index = self.spec.program(name).map(|(index, _)| index.0);
        let missing = || Error::Missing { what: "program", name: name.to_owned(), available: available() };
        let index = index.ok_or_else(missing)?;
        Ok(&mut self.spec.programs[index])
    }

    /// A map, to change its size, flags or pinning before it is created.
    ///
    /// ```no_run
    /// # let mut object = skep::Object::open("firewall.bpf.o")?;
    /// object.map_mut("sessions")?.max_entries = 4096;
    /// # Ok::<(), skep::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Missing`] with the names there are.
    pub fn map_mut(&mut self, name: &str) -> Result<&mut MapSpec, Error> {
        let available = || self.spec.maps.iter().map(|m| m.name.clone()).collect();
        let index = self.spec.map(name).map(|(index, _)| index.0);
        let missing = || Error::Missing { what: "map", name: name.to_owned(), available: available() };
        let index = index.ok_or_else(missing)?;
        Ok(&mut self.spec.maps[index])
    }

    /// Leaves out all programs but these, and all maps that they do not reach. Nothing is pinned either: what is loaded
    /// so serves to look at these programs.
    ///
    /// ```no_run
    /// # let mut object = skep::Object::open("firewall.bpf.o")?;
    /// object.keep_only(&["debug"])?;
    /// # Ok::<(), skep::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Missing`] with the names there are.
    pub fn keep_only(&mut self, names: &[&str]) -> Result<(), Error> {
        for name in names {
            self.program_mut(name)?;
        }
        for program in &mut self.spec.programs {
            program.autoload = names.contains(&&*program.name);
        }
        let mut reached: Vec<MapIndex> =
            self.spec.programs.iter().filter(|p| p.autoload).flat_map(|p| p.maps()).collect();
        let mut next = 0;
        while let Some(map) = reached.get(next).and_then(|index| self.spec.maps.get(index.0)) {
            let inner = map.initial_values.iter().filter_map(|initial| match initial.value {
                SlotValue::Map(inner) => Some(inner),
                SlotValue::Program(_) => None,
            });
            let new: Vec<MapIndex> = inner.filter(|inner| !reached.contains(inner)).collect();
            reached.extend(new);
            next += 1;
        }
        for (index, map) in self.spec.maps.iter_mut().enumerate() {
            map.autocreate = reached.contains(&MapIndex(index));
            map.pinning = Pinning::None;
        }
        Ok(())
    }

    /// The initial value of a global variable.
    ///
    /// ```no_run
    /// # let object = skep::Object::open("firewall.bpf.o")?;
    /// let limit: u32 = object.global("limit")?;
    /// # Ok::<(), skep::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such variable, or it has another size than `T`.
    pub fn global<T: FromBytes>(&self, name: &str) -> Result<T, Error> {
        let bytes = self.spec.global_bytes(name).ok_or_else(|| skep_object::GlobalError::Unknown(name.to_owned()))?;
        T::read_from_bytes(&bytes).map_err(|_| {
            let size = bytes.len() as u32;
            skep_object::GlobalError::Size { name: name.to_owned(), size, given: size_of::<T>() }.into()
        })
    }

    /// Sets the initial value of a global variable, constants (`const volatile`) included.
    ///
    /// ```no_run
    /// # let mut object = skep::Object::open("firewall.bpf.o")?;
    /// object.set_global("limit", &100u32)?;
    /// # Ok::<(), skep::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such variable, or it has another size than `T`.
    pub fn set_global<T: IntoBytes + Immutable>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        Ok(self.spec.set_global(name, value.as_bytes())?)
    }

    /// Creates the maps and loads the programs (those with `autoload`) into a kernel.
    ///
    /// ```no_run
    /// # let object = skep::Object::open("firewall.bpf.o")?;
    /// # let kernel: std::sync::Arc<dyn skep::Kernel> = skep_user::UserKernel::new(Default::default());
    /// let loaded = object.load(&kernel)?;
    /// println!("{:?}", loaded.program("firewall")?);
    /// # Ok::<(), skep::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first map or program that the kernel refuses. Nothing stays behind.
    pub fn load(&self, kernel: &Arc<dyn Kernel>) -> Result<LoadedObject, Error> {
        self.load_with(kernel, &LoadOptions::default())
    }

    /// [`Object::load`] with options.
    ///
    /// ```no_run
    /// # let object = skep::Object::open("firewall.bpf.o")?;
    /// # let kernel: std::sync::Arc<dyn skep::Kernel> = skep_user::UserKernel::new(Default::default());
    /// let options = skep::LoadOptions { log_level: 4, ..Default::default() };
    /// let loaded = object.load_with(&kernel, &options)?;
    /// # Ok::<(), skep::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Object::load`].
    pub fn load_with(&self, kernel: &Arc<dyn Kernel>, options: &LoadOptions) -> Result<LoadedObject, Error> {
        crate::load::load(self, kernel, options)
    }
}
