//! The BTF of the kernel that a program is meant for.

use crate::error::Failure;
use crate::input;
use object::{Object as _, ObjectSection as _};
use skep_btf::Btf;
use skep_kernel::Kernel as _;
use skep_user::{Config, UserKernel};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where Linux shows its own BTF.
const RUNNING_LINUX: &str = "/sys/kernel/btf/vmlinux";

/// The BTF of `file` (raw BTF or an ELF file with a `.BTF` section), or by default of the running Linux, or, where it
/// has none, of Skep's own kernel.
pub(crate) fn load(file: Option<&Path>) -> Result<Arc<Btf>, Failure> {
    let running = PathBuf::from(RUNNING_LINUX);
    match file {
        Some(path) => parse(path),
        None if running.exists() => parse(&running),
        None => own(),
    }
}

fn own() -> Result<Arc<Btf>, Failure> {
    let kernel = UserKernel::new(Config::default());
    kernel.btf().map_err(|errno| Failure::because("cannot get the BTF of Skep's own kernel", &errno))
}

fn parse(path: &Path) -> Result<Arc<Btf>, Failure> {
    let bytes = input::read(path)?;
    let btf = Btf::parse(section(&bytes).as_deref().unwrap_or(&bytes)).map_err(|e| {
        Failure::file("use the BTF of", path, &e)
            .hint("expected raw BTF, such as /sys/kernel/btf/vmlinux, or an ELF file with a .BTF section")
    })?;
    Ok(Arc::new(btf))
}

/// The `.BTF` section, when `bytes` is an ELF file that has one.
pub(crate) fn section(bytes: &[u8]) -> Option<Vec<u8>> {
    let elf = object::File::parse(bytes).ok()?;
    Some(elf.section_by_name(".BTF")?.data().ok()?.to_vec())
}
