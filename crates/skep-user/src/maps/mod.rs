//! Maps: one file per type, each an implementation of [`MapImplementation`].
//!
//! Errno values and their order are Linux's, so that a client cannot tell the kernels apart by them.

mod array;
mod bloom;
mod bucket;
pub(crate) mod direct;
mod hash;
mod hash_direct;
mod hash_of_maps;
mod hash_table;
mod inner;
mod key;
mod lpm_trie;
mod lru;
mod object_array;
mod per_cpu_array;
mod prefix_index;
mod queue_stack;
mod redirect;
pub(crate) mod ringbuf;
mod stack_trace;
mod value;

pub(crate) use inner::InnerShape;
pub(crate) use ringbuf::RingBuffer;
pub(crate) use value::{ValueFormat, spin_lock, spin_unlock, try_spin_lock};

use crate::cpus::{Cpus, Run};
use crate::memory::{Budget, Shared};
use crate::wait::Signal;
use skep_abi::errno::Errno;
use skep_abi::map_type::{MapFlags, MapType};
use skep_engine::Direct;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Flags of an element operation (`BPF_ANY` and its kind).
pub(crate) mod flags {
    /// Create or replace.
    pub(crate) const ANY: u64 = 0;
    /// Only create.
    pub(crate) const NO_EXIST: u64 = 1;
    /// Only replace.
    pub(crate) const EXIST: u64 = 2;
    /// Under the value's spin lock.
    pub(crate) const LOCK: u64 = 4;
}

/// What a map is made of: checked by the command, plain data here.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    /// Type.
    pub(crate) map_type: MapType,
    /// Bytes of a key.
    pub(crate) key_size: usize,
    /// Number of elements.
    pub(crate) max_entries: u32,
    /// Flags of its creation.
    pub(crate) flags: MapFlags,
    /// `map_extra` of its creation.
    pub(crate) extra: u64,
    /// The values.
    pub(crate) value: ValueFormat,
    /// Where the hash seed comes from.
    pub(crate) seed: u64,
    /// The kernel's virtual CPUs.
    pub(crate) cpus: Arc<Cpus>,
    /// Who pays for memory that is taken as elements come.
    pub(crate) budget: Arc<Budget>,
    /// What wakes those who wait for something to read.
    pub(crate) signal: Arc<Signal>,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    /// A command of user space: per-CPU values are those of all CPUs in a row.
    User,
    /// A program on that CPU: per-CPU values are those of its own.
    Program {
        /// Its virtual CPU.
        cpu: u32,
    },
}

/// The value of an update.
#[derive(Clone, Copy)]
pub(crate) enum NewValue<'a> {
    /// Bytes.
    Data(&'a [u8]),
    /// An object by its file descriptor.
    Descriptor(i32, &'a dyn Descriptors),
}

impl Side {
    /// The CPU whose lists of free elements may be used: the caller holds it.
    pub(crate) fn cpu(self) -> Option<u32> {
        match self {
            Side::User => None,
            Side::Program { cpu } => Some(cpu),
        }
    }
}

/// What helpers do to maps, for [`MapImplementation::direct`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// r1 map, r2 key: the address of the value or 0.
    Lookup,
    /// r1 map, r2 key, r3 value, r4 flags.
    Update,
    /// r1 map, r2 key.
    Delete,
    /// r1 map, r2 value, r3 flags.
    Push,
    /// r1 map, r2 where to put the value.
    Pop,
    /// r1 map, r2 where to put the value, or the value to ask for.
    Peek,
    /// r1 map, r2 bytes, r3 flags: the address of a record or 0.
    RingReserve,
    /// r1 map, r2 data, r3 bytes, r4 flags.
    RingOutput,
}

impl<'a> NewValue<'a> {
    fn data(self) -> Result<&'a [u8], Errno> {
        match self {
            NewValue::Data(bytes) => Ok(bytes),
            NewValue::Descriptor(..) => Err(Errno::EINVAL),
        }
    }
}

/// Finds the objects that a map refers to.
pub(crate) trait Descriptors {
    /// The program behind a descriptor.
    ///
    /// # Errors
    /// EBADF if there is nothing, EINVAL if it is something else.
    fn program(&self, fd: i32) -> Result<Arc<crate::objects::Program>, Errno>;

    /// The map behind a descriptor.
    ///
    /// # Errors
    /// As [`Descriptors::program`].
    fn map(&self, fd: i32) -> Result<Arc<crate::objects::Map>, Errno>;

    /// The perf event behind a descriptor.
    ///
    /// # Errors
    /// As [`Descriptors::program`].
    fn perf_event(&self, fd: i32) -> Result<Arc<crate::perf::PerfEvent>, Errno>;
}

/// What [`MapImplementation::for_each`] calls: address of the key, address of the value.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>;

/// A map type at work. Keys have the map's key size, values what [`MapImplementation::user_value_size`] says.
///
/// A type that lacks an operation leaves it out; the errno is then that of Linux for most such types.
pub(crate) trait MapImplementation: Send + Sync {
    /// For a program: the address of the value (on that CPU), or 0.
    fn lookup(&self, key: &[u8], cpu: u32, run: &Run<'_>) -> u64 {
        let _ = (key, cpu, run);
        0
    }

    /// For user space: a copy of the value.
    fn read(&self, key: &[u8], flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        let _ = (key, flags, to);
        Err(Errno::ENOTSUPP)
    }

    /// Creates or replaces an element.
    fn update(&self, key: &[u8], value: NewValue<'_>, flags: u64, side: Side) -> Result<(), Errno>;

    /// Removes an element.
    fn delete(&self, key: &[u8], side: Side) -> Result<(), Errno>;

    /// The key after `key`; the first for `None` and for a key that is not there.
    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno>;

    /// Reads and removes an element in one step.
    fn take(&self, key: &[u8], flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        let _ = (key, flags, to);
        Err(Errno::ENOTSUPP)
    }

    /// Bytes of a value as user space sees it.
    fn user_value_size(&self) -> usize;

    /// Calls `visit` for every element until it breaks; answers how many it was called for.
    fn for_each(&self, run: &Run<'_>, visit: Visit<'_>) -> Result<i64, Errno> {
        let _ = (run, visit);
        Err(Errno::EINVAL)
    }

    /// Memory that user space may map, from offset 0 on.
    fn memory(&self) -> Option<Shared<'_>> {
        None
    }

    /// The values, of types whose values programs may address directly (`BPF_PSEUDO_MAP_VALUE`).
    fn direct_values(&self) -> Option<Shared<'_>> {
        None
    }

    /// Bytes it uses, about.
    fn memory_usage(&self) -> u64;

    /// What a compiled program may do in the place of a helper call that works on this map; `None` where it must call the
    /// helper. See [`Direct`]: addresses and functions stay good for as long as the map lives.
    fn direct(&self, operation: Operation) -> Option<Direct> {
        let _ = operation;
        None
    }

    /// What the type can do beyond elements.
    fn kind(&self) -> Kind<'_> {
        Kind::Elements
    }
}

/// The types with abilities of their own.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'a> {
    /// Elements, nothing more.
    Elements,
    /// Programs to tail-call.
    Programs(&'a object_array::ProgramArray),
    /// Perf events to write to.
    PerfEvents(&'a object_array::PerfEventArray),
    /// A ring buffer.
    Ring(&'a RingBuffer),
    /// Call stacks.
    StackTraces(&'a stack_trace::StackTraces),
    /// A queue or stack.
    Queue(&'a queue_stack::QueueStack),
    /// A bloom filter.
    Bloom(&'a bloom::BloomFilter),
    /// Targets of redirection.
    Redirect(&'a redirect::RedirectTargets),
}

/// Makes a map of any type this kernel has.
///
/// # Errors
/// EINVAL for a type it has not (as Linux for one that is not built in), and what the type says.
pub(crate) fn create(definition: &Definition, inner: Option<InnerShape>) -> Result<Box<dyn MapImplementation>, Errno> {
    let inner = || inner.ok_or(Errno::EINVAL);
    Ok(match definition.map_type {
        MapType::Array => Box::new(array::Array::new(definition)?),
        MapType::PerCpuArray => Box::new(per_cpu_array::PerCpuArray::new(definition)?),
        MapType::Hash | MapType::PerCpuHash | MapType::LruHash | MapType::LruPerCpuHash => {
            Box::new(hash::Hash::new(definition)?)
        }
        MapType::ProgArray => Box::new(object_array::ProgramArray::new(definition)?),
        MapType::PerfEventArray => Box::new(object_array::PerfEventArray::new(definition)?),
        MapType::ArrayOfMaps => Box::new(object_array::ArrayOfMaps::new(definition, inner()?)?),
        MapType::HashOfMaps => Box::new(hash_of_maps::HashOfMaps::new(definition, inner()?)?),
        MapType::Ringbuf => RingBuffer::new(definition)?,
        MapType::StackTrace => Box::new(stack_trace::StackTraces::new(definition)?),
        MapType::LpmTrie => Box::new(lpm_trie::LpmTrie::new(definition)?),
        MapType::Queue | MapType::Stack => Box::new(queue_stack::QueueStack::new(definition)?),
        MapType::BloomFilter => Box::new(bloom::BloomFilter::new(definition)?),
        MapType::Devmap | MapType::DevmapHash | MapType::Cpumap => {
            Box::new(redirect::RedirectTargets::new(definition)?)
        }
        _ => return Err(Errno::EINVAL),
    })
}

/// Linux's check of a plain update's flags: at most one of the conditions, and nothing but the lock besides.
fn check_update_flags(flags: u64) -> Result<(), Errno> {
    if flags & !flags::LOCK > flags::EXIST { Err(Errno::EINVAL) } else { Ok(()) }
}

/// The index that a four-byte key holds.
fn index_of(key: &[u8]) -> u32 {
    key.first_chunk().map_or(u32::MAX, |bytes| u32::from_ne_bytes(*bytes))
}

/// `next_key` of every type whose keys are the indices below `count`.
fn next_index(count: u32, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
    let index = match key.map(index_of) {
        Some(last) if last == count - 1 => return Err(Errno::ENOENT),
        Some(index) if index < count => index + 1,
        _ => 0,
    };
    next[..4].copy_from_slice(&index.to_ne_bytes());
    Ok(())
}
