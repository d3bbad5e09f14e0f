//! What engines without a kernel run: a context of two pointers, and instructions with the addresses of maps.

use crate::Error;
use crate::maps::MapHandle;
use skep_btf::Btf;
use skep_isa::Slot;
use skep_object::{ExternSpec, KernelObject, MapIndex, ObjectSpec, Resolver};
use std::sync::Arc;

/// `context` of the programs' header, with the packet it points to.
pub(super) struct Flat {
    context: Box<[u64; 2]>,
    packet: Box<[u8]>,
    original: Vec<u8>,
}

impl Flat {
    pub(super) fn new(packet: Vec<u8>) -> Flat {
        let mut flat = Flat { context: Box::default(), packet: packet.clone().into(), original: packet };
        let data = flat.packet.as_mut_ptr().expose_provenance() as u64;
        *flat.context = [data, data + flat.packet.len() as u64];
        flat
    }

    /// The packet as it was in the beginning.
    pub(super) fn reset(&mut self) {
        self.packet.copy_from_slice(&self.original);
    }

    pub(super) fn context(&mut self) -> *mut u64 {
        self.context.as_mut_ptr()
    }

    /// A copy of the packet.
    pub(super) fn packet(&self) -> Vec<u8> {
        self.packet.to_vec()
    }
}

/// `lddw`, and the pseudo source of a map's descriptor.
const LDDW: u8 = 0x18;
const MAP_FD: u8 = 1;

/// The instructions of an object's one program. Each load of a map becomes one of the address of its handle.
pub(super) fn link<'m>(object: &[u8], handles: impl Iterator<Item = &'m MapHandle>) -> Result<Vec<Slot>, Error> {
    let addresses: Vec<u64> = handles.map(|handle| std::ptr::from_ref(handle).expose_provenance() as u64).collect();
    let mut insns = link_by_index(object)?;
    for at in 0..insns.len() {
        if insns[at].opcode == LDDW && insns[at].src == MAP_FD {
            let index = usize::try_from(insns[at].imm).ok();
            let address = index.and_then(|index| addresses.get(index)).ok_or_else(|| Error::unfit("no such map"))?;
            insns[at].src = 0;
            insns[at].imm = *address as i32;
            insns[at + 1].imm = (*address >> 32) as i32;
        }
    }
    Ok(insns)
}

/// The instructions of an object's one program; the descriptor of a map is its index.
pub(crate) fn link_by_index(object: &[u8]) -> Result<Vec<Slot>, Error> {
    let spec = ObjectSpec::parse(object).map_err(Error::unfit)?;
    let program = spec.programs.first().ok_or_else(|| Error::unfit("the object has no program"))?;
    Ok(program.link(&spec, &ByIndex)?.insns)
}

struct ByIndex;

impl Resolver for ByIndex {
    fn map_fd(&self, map: MapIndex) -> Option<i32> {
        i32::try_from(map.0).ok()
    }

    fn kernel_object(&self, _external: &ExternSpec) -> Option<KernelObject> {
        None
    }

    fn kernel_address(&self, _name: &str) -> Option<u64> {
        None
    }

    fn kernel_types(&self) -> &[Arc<Btf>] {
        &[]
    }
}
