//! `BPF_MAP_TYPE_STACK_TRACE`: call stacks by the hash of their addresses, filled by `bpf_get_stackid`.

use super::{Definition, Kind, MapImplementation, NewValue, Side, index_of};
use skep_abi::errno::Errno;
use std::sync::{Arc, Mutex, PoisonError};

/// `bpf_get_stackid`: frames to skip.
const SKIP_MASK: u64 = 0xff;
/// Compare by hash alone.
const FAST_STACK_CMP: u64 = 1 << 9;
/// Replace a stack of the same id.
const REUSE_STACKID: u64 = 1 << 10;

/// A stack and its hash.
struct Stack {
    hash: u32,
    frames: Box<[u64]>,
}

/// Stacks in buckets: as many as entries, rounded up to a power of two.
pub(crate) struct StackTraces {
    buckets: Mutex<Box<[Option<Arc<Stack>>]>>,
    deepest: usize,
}

impl StackTraces {
    /// Makes the map.
    ///
    /// # Errors
    /// E2BIG.
    pub(crate) fn new(definition: &Definition) -> Result<Self, Errno> {
        let count = definition.max_entries.checked_next_power_of_two().ok_or(Errno::E2BIG)? as usize;
        let mut buckets = Vec::new();
        buckets.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        buckets.resize_with(count, || None);
        Ok(StackTraces { buckets: Mutex::new(buckets.into()), deepest: definition.value.size / 8 })
    }

    /// Stores the stack of a run, innermost frame first, and gives its id; `flags` as of `bpf_get_stackid`.
    pub(crate) fn store(&self, frames: &[u64], flags: u64) -> Result<u32, Errno> {
        let frames = frames.get((flags & SKIP_MASK) as usize..).unwrap_or_default();
        if frames.is_empty() {
            return Err(Errno::EFAULT);
        }
        let frames = &frames[..frames.len().min(self.deepest)];
        let hash = hash(frames);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let id = hash as usize & (buckets.len() - 1);
        if let Some(old) = &buckets[id] {
            let same = old.hash == hash && (flags & FAST_STACK_CMP != 0 || *old.frames == *frames);
            if same {
                return Ok(id as u32);
            }
            if flags & REUSE_STACKID == 0 {
                return Err(Errno::EEXIST);
            }
        }
        buckets[id] = Some(Arc::new(Stack { hash, frames: frames.into() }));
        Ok(id as u32)
    }

    fn stack(&self, id: u32) -> Option<Arc<Stack>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).get(id as usize)?.clone()
    }
}

fn hash(frames: &[u64]) -> u32 {
    let mixed = frames.iter().fold(0u64, |state, frame| {
        let product = u128::from(state ^ frame ^ 0x9e37_79b9) * 0x9e37_79b9_7f4a_7c15;
        (product as u64) ^ (product >> 64) as u64
    });
    (mixed ^ (mixed >> 32)) as u32
}

impl MapImplementation for StackTraces {
    fn read(&self, key: &[u8], _flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        let stack = self.stack(index_of(key)).ok_or(Errno::ENOENT)?;
        to.fill(0);
        for (to, frame) in to.chunks_exact_mut(8).zip(&stack.frames) {
            to.copy_from_slice(&frame.to_ne_bytes());
        }
        Ok(())
    }

    fn update(&self, _key: &[u8], _value: NewValue<'_>, _flags: u64, _side: Side) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn delete(&self, key: &[u8], _side: Side) -> Result<(), Errno> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.get_mut(index_of(key) as usize).ok_or(Errno::E2BIG)?;
        bucket.take().map(drop).ok_or(Errno::ENOENT)
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let first = match key.map(index_of) {
            Some(id) if (id as usize) < buckets.len() && buckets[id as usize].is_some() => id as usize + 1,
            _ => 0,
        };
        let id = (first..buckets.len()).find(|id| buckets[*id].is_some()).ok_or(Errno::ENOENT)?;
        next[..4].copy_from_slice(&(id as u32).to_ne_bytes());
        Ok(())
    }

    fn take(&self, key: &[u8], flags: u64, to: &mut [u8]) -> Result<(), Errno> {
        self.read(key, flags, to)?;
        self.delete(key, Side::User)
    }

    fn user_value_size(&self) -> usize {
        self.deepest * 8
    }

    fn memory_usage(&self) -> u64 {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.iter().flatten().map(|stack| 8 * stack.frames.len() as u64).sum::<u64>() + 8 * buckets.len() as u64
    }

    fn kind(&self) -> Kind<'_> {
        Kind::StackTraces(self)
    }
}
