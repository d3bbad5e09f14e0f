//! What a program runs on.

use super::Packet;
use crate::memory::{Buffer, Shared};
use skep_abi::program_type::{ContextField, ContextInfo, ProgramType};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Memory that a sandboxed run may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lent {
    pub(crate) address: u64,
    pub(crate) len: usize,
    pub(crate) writable: bool,
}

impl Lent {
    /// A struct of the kernel's, which programs only read.
    pub(crate) fn read_only<T: ?Sized>(object: &T) -> Lent {
        let address = std::ptr::from_ref(object).cast::<u8>().expose_provenance() as u64;
        Lent { address, len: size_of_val(object), writable: false }
    }

    fn of(memory: Shared<'_>, writable: bool) -> Lent {
        Lent { address: memory.address(), len: memory.len(), writable }
    }
}

/// What a program runs on: its argument in r1 and the packet behind it.
///
/// Only this crate makes contexts, since a verified program trusts their memory ([`StructContext`], [`PlainContext`]).
pub trait Context: sealed::Sealed {
    /// The program's r1.
    fn address(&self) -> u64;

    /// All memory that the program reaches through it.
    fn lend(&self) -> Vec<Lent>;

    /// Whether it is a context of that shape, so that a verified program may trust it.
    fn fits(&self, info: &'static ContextInfo) -> bool;

    /// The packet, where there is one.
    fn packet(&mut self) -> Option<&mut Packet> {
        None
    }

    /// Where its metadata and its data begin and where they end, if there is a packet.
    fn packet_addresses(&self) -> Option<[u64; 3]> {
        None
    }

    /// The packet was moved or resized: brings the context's pointers and lengths up to date.
    fn refresh(&mut self) {}

    /// A field of the ABI struct by name, where the context is one.
    fn field(&self, name: &str) -> Option<u64> {
        let _ = name;
        None
    }

    /// Writes a field of the ABI struct. `false` if there is none of that name.
    fn set_field(&mut self, name: &str, value: u64) -> bool {
        let _ = (name, value);
        false
    }
}

mod sealed {
    /// Keeps other crates from implementing [`super::Context`].
    pub trait Sealed {}
    impl Sealed for super::StructContext {}
    impl Sealed for super::PlainContext {}
}

/// A context that is a struct of the ABI, laid out as [`skep_abi::program_type`] says, often with a packet.
#[derive(Debug)]
pub struct StructContext {
    info: &'static ContextInfo,
    fields: &'static [ContextField],
    memory: Buffer,
    packet: Option<Packet>,
    /// Address of the shape that it was found to fit last.
    fitted: AtomicUsize,
}

impl StructContext {
    /// A context of that shape, all zero, without a packet. `None` if the shape is no struct.
    pub fn new(info: &'static ContextInfo) -> Option<StructContext> {
        let ContextInfo::Struct { fields, .. } = info else { return None };
        Some(StructContext {
            info,
            fields,
            memory: Buffer::new(info.running_size()),
            packet: None,
            fitted: AtomicUsize::new(0),
        })
    }

    /// The next packet: the fields are zeroed, the pointers and `len` set.
    pub fn set_packet(&mut self, bytes: &[u8]) {
        self.memory.clear();
        match &mut self.packet {
            Some(packet) => packet.refill(bytes),
            None => self.packet = Some(Packet::new(bytes)),
        }
        self.refresh();
    }

    /// The bytes of the ABI struct as a client sees them (pointers as zero).
    pub fn to_bytes(&self) -> Vec<u8> {
        let ContextInfo::Struct { size, .. } = self.info else { return Vec::new() };
        self.memory.bytes().part(0, *size as usize).to_vec()
    }

    /// Overwrites the ABI struct with a client's bytes; the pointers stay.
    pub fn set_bytes(&mut self, bytes: &[u8]) {
        let ContextInfo::Struct { size, .. } = self.info else { return };
        self.memory.bytes().write(&bytes[..bytes.len().min(*size as usize)]);
        self.refresh();
    }

    fn find(&self, name: &str) -> Option<&'static ContextField> {
        self.fields.iter().find(|field| field.name == name)
    }

    fn set_pointer(&self, name: &str, address: u64) {
        let Some(field) = self.find(name) else { return };
        let offset = self.info.pointer_slot(field.offset).unwrap_or(field.offset as usize);
        self.memory.bytes().part(offset, 8).write(&address.to_ne_bytes());
    }
}

impl Context for StructContext {
    /// Types may share a struct and differ in its pointers, for which slots are made: those must be the same.
    fn fits(&self, info: &'static ContextInfo) -> bool {
        let asked = std::ptr::from_ref(info) as usize;
        if self.fitted.load(Relaxed) == asked {
            return true;
        }
        let (ContextInfo::Struct { name: own, .. }, ContextInfo::Struct { name: other, fields, .. }) =
            (self.info, info)
        else {
            return false;
        };
        let slots = |info: &ContextInfo, fields: &[ContextField]| -> Vec<_> {
            fields.iter().filter_map(|field| Some((field.offset, info.pointer_slot(field.offset)?))).collect()
        };
        let fits = own == other && slots(self.info, self.fields) == slots(info, fields);
        if fits {
            self.fitted.store(asked, Relaxed);
        }
        fits
    }

    fn address(&self) -> u64 {
        self.memory.bytes().address()
    }

    fn lend(&self) -> Vec<Lent> {
        let packet = self.packet.as_ref().map(|packet| Lent::of(packet.visible(), true));
        [Some(Lent::of(self.memory.bytes(), true)), packet].into_iter().flatten().collect()
    }

    fn packet(&mut self) -> Option<&mut Packet> {
        self.packet.as_mut()
    }

    fn packet_addresses(&self) -> Option<[u64; 3]> {
        self.packet.as_ref().map(Packet::addresses)
    }

    fn refresh(&mut self) {
        let Some(packet) = &self.packet else { return };
        let ([meta, data, end], len) = (packet.addresses(), packet.len());
        self.set_pointer("data_meta", meta);
        self.set_pointer("data", data);
        self.set_pointer("data_end", end);
        self.set_field("len", len as u64);
    }

    fn field(&self, name: &str) -> Option<u64> {
        let field = self.find(name)?;
        let size = usize::from(field.element).min(8);
        let mut bytes = [0; 8];
        self.memory.bytes().part(field.offset as usize, size).read(&mut bytes[..size]);
        Some(u64::from_ne_bytes(bytes))
    }

    fn set_field(&mut self, name: &str, value: u64) -> bool {
        let Some(field) = self.find(name) else { return false };
        let size = usize::from(field.element).min(8);
        self.memory.bytes().part(field.offset as usize, size).write(&value.to_ne_bytes()[..size]);
        true
    }
}

/// A context that is plain memory: arguments (`u64` each), a tracepoint's record, registers, a caller's buffer.
#[derive(Debug)]
pub struct PlainContext {
    memory: Buffer,
    len: usize,
    /// Its arguments are what the BTF of the attach target says.
    typed: bool,
    /// What its arguments point to, for the sandbox.
    behind: Vec<Lent>,
}

/// Arguments that a BTF-typed program can have, its function's result included.
const MOST_ARGUMENTS: usize = 13;

/// How far a program can reach into a caller's buffer.
const LARGEST_BUFFER: usize = 1 << 16;

impl PlainContext {
    /// Those bytes, followed by zeroes as far as a program with a context of that shape may reach. `None` if the shape is
    /// a struct, or typed by BTF.
    pub fn new(info: &ContextInfo, bytes: &[u8]) -> Option<PlainContext> {
        let typed = matches!(info, ContextInfo::Btf);
        if typed { None } else { PlainContext::with_room(bytes, room(info)?, false) }
    }

    fn with_room(bytes: &[u8], room: usize, typed: bool) -> Option<PlainContext> {
        let memory = Buffer::new(bytes.len().max(room));
        memory.bytes().write(bytes);
        Some(PlainContext { memory, len: bytes.len(), typed, behind: Vec::new() })
    }

    /// The bytes as they are now, as many as were given.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.memory.bytes().part(0, self.len).to_vec()
    }
}

/// How many bytes a program may reach; `None` for structs.
fn room(info: &ContextInfo) -> Option<usize> {
    match info {
        ContextInfo::Struct { .. } => None,
        ContextInfo::Arguments { max, .. } => Some(8 * *max as usize),
        ContextInfo::Bytes { limit, .. } => Some(*limit as usize),
        ContextInfo::Btf => Some(8 * MOST_ARGUMENTS),
        ContextInfo::Buffer => Some(LARGEST_BUFFER),
        // Of a replaced function, whose program is not run by itself.
        ContextInfo::Target => None,
    }
}

impl Context for PlainContext {
    fn address(&self) -> u64 {
        self.memory.bytes().address()
    }

    fn lend(&self) -> Vec<Lent> {
        let own = Lent::of(self.memory.bytes(), true);
        [own].into_iter().chain(self.behind.iter().copied()).collect()
    }

    fn fits(&self, info: &'static ContextInfo) -> bool {
        let enough = room(info).is_some_and(|room| room <= self.memory.bytes().len());
        enough && (self.typed || !matches!(info, ContextInfo::Btf))
    }
}

/// What hooks need of contexts, whose program type they know.
impl StructContext {
    /// The context of programs of that type, all zero, without a packet. Empty where the context is no struct.
    pub(crate) fn of(program_type: ProgramType) -> StructContext {
        let info = &program_type.info().context;
        let fields: &[ContextField] = if let ContextInfo::Struct { fields, .. } = info { fields } else { &[] };
        StructContext {
            info,
            fields,
            memory: Buffer::new(info.running_size()),
            packet: None,
            fitted: AtomicUsize::new(0),
        }
    }

    /// A copy of the packet as it is now.
    pub(crate) fn packet_bytes(&self) -> Option<Vec<u8>> {
        self.packet.as_ref().map(Packet::to_vec)
    }

    /// Writes the bytes of a field, arrays included.
    pub(crate) fn set_field_bytes(&mut self, name: &str, bytes: &[u8]) {
        if let Some(field) = self.find(name) {
            let len = bytes.len().min(field.size.into());
            self.memory.bytes().part(field.offset as usize, len).write(&bytes[..len]);
        }
    }
}

impl PlainContext {
    /// Those bytes as the context of programs of that type, whose context is neither a struct nor typed by BTF.
    pub(crate) fn of(program_type: ProgramType, bytes: &[u8]) -> PlainContext {
        let room = room(&program_type.info().context).unwrap_or(0);
        let memory = Buffer::new(bytes.len().max(room));
        memory.bytes().write(bytes);
        PlainContext { memory, len: bytes.len(), typed: false, behind: Vec::new() }
    }

    /// Arguments of a BTF-typed program: numbers, and addresses of kernel structs of the types that the target's
    /// prototype names, which outlive the context. `behind` is all memory that programs reach through them.
    pub(crate) fn typed(values: &[u64], behind: Vec<Lent>) -> PlainContext {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        PlainContext { typed: true, behind, ..PlainContext::of(ProgramType::Lsm, &bytes) }
    }
}
