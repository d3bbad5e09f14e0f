//! Native code: the same source, compiled by clang into a shared object.

use super::flat::Flat;
use super::{Answer, Engine, Loaded, Pace, time_calls};
use crate::Error;
use crate::build::Built;
use crate::maps::{self, MapHandle, SharedMaps};
use libloading::{Library, Symbol};
use std::hint::black_box;
use std::time::Duration;

/// The measure of all others.
pub(super) struct Native;

/// A program: it takes the address of its context.
type Function = unsafe extern "C" fn(*mut u64) -> i32;

/// `skep_calls` of the programs' header.
#[repr(C)]
struct Calls {
    lookup: unsafe extern "C" fn(*const MapHandle, *const u8) -> *mut u8,
    update: unsafe extern "C" fn(*const MapHandle, *const u8, *const u8, u64) -> i64,
    processor_id: extern "C" fn() -> u32,
}

struct NativeProgram {
    function: Function,
    flat: Flat,
    maps: Option<SharedMaps>,
    /// Where the function lies.
    _library: Library,
}

impl Engine for Native {
    fn name(&self) -> String {
        "native".to_owned()
    }

    fn load(&self, built: &Built) -> Result<Box<dyn Loaded>, Error> {
        let program = built.program;
        // SAFETY: our own programs, compiled a moment ago; nothing runs when they are loaded.
        let library = unsafe { Library::new(&built.library) }.map_err(Error::unfit)?;
        // SAFETY: every library has it, of that type.
        let calls: Symbol<'_, *mut Calls> = unsafe { library.get("skep_calls") }.map_err(Error::unfit)?;
        // SAFETY: nobody else knows the library, which was loaded just now.
        unsafe { **calls = Calls { lookup: maps::lookup, update: maps::update, processor_id: maps::processor_id } };
        let maps = match program.maps {
            true => Some(SharedMaps::create(&built.object, program.fill)?),
            false => None,
        };
        for (name, handle) in maps.iter().flat_map(SharedMaps::handles) {
            // SAFETY: a map's name is a pointer that the program only reads.
            let place: Symbol<'_, *mut *const MapHandle> = unsafe { library.get(name) }.map_err(Error::unfit)?;
            // SAFETY: as for `skep_calls`.
            unsafe { **place = handle };
        }
        // SAFETY: the program has its name and that type.
        let function = *unsafe { library.get::<Function>(program.name) }.map_err(Error::unfit)?;
        Ok(Box::new(NativeProgram { function, flat: Flat::new((program.input)()), maps, _library: library }))
    }
}

impl NativeProgram {
    fn call(&mut self) -> impl Fn() -> i32 + use<> {
        let (function, context) = (self.function, self.flat.context());
        // SAFETY: the context lives in `self`, and callers do not keep this longer; maps are called inside of their run only.
        move || unsafe { function(black_box(context)) }
    }
}

impl Loaded for NativeProgram {
    fn time(&mut self, runs: u64, pace: Pace) -> Result<Duration, Error> {
        let call = self.call();
        Ok(match &self.maps {
            None => time_calls(runs, pace, call),
            Some(maps) => time_calls(runs, pace, || maps.run(&call)),
        })
    }

    fn answer(&mut self) -> Result<Answer, Error> {
        self.flat.reset();
        let call = self.call();
        let value = match &self.maps {
            None => call(),
            Some(maps) => maps.run(&call),
        };
        Ok(Answer { value: value as u32, packet: self.flat.packet() })
    }
}
