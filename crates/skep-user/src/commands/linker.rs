//! Linking: numbers for a program's references to maps, and what compiled code may do in the place of helper calls.

use crate::helpers;
use crate::kernel::UserKernel;
use crate::objects::Map;
use skep_engine::{Direct, Linker};
use skep_isa::Imm64;
use skep_verifier::CallSite;
use std::sync::Arc;

/// What stands for the address of a function of this kernel. Its BTF has no variables, and programs may only ask
/// whether a function is there.
const KERNEL_FUNCTION: u64 = 1;

/// Links a verified program of that kernel; `maps` are those of [`skep_verifier::Verified::maps`], which the program keeps.
pub(super) struct ProgramLinker<'k> {
    /// The kernel that alone will run the program.
    pub(super) kernel: &'k UserKernel,
    /// The maps by index.
    pub(super) maps: &'k [Arc<Map>],
}

impl ProgramLinker<'_> {
    fn map(&self, index: impl TryInto<usize>) -> Option<&Arc<Map>> {
        self.maps.get(index.try_into().ok()?)
    }
}

// SAFETY: direct functions are those of the rows of the helper table, each of which does what its helper does, and of the
// maps at these indices. Their addresses are those of maps that the program holds, and of the kernel: programs run in
// the kernel that loaded them alone (`UserKernel::run` refuses others), which outlives its runs.
unsafe impl Linker for ProgramLinker<'_> {
    fn resolve(&mut self, imm: Imm64) -> Option<u64> {
        match imm {
            Imm64::MapIndex(index) => Some(Arc::as_ptr(self.map(index)?).expose_provenance() as u64),
            Imm64::MapIndexValue { index, offset } => {
                Some(self.map(index)?.implementation.direct_values()?.address() + u64::from(offset))
            }
            Imm64::BtfId { btf_fd: 0, .. } => Some(KERNEL_FUNCTION),
            _ => None,
        }
    }

    fn direct(&mut self, helper: u32, map: Option<u32>, _site: Option<&CallSite>) -> Option<Direct> {
        let map = map.and_then(|index| self.map(index as usize));
        helpers::direct(self.kernel, helper, map.map(|map| &**map))
    }
}
