//! Types for the functions of a program: without them no function can be called back.

use skep_abi::command::BtfLoad;
use skep_abi::errno::Errno;
use skep_btf::{Btf, BtfBuilder, Endian, FunctionLinkage, IntEncoding, TypeId};
use skep_isa::{Slot, instructions};
use skep_kernel::{Handle, Kernel, calls};
use std::sync::Arc;

/// More functions than any program has, the main one included.
const MOST: usize = 32;

/// Functions that take a number and give one, all of them static.
#[derive(Debug)]
pub struct Functions {
    btf: Btf,
    ids: Vec<TypeId>,
}

impl Functions {
    /// # Panics
    /// Never: the types are always the same.
    pub fn new() -> Functions {
        let mut builder = BtfBuilder::new();
        let int = builder.int("int", 4, IntEncoding::SIGNED);
        let prototype = builder.prototype(int, &[("x", int)]);
        let ids = (0..MOST).map(|at| builder.function(&format!("f{at}"), prototype, FunctionLinkage::Static)).collect();
        Functions { ids, btf: builder.build().expect("types that fit") }
    }

    /// The types.
    pub fn btf(&self) -> &Btf {
        &self.btf
    }

    /// First slot and type of each function of a program; nothing where there are too many.
    pub fn of(&self, slots: &[Slot]) -> Vec<(u32, TypeId)> {
        let callee = |(slot, offset): (usize, i32)| u32::try_from(slot as i64 + 1 + i64::from(offset)).ok();
        let insns = instructions(slots).flatten();
        let calls = insns.filter_map(|(slot, insn)| insn.subprogram_offset().map(|offset| (slot, offset)));
        let mut starts: Vec<u32> = std::iter::once(0).chain(calls.filter_map(callee)).collect();
        starts.sort_unstable();
        starts.dedup();
        if starts.len() > self.ids.len() {
            Vec::new()
        } else {
            starts.into_iter().zip(self.ids.iter().copied()).collect()
        }
    }

    /// Gives the types to a kernel.
    ///
    /// # Errors
    /// Those of [`calls::btf_load`].
    pub fn load(&self, kernel: &Arc<dyn Kernel>) -> Result<Handle, Errno> {
        let bytes = self.btf.to_bytes(Endian::NATIVE).map_err(|_| Errno::EINVAL)?;
        let loaded = calls::btf_load(kernel, BtfLoad { btf: &bytes, ..Default::default() });
        loaded.map(|(btf, _)| btf).map_err(|failure| failure.errno)
    }
}

impl Default for Functions {
    fn default() -> Self {
        Functions::new()
    }
}
