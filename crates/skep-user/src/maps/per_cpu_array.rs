//! `BPF_MAP_TYPE_PERCPU_ARRAY`: an array per virtual CPU.

use super::direct::{self, ElementSizes};
use super::{
    Definition, MapImplementation, NewValue, Operation, Side, ValueFormat, Visit, flags, index_of, next_index,
};
use crate::cpus::Run;
use crate::memory::{PAGE, Region, Shared};
use skep_abi::errno::Errno;
use skep_engine::Direct;

/// One array after the other, each on its own pages, so that CPUs share no cache line.
pub(crate) struct PerCpuArray {
    values: Region,
    count: u32,
    cpus: usize,
    cpu_stride: usize,
    format: ValueFormat,
}

impl PerCpuArray {
    /// Makes the arrays.
    ///
    /// # Errors
    /// E2BIG if no kernel could hold it, ENOMEM if this machine cannot.
    pub(crate) fn new(definition: &Definition) -> Result<PerCpuArray, Errno> {
        let format = definition.value.clone();
        let cpus = definition.cpus.count();
        let one = format.stride().checked_mul(definition.max_entries as usize).ok_or(Errno::E2BIG)?;
        let cpu_stride = one.checked_next_multiple_of(PAGE).ok_or(Errno::E2BIG)?;
        let bytes = cpu_stride.checked_mul(cpus).ok_or(Errno::E2BIG)?;
        let values = Region::new(bytes).ok_or(Errno::ENOMEM)?;
        Ok(PerCpuArray { values, count: definition.max_entries, cpus, cpu_stride, format })
    }

    /// A value with the padding behind it.
    fn padded(&self, index: u32, cpu: usize) -> Option<Shared<'_>> {
        let offset = cpu * self.cpu_stride + index as usize * self.format.stride();
        (index < self.count && cpu < self.cpus).then(|| self.values.bytes().part(offset, self.format.stride()))
    }

    fn value(&self, index: u32, cpu: usize) -> Option<Shared<'_>> {
        Some(self.padded(index, cpu)?.part(0, self.format.size))
    }
}

impl MapImplementation for PerCpuArray {
    fn lookup(&self, key: &[u8], cpu: u32, _run: &Run<'_>) -> u64 {
        self.value(index_of(key), cpu as usize).map_or(0, Shared::address)
    }

    fn read(&self, key: &[u8], _flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        let index = index_of(key);
        for (cpu, to) in to.chunks_exact_mut(self.format.stride()).enumerate().take(self.cpus) {
            let value = self.padded(index, cpu).ok_or(Errno::ENOENT)?;
            self.format.read_padded(value, to);
        }
        if index < self.count { Ok(()) } else { Err(Errno::ENOENT) }
    }

    fn update(&self, key: &[u8], value: NewValue<'_>, flags: u64, side: Side) -> Result<(), Errno> {
        if flags > flags::EXIST {
            return Err(Errno::EINVAL);
        }
        let index = index_of(key);
        if index >= self.count {
            return Err(Errno::E2BIG);
        }
        if flags == flags::NO_EXIST {
            return Err(Errno::EEXIST);
        }
        let source = value.data()?;
        let (size, stride) = (self.format.size, self.format.stride());
        match side {
            Side::Program { cpu } => {
                if let Some(place) = self.value(index, cpu as usize) {
                    self.format.write(place, &source[..size]);
                }
            }
            Side::User => {
                for cpu in 0..self.cpus {
                    if let Some(place) = self.padded(index, cpu) {
                        self.format.write_padded(place, &source[cpu * stride..][..stride]);
                    }
                }
            }
        }
        Ok(())
    }

    fn delete(&self, _key: &[u8], _side: Side) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        next_index(self.count, key, next)
    }

    fn user_value_size(&self) -> usize {
        self.format.stride() * self.cpus
    }

    fn for_each(&self, run: &Run<'_>, visit: Visit<'_>) -> Result<i64, Errno> {
        let mut visited = 0;
        for index in 0..self.count {
            visited += 1;
            let value = self.value(index, run.cpu() as usize).map_or(0, Shared::address);
            if visit(&raw const index as u64, value).is_break() {
                break;
            }
        }
        Ok(visited)
    }

    fn direct(&self, operation: Operation) -> Option<Direct> {
        match operation {
            Operation::Lookup => Some(Direct::PerCpuArray {
                values: self.values.bytes().address(),
                stride: u32::try_from(self.format.stride()).ok()?,
                count: self.count,
                cpu_stride: self.cpu_stride as u64,
            }),
            Operation::Update => direct::on(self, direct::update::<PerCpuArray>),
            _ => None,
        }
    }

    fn memory_usage(&self) -> u64 {
        self.values.bytes().len() as u64
    }
}

impl ElementSizes for PerCpuArray {
    fn key_size(&self) -> usize {
        4
    }

    fn value_size(&self) -> usize {
        self.format.size
    }
}
