//! What a kernel can do, found out by trying.

use crate::calls::{map_create, prog_load};
use crate::{Errno, Kernel};
use skep_abi::command::{MapCreate, ProgLoad, ProgramFlags};
use skep_abi::map_type::MapType;
use skep_abi::program_type::ProgramType;
use std::sync::Arc;

/// `r0 = 0; exit`.
const RETURN_ZERO: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

/// Whether programs of that type can be loaded. Types that are attached by BTF, which need a target to load at all,
/// count as present when the kernel asks for the target.
///
/// # Errors
/// `EPERM` when the caller may not load programs at all.
pub fn has_program_type(kernel: &Arc<dyn Kernel>, program_type: ProgramType) -> Result<bool, Errno> {
    let mut log = vec![0; 4096];
    let info = program_type.info();
    let always_sleeps = !info.sections.is_empty() && info.sections.iter().all(|section| section.sleepable);
    let load = ProgLoad {
        prog_type: program_type.number(),
        expected_attach_type: info.attach_types.first().map_or(0, |t| t.number()),
        prog_flags: if always_sleeps { ProgramFlags::SLEEPABLE } else { ProgramFlags::empty() },
        insns: &RETURN_ZERO,
        license: Some(c"GPL"),
        log_level: 1,
        log_buf: &mut log,
        ..ProgLoad::default()
    };
    match prog_load(kernel, load) {
        Ok(_) => Ok(true),
        Err(failure) if failure.errno == Errno::EPERM => Err(Errno::EPERM),
        // A verifier's log means that the kernel knew the type and had something to say about the program.
        Err(_) => Ok(log.first().is_some_and(|b| *b != 0)),
    }
}

/// Whether maps of that type can be made, with the sizes that `pattern` gives (see the map-type table).
///
/// # Errors
/// `EPERM` when the caller may not make maps at all.
pub fn has_map_type(kernel: &Arc<dyn Kernel>, map_type: MapType, pattern: MapCreate<'_>) -> Result<bool, Errno> {
    match map_create(kernel, MapCreate { map_type: map_type.number(), ..pattern }) {
        Ok(_) => Ok(true),
        Err(Errno::EPERM) => Err(Errno::EPERM),
        Err(_) => Ok(false),
    }
}
