//! A map with what all types have in common.

use super::BtfObject;
use crate::maps::{Definition, Kind, MapImplementation};
use crate::memory::Charge;
use crate::sync::lock;
use skep_abi::command::ObjectName;
use skep_abi::errno::Errno;
use skep_abi::map_type::{MapFlags, MapType};
use skep_btf::TypeId;
use skep_verifier::MapFacts;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// The types of a map's keys and values.
#[derive(Clone)]
pub(crate) struct MapTypes {
    /// Where the types are.
    pub(crate) btf: Arc<BtfObject>,
    /// Type of a key, or void.
    pub(crate) key: TypeId,
    /// Type of a value.
    pub(crate) value: TypeId,
}

/// A map.
pub(crate) struct Map {
    /// Its id.
    pub(crate) id: u32,
    /// Its name.
    pub(crate) name: ObjectName,
    /// What it was made of.
    pub(crate) definition: Definition,
    /// The types of keys and values.
    pub(crate) types: Option<MapTypes>,
    /// What the inner maps of a map of maps look like.
    pub(crate) inner: Option<Box<MapFacts>>,
    /// The type at work.
    pub(crate) implementation: Box<dyn MapImplementation>,
    /// Writers from user space, and whether the map is frozen.
    writers: Mutex<Writers>,
    /// Descriptors and pins.
    references: AtomicUsize,
    /// What it cost to make; elements that come later are charged to those who hold them.
    _charge: Charge,
}

#[derive(Default)]
struct Writers {
    frozen: bool,
    /// Writable mappings.
    mappings: usize,
}

impl Map {
    /// A map that nobody refers to yet.
    pub(crate) fn new(
        id: u32,
        name: ObjectName,
        definition: Definition,
        types: Option<MapTypes>,
        inner: Option<Box<MapFacts>>,
        implementation: Box<dyn MapImplementation>,
        charge: Charge,
    ) -> Map {
        let (writers, references) = (Mutex::default(), AtomicUsize::new(0));
        Map { id, name, definition, types, inner, implementation, writers, references, _charge: charge }
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Its type.
    pub(crate) fn map_type(&self) -> MapType {
        self.definition.map_type
    }

    /// Whether user space may no longer write.
    pub(crate) fn is_frozen(&self) -> bool {
        lock(&self.writers).frozen
    }

    /// Ends writing from user space.
    ///
    /// # Errors
    /// EPERM if it has ended already, EBUSY if somebody has mapped it for writing.
    pub(crate) fn freeze(&self) -> Result<(), Errno> {
        let mut writers = lock(&self.writers);
        if writers.frozen {
            return Err(Errno::EPERM);
        }
        if writers.mappings > 0 {
            return Err(Errno::EBUSY);
        }
        writers.frozen = true;
        Ok(())
    }

    /// A writable mapping begins.
    ///
    /// # Errors
    /// EPERM if the map is frozen.
    pub(crate) fn begin_writing(&self) -> Result<(), Errno> {
        let mut writers = lock(&self.writers);
        if writers.frozen {
            return Err(Errno::EPERM);
        }
        writers.mappings += 1;
        Ok(())
    }

    /// A writable mapping ends.
    pub(crate) fn end_writing(&self) {
        lock(&self.writers).mappings -= 1;
    }

    /// What the verifier must know.
    pub(crate) fn facts(&self) -> MapFacts {
        let definition = &self.definition;
        MapFacts {
            name: self.name.to_text(),
            map_type: definition.map_type,
            key_size: definition.key_size as u32,
            value_size: definition.value.size as u32,
            max_entries: definition.max_entries,
            flags: definition.flags,
            value_type: self.types.as_ref().map(|types| (types.btf.btf.clone(), types.value)),
            frozen: self.constant_contents(),
            inner: self.inner.clone(),
        }
    }

    /// The value of a frozen array that programs only read: a constant.
    fn constant_contents(&self) -> Option<Arc<[u8]>> {
        let constant = self.definition.flags.contains(MapFlags::RDONLY_PROG)
            && self.map_type() == MapType::Array
            && self.is_frozen();
        if !constant {
            return None;
        }
        let mut bytes = vec![0; self.definition.value.size];
        self.implementation.read(&0u32.to_ne_bytes(), 0, &mut bytes).ok()?;
        Some(bytes.into())
    }
}

/// A descriptor's or a pin's hold on a map.
pub(crate) struct MapReference(Arc<Map>);

impl MapReference {
    /// Holds the map.
    pub(crate) fn new(map: Arc<Map>) -> MapReference {
        map.references.fetch_add(1, SeqCst);
        MapReference(map)
    }

    /// The map, without this kind of hold.
    pub(crate) fn map(&self) -> &Arc<Map> {
        &self.0
    }
}

impl Clone for MapReference {
    fn clone(&self) -> Self {
        MapReference::new(self.0.clone())
    }
}

impl Deref for MapReference {
    type Target = Map;

    fn deref(&self) -> &Map {
        &self.0
    }
}

impl Drop for MapReference {
    fn drop(&mut self) {
        // Programs that hold the program array they are in would hold each other for ever.
        if self.0.references.fetch_sub(1, SeqCst) == 1
            && let Kind::Programs(programs) = self.0.implementation.kind()
        {
            programs.release();
        }
    }
}
