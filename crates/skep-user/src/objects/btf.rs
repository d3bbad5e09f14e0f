//! BTF that a client loaded, or the kernel's own.

use skep_btf::Btf;
use std::sync::Arc;

/// Loaded BTF.
pub(crate) struct BtfObject {
    /// Its id.
    pub(crate) id: u32,
    /// The bytes as they were loaded.
    pub(crate) bytes: Box<[u8]>,
    /// What they say.
    pub(crate) btf: Arc<Btf>,
    /// `vmlinux` for the kernel's own, empty for a client's.
    pub(crate) name: &'static str,
}

impl BtfObject {
    /// Whether it is the kernel's own.
    pub(crate) fn is_kernel(&self) -> bool {
        !self.name.is_empty()
    }
}
