//! `BPF_MAP_TYPE_ARRAY`: values side by side, all there from the beginning.

use super::direct::{self, ElementSizes};
use super::{
    Definition, MapImplementation, NewValue, Operation, Side, ValueFormat, Visit, flags, index_of, next_index,
};
use crate::cpus::Run;
use crate::memory::{Region, Shared};
use skep_abi::errno::Errno;
use skep_abi::map_type::MapFlags;
use skep_engine::Direct;

/// The values in one region, each at a multiple of eight bytes.
pub(crate) struct Array {
    values: Region,
    count: u32,
    format: ValueFormat,
    mappable: bool,
}

impl Array {
    /// Makes the array.
    ///
    /// # Errors
    /// E2BIG if no kernel could hold it, ENOMEM if this machine cannot.
    pub(crate) fn new(definition: &Definition) -> Result<Array, Errno> {
        let format = definition.value.clone();
        let bytes = format.stride().checked_mul(definition.max_entries as usize).ok_or(Errno::E2BIG)?;
        Ok(Array {
            values: Region::new(bytes).ok_or(Errno::ENOMEM)?,
            count: definition.max_entries,
            format,
            mappable: definition.flags.contains(MapFlags::MMAPABLE),
        })
    }

    fn value(&self, index: u32) -> Option<Shared<'_>> {
        let stride = self.format.stride();
        (index < self.count).then(|| self.values.bytes().part(index as usize * stride, self.format.size))
    }
}

impl MapImplementation for Array {
    fn lookup(&self, key: &[u8], _cpu: u32, _run: &Run<'_>) -> u64 {
        self.value(index_of(key)).map_or(0, Shared::address)
    }

    fn read(&self, key: &[u8], flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        let value = self.value(index_of(key)).ok_or(Errno::ENOENT)?;
        let _guard = self.format.guard(value, flags)?;
        self.format.read(value, to);
        Ok(())
    }

    fn update(&self, key: &[u8], value: NewValue<'_>, flags: u64, _side: Side) -> Result<(), Errno> {
        super::check_update_flags(flags)?;
        let place = self.value(index_of(key)).ok_or(Errno::E2BIG)?;
        if flags & flags::NO_EXIST != 0 {
            return Err(Errno::EEXIST);
        }
        if flags & flags::LOCK != 0 && self.format.spin_lock.is_none() {
            return Err(Errno::EINVAL);
        }
        let data = value.data()?;
        let _guard = self.format.guard(place, flags)?;
        self.format.write(place, data);
        Ok(())
    }

    fn delete(&self, _key: &[u8], _side: Side) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        next_index(self.count, key, next)
    }

    fn user_value_size(&self) -> usize {
        self.format.size
    }

    fn for_each(&self, _run: &Run<'_>, visit: Visit<'_>) -> Result<i64, Errno> {
        let mut visited = 0;
        for index in 0..self.count {
            visited += 1;
            let value = self.value(index).map_or(0, Shared::address);
            if visit(&raw const index as u64, value).is_break() {
                break;
            }
        }
        Ok(visited)
    }

    fn memory(&self) -> Option<Shared<'_>> {
        self.mappable.then(|| self.values.bytes())
    }

    fn direct_values(&self) -> Option<Shared<'_>> {
        Some(self.values.bytes())
    }

    fn direct(&self, operation: Operation) -> Option<Direct> {
        match operation {
            Operation::Lookup => Some(Direct::Array {
                values: self.values.bytes().address(),
                stride: u32::try_from(self.format.stride()).ok()?,
                count: self.count,
            }),
            Operation::Update => direct::on(self, direct::update::<Array>),
            _ => None,
        }
    }

    fn memory_usage(&self) -> u64 {
        self.values.bytes().len() as u64
    }
}

impl ElementSizes for Array {
    fn key_size(&self) -> usize {
        4
    }

    fn value_size(&self) -> usize {
        self.format.size
    }
}
