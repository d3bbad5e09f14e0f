//! What a kernel can do, found out by trying.

use crate::calls::{map_create, prog_load};
use crate::{Errno, Kernel};
use skep_abi::attach_type::AttachType;
use skep_abi::command::{MapCreate, ProgLoad};
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
    let mut load = ProgLoad {
        prog_type: program_type.number(),
        insns: &RETURN_ZERO,
        license: Some(c"GPL"),
        log_level: 1,
        ..ProgLoad::default()
    };
    load.log_buf = &mut log;
    load.expected_attach_type = probing_attach_type(program_type).map_or(0, AttachType::number);
    match prog_load(kernel, load) {
        Ok(_) => Ok(true),
        Err(failure) if failure.errno == Errno::EPERM => Err(Errno::EPERM),
        // A verifier's log means that the kernel knew the type and had something to say about the program.
        Err(_) => Ok(log.first().is_some_and(|b| *b != 0)),
    }
}

fn probing_attach_type(program_type: ProgramType) -> Option<AttachType> {
    match program_type {
        ProgramType::CgroupSockAddr => Some(AttachType::CgroupInet4Connect),
        ProgramType::CgroupSockopt => Some(AttachType::CgroupGetsockopt),
        ProgramType::SkLookup => Some(AttachType::SkLookup),
        ProgramType::Netfilter => Some(AttachType::Netfilter),
        ProgramType::Tracing => Some(AttachType::TraceFentry),
        ProgramType::Lsm => Some(AttachType::LsmMac),
        _ => None,
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
