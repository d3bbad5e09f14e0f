//! What the tests on the running kernel share.
#![allow(dead_code, reason = "each test uses a part")]

use skep_abi::attach_type::AttachType;
use skep_abi::command::{MapCreate, ObjectName, ProgLoad};
use skep_abi::map_type::MapType;
use skep_abi::program_type::ProgramType;
use skep_kernel::{Errno, Handle, Kernel, calls};
use skep_linux::LinuxKernel;
use std::sync::Arc;

pub(crate) use skep_testing::skip;

/// The Linux kernel, if this process may load programs into it.
pub(crate) fn kernel() -> Option<Arc<dyn Kernel>> {
    let kernel: Arc<dyn Kernel> = match LinuxKernel::open() {
        Ok(kernel) => kernel,
        Err(error) => {
            skip(&error.to_string());
            return None;
        }
    };
    match load(&kernel, ProgramType::SocketFilter, None, &[mov(0, 0), EXIT]) {
        Ok(_) => Some(kernel),
        Err((errno, log)) => {
            skip(&format!("programs cannot be loaded into Linux: {errno} {log}"));
            None
        }
    }
}

pub(crate) const EXIT: u64 = slot(0x95, 0, 0, 0, 0);

/// One instruction slot.
pub(crate) const fn slot(opcode: u8, dst: u8, src: u8, offset: i16, imm: i32) -> u64 {
    (opcode as u64) | ((dst | src << 4) as u64) << 8 | (offset as u16 as u64) << 16 | (imm as u32 as u64) << 32
}

/// `r{dst} = imm`
pub(crate) const fn mov(dst: u8, imm: i32) -> u64 {
    slot(0xb7, dst, 0, 0, imm)
}

/// `r{dst} = r{src}`
pub(crate) const fn copy(dst: u8, src: u8) -> u64 {
    slot(0xbf, dst, src, 0, 0)
}

/// `call id`
pub(crate) const fn call(id: u32) -> u64 {
    slot(0x85, 0, 0, 0, id as i32)
}

/// `r{dst} = map`
pub(crate) const fn map(dst: u8, fd: i32) -> [u64; 2] {
    [slot(0x18, dst, 1, 0, fd), 0]
}

/// `r{dst} = &map's value + offset`
pub(crate) const fn map_value(dst: u8, fd: i32, offset: i32) -> [u64; 2] {
    [slot(0x18, dst, 2, 0, fd), slot(0, 0, 0, 0, offset)]
}

/// Counts a run in the first eight bytes of an array's only value, then returns `result`.
pub(crate) fn counter(array_fd: i32, result: i32) -> Vec<u64> {
    let mut insns = map_value(1, array_fd, 0).to_vec();
    // lock *(u64 *)(r1 + 0) += r2
    insns.extend([mov(2, 1), slot(0xdb, 1, 2, 0, 0), mov(0, result), EXIT]);
    insns
}

pub(crate) fn bytes(insns: &[u64]) -> Vec<u8> {
    insns.iter().flat_map(|slot| slot.to_le_bytes()).collect()
}

/// Loads a program; the error has the log.
pub(crate) fn load(
    kernel: &Arc<dyn Kernel>,
    program_type: ProgramType,
    attach_type: Option<AttachType>,
    insns: &[u64],
) -> Result<Handle, (Errno, String)> {
    load_with(
        kernel,
        insns,
        ProgLoad {
            prog_type: program_type.number(),
            expected_attach_type: attach_type.map_or(0, AttachType::number),
            ..ProgLoad::default()
        },
    )
}

/// Loads a program with everything else as `pattern` says.
pub(crate) fn load_with(
    kernel: &Arc<dyn Kernel>,
    insns: &[u64],
    pattern: ProgLoad<'_>,
) -> Result<Handle, (Errno, String)> {
    let insns = bytes(insns);
    let mut log = vec![0; 1 << 16];
    let command = ProgLoad {
        insns: &insns,
        license: Some(c"GPL"),
        log_level: 1,
        log_buf: &mut log,
        prog_name: ObjectName::lossy("skep_test"),
        ..pattern
    };
    let loaded = calls::prog_load(kernel, command);
    loaded.map(|(handle, _)| handle).map_err(|failure| {
        let end = log.iter().position(|b| *b == 0).unwrap_or(log.len());
        (failure.errno, String::from_utf8_lossy(&log[..end]).into_owned())
    })
}

/// Makes an array with one value of so many bytes.
pub(crate) fn array(kernel: &Arc<dyn Kernel>, value_size: u32) -> Handle {
    let command = MapCreate {
        map_type: MapType::Array.number(),
        key_size: 4,
        value_size,
        max_entries: 1,
        map_name: ObjectName::lossy("skep_test"),
        ..MapCreate::default()
    };
    calls::map_create(kernel, command).expect("an array of one element")
}

/// The first eight bytes of an array's first value.
pub(crate) fn count(kernel: &dyn Kernel, array: &Handle) -> u64 {
    let mut value = [0; 8];
    calls::map_lookup_elem(kernel, array.fd(), &0u32.to_ne_bytes(), &mut value, Default::default())
        .expect("the array's value");
    u64::from_ne_bytes(value)
}
