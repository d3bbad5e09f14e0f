//! What a kernel knows that an object refers to.

use crate::map::RawMap;
use skep_btf::Btf;
use skep_kernel::Kernel;
use skep_object::{ExternSpec, KconfigValue, KernelObject, MapIndex, ObjectSpec, Resolver};
use std::sync::Arc;

/// Resolves references in a kernel.
pub(super) struct KernelResolver<'a> {
    kernel: &'a Arc<dyn Kernel>,
    maps: &'a [Option<RawMap>],
    types: Vec<Arc<Btf>>,
}

impl<'a> KernelResolver<'a> {
    /// The kernel's BTF is read only if the object needs it.
    pub(super) fn new(spec: &ObjectSpec, kernel: &'a Arc<dyn Kernel>, maps: &'a [Option<RawMap>]) -> Self {
        let wants_types = spec.programs.iter().any(|program| {
            !program.core_relocations.is_empty() || program.kind.as_ref().is_some_and(|kind| kind.attach_btf)
        }) || !spec.externs.is_empty();
        let types = wants_types.then(|| kernel.btf().ok()).flatten();
        KernelResolver { kernel, maps, types: types.into_iter().collect() }
    }
}

impl Resolver for KernelResolver<'_> {
    fn map_fd(&self, map: MapIndex) -> Option<i32> {
        self.maps.get(map.0)?.as_ref().map(RawMap::fd)
    }

    fn kernel_object(&self, external: &ExternSpec) -> Option<KernelObject> {
        KernelObject::find(external, &self.types)
    }

    fn kernel_address(&self, name: &str) -> Option<u64> {
        self.kernel.symbol_address(name).ok()
    }

    fn kernel_types(&self) -> &[Arc<Btf>] {
        &self.types
    }
}

/// A kernel setting by name: `LINUX_…` names are the loader's to answer, `CONFIG_…` the kernel's.
pub(super) fn kernel_setting(kernel: &dyn Kernel, name: &str) -> Option<KconfigValue> {
    match name {
        "LINUX_KERNEL_VERSION" => Some(KconfigValue::Number(kernel.version_code().into())),
        // Both hold since Linux 4.17 (x86-64) and 5.15, before which nothing here runs.
        "LINUX_HAS_SYSCALL_WRAPPER" | "LINUX_HAS_BPF_COOKIE" => Some(KconfigValue::Yes),
        _ => KconfigValue::parse(&kernel.config(name).ok()??),
    }
}
