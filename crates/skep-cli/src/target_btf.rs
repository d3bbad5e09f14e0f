//! The BTF of the kernel that a program is meant for.

use crate::error::Failure;
use crate::input;
use crate::kernels::Choice;
use object::{Object as _, ObjectSection as _};
use skep_btf::Btf;
use skep_kernel::Kernel as _;
use skep_object::{ExternKind, ExternSpec, KernelObject, ObjectSpec};
use skep_user::{Config, UserKernel};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where Linux shows its own BTF.
const RUNNING_LINUX: &str = "/sys/kernel/btf/vmlinux";

/// What stands in place of a file for the BTF of Skep's own kernel; a file of that name is `./user`.
const OWN: &str = "user";

/// The BTF of `file` (raw BTF or an ELF file with a `.BTF` section; `user` for Skep's own kernel), or by default of the
/// running Linux, or, where it has none, of Skep's own kernel.
pub(crate) fn load(file: Option<&Path>) -> Result<Arc<Btf>, Failure> {
    let running = PathBuf::from(RUNNING_LINUX);
    match file {
        Some(path) if path == Path::new(OWN) => own(),
        Some(path) => parse(path),
        None if running.exists() => parse(&running),
        None => own(),
    }
}

/// The types of kernel modules: those of `files`, or, if what is asked for is the running Linux and it lacks something that
/// the object names, those of all its modules.
pub(crate) fn modules(
    object: &ObjectSpec,
    kernel: &Arc<Btf>,
    files: &[PathBuf],
    running: bool,
) -> Result<Vec<Arc<Btf>>, Failure> {
    let load = |path: &PathBuf| read(path, Some(kernel.clone())).map(Arc::new);
    if !files.is_empty() {
        return files.iter().map(load).collect();
    }
    let own = std::slice::from_ref(kernel);
    let typed = |external: &&ExternSpec| !matches!(external.kind, ExternKind::Address | ExternKind::Kconfig { .. });
    let mut externs = object.externs.iter().filter(typed);
    if !running || externs.all(|external| KernelObject::find(external, own, |_| 0).is_some()) {
        return Ok(Vec::new());
    }
    let running = Path::new(RUNNING_LINUX);
    let shown = running.parent().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten();
    let mut paths: Vec<PathBuf> = shown.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path != running);
    paths.sort();
    // A module that is being unloaded is none.
    Ok(paths.iter().filter_map(|path| load(path).ok()).collect())
}

/// The BTF of a kernel.
pub(crate) fn of_kernel(kernel: Choice) -> Result<Arc<Btf>, Failure> {
    match kernel {
        Choice::User => own(),
        Choice::Linux => parse(Path::new(RUNNING_LINUX)),
    }
}

fn own() -> Result<Arc<Btf>, Failure> {
    let kernel = UserKernel::new(Config::default());
    kernel.btf().map_err(|errno| Failure::because("cannot get the BTF of Skep's own kernel", &errno))
}

fn parse(path: &Path) -> Result<Arc<Btf>, Failure> {
    Ok(Arc::new(read(path, None)?))
}

/// The types in a file: raw BTF, or an ELF file with a `.BTF` section; split from `base` if that is given.
pub(crate) fn read(path: &Path, base: Option<Arc<Btf>>) -> Result<Btf, Failure> {
    let bytes = input::read(path)?;
    let bytes = if bytes.starts_with(ELF_MAGIC) { section(path, &bytes)? } else { bytes };
    let btf = match base {
        Some(base) => Btf::parse_split(&bytes, base),
        None => Btf::parse(&bytes),
    };
    btf.map_err(|e| {
        Failure::file("use the BTF of", path, &e)
            .hint("expected raw BTF, such as /sys/kernel/btf/vmlinux, or an ELF file with a .BTF section")
    })
}

const ELF_MAGIC: &[u8] = b"\x7fELF";

/// The `.BTF` section of an ELF file.
fn section(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let failed = |e: object::Error| Failure::file("read the ELF file", path, &e);
    let elf = object::File::parse(bytes).map_err(failed)?;
    let section = elf.section_by_name(".BTF").ok_or_else(|| {
        Failure::new(format!("{} has no BTF: the ELF file has no .BTF section", path.display()))
            .hint("objects get it by compiling with -g, as `skep build` does")
    })?;
    Ok(section.data().map_err(failed)?.to_vec())
}
