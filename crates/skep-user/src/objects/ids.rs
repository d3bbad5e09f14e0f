//! Ids: numbers by which any client can find an object, without keeping it alive.

use crate::sync::lock;
use skep_abi::errno::Errno;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Arc, Mutex, Weak};

/// The ids of one kind of object. They are given in order and not reused.
#[derive(Debug)]
pub(crate) struct Ids<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    objects: BTreeMap<u32, Weak<T>>,
    last: u32,
}

impl<T> Default for Ids<T> {
    fn default() -> Self {
        Ids { state: Mutex::new(State { objects: BTreeMap::new(), last: 0 }) }
    }
}

impl<T> Ids<T> {
    /// Makes an object that knows its id.
    pub(crate) fn assign(&self, make: impl FnOnce(u32) -> T) -> Arc<T> {
        let mut state = lock(&self.state);
        state.last += 1;
        let id = state.last;
        let object = Arc::new(make(id));
        // Objects that are gone leave their entry behind; now and then all of these go.
        if id.is_multiple_of(64) {
            state.objects.retain(|_, object| object.strong_count() > 0);
        }
        state.objects.insert(id, Arc::downgrade(&object));
        object
    }

    /// The object of that id, if it is still alive.
    pub(crate) fn get(&self, id: u32) -> Option<Arc<T>> {
        lock(&self.state).objects.get(&id)?.upgrade()
    }

    /// All that are alive.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        lock(&self.state).objects.values().filter_map(Weak::upgrade).collect()
    }

    /// The smallest id above `start`.
    ///
    /// # Errors
    /// ENOENT after the last; EINVAL for an id that cannot be.
    pub(crate) fn next(&self, start: u32) -> Result<u32, Errno> {
        if start >= i32::MAX as u32 {
            return Err(Errno::EINVAL);
        }
        let state = lock(&self.state);
        let alive = state.objects.range((Excluded(start), Unbounded)).find(|(_, object)| object.strong_count() > 0);
        alive.map(|(id, _)| *id).ok_or(Errno::ENOENT)
    }
}
