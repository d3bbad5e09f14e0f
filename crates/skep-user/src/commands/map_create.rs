//! `BPF_MAP_CREATE`.

use crate::commands::map_facts;
use crate::kernel::UserKernel;
use crate::maps::{self, Definition, InnerShape, ValueFormat};
use crate::objects::{Access, Map, MapReference, MapTypes, Object};
use skep_abi::command::{Failure, MapCreate, Reply};
use skep_abi::errno::Errno;
use skep_abi::map_type::{EntriesRule, MapFlags, MapType, MapTypeInfo, SizeRule, ValueKind};
use skep_abi::special_field::SpecialKind;
use skep_btf::TypeId;

/// Largest allocation of Linux's (`KMALLOC_MAX_SIZE`), which bounds elements of hash maps.
const LARGEST_ALLOCATION: u64 = 1 << 22;
/// What Linux keeps with an element of a hash map.
const HASH_ELEMENT: u64 = 48;
/// Largest per-CPU value (`PCPU_MIN_UNIT_SIZE`).
const LARGEST_PER_CPU: u64 = 32 << 10;
/// CPUs that a map of CPUs may have (`NR_CPUS`).
const MOST_CPUS: u32 = 512;

impl UserKernel {
    pub(super) fn map_create(&self, command: &MapCreate<'_>) -> Result<Reply, Failure> {
        let name = super::check_name(command.map_name)?;
        let map_type = MapType::from_number(command.map_type).ok_or(Errno::EINVAL)?;
        let info = map_type.info();
        check_flags(info, command.map_flags)?;
        check_sizes(info, command)?;
        if command.map_ifindex != 0 || (command.map_extra != 0 && map_type != MapType::BloomFilter) {
            return Err(Errno::EINVAL.into());
        }
        let access = Access::from_bits(
            command.map_flags.contains(MapFlags::RDONLY),
            command.map_flags.contains(MapFlags::WRONLY),
        )?;
        let types = self.map_types(command)?;
        let inner = self.inner_map(info, command)?;
        let definition = Definition {
            map_type,
            key_size: command.key_size as usize,
            max_entries: command.max_entries,
            flags: permanent_flags(map_type, command.map_flags),
            extra: command.map_extra,
            value: value_format(command.value_size as usize, types.as_ref())?,
            seed: if command.map_flags.contains(MapFlags::ZERO_SEED) { 0 } else { self.next_seed() },
            cpus: self.cpus.clone(),
            budget: self.map_memory.clone(),
            signal: self.signal.clone(),
        };
        let shape = inner.as_deref().map(InnerShape::of);
        let facts = inner.map(|map| Box::new(map.facts()));
        let implementation = maps::create(&definition, shape)?;
        let charge = self.map_memory.charge(implementation.memory_usage()).ok_or(Errno::ENOMEM)?;
        let map = self.maps.assign(|id| Map::new(id, name, definition, types, facts, implementation, charge));
        Ok(Reply::Fd(self.descriptors.open(Object::Map(MapReference::new(map)), access)?))
    }

    fn map_types(&self, command: &MapCreate<'_>) -> Result<Option<MapTypes>, Errno> {
        let (key, value) = (TypeId(command.btf_key_type_id), TypeId(command.btf_value_type_id));
        if command.btf_fd == 0 && (key.is_void() && value.is_void()) {
            return Ok(None);
        }
        let btf = self.descriptors.btf(command.btf_fd)?;
        if btf.is_kernel() {
            return Err(Errno::EACCES);
        }
        if value.is_void() {
            return Err(Errno::EINVAL);
        }
        // Sizes must agree; a map without a key type (global data) has a section as its value.
        let size = |id: TypeId| btf.btf.get(id).and_then(|_| btf.btf.size_of(id));
        let key_fits = key.is_void() || size(key) == Some(u64::from(command.key_size));
        if !key_fits || size(value) != Some(u64::from(command.value_size)) {
            return Err(Errno::EINVAL);
        }
        Ok(Some(MapTypes { btf, key, value }))
    }

    /// The pattern of a map of maps.
    fn inner_map(&self, info: &MapTypeInfo, command: &MapCreate<'_>) -> Result<Option<MapReference>, Errno> {
        if info.value_kind != ValueKind::MapFd {
            return Ok(None);
        }
        let (map, _) = self.descriptors.map(command.inner_map_fd)?;
        if map.inner.is_some() || !map.map_type().info().inner {
            return Err(if map.inner.is_some() { Errno::EINVAL } else { Errno::ENOTSUPP });
        }
        Ok(Some(map))
    }
}

/// The flags that the map keeps: those of the descriptor are no part of it, and programs do not write maps of devices.
fn permanent_flags(map_type: MapType, flags: MapFlags) -> MapFlags {
    let own = flags.difference(MapFlags::RDONLY | MapFlags::WRONLY);
    let of_devices = matches!(map_type, MapType::Devmap | MapType::DevmapHash);
    if of_devices { own | MapFlags::RDONLY_PROG } else { own }
}

fn check_flags(info: &MapTypeInfo, flags: MapFlags) -> Result<(), Errno> {
    let evicts = matches!(info.map_type, MapType::LruHash | MapType::LruPerCpuHash);
    if evicts && flags.contains(MapFlags::NO_PREALLOC) {
        return Err(Errno::ENOTSUPP);
    }
    if !info.flags.contains(flags) || !flags.contains(info.required_flags) {
        return Err(Errno::EINVAL);
    }
    // Build ids need the files of a stack's mappings, which nobody here knows.
    if flags.contains(MapFlags::STACK_BUILD_ID) {
        return Err(Errno::EINVAL);
    }
    let both = |a, b| flags.contains(a) && flags.contains(b);
    if both(MapFlags::RDONLY_PROG, MapFlags::WRONLY_PROG) || both(MapFlags::RDONLY, MapFlags::WRONLY) {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// Whether a size is at least what the rule asks.
fn size_suffices(rule: SizeRule, size: u32) -> bool {
    match rule {
        SizeRule::Exactly(exact) => size == exact,
        SizeRule::Range(min, _) | SizeRule::MultipleOf(_, min, _) => size >= min,
        SizeRule::OneOf(a, b) => size == a || size == b,
    }
}

fn size_follows(rule: SizeRule, size: u32) -> bool {
    match rule {
        SizeRule::Exactly(exact) => size == exact,
        SizeRule::Range(min, max) => (min..=max).contains(&size),
        SizeRule::MultipleOf(unit, min, max) => (min..=max).contains(&size) && size.is_multiple_of(unit),
        SizeRule::OneOf(a, b) => size == a || size == b,
    }
}

fn check_sizes(info: &MapTypeInfo, command: &MapCreate<'_>) -> Result<(), Errno> {
    let (key, value) = (u64::from(command.key_size), u64::from(command.value_size));
    let entries = command.max_entries;
    let entries_follow = match info.entries {
        EntriesRule::Zero => entries == 0,
        EntriesRule::NonZero | EntriesRule::DefaultCpus => entries != 0,
        EntriesRule::PowerOfTwoPages => entries.is_power_of_two() && entries.is_multiple_of(4096),
    };
    // Sizes that are merely too large for memory have an errno of their own. A bloom filter's is looked at first.
    if info.map_type == MapType::BloomFilter && value > LARGEST_ALLOCATION {
        return Err(Errno::E2BIG);
    }
    let too_large = match info.map_type {
        MapType::Hash | MapType::LruHash => Some(key + value >= LARGEST_ALLOCATION - HASH_ELEMENT),
        MapType::PerCpuHash | MapType::LruPerCpuHash => {
            Some(key + value >= LARGEST_ALLOCATION - HASH_ELEMENT || value.next_multiple_of(8) > LARGEST_PER_CPU)
        }
        MapType::PerCpuArray => Some(value.next_multiple_of(8) > LARGEST_PER_CPU),
        MapType::Array => Some(value > i32::MAX as u64),
        MapType::Queue | MapType::Stack | MapType::BloomFilter => Some(value > LARGEST_ALLOCATION),
        _ => None,
    };
    let suffice = size_suffices(info.key, command.key_size) && size_suffices(info.value, command.value_size);
    if !entries_follow || !suffice {
        return Err(Errno::EINVAL);
    }
    let follow = size_follows(info.key, command.key_size) && size_follows(info.value, command.value_size);
    match too_large {
        Some(true) => return Err(Errno::E2BIG),
        None if !follow => return Err(Errno::EINVAL),
        _ => {}
    }
    if info.map_type == MapType::Cpumap && entries > MOST_CPUS {
        return Err(Errno::E2BIG);
    }
    Ok(())
}

/// The value's layout, with the fields that its BTF marks as the kernel's.
fn value_format(size: usize, types: Option<&MapTypes>) -> Result<ValueFormat, Errno> {
    let mut format = ValueFormat::plain(size);
    for (offset, field) in types.map_or_else(Vec::new, |types| map_facts::kernel_fields(&types.btf.btf, types.value)) {
        let end = offset.checked_add(field.size as usize).filter(|end| *end <= size).ok_or(Errno::EINVAL)?;
        if field.kind == SpecialKind::SpinLock && format.spin_lock.replace(offset).is_some() {
            return Err(Errno::E2BIG);
        }
        format.kernel_fields.push(offset..end);
    }
    format.kernel_fields.sort_by_key(|field| field.start);
    Ok(format)
}
