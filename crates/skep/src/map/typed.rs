//! Maps with typed keys and values. Types are plain data (`zerocopy`): their bytes are the map's bytes.

use super::RawMap;
use crate::error::Error;
use skep_abi::command::ElementFlags;
use std::marker::PhantomData;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A map with keys `K` and values `V`, made by [`RawMap::typed`].
///
/// ```no_run
/// # fn f(loaded: &skep::LoadedObject) -> Result<(), skep::Error> {
/// let ports = loaded.map("blocked_ports")?.typed::<u16, u8>()?;
/// ports.insert(&22u16.to_be(), &1)?;
/// assert_eq!(ports.get(&22u16.to_be())?, Some(1));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Map<'m, K, V> {
    raw: &'m RawMap,
    types: PhantomData<fn() -> (K, V)>,
}

impl<'m, K, V> Map<'m, K, V> {
    pub(super) fn new(raw: &'m RawMap) -> Self {
        Map { raw, types: PhantomData }
    }
}

/// The sizes were compared when the map was typed, so only an empty type could fail to be read.
fn read<T: FromBytes>(map: &RawMap, what: &'static str, bytes: &[u8]) -> Result<T, Error> {
    T::read_from_bytes(bytes).map_err(|_| Error::Size {
        map: map.name().to_owned(),
        what,
        actual: bytes.len(),
        given: size_of::<T>(),
    })
}

impl<K, V> Map<'_, K, V>
where
    K: FromBytes + IntoBytes + Immutable,
    V: FromBytes + IntoBytes + Immutable,
{
    /// The value of a key, or `None`.
    ///
    /// ```no_run
    /// # fn f(map: &skep::Map<'_, u32, u64>) -> Result<(), skep::Error> {
    /// let packets: u64 = map.get(&6)?.unwrap_or(0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn get(&self, key: &K) -> Result<Option<V>, Error> {
        self.raw.lookup(key.as_bytes())?.map(|value| read(self.raw, "value", &value)).transpose()
    }

    /// Sets the value of a key.
    ///
    /// ```no_run
    /// # fn f(map: &skep::Map<'_, u32, u64>) -> Result<(), skep::Error> {
    /// map.insert(&6, &0)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `E2BIG` when the map is full.
    pub fn insert(&self, key: &K, value: &V) -> Result<(), Error> {
        self.raw.update(key.as_bytes(), value.as_bytes())
    }

    /// Sets the value of a key that must be, or must not be, there already.
    ///
    /// ```no_run
    /// # fn f(map: &skep::Map<'_, u32, u64>) -> Result<(), skep::Error> {
    /// map.insert_with(&6, &0, skep::ElementFlags::NOEXIST)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `E2BIG`.
    pub fn insert_with(&self, key: &K, value: &V, flags: ElementFlags) -> Result<(), Error> {
        self.raw.update_with(key.as_bytes(), value.as_bytes(), flags)
    }

    /// Removes a key; `false` when it was not there.
    ///
    /// ```no_run
    /// # fn f(map: &skep::Map<'_, u32, u64>) -> Result<(), skep::Error> {
    /// let was_there = map.remove(&6)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `EINVAL` for maps whose elements cannot be deleted.
    pub fn remove(&self, key: &K) -> Result<bool, Error> {
        self.raw.delete(key.as_bytes())
    }

    /// All keys.
    ///
    /// ```no_run
    /// # fn f(map: &skep::Map<'_, u32, u64>) -> Result<(), skep::Error> {
    /// for key in map.keys() {
    ///     map.remove(&key?)?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn keys(&self) -> impl Iterator<Item = Result<K, Error>> + '_ {
        self.raw.keys().map(|key| read(self.raw, "key", &key?))
    }

    /// All keys with their values.
    ///
    /// ```no_run
    /// # fn f(map: &skep::Map<'_, u32, u64>) -> Result<(), skep::Error> {
    /// let all: std::collections::BTreeMap<u32, u64> = map.iter().collect::<Result<_, _>>()?;
    /// # Ok(()) }
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, V), Error>> + '_ {
        self.raw.iter().map(|entry| {
            let (key, value) = entry?;
            Ok((read(self.raw, "key", &key)?, read(self.raw, "value", &value)?))
        })
    }
}

/// A per-CPU map with keys `K` and values `V`, made by [`RawMap::typed_per_cpu`]; values come as one per possible CPU.
#[derive(Debug)]
pub struct PerCpuMap<'m, K, V> {
    raw: &'m RawMap,
    types: PhantomData<fn() -> (K, V)>,
}

impl<'m, K, V> PerCpuMap<'m, K, V> {
    pub(super) fn new(raw: &'m RawMap) -> Self {
        PerCpuMap { raw, types: PhantomData }
    }

    /// Bytes from one CPU's value to the next.
    fn stride(&self) -> usize {
        size_of::<V>().next_multiple_of(8).max(8)
    }
}

impl<K, V> PerCpuMap<'_, K, V>
where
    K: FromBytes + IntoBytes + Immutable,
    V: FromBytes + IntoBytes + Immutable,
{
    fn split(&self, bytes: &[u8]) -> Result<Vec<V>, Error> {
        bytes.chunks(self.stride()).map(|cpu| read(self.raw, "value", &cpu[..size_of::<V>().min(cpu.len())])).collect()
    }

    /// The values of a key, or `None`.
    ///
    /// ```no_run
    /// # fn f(map: &skep::PerCpuMap<'_, u32, u64>) -> Result<(), skep::Error> {
    /// let total: u64 = map.get(&6)?.unwrap_or_default().iter().sum();
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn get(&self, key: &K) -> Result<Option<Vec<V>>, Error> {
        self.raw.lookup(key.as_bytes())?.map(|value| self.split(&value)).transpose()
    }

    /// Sets the values of a key, one per possible CPU.
    ///
    /// ```no_run
    /// # fn f(map: &skep::PerCpuMap<'_, u32, u64>) -> Result<(), skep::Error> {
    /// let zeros = vec![0; map.get(&0)?.unwrap_or_default().len()];
    /// map.insert(&6, &zeros)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Size`] when there is not one value per possible CPU.
    pub fn insert(&self, key: &K, values: &[V]) -> Result<(), Error> {
        let mut bytes = Vec::with_capacity(values.len() * self.stride());
        for value in values {
            bytes.extend_from_slice(value.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        self.raw.update(key.as_bytes(), &bytes)
    }

    /// Removes a key; `false` when it was not there.
    ///
    /// ```no_run
    /// # fn f(map: &skep::PerCpuMap<'_, u32, u64>) -> Result<(), skep::Error> {
    /// let was_there = map.remove(&6)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `EINVAL` for arrays.
    pub fn remove(&self, key: &K) -> Result<bool, Error> {
        self.raw.delete(key.as_bytes())
    }

    /// All keys with their values.
    ///
    /// ```no_run
    /// # fn f(map: &skep::PerCpuMap<'_, u32, u64>) -> Result<(), skep::Error> {
    /// for entry in map.iter() {
    ///     let (key, values) = entry?;
    ///     println!("{key}: {}", values.iter().sum::<u64>());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, Vec<V>), Error>> + '_ {
        self.raw.iter().map(|entry| {
            let (key, value) = entry?;
            Ok((read(self.raw, "key", &key)?, self.split(&value)?))
        })
    }
}
