//! Maps for native code in this process: the elements that programs see, at the same addresses, without a program.
//!
//! An embedder's own code can so share maps with programs at their speed; the commands of [`skep_kernel::Kernel`] copy. It
//! holds a virtual CPU meanwhile, as a program would, and nothing that it finds is reused before it gives that back.

use crate::kernel::UserKernel;
use crate::maps::{NewValue, Side};
use crate::objects::Map;
use crate::run::Entered;
use skep_abi::errno::Errno;
use std::ptr::NonNull;
use std::sync::Arc;

/// A map, held for native code.
pub struct NativeMap {
    map: Arc<Map>,
}

impl UserKernel {
    /// The map behind a descriptor.
    ///
    /// # Errors
    /// EBADF if there is nothing, EINVAL if it is something else.
    pub fn native_map(&self, fd: i32) -> Result<NativeMap, Errno> {
        Ok(NativeMap { map: self.descriptors.map(fd)?.0.map().clone() })
    }
}

impl NativeMap {
    /// Bytes of a key.
    pub fn key_size(&self) -> usize {
        self.map.definition.key_size
    }

    /// Bytes of a value as a program sees it.
    pub fn value_size(&self) -> usize {
        self.map.definition.value.size
    }
}

impl Entered<'_> {
    /// The address of a value, as `bpf_map_lookup_elem` gives it; good until the run ends. `None` where there is none,
    /// for a key of another size and for a map of another kernel.
    #[inline]
    pub fn lookup(&self, map: &NativeMap, key: &[u8]) -> Option<NonNull<u8>> {
        self.check(map, key).ok()?;
        let address = map.map.implementation.lookup(key, self.cpu(), self.run());
        NonNull::new(std::ptr::with_exposed_provenance_mut(address as usize))
    }

    /// Creates or replaces an element, as `bpf_map_update_elem` does.
    ///
    /// # Errors
    /// EINVAL for a key or value of another size and for a map of another kernel; else what the map says.
    #[inline]
    pub fn update(&self, map: &NativeMap, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.check(map, key)?;
        if value.len() != map.value_size() {
            return Err(Errno::EINVAL);
        }
        let side = Side::Program { cpu: self.cpu() };
        map.map.implementation.update(key, NewValue::Data(value), flags, side)
    }

    /// Removes an element, as `bpf_map_delete_elem` does.
    ///
    /// # Errors
    /// EINVAL for a key of another size and for a map of another kernel; else what the map says.
    #[inline]
    pub fn delete(&self, map: &NativeMap, key: &[u8]) -> Result<(), Errno> {
        self.check(map, key)?;
        map.map.implementation.delete(key, Side::Program { cpu: self.cpu() })
    }

    #[inline]
    fn check(&self, map: &NativeMap, key: &[u8]) -> Result<(), Errno> {
        let own = Arc::ptr_eq(&map.map.definition.cpus, &self.kernel().cpus);
        if own && key.len() == map.key_size() { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

impl std::fmt::Debug for NativeMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "map {} for native code", self.map.id())
    }
}
