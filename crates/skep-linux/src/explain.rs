//! Why something failed, beyond its errno: which capability, setting or build option is missing.

use crate::facts;
use skep_abi::attach_type::AttachType;
use skep_abi::command::CommandNumber;
use skep_abi::errno::Errno;
use skep_abi::map_type::{MapType, ValueKind};
use skep_abi::program_type::{ContextInfo, ProgramType, ProgramTypeInfo};
use skep_kernel::Operation;
use std::fs::read_to_string;

/// Capabilities that BPF asks for, by bit.
const CAPABILITIES: [(&str, u32); 4] =
    [("CAP_NET_ADMIN", 12), ("CAP_SYS_ADMIN", 21), ("CAP_PERFMON", 38), ("CAP_BPF", 39)];

/// The process's effective capabilities.
fn effective() -> u64 {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

/// Those of `wanted` that the process lacks. CAP_SYS_ADMIN stands for each of the others.
fn missing(wanted: &[&'static str], effective: u64) -> Vec<&'static str> {
    let has = |name: &str| CAPABILITIES.iter().any(|(n, bit)| *n == name && effective >> bit & 1 == 1);
    if has("CAP_SYS_ADMIN") {
        return Vec::new();
    }
    wanted.iter().copied().filter(|name| !has(name)).collect()
}

/// What loading programs of a type needs.
fn capabilities_to_load(info: &ProgramTypeInfo) -> &'static [&'static str] {
    let traces = info.tracing_helpers || matches!(info.context, ContextInfo::Btf | ContextInfo::Target);
    if traces { &["CAP_BPF", "CAP_PERFMON"] } else { &["CAP_BPF", "CAP_NET_ADMIN"] }
}

/// Build options that a program type needs, for the kinds that kernels often lack.
fn options_of(program_type: ProgramType, attach_type: Option<AttachType>) -> &'static [&'static str] {
    match (program_type, attach_type) {
        (ProgramType::Lsm, _) => &["CONFIG_BPF_LSM"],
        (ProgramType::LircMode2, _) => &["CONFIG_BPF_LIRC_MODE2"],
        (ProgramType::Kprobe | ProgramType::Tracepoint | ProgramType::PerfEvent, _) => &["CONFIG_BPF_EVENTS"],
        (ProgramType::Netfilter, _) => &["CONFIG_NETFILTER_BPF_LINK"],
        (ProgramType::SchedAct, _) => &["CONFIG_NET_ACT_BPF"],
        (_, Some(AttachType::TcxIngress | AttachType::TcxEgress)) => &["CONFIG_NET_XGRESS"],
        (_, Some(AttachType::NetkitPrimary | AttachType::NetkitPeer)) => &["CONFIG_NETKIT"],
        _ => &[],
    }
}

/// Says what is missing, if something is known to be.
pub(crate) fn explain(operation: Operation, errno: Errno) -> Option<String> {
    match (operation, errno) {
        (Operation::LoadProgram(program_type), Errno::EPERM | Errno::EACCES) => {
            let info = program_type.info();
            privilege(&format!("loading a {} program", info.name), capabilities_to_load(info))
        }
        (Operation::LoadProgram(program_type), Errno::EINVAL | Errno::EOPNOTSUPP) => {
            option(&format!("{} programs", program_type.info().name), options_of(program_type, None))
                .or_else(|| too_old(&format!("{} programs", program_type.info().name), program_type.info().since))
        }
        (Operation::CreateMap(map_type), Errno::EPERM) => {
            let network = matches!(map_type.info().value_kind, ValueKind::Redirect | ValueKind::Socket);
            let wanted: &[_] = if network { &["CAP_BPF", "CAP_NET_ADMIN"] } else { &["CAP_BPF"] };
            privilege(&format!("making a {} map", map_type.info().name), wanted)
        }
        (Operation::CreateMap(map_type), Errno::EINVAL) => map_too_old(map_type),
        (Operation::Command(number), Errno::EPERM) => privilege(number.name(), &["CAP_BPF"]),
        (Operation::Command(number), Errno::EINVAL) => command_too_old(number),
        (Operation::Attach(program_type, attach_type), Errno::EPERM | Errno::EACCES) => {
            let info = program_type.info();
            attach_refused(info, attach_type)
        }
        (Operation::Attach(program_type, attach_type), _) => {
            option(&format!("{} programs", program_type.info().name), options_of(program_type, attach_type))
        }
        (Operation::PerfEvent, Errno::EACCES | Errno::EPERM) => perf_refused(),
        (Operation::PerfEvent, Errno::ENOENT) => {
            option("kernel probes", &["CONFIG_KPROBES"]).or_else(|| option("user probes", &["CONFIG_UPROBE_EVENTS"]))
        }
        (Operation::Tracepoint, Errno::EACCES | Errno::EPERM) => {
            Some("reading the tracing file system needs root, or read access to /sys/kernel/tracing".to_owned())
        }
        (Operation::Tracepoint, Errno::ENODEV) => option("tracepoints", &["CONFIG_TRACING"]),
        (Operation::Btf, Errno::ENOENT) => Some(
            "this kernel has no BTF of its own (/sys/kernel/btf/vmlinux): it must be built with CONFIG_DEBUG_INFO_BTF=y"
                .to_owned(),
        ),
        _ => None,
    }
}

fn privilege(what: &str, wanted: &[&'static str]) -> Option<String> {
    let effective = effective();
    let lacking = missing(wanted, effective);
    if lacking.is_empty() {
        return Some(format!(
            "{what} was refused although the capabilities are there: a security module, lockdown or a container forbids it"
        ));
    }
    let unprivileged = read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled").unwrap_or_default();
    let setting = match unprivileged.trim() {
        "1" | "2" => format!(" (kernel.unprivileged_bpf_disabled is {})", unprivileged.trim()),
        _ => String::new(),
    };
    Some(format!("{what} needs {}, which this process lacks{setting}; run it as root", lacking.join(" and ")))
}

fn attach_refused(info: &ProgramTypeInfo, attach_type: Option<AttachType>) -> Option<String> {
    let target = attach_type.map_or(String::new(), |t| format!(" to {}", t.name()));
    privilege(&format!("attaching a {} program{target}", info.name), capabilities_to_load(info))
}

fn perf_refused() -> Option<String> {
    let paranoid = read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    let lacking = missing(&["CAP_PERFMON"], effective());
    if lacking.is_empty() {
        return None;
    }
    Some(format!(
        "perf events need CAP_PERFMON here (kernel.perf_event_paranoid is {}); run it as root",
        paranoid.trim()
    ))
}

/// Names the first of the build options that is not set.
fn option(what: &str, options: &[&str]) -> Option<String> {
    let config = facts::config().ok()?;
    let lacking = options.iter().find(|name| facts::option(&config, name).is_none())?;
    Some(format!("{what} need a kernel built with {lacking}=y; this one is not"))
}

fn too_old(what: &str, since: skep_abi::Version) -> Option<String> {
    let code = facts::version_code();
    let running = (code >> 16, code >> 8 & 0xff);
    let wanted = (u32::from(since.0), u32::from(since.1));
    (running < wanted).then(|| format!("{what} need Linux {since}; this is {}.{}", running.0, running.1))
}

fn map_too_old(map_type: MapType) -> Option<String> {
    too_old(&format!("{} maps", map_type.info().name), map_type.info().since)
}

fn command_too_old(number: CommandNumber) -> Option<String> {
    too_old(&format!("{} calls", number.name()), number.since())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_capabilities() {
        assert_eq!(missing(&["CAP_BPF", "CAP_NET_ADMIN"], 1 << 39), ["CAP_NET_ADMIN"]);
        assert_eq!(missing(&["CAP_BPF", "CAP_NET_ADMIN"], 1 << 21), [""; 0]);
        assert_eq!(missing(&["CAP_BPF"], 0), ["CAP_BPF"]);
    }
}
