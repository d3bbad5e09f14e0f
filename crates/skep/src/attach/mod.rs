//! Attaching programs: one file per kind of hook.

mod cgroup;
mod events;
mod network;
mod tracing;
mod uprobe;

pub use network::XdpMode;
pub use uprobe::{Uprobe, UprobePlace};

use crate::error::Error;
use crate::link::Link;
use crate::program::Program;
use skep_abi::program_type::ProgramType;

/// What the kernel puts before the name of a system call's entry function (since Linux 4.17; riscv since 6.6).
const SYSCALL_PREFIX: &str = if cfg!(target_arch = "aarch64") {
    "__arm64_sys_"
} else if cfg!(target_arch = "riscv64") {
    "__riscv_sys_"
} else {
    "__x64_sys_"
};

impl Program {
    /// Attaches the program to what its section names: `SEC("tp/sched/sched_switch")`, `SEC("uprobe/bash:readline")`,
    /// `SEC("tp_btf/…")`, `SEC("kprobe/…")`.
    ///
    /// ```no_run
    /// # fn f(loaded: &skep::LoadedObject) -> Result<(), skep::Error> {
    /// let links = loaded.programs().map(|program| program.attach()).collect::<Result<Vec<_>, _>>()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Unfit`] where the section does not say enough: an interface, a cgroup, a socket must be given.
    pub fn attach(&self) -> Result<Link, Error> {
        let kind = self.kind();
        let target = kind.attach_to.as_deref();
        match (kind.program_type, target) {
            (ProgramType::Tracepoint, Some(target)) => {
                let (category, name) = target.split_once('/').ok_or_else(|| self.needs("tp/CATEGORY/NAME"))?;
                self.attach_tracepoint(category, name)
            }
            (ProgramType::RawTracepoint | ProgramType::RawTracepointWritable, Some(name)) => {
                self.attach_raw_tracepoint(name)
            }
            (ProgramType::Tracing | ProgramType::Lsm, _) if kind.attach_btf => self.attach_btf_target(),
            (ProgramType::Kprobe, Some(target)) => self.attach_probe(target),
            _ => Err(self.needs("a target: give it with attach_xdp, attach_tcx, attach_cgroup and their kin")),
        }
    }

    /// kprobe, ksyscall, uprobe and their returns, told apart by the section's prefix.
    fn attach_probe(&self, target: &str) -> Result<Link, Error> {
        let prefix = self.section_prefix();
        let prefix = prefix.strip_suffix(".s").unwrap_or(prefix);
        match prefix {
            "uprobe" | "uretprobe" => {
                let (path, symbol) = target.split_once(':').ok_or_else(|| self.needs("uprobe/PATH:SYMBOL"))?;
                self.attach_uprobe(&Uprobe::parse(path, symbol, prefix == "uretprobe")?)
            }
            "kprobe" | "kretprobe" => {
                let (symbol, offset) = target.split_once('+').unwrap_or((target, "0"));
                let offset = offset.parse().map_err(|_| self.needs("kprobe/SYMBOL+OFFSET"))?;
                self.attach_kprobe(symbol, offset, prefix == "kretprobe")
            }
            "ksyscall" | "kretsyscall" => {
                self.attach_kprobe(&format!("{SYSCALL_PREFIX}{target}"), 0, prefix == "kretsyscall")
            }
            _ => Err(self.needs(&format!("what SEC(\"{prefix}/…\") stands for, which this library does not attach"))),
        }
    }

    fn needs(&self, what: &str) -> Error {
        Error::Unfit(format!("program '{}' cannot be attached by its section alone: it needs {what}", self.name()))
    }
}
