//! `rbpf`'s JIT. Maps and helpers are those of native code, registered as its helpers.

use super::flat::{self, Flat};
use super::{Answer, Engine, Loaded, Pace, Prepare, time_calls};
use crate::Error;
use crate::build::Built;
use crate::maps::{self, MapHandle, SharedMaps};
use rbpf::EbpfVmRaw;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use skep_isa::Slot;
use std::hint::black_box;
use std::ptr::NonNull;
use std::time::Duration;

/// The engine.
pub(super) struct Rbpf;

/// Memory for the compiler to write code into: enough for the longest program here.
struct CodeMemory {
    start: NonNull<u8>,
}

const CODE_BYTES: usize = 1 << 18;

impl CodeMemory {
    fn new() -> Result<CodeMemory, Error> {
        let protection = ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC;
        // SAFETY: a new mapping, at an address that the system chooses.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), CODE_BYTES, protection, MapFlags::PRIVATE) };
        let start = start.map_err(|error| Error::unfit(format!("no executable memory: {error}")))?;
        NonNull::new(start.cast()).map(|start| CodeMemory { start }).ok_or_else(|| Error::unfit("no executable memory"))
    }

    /// # Safety
    /// The mapping lives at least as long as `'m`, and this is its one borrow.
    unsafe fn bytes<'m>(&self) -> &'m mut [u8] {
        // SAFETY: mapped, readable and writable; the rest is the caller's.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), CODE_BYTES) }
    }
}

impl Drop for CodeMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`; its users are gone. Unmapping what is mapped does not fail.
        _ = unsafe { munmap(self.start.as_ptr().cast(), CODE_BYTES) };
    }
}

/// A compiled program. The machine borrows the program's bytes and the code's memory, which stay behind it in this order.
struct RbpfProgram {
    machine: EbpfVmRaw<'static>,
    flat: Flat,
    maps: Option<SharedMaps>,
    _code: CodeMemory,
    program: Box<[u8]>,
}

impl Engine for Rbpf {
    fn name(&self) -> String {
        "rbpf JIT".to_owned()
    }

    fn load(&self, built: &Built) -> Result<Box<dyn Loaded>, Error> {
        let maps = match built.program.maps {
            true => Some(SharedMaps::create(&built.object, built.program.fill)?),
            false => None,
        };
        let handles = maps.iter().flat_map(SharedMaps::handles).map(|(_, handle)| handle);
        let program: Box<[u8]> = Slot::write_program(&flat::link(&built.flat, handles)?).into();
        let code = CodeMemory::new()?;
        // SAFETY: the bytes lie in a box that is never changed and dropped after the machine.
        let bytes = unsafe { std::slice::from_raw_parts(program.as_ptr(), program.len()) };
        // SAFETY: unmapped after the machine is dropped; borrowed once.
        let machine = compile(bytes, unsafe { code.bytes() })?;
        Ok(Box::new(RbpfProgram { machine, flat: Flat::new((built.program.input)()), maps, _code: code, program }))
    }
}

fn compile<'m>(program: &'m [u8], code: &'m mut [u8]) -> Result<EbpfVmRaw<'m>, Error> {
    let mut machine = EbpfVmRaw::new(Some(program)).map_err(said)?;
    for (id, helper) in HELPERS {
        machine.register_helper(*id, *helper).map_err(said)?;
    }
    machine.set_jit_exec_memory(code).map_err(said)?;
    machine.jit_compile().map_err(said)?;
    Ok(machine)
}

fn said(error: impl std::fmt::Debug) -> Error {
    Error::unfit(format!("rbpf: {error:?}"))
}

const HELPERS: &[(u32, rbpf::ebpf::Helper)] = &[
    (1, |map, key, _, _, _| aligned(map, key, 0, 0, lookup)),
    (2, |map, key, value, flags, _| aligned(map, key, value, flags, update)),
    (8, |_, _, _, _, _| u64::from(maps::processor_id())),
];

extern "C" fn lookup(map: u64, key: u64, _: u64, _: u64) -> u64 {
    let map = std::ptr::with_exposed_provenance::<MapHandle>(map as usize);
    let key = std::ptr::with_exposed_provenance(key as usize);
    // SAFETY: programs pass the handle that linking put into them and a key of that map; they run inside of a map run.
    unsafe { maps::lookup(map, key) }.expose_provenance() as u64
}

extern "C" fn update(map: u64, key: u64, value: u64, flags: u64) -> u64 {
    let map = std::ptr::with_exposed_provenance::<MapHandle>(map as usize);
    let key = std::ptr::with_exposed_provenance(key as usize);
    let value = std::ptr::with_exposed_provenance(value as usize);
    // SAFETY: as in `lookup`; the value is one of that map.
    unsafe { maps::update(map, key, value, flags) }.cast_unsigned()
}

/// Calls `function` on a stack pointer that is a multiple of 16. The code of `rbpf` 0.4 calls helpers of the main function
/// on one that is not, where a compiler may place vector registers at addresses that then fault.
#[inline(always)]
fn aligned(a: u64, b: u64, c: u64, d: u64, function: extern "C" fn(u64, u64, u64, u64) -> u64) -> u64 {
    let result;
    // SAFETY: a call under the C calling convention, whose registers are all named; the stack pointer is restored.
    unsafe {
        std::arch::asm!(
            "mov r12, rsp",
            "and rsp, -16",
            "call {function}",
            "mov rsp, r12",
            function = in(reg) function,
            in("rdi") a, in("rsi") b, in("rdx") c, in("rcx") d,
            lateout("rax") result,
            out("r12") _,
            clobber_abi("C"),
        );
    }
    result
}

impl RbpfProgram {
    fn call(machine: &EbpfVmRaw<'static>, context: &'static mut [u8]) -> u64 {
        // SAFETY: what the verifiers of both kernels accept of the same source touches its context, packet, stack and map
        // values only.
        unsafe { machine.execute_program_jit(context) }.unwrap_or(u64::MAX)
    }

    /// The context as the machine wants it: for good.
    fn context(&mut self) -> impl Fn() -> &'static mut [u8] + use<> {
        let context = self.flat.context().cast::<u8>();
        // SAFETY: the context lives in `self`, and no call keeps what it is given.
        move || unsafe { std::slice::from_raw_parts_mut(black_box(context), size_of::<[u64; 2]>()) }
    }
}

impl Loaded for RbpfProgram {
    fn time(&mut self, runs: u64, pace: Pace) -> Result<Duration, Error> {
        let context = self.context();
        let machine = &self.machine;
        Ok(match &self.maps {
            None => time_calls(runs, pace, || Self::call(machine, context())),
            Some(maps) => time_calls(runs, pace, || maps.run(|| Self::call(machine, context()))),
        })
    }

    fn answer(&mut self) -> Result<Answer, Error> {
        self.flat.reset();
        let context = self.context();
        let value = match &self.maps {
            None => Self::call(&self.machine, context()),
            Some(maps) => maps.run(|| Self::call(&self.machine, context())),
        };
        Ok(Answer { value: value as u32, packet: self.flat.packet() })
    }

    fn prepare(&self) -> Result<Option<Prepare<'_>>, Error> {
        // Getting executable memory is a part of it.
        Ok(Some(Box::new(|| {
            let code = CodeMemory::new()?;
            // SAFETY: unmapped after the machine, which is dropped here.
            compile(&self.program, unsafe { code.bytes() }).map(drop)
        })))
    }
}
