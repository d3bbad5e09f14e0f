//! What the inner maps of a map of maps have in common.

use crate::objects::Map;
use skep_abi::errno::Errno;
use skep_abi::map_type::{MapFlags, MapType};
use std::sync::Arc;

/// The shape that every inner map must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InnerShape {
    map_type: MapType,
    key_size: usize,
    value_size: usize,
    flags: MapFlags,
    /// Where programs may rely on it.
    max_entries: Option<u32>,
}

impl InnerShape {
    /// The shape of a pattern map.
    pub(crate) fn of(map: &Map) -> InnerShape {
        let definition = &map.definition;
        // Lookups in arrays are checked against the pattern's length, unless the pattern says otherwise.
        let fixed = definition.map_type == MapType::Array && !definition.flags.contains(MapFlags::INNER_MAP);
        InnerShape {
            map_type: definition.map_type,
            key_size: definition.key_size,
            value_size: definition.value.size,
            flags: definition.flags,
            max_entries: fixed.then_some(definition.max_entries),
        }
    }

    /// The map, if it has the shape.
    ///
    /// # Errors
    /// EINVAL if not.
    pub(crate) fn check(&self, map: Arc<Map>) -> Result<Arc<Map>, Errno> {
        if InnerShape::of(&map) == *self { Ok(map) } else { Err(Errno::EINVAL) }
    }
}
