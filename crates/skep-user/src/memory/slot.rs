//! Places that hold shared objects and can be read by programs without a lock.

use super::{Region, Shared};
use crate::cpus::{Cpus, Run};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A 64-bit word that is 0 or holds a counted reference to a `T`.
///
/// Runs read it freely; writers replace what is in it, and what was replaced is retired.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObjectCell<'a, T> {
    word: &'a AtomicU64,
    _object: PhantomData<Arc<T>>,
}

impl<'a, T: Send + Sync + 'static> ObjectCell<'a, T> {
    /// The cell in the first eight bytes of `place`.
    ///
    /// # Safety
    /// Only cells of this `T` write to the place, and it was zero before the first; it lies where programs do not write.
    pub(crate) unsafe fn new(place: Shared<'a>) -> Self {
        ObjectCell { word: place.double(0), _object: PhantomData }
    }

    /// What is in it, for the length of a run.
    pub(crate) fn load<'run>(self, _run: &'run Run<'_>) -> Option<&'run T> {
        // SAFETY: a pointer in the word came from `Arc::into_raw`, and its count is given back only through
        // `Cpus::retire`, after every run that could have loaded it, this one included, has ended.
        unsafe { (self.word.load(SeqCst) as *const T).as_ref() }
    }

    /// Puts something else in and says whether it held something before. That stays alive until no run can see it.
    pub(crate) fn replace(self, object: Option<Arc<T>>, cpus: &Cpus) -> bool {
        let new = object.map_or(0, |o| Arc::into_raw(o) as u64);
        let old = self.word.swap(new, SeqCst) as *const T;
        if old.is_null() {
            return false;
        }
        // SAFETY: `old` came from `Arc::into_raw` and, being swapped out, its count is ours alone.
        cpus.retire(Box::new(unsafe { Arc::from_raw(old) }));
        true
    }

    /// Gives up what is in it, which runs still find until they end.
    ///
    /// # Safety
    /// Nobody writes to the cell any more before it is made anew, in zeroed memory.
    pub(crate) unsafe fn retire(self, cpus: &Cpus) {
        let object = self.word.load(SeqCst) as *const T;
        if !object.is_null() {
            // SAFETY: `object` came from `Arc::into_raw`, and no other cell or call gives this count back.
            cpus.retire(Box::new(unsafe { Arc::from_raw(object) }));
        }
    }

    /// A counted reference to what is in it.
    ///
    /// # Safety
    /// The caller keeps writers out for the length of the call.
    pub(crate) unsafe fn get(self) -> Option<Arc<T>> {
        let object = self.word.load(SeqCst) as *const T;
        if object.is_null() {
            return None;
        }
        // SAFETY: from `Arc::into_raw`, and alive: only writers give the count back.
        unsafe {
            Arc::increment_strong_count(object);
            Some(Arc::from_raw(object))
        }
    }
}

/// An array of cells that one lock keeps writers apart on.
pub(crate) struct ObjectArray<T: Send + Sync + 'static> {
    cells: Region,
    count: u32,
    writers: Mutex<()>,
    /// No cell from here on was ever written.
    used: AtomicU32,
    cpus: Arc<Cpus>,
    _objects: PhantomData<Arc<T>>,
}

impl<T: Send + Sync + 'static> ObjectArray<T> {
    /// `count` empty cells; `None` when memory is short.
    pub(crate) fn new(count: u32, cpus: Arc<Cpus>) -> Option<Self> {
        let cells = Region::new(count as usize * 8)?;
        Some(ObjectArray {
            cells,
            count,
            writers: Mutex::default(),
            used: AtomicU32::new(0),
            cpus,
            _objects: PhantomData,
        })
    }

    /// Number of cells.
    pub(crate) fn len(&self) -> u32 {
        self.count
    }

    /// Bytes of the cells.
    pub(crate) fn memory_usage(&self) -> u64 {
        self.cells.bytes().len() as u64
    }

    fn cell(&self, index: u32) -> Option<ObjectCell<'_, T>> {
        // SAFETY: the region is private to this array, which reaches it only here.
        (index < self.count).then(|| unsafe { ObjectCell::new(self.cells.bytes().part(index as usize * 8, 8)) })
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a cell holds, for the length of a run.
    pub(crate) fn load<'run>(&self, index: u32, run: &'run Run<'_>) -> Option<&'run T> {
        self.cell(index)?.load(run)
    }

    /// What a cell holds, outside of a run.
    pub(crate) fn get(&self, index: u32) -> Option<Arc<T>> {
        let cell = self.cell(index)?;
        let _writers = self.lock();
        // SAFETY: all writers of this array take its lock.
        unsafe { cell.get() }
    }

    /// Replaces what a cell holds and says whether that was something; `None` outside of the array.
    pub(crate) fn replace(&self, index: u32, object: Option<Arc<T>>) -> Option<bool> {
        let cell = self.cell(index)?;
        let _writers = self.lock();
        self.used.fetch_max(index + 1, SeqCst);
        Some(cell.replace(object, &self.cpus))
    }

    /// Empties all cells.
    pub(crate) fn clear(&self) {
        for index in 0..self.used.load(SeqCst) {
            self.replace(index, None);
        }
    }
}

impl<T: Send + Sync + 'static> Drop for ObjectArray<T> {
    fn drop(&mut self) {
        self.clear();
    }
}
