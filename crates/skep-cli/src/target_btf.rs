//! The BTF of the kernel that a program is meant for.

use crate::error::Failure;
use crate::input;
use object::{Object as _, ObjectSection as _};
use skep_btf::Btf;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where Linux shows its own BTF.
const RUNNING_LINUX: &str = "/sys/kernel/btf/vmlinux";

/// A kernel's types, and where they were found.
pub(crate) struct TargetBtf {
    pub(crate) btf: Arc<Btf>,
    pub(crate) source: String,
}

/// The BTF of `file` (raw BTF or an ELF file with a `.BTF` section), or by default of the running Linux, or, where it
/// has none, of Skep's own kernel.
pub(crate) fn load(file: Option<&Path>) -> Result<TargetBtf, Failure> {
    let running = PathBuf::from(RUNNING_LINUX);
    match file {
        Some(path) => parse(path),
        None if running.exists() => parse(&running),
        None => Ok(TargetBtf { btf: skep_user::kernel_btf(), source: "Skep's own kernel".to_owned() }),
    }
}

fn parse(path: &Path) -> Result<TargetBtf, Failure> {
    let bytes = input::read(path)?;
    let btf = Btf::parse(section(&bytes).as_deref().unwrap_or(&bytes)).map_err(|e| {
        Failure::file("use the BTF of", path, &e)
            .hint("expected raw BTF, such as /sys/kernel/btf/vmlinux, or an ELF file with a .BTF section")
    })?;
    Ok(TargetBtf { btf: Arc::new(btf), source: path.display().to_string() })
}

/// The `.BTF` section, when `bytes` is an ELF file that has one.
pub(crate) fn section(bytes: &[u8]) -> Option<Vec<u8>> {
    let elf = object::File::parse(bytes).ok()?;
    Some(elf.section_by_name(".BTF")?.data().ok()?.to_vec())
}
