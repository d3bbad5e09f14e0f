//! What a kernel knows that an object refers to.

use crate::map::RawMap;
use skep_btf::Btf;
use skep_kernel::{Handle, Kernel, calls};
use skep_object::{ExternKind, ExternSpec, KconfigValue, KernelObject, MapIndex, ObjectSpec, Resolver};
use std::sync::Arc;

/// Resolves references in a kernel.
pub(super) struct KernelResolver<'a> {
    kernel: &'a Arc<dyn Kernel>,
    maps: &'a [Option<RawMap>],
    /// The kernel's types, then those of its modules.
    types: Vec<Arc<Btf>>,
    /// The BTF of the modules.
    modules: Vec<Handle>,
}

impl<'a> KernelResolver<'a> {
    /// The kernel's BTF is read only if the object needs it.
    pub(super) fn new(spec: &ObjectSpec, kernel: &'a Arc<dyn Kernel>, maps: &'a [Option<RawMap>]) -> Self {
        let wants_types = spec.programs.iter().any(|program| {
            !program.core_relocations.is_empty() || program.kind.as_ref().is_some_and(|kind| kind.attach_btf)
        }) || !spec.externs.is_empty();
        let types: Vec<Arc<Btf>> = wants_types.then(|| kernel.btf().ok()).flatten().into_iter().collect();
        let mut resolver = KernelResolver { kernel, maps, types, modules: Vec::new() };
        if resolver.types.len() == 1 && spec.externs.iter().any(|external| resolver.is_missing(external)) {
            resolver.add_modules();
        }
        resolver
    }

    /// Whether an extern that BTF describes is not in the kernel itself.
    fn is_missing(&self, external: &ExternSpec) -> bool {
        matches!(external.kind, ExternKind::Function { .. } | ExternKind::Variable { .. })
            && self.kernel_object(external).is_none()
    }

    /// Adds the types of the modules. One that is gone or cannot be read has nothing to offer.
    fn add_modules(&mut self) {
        let own = self.types[0].clone();
        let ids = calls::btf_ids(&**self.kernel).map_while(Result::ok);
        for id in ids.collect::<Vec<_>>() {
            let Ok(handle) = calls::btf_by_id(self.kernel, id) else { continue };
            if let Some(types) = module_types(&**self.kernel, &handle, &own) {
                self.types.push(Arc::new(types));
                self.modules.push(handle);
            }
        }
    }

    /// What instructions index for modules: place 0 stands for the kernel itself.
    pub(super) fn fd_array(&self) -> Vec<u8> {
        let none = std::iter::once(0).take(usize::from(!self.modules.is_empty()));
        none.chain(self.modules.iter().map(Handle::fd)).flat_map(i32::to_ne_bytes).collect()
    }
}

/// The types of a module; `None` for other BTF.
fn module_types(kernel: &dyn Kernel, handle: &Handle, own: &Arc<Btf>) -> Option<Btf> {
    let mut name = [0; 64];
    let info = calls::btf_info_with(kernel, handle.fd(), &mut [], &mut name).ok()?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    if info.kernel_btf == 0 || name == KERNEL_BTF_NAME {
        return None;
    }
    Btf::parse_split(&calls::btf_bytes(kernel, handle.fd()).ok()?, own.clone()).ok()
}

/// The name of the BTF that is no module's.
const KERNEL_BTF_NAME: &[u8] = b"vmlinux";

impl Resolver for KernelResolver<'_> {
    fn map_fd(&self, map: MapIndex) -> Option<i32> {
        self.maps.get(map.0)?.as_ref().map(RawMap::fd)
    }

    fn kernel_object(&self, external: &ExternSpec) -> Option<KernelObject> {
        KernelObject::find(external, &self.types, |place| self.modules.get(place - 1).map_or(0, Handle::fd))
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
