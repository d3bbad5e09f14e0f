//! What a running program can reach: helpers, maps, its packet.
//!
//! Addresses come from the program. In a verified run they are what the verifier proved; in the sandbox the machine
//! checks memory, and maps are looked up among those that the run has seen.

use super::{Context, Redirect, RunOptions};
use crate::cpus::Run;
use crate::helpers;
use crate::kernel::UserKernel;
use crate::maps::{self, RingBuffer};
use crate::objects::{Map, Program};
use crate::world::Task;
use skep_abi::errno::Errno;
use skep_engine::{Environment, Fault, Machine, Mode, RunFacts};
use skep_isa::Size;
use skep_verifier::Place;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// The state of one run.
pub(crate) struct RunEnvironment<'a> {
    /// The kernel.
    pub(crate) kernel: &'a UserKernel,
    /// The virtual CPU and what keeps lookups alive.
    pub(crate) run: &'a Run<'a>,
    /// The current task.
    pub(crate) task: &'a Task,
    /// What the program runs on.
    pub(crate) context: &'a mut dyn Context,
    /// The program that runs, after tail calls the last one.
    pub(crate) program: &'a Program,
    /// What the hook gave with the run.
    pub(crate) options: &'a RunOptions<'a>,
    /// Where the packet is to go.
    pub(crate) redirect: Option<Redirect>,
    /// Ring-buffer records that are reserved and not yet submitted (sandbox only: a verified program finishes them).
    pub(crate) records: Vec<(u64, &'a RingBuffer)>,
    /// Locks of map values that the run holds (sandbox only: a verified program gives them back).
    pub(crate) held_locks: Vec<&'a AtomicU32>,
    /// What compiled programs find without a call.
    pub(crate) facts: RunFacts,
    /// Inner maps that the run has looked up (sandbox only).
    pub(crate) seen_maps: Vec<u64>,
    /// Addresses of maps and of values in them that the run was given (paranoid mode only).
    pub(crate) seen_values: Vec<(u64, u64)>,
}

/// One call of a helper.
pub(crate) struct Call<'c, 'a, 'm> {
    /// The run.
    pub(crate) env: &'c mut RunEnvironment<'a>,
    /// The machine.
    pub(crate) machine: &'c mut Machine<'m>,
    /// r1 to r5.
    pub(crate) args: [u64; 5],
}

/// Why a helper gives no result.
#[derive(Debug)]
pub(crate) enum HelperError {
    /// r0 becomes the negative number.
    Errno(Errno),
    /// The program ends.
    Fault(Fault),
}

impl From<Errno> for HelperError {
    fn from(errno: Errno) -> Self {
        HelperError::Errno(errno)
    }
}

impl From<Fault> for HelperError {
    fn from(fault: Fault) -> Self {
        HelperError::Fault(fault)
    }
}

/// r0, or why there is none.
pub(crate) type HelperResult = Result<u64, HelperError>;

impl Environment for RunEnvironment<'_> {
    fn call_helper(&mut self, id: u32, args: [u64; 5], machine: &mut Machine<'_>) -> Result<u64, Fault> {
        let helper = helpers::by_id(id).ok_or(Fault::UnknownHelper(id))?;
        match helper(&mut Call { env: self, machine, args }) {
            Ok(value) => Ok(value),
            Err(HelperError::Errno(errno)) => Ok(i64::from(-errno.0).cast_unsigned()),
            Err(HelperError::Fault(fault)) => Err(fault),
        }
    }

    fn facts(&mut self) -> RunFacts {
        self.facts
    }

    fn load_packet(&mut self, _context: u64, offset: i32, size: Size) -> Option<u64> {
        // Negative offsets count from the network or link header; a raw packet's link header is where it begins.
        const NETWORK: i32 = -0x10_0000;
        const LINK: i32 = -0x20_0000;
        let network = i32::try_from(self.context.packet()?.network_offset()).ok()?;
        let offset = match offset {
            0.. => offset,
            NETWORK..0 => offset.checked_sub(NETWORK)?.checked_add(network)?,
            LINK..NETWORK => offset.checked_sub(LINK)?,
            _ => return None,
        };
        let len = usize::from(size.bytes());
        let part = self.context.packet()?.part(u64::try_from(offset).ok()?, len as u64)?;
        let mut bytes = [0; 8];
        part.read(&mut bytes[8 - len..]);
        Some(u64::from_be_bytes(bytes))
    }

    fn any(&self, place: Place, wanted: &mut dyn FnMut(u64) -> bool) -> Option<bool> {
        let map = |index: i32| usize::try_from(index).ok().and_then(|index| self.program.maps.get(index));
        let packet = |index: usize| self.context.packet_addresses().map(|addresses| addresses[index]);
        Some(match place {
            Place::Context => wanted(self.context.address()),
            Place::PacketMeta => wanted(packet(0)?),
            Place::Packet => wanted(packet(1)?),
            Place::PacketEnd => wanted(packet(2)?),
            Place::Map(index) => wanted(Arc::as_ptr(map(index)?) as u64),
            Place::MapValue(index) => {
                let map = map(index)?;
                let address = Arc::as_ptr(map) as u64;
                map.implementation.direct_values().is_some_and(|values| wanted(values.address()))
                    || self.seen_values.iter().any(|(of, value)| *of == address && wanted(*value))
            }
        })
    }
}

impl<'a> RunEnvironment<'a> {
    /// The next run of the same program.
    #[inline]
    pub(crate) fn begin_again(&mut self, program: &'a Program) {
        self.clean_up();
        self.program = program;
        self.redirect = None;
    }

    /// Gives back what the program left reserved when it was ended early.
    pub(crate) fn clean_up(&mut self) {
        for (record, ring) in self.records.drain(..) {
            ring.commit(record, true, 0);
        }
        for word in self.held_locks.drain(..) {
            maps::spin_unlock(word);
        }
    }
}

impl<'a> Call<'_, 'a, '_> {
    /// The map behind a map argument.
    pub(crate) fn map(&self, address: u64) -> Result<&'a Map, HelperError> {
        let env = &self.env;
        if self.machine.mode().is_checked() {
            let own = env.program.maps.iter().any(|map| std::ptr::from_ref::<Map>(map) as u64 == address);
            if !own && !env.seen_maps.contains(&address) {
                return Err(Fault::Memory { address, len: 8, write: false }.into());
            }
        }
        // SAFETY: the address is that of a map: the verifier's proof, or the look-up above. The maps of a program live as
        // long as the program, which the run holds; inner maps that a look-up gave are kept alive by the run (`Run`).
        Ok(unsafe { &*std::ptr::with_exposed_provenance::<Map>(address as usize) })
    }

    /// A size argument, of memory that a helper is going to fill. The verifier knows that the memory is there; in the
    /// sandbox a size that no memory of a program has ends it before anything is allocated.
    pub(crate) fn size(&self, size: u64) -> Result<usize, HelperError> {
        const LARGEST: usize = 1 << 24;
        let size = size as u32 as usize;
        if size > LARGEST && self.machine.mode().is_checked() {
            return Err(Fault::Memory { address: 0, len: size as u64, write: true }.into());
        }
        Ok(size)
    }

    /// Copies `len` bytes of the program's memory.
    pub(crate) fn bytes(&self, address: u64, len: usize) -> Result<Bytes, HelperError> {
        if len > Bytes::INLINE {
            return Ok(Bytes::Heap(self.machine.read_vec(address, len)?));
        }
        let mut bytes = Bytes::new(len);
        self.machine.read(address, bytes.as_mut())?;
        Ok(bytes)
    }

    /// Lets the program use memory that a helper found: in the sandbox it becomes a region.
    pub(crate) fn lend(&mut self, address: u64, len: usize) -> u64 {
        if self.machine.mode().is_checked()
            && let Some(memory) = NonNull::new(address as *mut u8)
        {
            // SAFETY: callers pass memory that stays mapped until the run ends (map values, ring records, task structs)
            // and that nobody holds a Rust reference to which forbids writing.
            unsafe { self.machine.expose(memory, len, true) };
        }
        address
    }

    /// The same for memory that the program must not write.
    pub(crate) fn lend_read_only(&mut self, address: u64, len: usize) -> u64 {
        if self.machine.mode().is_checked()
            && let Some(memory) = NonNull::new(address as *mut u8)
        {
            // SAFETY: as in `lend`; nobody writes.
            unsafe { self.machine.expose(memory, len, false) };
        }
        address
    }

    /// Keeps in mind that the program got a map's value, to be told from other pointers.
    pub(crate) fn note_value(&mut self, map: &Map, value: u64) {
        let seen = (std::ptr::from_ref(map) as u64, value);
        if self.machine.mode() == Mode::Paranoid && !self.env.seen_values.contains(&seen) {
            self.env.seen_values.push(seen);
        }
    }

    /// Lets the program use the packet's memory, which may be another since it grew.
    pub(crate) fn lend_context(&mut self) {
        if self.machine.mode().is_checked() {
            for lent in self.env.context.lend() {
                self.lend(lent.address, lent.len);
            }
        }
    }

    /// Lets a program that is tail-called use the maps whose values it addresses directly.
    pub(crate) fn lend_values_of(&mut self, program: &Program) {
        if self.machine.mode().is_checked() {
            for values in program.maps.iter().filter_map(|map| map.implementation.direct_values()) {
                self.lend(values.address(), values.len());
            }
        }
    }

    /// The 32-bit word at an address of the program's, to be used as an atomic.
    pub(crate) fn word(&self, address: u64) -> Result<&'a AtomicU32, HelperError> {
        let _checked: [u8; 4] = self.machine.read_array(address)?;
        if !address.is_multiple_of(4) {
            return Err(Fault::Memory { address, len: 4, write: true }.into());
        }
        // SAFETY: aligned, and a spin lock in a map value: the verifier's proof; in the sandbox the memory was readable just
        // now and all that is lent lives until the run ends.
        Ok(unsafe { &*std::ptr::with_exposed_provenance::<AtomicU32>(address as usize) })
    }

    /// Calls a function of the program.
    pub(crate) fn call_back(&mut self, function: u64, args: [u64; 5]) -> Result<u64, HelperError> {
        Ok(self.machine.call_back(self.env, function, args)?)
    }

    /// Keeps in mind that the run reserved a record.
    pub(crate) fn note_record(&mut self, record: u64, ring: &'a RingBuffer) {
        if self.machine.mode().is_checked() {
            self.env.records.push((record, ring));
        }
    }

    /// Finishes a record that this run reserved; nothing happens to any other address.
    pub(crate) fn finish_record(&mut self, record: u64, discard: bool, flags: u64) {
        if !self.machine.mode().is_checked() {
            if record != 0 {
                // SAFETY: the verifier proved that the address is that of a record which was reserved and not finished; a
                // null dynptr, which has none, was sorted out. The run keeps the ring alive.
                unsafe { maps::ringbuf::finish(record, discard, flags) };
            }
            return;
        }
        let records = &mut self.env.records;
        if let Some(at) = records.iter().rposition(|(address, _)| *address == record) {
            let (address, ring) = records.swap_remove(at);
            ring.commit(address, discard, flags);
            self.machine.conceal(record);
        }
    }

    /// The virtual CPU.
    pub(crate) fn cpu(&self) -> u32 {
        self.env.run.cpu()
    }
}

/// A short-lived copy: on the stack where it is small.
pub(crate) enum Bytes {
    /// So many bytes of an array.
    Inline([u8; Bytes::INLINE], usize),
    /// More.
    Heap(Vec<u8>),
}

impl Bytes {
    /// Most bytes that need no allocation.
    const INLINE: usize = 64;

    /// `len` zeroes, at most [`Bytes::INLINE`].
    fn new(len: usize) -> Bytes {
        Bytes::Inline([0; Bytes::INLINE], len)
    }

    fn as_mut(&mut self) -> &mut [u8] {
        match self {
            Bytes::Inline(bytes, len) => &mut bytes[..*len],
            Bytes::Heap(bytes) => bytes,
        }
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Inline(bytes, len) => &bytes[..*len],
            Bytes::Heap(bytes) => bytes,
        }
    }
}
