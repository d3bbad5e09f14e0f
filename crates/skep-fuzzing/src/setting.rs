//! What random programs refer to: the same maps on every kernel, named in programs by their place in the list.

use skep_abi::command::{ElementFlags, MapCreate};
use skep_abi::errno::Errno;
use skep_abi::map_type::{MapFlags, MapType};
use skep_isa::{Imm64, Insn, Slot, instructions};
use skep_kernel::{Handle, Kernel, calls};
use skep_verifier::MapFacts;
use std::sync::Arc;

use crate::choices::{Choices, interesting};

/// Bytes of a value of the maps that programs look values up in.
pub const VALUE: i32 = 48;

/// An array of one value, which programs can also address directly.
pub const ARRAY: i32 = 0;
/// A hash of a few values.
pub const HASH: i32 = 1;
/// An array of four values.
pub const TABLE: i32 = 2;
/// A ring buffer.
pub const RING: i32 = 3;

/// A map of the setting.
#[derive(Clone, Copy, Debug)]
pub struct MapDefinition {
    /// Name, for listings.
    pub name: &'static str,
    /// Type.
    pub map_type: MapType,
    /// Key size in bytes.
    pub key_size: u32,
    /// Value size in bytes.
    pub value_size: u32,
    /// Number of elements.
    pub max_entries: u32,
}

const fn map(name: &'static str, map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> MapDefinition {
    MapDefinition { name, map_type, key_size, value_size, max_entries }
}

/// The maps, in order of their numbers.
pub const MAPS: &[MapDefinition] = &[
    map("array", MapType::Array, 4, VALUE as u32, 1),
    map("hash", MapType::Hash, 4, VALUE as u32, 4),
    map("table", MapType::Array, 4, VALUE as u32, 4),
    map("ring", MapType::Ringbuf, 0, 0, 4096),
];

/// What the verifier is told of them.
pub fn facts() -> Vec<(i32, MapFacts)> {
    let facts = |map: &MapDefinition| MapFacts {
        name: map.name.to_owned(),
        map_type: map.map_type,
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries: map.max_entries,
        flags: MapFlags::empty(),
        value_type: None,
        frozen: None,
        inner: None,
    };
    (0..).zip(MAPS.iter().map(facts)).collect()
}

/// The maps of one kernel.
#[derive(Debug)]
pub struct Maps {
    kernel: Arc<dyn Kernel>,
    handles: Vec<Handle>,
}

impl Maps {
    /// Creates them.
    ///
    /// # Errors
    /// Those of [`calls::map_create`].
    pub fn create(kernel: &Arc<dyn Kernel>) -> Result<Maps, Errno> {
        let handles = MAPS.iter().map(|map| {
            let MapDefinition { map_type, key_size, value_size, max_entries, .. } = *map;
            let map_type = map_type.number();
            calls::map_create(kernel, MapCreate { map_type, key_size, value_size, max_entries, ..Default::default() })
        });
        Ok(Maps { kernel: kernel.clone(), handles: handles.collect::<Result<_, _>>()? })
    }

    /// A program with this kernel's descriptors in place of numbers.
    pub fn refer(&self, slots: &[Slot]) -> Vec<Slot> {
        let fd = |number: i32| {
            let handle = usize::try_from(number).ok().and_then(|number| self.handles.get(number));
            handle.map_or(-1, Handle::fd)
        };
        let mut out = slots.to_vec();
        for (slot, insn) in instructions(slots).flatten() {
            if let Insn::LoadImm64 { imm: Imm64::MapFd(number) | Imm64::MapValue { fd: number, .. }, .. } = insn {
                out[slot].imm = fd(number);
            }
        }
        out
    }

    /// Elements that programs can find: of the keys 0 to 2 the hash lacks the second.
    fn elements(&self) -> impl Iterator<Item = (&Handle, u32)> {
        let keys = [(ARRAY, 0), (HASH, 0), (HASH, 2), (TABLE, 0), (TABLE, 1), (TABLE, 2), (TABLE, 3)];
        keys.into_iter().map(|(map, key)| (&self.handles[map as usize], key))
    }

    /// Gives the elements these contents; what programs added is removed.
    ///
    /// # Errors
    /// Those of [`calls::map_update_elem`].
    pub fn fill(&self, numbers: &mut impl Choices) -> Result<(), Errno> {
        for key in 0..4u32 {
            // What is not there need not be removed.
            let _ = calls::map_delete_elem(&*self.kernel, self.handles[HASH as usize].fd(), &key.to_ne_bytes());
        }
        for (map, key) in self.elements() {
            let value: Vec<u8> = (0..VALUE / 8).flat_map(|_| interesting(numbers).to_ne_bytes()).collect();
            calls::map_update_elem(&*self.kernel, map.fd(), &key.to_ne_bytes(), &value, ElementFlags::empty())?;
        }
        Ok(())
    }

    /// The contents of the elements; nothing for one that was deleted.
    pub fn contents(&self) -> Vec<Option<Vec<u8>>> {
        let look_up = |(map, key): (&Handle, u32)| {
            let mut value = vec![0; VALUE as usize];
            let found =
                calls::map_lookup_elem(&*self.kernel, map.fd(), &key.to_ne_bytes(), &mut value, ElementFlags::empty());
            found.ok().map(|()| value)
        };
        self.elements().map(look_up).collect()
    }
}
