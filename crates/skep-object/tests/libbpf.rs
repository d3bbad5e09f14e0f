//! Our reading and linking against libbpf's, on the live kernel: bpftool loads each object that says which libbpf
//! understands it, and the kernel's tag of each program (a hash of its instructions as they were loaded, without map
//! file descriptors) and the definition of each map must be what ours come to.
//!
//! Programs and pins live in a mount namespace of their own and are gone with it.

mod common;

use serde_json::Value;
use skep_btf::{Btf, Kind, TypeId};
use skep_object::{ExternKind, ExternSpec, KernelObject, MapIndex, ObjectSpec, Resolver};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// The running kernel, but for maps: their file descriptors do not matter here.
struct RunningKernel {
    types: Vec<Arc<Btf>>,
    symbols: String,
}

impl RunningKernel {
    fn new() -> Option<Self> {
        let types = vec![Arc::new(Btf::parse(&std::fs::read(VMLINUX).ok()?).expect("vmlinux BTF"))];
        Some(RunningKernel { types, symbols: std::fs::read_to_string("/proc/kallsyms").ok()? })
    }
}

impl Resolver for RunningKernel {
    fn map_fd(&self, _: MapIndex) -> Option<i32> {
        Some(0)
    }

    fn kernel_object(&self, external: &ExternSpec) -> Option<KernelObject> {
        let kind = match external.kind {
            ExternKind::Function { .. } => Kind::Function,
            _ => Kind::Variable,
        };
        let id: TypeId = self.types[0].find(kind, external.kernel_name())?;
        Some(KernelObject { id, btf_fd: 0, fd_array_index: 0 })
    }

    fn kernel_address(&self, name: &str) -> Option<u64> {
        let line = self.symbols.lines().find(|l| l.split_whitespace().nth(2) == Some(name))?;
        u64::from_str_radix(line.split_whitespace().next()?, 16).ok()
    }

    fn kernel_types(&self) -> &[Arc<Btf>] {
        &self.types
    }
}

/// Version of bpftool's libbpf.
fn libbpf_version() -> Option<(u32, u32)> {
    let out = Command::new("bpftool").arg("version").output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    let version = text.split("libbpf v").nth(1)?.lines().next()?;
    let (major, minor) = version.trim().split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The libbpf that a test program says it is for.
fn wanted_libbpf(source: &Path) -> Option<(u32, u32)> {
    let text = std::fs::read_to_string(source).unwrap();
    let version = text.lines().find_map(|l| l.strip_prefix("// libbpf: "))?;
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().unwrap(), minor.parse().unwrap()))
}

/// Loads an object and gives what the kernel says about its programs and maps.
fn load(object: &[u8]) -> Result<Vec<Value>, String> {
    const SCRIPT: &str = "mount -t bpf bpf /sys/fs/bpf && bpftool prog loadall test.bpf.o /sys/fs/bpf/programs >&2 \
        && for p in /sys/fs/bpf/programs/*; do bpftool -j prog show pinned $p; echo; \
        for m in $(bpftool -j prog show pinned $p | sed -n 's/.*\"map_ids\":\\[\\([0-9,]*\\)\\].*/\\1/p' | tr , ' '); \
        do bpftool -j map show id $m; echo; done; done";
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("test.bpf.o"), object).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", SCRIPT]).current_dir(directory.path());
    let out = command.output().map_err(|e| e.to_string())?;
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).into_owned());
    }
    let lines = String::from_utf8(out.stdout).map_err(|e| e.to_string())?;
    Ok(lines.lines().filter(|l| !l.is_empty()).map(|l| serde_json::from_str(l).unwrap()).collect())
}

/// The kernel's tag, since Linux 6.18 the first eight bytes of a SHA-256 and before that of a SHA-1.
fn tags(insns: &[skep_isa::Slot]) -> Vec<String> {
    let mut insns = insns.to_vec();
    let mut i = 0;
    while i < insns.len() {
        if insns[i].opcode == 0x18 && matches!(insns[i].src, 1 | 2) {
            insns[i].imm = 0;
            insns[i + 1].imm = 0;
        }
        i += if insns[i].opcode == 0x18 { 2 } else { 1 };
    }
    ["sha1sum", "sha256sum"].map(|program| digest(program, &skep_isa::Slot::write_program(&insns))).to_vec()
}

fn digest(program: &str, bytes: &[u8]) -> String {
    let mut child =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a digest of coreutils");
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let out = child.wait_with_output().unwrap();
    String::from_utf8(out.stdout).unwrap()[..16].to_owned()
}

/// Compares an object with what the kernel got of it.
fn compare(object: &ObjectSpec, kernel: &RunningKernel, loaded: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    for program in &object.programs {
        let linked = match program.link(object, kernel) {
            Ok(linked) => linked,
            Err(e) => {
                wrong.push(e.to_string());
                continue;
            }
        };
        let short: String = program.name.chars().take(15).collect();
        let found = loaded.iter().find(|v| v["tag"].is_string() && v["name"] == short.as_str());
        let Some(found) = found else {
            wrong.push(format!("program {} was not loaded", program.name));
            continue;
        };
        let ours = tags(&linked.insns);
        if !ours.iter().any(|t| found["tag"] == t.as_str()) {
            wrong.push(format!("program {}: tag {} is not one of {ours:?}", program.name, found["tag"]));
        }
    }
    for seen in loaded.iter().filter(|v| v["bytes_key"].is_number()) {
        let map = object.maps.iter().find(|m| seen["name"] == m.kernel_name("test").as_str());
        let Some(map) = map else {
            wrong.push(format!("libbpf has a map {}, we do not", seen["name"]));
            continue;
        };
        let number = |key: &str| seen[key].as_u64().unwrap_or(0) as u32;
        let theirs = (number("bytes_key"), number("bytes_value"), number("max_entries"), number("flags"));
        let ours = (map.key_size, map.value_size, map.max_entries, map.flags.bits());
        // The kernel does not report the flag that only says that a NUMA node is given, where it is no array.
        if theirs != ours {
            wrong.push(format!("map {}: (key, value, entries, flags) {theirs:?}, ours {ours:?}", map.name));
        }
    }
    wrong
}

/// Clang, bpftool's libbpf, and the kernel, or a word about what is missing.
fn what_is_needed() -> Option<(&'static str, (u32, u32), RunningKernel)> {
    let missing = |what: &str| {
        common::skip(what);
        None
    };
    let Some(clang) = common::clang() else { return missing("there is no clang to compile test programs with") };
    let Some(version) = libbpf_version() else { return missing("there is no bpftool") };
    let Some(kernel) = RunningKernel::new() else { return missing("there is no kernel BTF or no kallsyms") };
    if let Err(e) = load(&common::compile("probe/minimal.bpf.c")?) {
        return missing(&format!("bpftool cannot load programs here: {e}"));
    }
    Some((clang, version, kernel))
}

#[test]
fn the_kernel_gets_the_same_from_libbpf_and_from_us() {
    let Some((clang, version, kernel)) = what_is_needed() else { return };
    let mut wrong = Vec::new();
    let mut compared = 0;
    for source in common::sources() {
        if wanted_libbpf(&source).is_none_or(|wanted| wanted > version) {
            continue;
        }
        let bytes = common::compile_with(clang, &source, &[]).unwrap();
        let object = ObjectSpec::parse(&bytes).unwrap();
        let loaded = load(&bytes).unwrap_or_else(|e| panic!("bpftool on {}: {e}", source.display()));
        let name = source.file_name().unwrap().to_string_lossy().into_owned();
        wrong.extend(compare(&object, &kernel, &loaded).into_iter().map(|w| format!("{name}: {w}")));
        compared += 1;
    }
    assert!(compared >= 5, "only {compared} test programs say which libbpf they are for");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Links with bpftool, which uses libbpf's linker.
fn link_with_bpftool(objects: &[&[u8]]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new("bpftool");
    command.args(["gen", "object"]).arg(directory.path().join("linked.bpf.o"));
    for (i, object) in objects.iter().enumerate() {
        let path = directory.path().join(format!("{i}.bpf.o"));
        std::fs::write(&path, object).unwrap();
        command.arg(path);
    }
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    std::fs::read(directory.path().join("linked.bpf.o")).unwrap()
}

#[test]
fn static_linking_gives_what_libbpf_gives() {
    let Some((_, _, kernel)) = what_is_needed() else { return };
    let main = common::compile("linked/main.bpf.c").unwrap();
    let library = common::compile("linked/library.bpf.c").unwrap();
    // In the other order libbpf loses the offset of the map that is declared first and defined later.
    let loaded = load(&link_with_bpftool(&[&library, &main])).unwrap();
    let ours = ObjectSpec::parse_linked(&[("library", &library), ("main", &main)]).unwrap();
    assert_eq!(compare(&ours, &kernel, &loaded), Vec::<String>::new());
    ours.btf.as_ref().unwrap().validate().unwrap();
    let other_way = ObjectSpec::parse_linked(&[("main", &main), ("library", &library)]).unwrap();
    assert_eq!(other_way.map("counts").unwrap().1.max_entries, 2);
    assert_eq!(other_way.programs.len(), ours.programs.len());
    let number = |name: &str| ours.global_bytes(name).unwrap();
    assert_eq!(number("calls"), 7u32.to_le_bytes());
    assert_eq!(number("other_state"), 3u32.to_le_bytes());
}
