//! Maps from user space: as bytes ([`RawMap`]) or typed ([`Map`], [`PerCpuMap`]).

mod typed;

pub use typed::{Map, PerCpuMap};

use crate::error::{Error, KernelError};
use skep_abi::command::{ElementFlags, MapInfo};
use skep_abi::map_type::{MapType, ValueKind};
use skep_kernel::{Errno, Handle, Kernel, SharedMemory, calls};
use std::path::Path;
use std::sync::Arc;

/// A map whose keys and values are bytes.
#[derive(Debug)]
pub struct RawMap {
    name: String,
    info: MapInfo,
    handle: Handle,
    /// Where the map's pages are in this process: programs and user space meet there.
    pages: Option<Pages>,
}

/// Memory of an arena, mapped for as long as anybody has the map.
#[derive(Clone)]
struct Pages(Arc<dyn SharedMemory>);

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl RawMap {
    pub(crate) fn from_handle(name: &str, handle: Handle) -> Result<RawMap, Error> {
        let info = calls::map_info(&**handle.kernel(), handle.fd()).map_err(|errno| {
            KernelError::new(&**handle.kernel(), "OBJ_GET_INFO_BY_FD", format!("describe map '{name}'"), errno)
        })?;
        Ok(RawMap { name: name.to_owned(), info, handle, pages: None })
    }

    /// Maps all pages of an arena and writes its first bytes.
    pub(crate) fn map_pages(&mut self, first_bytes: &[u8]) -> Result<(), Error> {
        let len = rustix::param::page_size() * self.info.max_entries as usize;
        let memory = self.kernel().map_memory(self.fd(), 0, len, true);
        let memory = memory.map_err(|errno| self.failed("MMAP", "map the pages of", errno))?;
        memory.write(0, first_bytes).map_err(|errno| self.failed("MMAP", "write the variables of", errno))?;
        self.pages = Some(Pages(memory.into()));
        Ok(())
    }

    /// Opens a pinned map.
    ///
    /// ```no_run
    /// # fn f(kernel: &std::sync::Arc<dyn skep::Kernel>) -> Result<(), skep::Error> {
    /// let blocked = skep::RawMap::open_pinned(kernel, "/sys/fs/bpf/blocked_ports")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When nothing is pinned there, or what is pinned is no map.
    pub fn open_pinned(kernel: &Arc<dyn Kernel>, path: impl AsRef<Path>) -> Result<RawMap, Error> {
        let path = path.as_ref();
        let missing = || Error::Unfit(format!("nothing is pinned at {}", path.display()));
        let handle = crate::pin::open(kernel, path)?.ok_or_else(missing)?;
        RawMap::from_handle(&path.file_name().unwrap_or_default().to_string_lossy(), handle)
    }

    /// Pins the map, so that it outlives this process.
    ///
    /// ```no_run
    /// # fn f(map: &skep::RawMap) -> Result<(), skep::Error> {
    /// map.pin("/sys/fs/bpf/blocked_ports")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `EEXIST` when the name is taken, `EPERM` outside of the BPF file system.
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        crate::pin::pin(self.kernel(), self.fd(), path.as_ref())
    }

    /// The name it has in its object.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the kernel says about it.
    pub fn info(&self) -> &MapInfo {
        &self.info
    }

    /// Its type; `None` when it is one that this library does not know.
    pub fn map_type(&self) -> Option<MapType> {
        MapType::from_number(self.info.map_type)
    }

    pub(crate) fn map_type_number(&self) -> u32 {
        self.info.map_type
    }

    /// Its descriptor in its kernel.
    pub fn fd(&self) -> i32 {
        self.handle.fd()
    }

    pub(crate) fn kernel(&self) -> &dyn Kernel {
        &**self.handle.kernel()
    }

    /// The kernel it is in.
    pub fn kernel_arc(&self) -> &Arc<dyn Kernel> {
        self.handle.kernel()
    }

    /// Bytes of a key.
    pub fn key_size(&self) -> usize {
        self.info.key_size as usize
    }

    /// Bytes of a value (of one CPU's value).
    pub fn value_size(&self) -> usize {
        self.info.value_size as usize
    }

    /// Whether it has a value per CPU.
    pub fn is_per_cpu(&self) -> bool {
        self.map_type().is_some_and(|map_type| map_type.info().value_kind == ValueKind::PerCpu)
    }

    /// Bytes that a lookup gives: for per-CPU maps one value per possible CPU, each rounded up to eight bytes.
    pub fn user_value_size(&self) -> usize {
        if self.is_per_cpu() {
            self.value_size().next_multiple_of(8) * self.kernel().possible_cpus() as usize
        } else {
            self.value_size()
        }
    }

    fn failed(&self, command: &str, action: &str, errno: Errno) -> Error {
        KernelError::new(self.kernel(), command, format!("{action} map '{}'", self.name), errno).into()
    }

    fn check(&self, what: &'static str, actual: usize, given: usize) -> Result<(), Error> {
        if actual == given { Ok(()) } else { Err(Error::Size { map: self.name.clone(), what, actual, given }) }
    }

    /// The value of a key, or `None`.
    ///
    /// ```no_run
    /// # fn f(map: &skep::RawMap) -> Result<(), skep::Error> {
    /// let value: Option<Vec<u8>> = map.lookup(&1u32.to_ne_bytes())?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// A key of the wrong size, or the kernel's errno.
    pub fn lookup(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.check("key", self.key_size(), key.len())?;
        let mut value = vec![0; self.user_value_size()];
        match calls::map_lookup_elem(self.kernel(), self.fd(), key, &mut value, ElementFlags::ANY) {
            Ok(()) => Ok(Some(value)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.failed("MAP_LOOKUP_ELEM", "look up in", errno)),
        }
    }

    /// Sets the value of a key.
    ///
    /// ```no_run
    /// # fn f(map: &skep::RawMap) -> Result<(), skep::Error> {
    /// map.update(&1u32.to_ne_bytes(), &7u64.to_ne_bytes())?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// A key or value of the wrong size; `E2BIG` when the map is full.
    pub fn update(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.update_with(key, value, ElementFlags::ANY)
    }

    /// Sets the value of a key that must be, or must not be, there already.
    ///
    /// ```no_run
    /// # fn f(map: &skep::RawMap) -> Result<(), skep::Error> {
    /// map.update_with(&1u32.to_ne_bytes(), &7u64.to_ne_bytes(), skep::ElementFlags::NOEXIST)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`RawMap::update`]; `EEXIST`, `ENOENT`.
    pub fn update_with(&self, key: &[u8], value: &[u8], flags: ElementFlags) -> Result<(), Error> {
        self.check("key", self.key_size(), key.len())?;
        self.check("value", self.user_value_size(), value.len())?;
        calls::map_update_elem(self.kernel(), self.fd(), key, value, flags)
            .map_err(|errno| self.failed("MAP_UPDATE_ELEM", "update", errno))
    }

    /// Removes a key; `false` when it was not there.
    ///
    /// ```no_run
    /// # fn f(map: &skep::RawMap) -> Result<(), skep::Error> {
    /// let was_there = map.delete(&1u32.to_ne_bytes())?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `EINVAL` for maps whose elements cannot be deleted.
    pub fn delete(&self, key: &[u8]) -> Result<bool, Error> {
        self.check("key", self.key_size(), key.len())?;
        match calls::map_delete_elem(self.kernel(), self.fd(), key) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(self.failed("MAP_DELETE_ELEM", "delete from", errno)),
        }
    }

    /// All keys. A map that changes meanwhile may give a key twice or not at all; the iteration ends all the same.
    ///
    /// ```no_run
    /// # fn f(map: &skep::RawMap) -> Result<(), skep::Error> {
    /// for key in map.keys() {
    ///     map.delete(&key?)?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn keys(&self) -> impl Iterator<Item = Result<Vec<u8>, Error>> + '_ {
        let mut last: Option<Vec<u8>> = None;
        // A key that is deleted under the iteration makes the kernel begin anew: twice the size is enough for a map
        // that is at rest, and bounds one that is not.
        let mut left = u64::from(self.info.max_entries).saturating_mul(2).saturating_add(1);
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let mut next = vec![0; self.key_size()];
            match calls::map_next_key(self.kernel(), self.fd(), last.as_deref(), &mut next) {
                Ok(true) => {
                    last = Some(next.clone());
                    Some(Ok(next))
                }
                Ok(false) => {
                    left = 0;
                    None
                }
                Err(errno) => {
                    left = 0;
                    Some(Err(self.failed("MAP_GET_NEXT_KEY", "iterate over", errno)))
                }
            }
        })
    }

    /// All keys with their values. Elements that disappear meanwhile are left out.
    ///
    /// ```no_run
    /// # fn f(map: &skep::RawMap) -> Result<(), skep::Error> {
    /// for entry in map.iter() {
    ///     let (key, value) = entry?;
    ///     println!("{key:?} {value:?}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), Error>> + '_ {
        self.keys().filter_map(|key| match key {
            Ok(key) => self.lookup(&key).map(|value| value.map(|value| (key, value))).transpose(),
            Err(error) => Some(Err(error)),
        })
    }

    /// The map with typed keys and values.
    ///
    /// ```no_run
    /// # fn f(map: &skep::RawMap) -> Result<(), skep::Error> {
    /// let counts = map.typed::<u32, u64>()?;
    /// counts.insert(&6, &0)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Size`] when the types have not the map's sizes; [`Error::Unfit`] for per-CPU maps.
    pub fn typed<K, V>(&self) -> Result<Map<'_, K, V>, Error> {
        if self.is_per_cpu() {
            return Err(Error::Unfit(format!("map '{}' has a value per CPU: use typed_per_cpu", self.name)));
        }
        self.check("key", self.key_size(), size_of::<K>())?;
        self.check("value", self.value_size(), size_of::<V>())?;
        Ok(Map::new(self))
    }

    /// The per-CPU map with typed keys and values.
    ///
    /// ```no_run
    /// # fn f(map: &skep::RawMap) -> Result<(), skep::Error> {
    /// let per_cpu: Vec<u64> = map.typed_per_cpu::<u32, u64>()?.get(&6)?.unwrap_or_default();
    /// println!("{}", per_cpu.iter().sum::<u64>());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Size`] when the types have not the map's sizes; [`Error::Unfit`] for other maps.
    pub fn typed_per_cpu<K, V>(&self) -> Result<PerCpuMap<'_, K, V>, Error> {
        if !self.is_per_cpu() {
            return Err(Error::Unfit(format!("map '{}' has no value per CPU: use typed", self.name)));
        }
        self.check("key", self.key_size(), size_of::<K>())?;
        self.check("value", self.value_size(), size_of::<V>())?;
        Ok(PerCpuMap::new(self))
    }

    /// A second handle of the same map.
    ///
    /// ```no_run
    /// # fn f(map: &skep::RawMap) -> Result<(), skep::Error> {
    /// let mine = map.try_clone()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn try_clone(&self) -> Result<RawMap, Error> {
        let handle =
            self.handle.try_clone().map_err(|errno| self.failed("DUP", "duplicate the descriptor of", errno))?;
        Ok(RawMap { name: self.name.clone(), info: self.info.clone(), handle, pages: self.pages.clone() })
    }
}
