//! Elements of one size for linked structures that programs walk without a lock.

use super::{Budget, Charge, HUGE_PAGE, PAGE, Pool, Region, Shared};
use crate::cpus::Cpus;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// An element of a [`Slab`]: its number there.
///
/// Whoever finds one through a link that was written with release and read with acquire sees its key and first value whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element(NonZeroU32);

impl Element {
    /// The element of a number that [`Element::number`] gave; `None` for 0.
    #[inline]
    pub(crate) fn from_number(number: u32) -> Option<Element> {
        NonZeroU32::new(number).map(Element)
    }

    /// Its number, never 0: what links hold.
    #[inline]
    pub(crate) fn number(self) -> u32 {
        self.0.get()
    }
}

/// Words in front of the key: what the owning structure makes of them.
pub(crate) type Header = [AtomicU32; 4];

/// What is in an element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// It begins with a [`Header`].
    pub(crate) header: bool,
    /// Bytes of the key.
    pub(crate) key_size: usize,
    /// Bytes of the value.
    pub(crate) value_size: usize,
}

/// Where elements come from and return to: one region, all of which stays mapped while the slab lives.
pub(crate) struct Slab {
    region: Region,
    stride: usize,
    key_at: usize,
    key_words: usize,
    value_at: usize,
    value_size: usize,
    total: usize,
    pool: Pool,
    charge: Charge,
    cpus: Arc<Cpus>,
}

/// Elements beyond the capacity that may wait for running programs to end, and the bytes they may have.
const WAITING: usize = 1 << 16;
const WAITING_BYTES: usize = 16 << 20;

impl Slab {
    /// For so many elements at once, of which so many are charged to the budget from the beginning on. `None` if they do not fit
    /// the address space or the budget.
    pub(crate) fn new(
        capacity: u32,
        layout: Layout,
        cpus: Arc<Cpus>,
        budget: &Arc<Budget>,
        preallocated: u32,
    ) -> Option<Slab> {
        let key_at = if layout.header { size_of::<Header>() } else { 0 };
        let key_room = layout.key_size.checked_next_multiple_of(8)?;
        let value_at = key_at.checked_add(key_room)?;
        let size = value_at.checked_add(layout.value_size.checked_next_multiple_of(8)?)?;
        // A small element lies within one cache line.
        let stride = if size <= 64 { size.next_power_of_two() } else { size };
        let waiting = WAITING.min(WAITING_BYTES / stride).max(64).min(capacity as usize + 1024);
        let total = (capacity as usize).checked_add(waiting)?.checked_add(<Pool>::spare(cpus.count()))?;
        let region = Region::new(total.checked_add(1)?.checked_mul(stride)?)?;
        if capacity as usize >= HUGE_PAGE / stride {
            region.prefer_huge_pages();
        }
        // What CPUs keep to themselves must not be missing where all is promised.
        let spare = <Pool>::spare(cpus.count()) as u32;
        let backed = if preallocated == 0 { 0 } else { preallocated.saturating_add(spare) };
        Some(Slab {
            region,
            stride,
            key_at,
            key_words: key_room / 8,
            value_at,
            value_size: layout.value_size,
            total,
            pool: Pool::new(u32::try_from(total).ok()?, cpus.count()).backed(backed),
            charge: budget.charge(u64::from(preallocated) * stride as u64)?,
            cpus,
        })
    }

    /// The memory under `capacity` elements is there from now on; `false` if there is not enough.
    pub(crate) fn populate(&self, capacity: u32) -> bool {
        self.region.populate((capacity as usize + 1) * self.stride)
    }

    /// Bytes of an element.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    #[inline]
    fn address(&self, element: Element) -> u64 {
        let number = element.number() as usize;
        debug_assert!(number <= self.total);
        self.region.bytes().address() + (number * self.stride) as u64
    }

    /// The words in front of the key. All zero in a slab without them.
    #[inline]
    pub(crate) fn header(&self, element: Element) -> &Header {
        static NONE: Header = [const { AtomicU32::new(0) }; 4];
        if self.key_at == 0 {
            return &NONE;
        }
        // SAFETY: elements are made by `allocate` alone, at eight-aligned places inside of the region, which lives as long
        // as `self`; this slab's begin with a header, whose atomics take any bytes.
        unsafe { &*(self.address(element) as *const Header) }
    }

    /// Address of the key.
    #[inline]
    pub(crate) fn key_address(&self, element: Element) -> u64 {
        self.address(element) + self.key_at as u64
    }

    /// The key, padded with zeroes.
    #[inline]
    pub(crate) fn key(&self, element: Element) -> &[AtomicU64] {
        // SAFETY: as in `header`; elements of this slab have so many words there.
        unsafe { std::slice::from_raw_parts(self.key_address(element) as *const AtomicU64, self.key_words) }
    }

    /// Copies the key out.
    pub(crate) fn read_key(&self, element: Element, to: &mut [u8]) {
        for (to, word) in to.chunks_mut(8).zip(self.key(element)) {
            to.copy_from_slice(&word.load(Relaxed).to_ne_bytes()[..to.len()]);
        }
    }

    /// The value of an element of this slab.
    #[inline]
    pub(crate) fn value(&self, element: Element) -> Shared<'_> {
        // SAFETY: elements of this slab have room for a value behind the key, and stay mapped while the slab lives.
        unsafe { Shared::new(self.address(element) + self.value_at as u64, self.value_size) }
    }

    /// An element with unset contents, or `None` when memory is short. `cpu` is that of the caller's run.
    #[inline]
    pub(crate) fn allocate(&self, cpu: Option<u32>) -> Option<Element> {
        let element = self.pool.allocate_or(cpu, self.cpus.epochs(), &|| self.grow());
        let element = element.and_then(Element::from_number);
        // The next is on its way to this CPU's cache until it is asked for.
        let upcoming = self.region.bytes().address() + self.pool.upcoming(cpu) as u64 * self.stride as u64;
        prefetch(upcoming);
        element
    }

    /// Pays for some more elements, and says for how many.
    #[cold]
    fn grow(&self) -> u32 {
        let more = (PAGE / self.stride).clamp(1, 64);
        if self.charge.grow((more * self.stride) as u64) { more as u32 } else { 0 }
    }

    /// Takes back an element that was never linked.
    pub(crate) fn give_back(&self, element: Element, cpu: Option<u32>) {
        self.pool.give_back(cpu, element.number());
    }

    /// Takes back an element that was unlinked just now; it is reused once no run can see it.
    #[inline]
    pub(crate) fn retire(&self, element: Element, cpu: Option<u32>) {
        self.pool.retire(cpu, element.number(), self.cpus.epochs());
    }
}

/// Asks for a cache line to be fetched. Does nothing where the processor has no word for it.
#[inline(always)]
fn prefetch(address: u64) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch changes nothing, and no address makes it fault.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::with_exposed_provenance(address as usize));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn elements_do_not_overlap_and_are_not_reused_under_a_run() {
        let cpus = Arc::new(Cpus::new(1));
        let layout = Layout { header: true, key_size: 5, value_size: 9 };
        let slab = Slab::new(2000, layout, cpus.clone(), &Budget::new(u64::MAX), 0).expect("small");
        let run = cpus.enter();
        let mut seen = HashSet::new();
        for _ in 0..2000 {
            let element = slab.allocate(Some(run.cpu())).expect("memory");
            let (key, value) = (slab.key_address(element), slab.value(element).address());
            assert!(value == key + 8 && value.is_multiple_of(8));
            assert!(seen.insert(key / slab.stride() as u64), "{element:?} twice, or too near another");
            slab.retire(element, Some(run.cpu()));
        }
    }
}
