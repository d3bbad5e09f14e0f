//! Creating an object's maps.

use super::LoadOptions;
use crate::error::{Error, KernelError};
use crate::map::RawMap;
use crate::object::Object;
use crate::pin;
use crate::program::Program;
use skep_abi::command::{MapCreate, ObjectName};
use skep_abi::map_type::{EntriesRule, ValueKind};
use skep_kernel::{Errno, Handle, Kernel, calls};
use skep_object::{MapSpec, ObjectSpec, Pinning, SlotValue};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Creates the maps that are wanted, opens those that are pinned already, and fills in contents and inner maps.
pub(super) fn create(
    object: &Object,
    spec: &ObjectSpec,
    kernel: &Arc<dyn Kernel>,
    btf: Option<&Handle>,
    options: &LoadOptions,
) -> Result<Vec<Option<RawMap>>, Error> {
    let creator = Creator { object, kernel, btf, options };
    let wanted = |map: &MapSpec| map.autocreate.then(|| creator.map(map)).transpose();
    let maps = spec.maps.iter().map(wanted).collect::<Result<Vec<_>, _>>()?;
    for (map, outer) in spec.maps.iter().zip(&maps) {
        let Some(outer) = outer else { continue };
        for initial in &map.initial_values {
            if let SlotValue::Map(inner) = initial.value {
                let Some(Some(inner)) = maps.get(inner.0) else { continue };
                outer.update(&initial.key.to_ne_bytes(), &inner.fd().to_ne_bytes())?;
            }
        }
    }
    Ok(maps)
}

/// Puts loaded programs into the program arrays that name them.
pub(super) fn fill_programs(
    spec: &ObjectSpec,
    maps: &[Option<RawMap>],
    programs: &BTreeMap<usize, Program>,
) -> Result<(), Error> {
    for (map, array) in spec.maps.iter().zip(maps) {
        let Some(array) = array else { continue };
        for initial in &map.initial_values {
            if let SlotValue::Program(index) = initial.value
                && let Some(program) = programs.get(&index.0)
            {
                array.update(&initial.key.to_ne_bytes(), &program.fd().to_ne_bytes())?;
            }
        }
    }
    Ok(())
}

/// An arena is where this process maps it, unless the object says where: then whoever wants to look into it maps it.
fn map_arena(map: &mut RawMap, spec: &MapSpec) -> Result<(), Error> {
    let contents = spec.contents.as_ref().map(|contents| contents.to_vec()).unwrap_or_default();
    if spec.map_extra == 0 {
        return map.map_pages(&contents);
    }
    if contents.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    Err(Error::Unfit(format!(
        "arena '{}' has variables with initial values and a fixed address; give it no address (map_extra)",
        spec.name
    )))
}

struct Creator<'a> {
    object: &'a Object,
    kernel: &'a Arc<dyn Kernel>,
    btf: Option<&'a Handle>,
    options: &'a LoadOptions,
}

impl Creator<'_> {
    /// A map as specified: opened where it is pinned, else created, filled and pinned.
    fn map(&self, spec: &MapSpec) -> Result<RawMap, Error> {
        let pin = (spec.pinning == Pinning::ByName).then(|| self.options.pin_root.join(&spec.name));
        if let Some(path) = &pin
            && let Some(map) = self.pinned(spec, path)?
        {
            return Ok(map);
        }
        let mut map = self.create(spec)?;
        let arena = spec.map_type().is_some_and(|map_type| map_type.info().value_kind == ValueKind::Pages);
        if arena {
            map_arena(&mut map, spec)?;
        } else if let Some(contents) = &spec.contents {
            map.update(&0u32.to_ne_bytes(), &contents.to_vec())?;
        }
        if spec.freeze {
            calls::map_freeze(&**self.kernel, map.fd())
                .map_err(|errno| self.error("MAP_FREEZE", format!("freeze map '{}'", spec.name), errno))?;
        }
        if let Some(path) = &pin {
            pin::pin(&**self.kernel, map.fd(), path)?;
        }
        Ok(map)
    }

    /// The map that is pinned at `path`, if there is one and it is of the same shape.
    fn pinned(&self, spec: &MapSpec, path: &std::path::Path) -> Result<Option<RawMap>, Error> {
        let Some(handle) = pin::open(self.kernel, path)? else { return Ok(None) };
        let map = RawMap::from_handle(&spec.name, handle)?;
        let shape = |m: (u32, u32, u32)| format!("type {}, keys of {} and values of {} bytes", m.0, m.1, m.2);
        let (there, wanted) = (
            (map.map_type_number(), map.key_size() as u32, map.value_size() as u32),
            (spec.type_number, spec.key_size, spec.value_size),
        );
        if there == wanted {
            return Ok(Some(map));
        }
        let path = path.display();
        Err(Error::Unfit(format!(
            "the map pinned at {path} has {}, the object wants {}; unpin it or choose another pin directory",
            shape(there),
            shape(wanted)
        )))
    }

    fn create(&self, spec: &MapSpec) -> Result<RawMap, Error> {
        let inner = spec.inner.as_deref().map(|inner| self.create(inner)).transpose()?;
        let command = |types: bool| MapCreate {
            map_type: spec.type_number,
            key_size: spec.key_size,
            value_size: spec.value_size,
            max_entries: self.max_entries(spec),
            map_flags: spec.flags,
            inner_map_fd: inner.as_ref().map_or(0, RawMap::fd),
            numa_node: spec.numa_node.unwrap_or(0),
            map_name: ObjectName::lossy(&spec.kernel_name(&self.object.name)),
            btf_fd: self.btf.filter(|_| types).map_or(0, Handle::fd),
            btf_key_type_id: spec.key_type.filter(|_| types).map_or(0, |id| id.0),
            btf_value_type_id: spec.value_type.filter(|_| types).map_or(0, |id| id.0),
            map_extra: spec.map_extra,
            ..MapCreate::default()
        };
        let typed = self.btf.is_some() && self.takes_types(spec);
        let handle = match calls::map_create(self.kernel, command(typed)) {
            // A kernel may not take BTF for this map type: the types only serve printing, unless they hold locks.
            Err(Errno::EINVAL | Errno::EOPNOTSUPP) if typed => calls::map_create(self.kernel, command(false)),
            result => result,
        };
        let action = || {
            let name = &spec.name;
            let kind = spec.map_type().map_or("unknown type", |t| t.info().name);
            format!(
                "create map '{name}' ({kind}, {} entries of {} + {} bytes)",
                self.max_entries(spec),
                spec.key_size,
                spec.value_size
            )
        };
        let misfit = || spec.map_type()?.info().misfit(spec.key_size, spec.value_size, spec.max_entries);
        let handle = handle.map_err(|errno| {
            let error = KernelError::new(&**self.kernel, "MAP_CREATE", action(), errno);
            KernelError { explanation: misfit().or(error.explanation), ..error }
        })?;
        RawMap::from_handle(&spec.name, handle)
    }

    /// Maps of descriptors have no typed values.
    fn takes_types(&self, spec: &MapSpec) -> bool {
        let kind = spec.map_type().map(|map_type| map_type.info().value_kind);
        matches!(
            kind,
            Some(ValueKind::Data | ValueKind::PerCpu | ValueKind::LocalStorage | ValueKind::Pages | ValueKind::None)
        ) && (spec.key_type.is_some() || spec.value_type.is_some())
    }

    fn max_entries(&self, spec: &MapSpec) -> u32 {
        let rule = spec.map_type().map(|map_type| map_type.info().entries);
        let page = rustix::param::page_size() as u32;
        match rule {
            Some(EntriesRule::DefaultCpus) if spec.max_entries == 0 => self.kernel.possible_cpus(),
            // A ring is whole pages, and a power of two of them.
            Some(EntriesRule::PowerOfTwoPages) if spec.max_entries > 0 => {
                spec.max_entries.max(page).checked_next_power_of_two().unwrap_or(spec.max_entries)
            }
            _ => spec.max_entries,
        }
    }

    fn error(&self, command: &str, action: String, errno: Errno) -> Error {
        KernelError::new(&**self.kernel, command, action, errno).into()
    }
}
