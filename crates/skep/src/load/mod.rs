//! Loading: BTF, then maps, then programs, then what maps hold of programs.

mod btf;
mod maps;
mod programs;
mod resolver;

use crate::error::{Error, ProgramError};
use crate::map::RawMap;
use crate::object::Object;
use crate::program::Program;
use skep_kernel::Kernel;
use skep_object::ObjectSpec;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// How to load.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Level of the verifier's log for programs that are accepted; refused ones are logged anyway.
    pub log_level: u32,
    /// Directory in which maps that are pinned by name live.
    pub pin_root: PathBuf,
    /// Go on after a refused program; [`LoadedObject::refused`] lists them.
    pub keep_going: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions { log_level: 0, pin_root: PathBuf::from("/sys/fs/bpf"), keep_going: false }
    }
}

/// An object in a kernel: programs and maps stay as long as this, or clones of them, live.
#[derive(Debug)]
pub struct LoadedObject {
    spec: ObjectSpec,
    kernel: Arc<dyn Kernel>,
    /// By index in the object; those not wanted are not there.
    maps: Vec<Option<RawMap>>,
    programs: BTreeMap<usize, Program>,
    refused: Vec<Error>,
}

impl LoadedObject {
    /// What was loaded, with globals as set.
    pub fn spec(&self) -> &ObjectSpec {
        &self.spec
    }

    /// The kernel it is in.
    pub fn kernel(&self) -> &Arc<dyn Kernel> {
        &self.kernel
    }

    /// The programs that were loaded, in the object's order.
    ///
    /// ```no_run
    /// # fn f(loaded: &skep::LoadedObject) -> Result<(), skep::Error> {
    /// for program in loaded.programs() {
    ///     println!("{}", program.name());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        self.programs.values()
    }

    /// A loaded program.
    ///
    /// ```no_run
    /// # fn f(loaded: &skep::LoadedObject) -> Result<(), skep::Error> {
    /// let program = loaded.program("firewall")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Missing`] with the names there are.
    pub fn program(&self, name: &str) -> Result<&Program, Error> {
        self.programs().find(|program| program.name() == name).ok_or_else(|| {
            let available = self.programs().map(|p| p.name().to_owned()).collect();
            Error::Missing { what: "program", name: name.to_owned(), available }
        })
    }

    /// The maps that were created, in the object's order, data sections included.
    ///
    /// ```no_run
    /// # fn f(loaded: &skep::LoadedObject) -> Result<(), skep::Error> {
    /// for map in loaded.maps() {
    ///     println!("{}: id {}", map.name(), map.info().id);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn maps(&self) -> impl Iterator<Item = &RawMap> {
        self.maps.iter().flatten()
    }

    /// A map.
    ///
    /// ```no_run
    /// # fn f(loaded: &skep::LoadedObject) -> Result<(), skep::Error> {
    /// let counts = loaded.map("counts")?.typed::<u32, u64>()?;
    /// for entry in counts.iter() {
    ///     let (key, count) = entry?;
    ///     println!("{key}: {count}");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Missing`] with the names there are.
    pub fn map(&self, name: &str) -> Result<&RawMap, Error> {
        self.maps().find(|map| map.name() == name).ok_or_else(|| {
            let available = self.maps().map(|m| m.name().to_owned()).collect();
            Error::Missing { what: "map", name: name.to_owned(), available }
        })
    }

    /// The current value of a global variable.
    ///
    /// ```no_run
    /// # fn f(loaded: &skep::LoadedObject) -> Result<(), skep::Error> {
    /// let packets: u64 = loaded.global("packets")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When there is no such variable, it has another size than `T`, or its map cannot be read.
    pub fn global<T: zerocopy::FromBytes>(&self, name: &str) -> Result<T, Error> {
        let unknown = || Error::Global(skep_object::GlobalError::Unknown(name.to_owned()));
        let global = self.spec.global(name).ok_or_else(unknown)?;
        let map = self.maps.get(global.map.0).and_then(Option::as_ref).ok_or_else(unknown)?;
        let value = map.lookup(&0u32.to_ne_bytes())?.ok_or_else(unknown)?;
        let range = global.offset as usize..(global.offset as usize).saturating_add(global.size as usize);
        T::read_from_bytes(value.get(range).ok_or_else(unknown)?).map_err(|_| {
            let given = size_of::<T>();
            skep_object::GlobalError::Size { name: name.to_owned(), size: global.size, given }.into()
        })
    }

    /// The programs that the kernel refused, where [`LoadOptions::keep_going`] was set.
    ///
    /// ```no_run
    /// # fn f(object: &skep::Object, kernel: &std::sync::Arc<dyn skep::Kernel>) -> Result<(), skep::Error> {
    /// let options = skep::LoadOptions { keep_going: true, ..Default::default() };
    /// for refused in object.load_with(kernel, &options)?.refused() {
    ///     println!("{}: {}", refused.name, refused.message().unwrap_or("no reason given"));
    /// }
    /// # Ok(()) }
    /// ```
    pub fn refused(&self) -> impl Iterator<Item = &ProgramError> {
        self.refused.iter().filter_map(|error| match error {
            Error::Program(error) => Some(error),
            _ => None,
        })
    }

    /// All failures of programs, [`LoadedObject::refused`] and those that could not even be linked.
    pub fn failures(&self) -> &[Error] {
        &self.refused
    }
}

/// See [`Object::load_with`].
pub(crate) fn load(object: &Object, kernel: &Arc<dyn Kernel>, options: &LoadOptions) -> Result<LoadedObject, Error> {
    let mut spec = object.spec.clone();
    spec.set_kconfig(&|name| resolver::kernel_setting(&**kernel, name))?;
    let btf = btf::load(&spec, kernel)?;
    let maps = maps::create(object, &spec, kernel, btf.as_ref(), options)?;
    let resolver = resolver::KernelResolver::new(&spec, kernel, &maps);

    let mut programs = BTreeMap::new();
    let mut refused = Vec::new();
    for (index, program) in spec.programs.iter().enumerate().filter(|(_, program)| program.autoload) {
        match programs::load(&spec, program, &resolver, kernel, btf.as_ref(), options) {
            Ok(program) => _ = programs.insert(index, program),
            Err(error) if options.keep_going => refused.push(error),
            Err(error) => return Err(error),
        }
    }
    maps::fill_programs(&spec, &maps, &programs)?;
    Ok(LoadedObject { kernel: Arc::clone(kernel), spec, maps, programs, refused })
}
