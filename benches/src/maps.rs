//! Maps as native code and other runtimes call them: a function that takes the map's handle.
//!
//! They are the maps of Skep's own kernel, so that all engines but Linux do the same work behind the call.

use crate::Error;
use skep::{LoadedObject, Object};
use skep_kernel::Kernel;
use skep_user::{Config, Entered, NativeMap, UserKernel};
use std::cell::Cell;
use std::ptr::{null, null_mut};
use std::sync::{Arc, OnceLock};

/// What a program's `&map` becomes: the address of one of these.
pub struct MapHandle {
    map: NativeMap,
}

/// The maps of one program, in a kernel that knows no programs.
pub struct SharedMaps {
    kernel: Arc<UserKernel>,
    object: LoadedObject,
    /// By index in the object. Their addresses are in the code that uses them: the slice stays where it is.
    handles: Box<[MapHandle]>,
}

impl SharedMaps {
    /// Creates and fills the maps of an object; its programs are left out.
    ///
    /// # Errors
    /// The object cannot be read, or a map cannot be created.
    pub fn create(object: &[u8], fill: fn(&LoadedObject) -> Result<(), Error>) -> Result<SharedMaps, Error> {
        let mut object = Object::parse("benches", object)?;
        let names: Vec<String> = object.spec().programs.iter().map(|program| program.name.clone()).collect();
        for name in names {
            object.program_mut(&name)?.autoload = false;
        }
        static KERNEL: OnceLock<Arc<UserKernel>> = OnceLock::new();
        let kernel = KERNEL.get_or_init(|| UserKernel::new(Config { cpu: Some(0), ..Config::default() })).clone();
        let object = object.load(&(kernel.clone() as Arc<dyn Kernel>))?;
        fill(&object)?;
        let handles = object.maps().map(|map| Ok(MapHandle { map: kernel.native_map(map.fd())? }));
        let handles = handles.collect::<Result<_, Error>>()?;
        Ok(SharedMaps { kernel, object, handles })
    }

    /// Name and handle of each.
    pub fn handles(&self) -> impl Iterator<Item = (&str, &MapHandle)> {
        self.object.maps().map(|map| map.name()).zip(&*self.handles)
    }

    /// Calls `run` as a run of native code, in which the functions below work.
    #[inline]
    pub fn run<T>(&self, run: impl FnOnce() -> T) -> T {
        let entered = self.kernel.enter(None);
        RUN.set((&raw const entered).cast());
        let result = run();
        RUN.set(null());
        result
    }
}

thread_local! {
    /// The run of native code on this thread.
    static RUN: Cell<*const Entered<'static>> = const { Cell::new(null()) };
}

/// `bpf_map_lookup_elem`
///
/// # Safety
/// `map` is a handle of a [`SharedMaps`] whose [`SharedMaps::run`] calls this, `key` points to a key of that map.
pub unsafe extern "C" fn lookup(map: *const MapHandle, key: *const u8) -> *mut u8 {
    // SAFETY: the caller's; `run` keeps the run alive.
    let (run, map) = unsafe { (&*RUN.get(), &*map) };
    // SAFETY: the caller's.
    let key = unsafe { std::slice::from_raw_parts(key, map.map.key_size()) };
    run.lookup(&map.map, key).map_or(null_mut(), std::ptr::NonNull::as_ptr)
}

/// `bpf_map_update_elem`
///
/// # Safety
/// As [`lookup`]; `value` points to a value of that map.
pub unsafe extern "C" fn update(map: *const MapHandle, key: *const u8, value: *const u8, flags: u64) -> i64 {
    // SAFETY: as in `lookup`.
    let (run, map) = unsafe { (&*RUN.get(), &*map) };
    // SAFETY: the caller's.
    let key = unsafe { std::slice::from_raw_parts(key, map.map.key_size()) };
    // SAFETY: the caller's.
    let value = unsafe { std::slice::from_raw_parts(value, map.map.value_size()) };
    match run.update(&map.map, key, value, flags) {
        Ok(()) => 0,
        Err(errno) => -i64::from(errno.0),
    }
}

/// `bpf_get_smp_processor_id`: programs run on virtual CPU 0.
pub extern "C" fn processor_id() -> u32 {
    0
}
