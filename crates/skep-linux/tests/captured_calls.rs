//! The attr codec on the calls that bpftool and libbpf really make: caught with `ptrace(2)`, decoded, encoded again to
//! the very same bytes, and compared with what strace says of a second run.

mod common;

use common::{kernel, skip};
use skep_abi::command::{
    Addresses, Attr, Client, CommandNumber, Decoded, FieldKind, LinkType, MapSizes, ObjectKind, check_attr,
};
use skep_abi::errno::Errno;
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// One call as it was made.
struct Call {
    number: u32,
    attr: Vec<u8>,
    decoded: Result<Decoded, Errno>,
}

/// A stopped process.
struct Stopped {
    memory: File,
    pid: i32,
}

impl Client for Stopped {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        self.memory.read_exact_at(into, address).map_err(|_| Errno::EFAULT)
    }

    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), Errno> {
        Err(Errno::EPERM) // It is only watched.
    }

    fn map_sizes(&self, fd: i32) -> Option<MapSizes> {
        let info = std::fs::read_to_string(format!("/proc/{}/fdinfo/{fd}", self.pid)).ok()?;
        let number = |name| info.lines().find_map(|l| l.strip_prefix(name)?.trim().parse::<usize>().ok());
        Some(MapSizes { key: number("key_size:")?, value: number("value_size:")? })
    }

    fn object_kind(&self, fd: i32) -> Option<ObjectKind> {
        let link = std::fs::read_link(format!("/proc/{}/fd/{fd}", self.pid)).ok()?;
        match link.to_string_lossy().trim_start_matches("anon_inode:").trim_matches(['[', ']']) {
            "bpf-map" => Some(ObjectKind::Map),
            "bpf-prog" => Some(ObjectKind::Program),
            "btf" => Some(ObjectKind::Btf),
            "bpf_link" => Some(ObjectKind::Link),
            _ => None,
        }
    }

    fn link_type(&self, _: i32) -> Option<LinkType> {
        None
    }
}

/// Runs a command and catches its `bpf()` calls on entry.
#[cfg(target_arch = "x86_64")]
fn catch(command: &mut Command) -> Vec<Call> {
    // SAFETY: between fork and exec only an async-signal-safe call is made.
    #[allow(clippy::zombie_processes, reason = "`waitpid` below sees its end")]
    let child = unsafe { command.pre_exec(trace_me) }.spawn().expect("a child");
    let pid = child.id().cast_signed();
    let wait = || {
        let mut status = 0;
        // SAFETY: waits for our own child; `status` outlives the call.
        unsafe { libc::waitpid(pid, &mut status, 0) };
        status
    };
    let request = |request, data: usize| {
        // SAFETY: the child is ours and stopped; no memory of this process is concerned.
        unsafe { libc::ptrace(request, pid, 0, data) };
    };
    assert!(libc::WIFSTOPPED(wait()), "the child stops at exec");
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACEEXEC;
    request(libc::PTRACE_SETOPTIONS, options as usize);
    let (mut calls, mut signal) = (Vec::new(), 0);
    loop {
        request(libc::PTRACE_SYSCALL, signal);
        let status = wait();
        if !libc::WIFSTOPPED(status) {
            return calls;
        }
        signal = 0;
        if libc::WSTOPSIG(status) != libc::SIGTRAP | 0x80 {
            // The stop at an exec is no signal of the child's.
            signal = if libc::WSTOPSIG(status) == libc::SIGTRAP { 0 } else { libc::WSTOPSIG(status) as usize };
            continue;
        }
        // Opened anew each time: after an exec it is another memory.
        let memory = File::open(format!("/proc/{pid}/mem")).expect("the child's memory");
        calls.extend(bpf_call(&Stopped { memory, pid }));
    }
}

fn trace_me() -> std::io::Result<()> {
    // SAFETY: asks to be traced by the parent; no memory is concerned.
    match unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// The call that the process is about to make, if it is one of ours.
#[cfg(target_arch = "x86_64")]
fn bpf_call(client: &Stopped) -> Option<Call> {
    let mut registers = std::mem::MaybeUninit::<libc::user_regs_struct>::zeroed();
    // SAFETY: the kernel fills the struct, all of whose bit patterns are good.
    let registers = unsafe {
        libc::ptrace(libc::PTRACE_GETREGS, client.pid, 0, registers.as_mut_ptr());
        registers.assume_init()
    };
    // The kernel puts this value there on entry; on return it is the result, which is no ENOSYS here.
    let entering = registers.rax.cast_signed() == i64::from(-libc::ENOSYS);
    if !entering || registers.orig_rax.cast_signed() != libc::SYS_bpf {
        return None;
    }
    let number = u32::try_from(registers.rdi).ok()?;
    let mut attr = vec![0; usize::try_from(registers.rdx).ok()?.min(4096)];
    client.read(registers.rsi, &mut attr).ok()?;
    let decoded = Decoded::new(number, &attr, client);
    Some(Call { number, attr, decoded })
}

/// Gives each buffer the address that the client's attr has for it.
struct Original<'a> {
    pointers: VecDeque<&'a [u8; 8]>,
}

impl Addresses for Original<'_> {
    fn input(&mut self, _: &[u8]) -> u64 {
        self.pointers.pop_front().map_or(0, |p| u64::from_ne_bytes(*p))
    }

    fn output(&mut self, bytes: &mut [u8]) -> u64 {
        self.input(bytes)
    }
}

/// The decoded form must encode to the bytes the client made.
fn same_bytes(call: &mut Call) {
    let number = CommandNumber::from_number(call.number).unwrap_or_else(|| panic!("command {}", call.number));
    let padded = check_attr(number, &call.attr).expect("a good attr");
    let decoded = call.decoded.as_mut().unwrap_or_else(|e| panic!("{}: {e}", number.name()));
    let info = number == CommandNumber::ObjGetInfoByFd;
    let pointers =
        number.fields().iter().filter(|spec| !matches!(spec.kind, FieldKind::Scalar(_) | FieldKind::Reply(_)));
    let all = pointers.filter_map(|spec| padded[spec.offset..].first_chunk::<8>());
    let mut original = Original { pointers: all.filter(|p| **p != [0; 8]).collect() };
    let mut again = Attr::default();
    decoded.command().encode(&mut again, &mut original);
    // What the kernel only writes is not ours to send; an info struct has a size of its own.
    let mut wanted = padded;
    for spec in number.fields() {
        if let FieldKind::Reply(size) = spec.kind {
            wanted[spec.offset..spec.offset + size].fill(0);
        }
    }
    let compared = if info { 4 } else { again.len };
    assert_eq!(again.bytes[..compared], wanted[..compared], "{} {:?}", number.name(), decoded.command());
}

/// What strace printed of one call: command, numbers by name, size of the attr.
struct Printed {
    number: u32,
    fields: Vec<(String, u64)>,
    size: usize,
}

/// Reads `bpf(0x5, {prog_type=0x6, insns=[…], …}, 144) = 3`.
fn printed(line: &str) -> Option<Printed> {
    let call = &line[line.find("bpf(")? + 4..];
    let (number, rest) = call.split_once(", {")?;
    let (fields, rest) = rest.rsplit_once("}, ")?;
    let fields = top_level(fields).into_iter().filter_map(|field| {
        let (name, value) = field.split_once('=')?;
        Some((name.to_owned(), parse(value)?))
    });
    Some(Printed {
        number: u32::try_from(parse(number)?).ok()?,
        fields: fields.collect(),
        size: rest.split(')').next()?.parse().ok()?,
    })
}

fn parse(number: &str) -> Option<u64> {
    match number.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => number.parse().ok(),
    }
}

/// Splits at commas outside of brackets and strings.
fn top_level(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quoted, mut escaped) = (Vec::new(), 0, 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// A shell script that ends in `exec bpftool …`, with a BPF file system at `$D` that nobody else sees. What comes
/// before the `exec` runs in other processes and is not watched.
fn with_file_system(directory: &Path, script: &str) -> [String; 5] {
    let script = format!("D={}; mount -t bpf bpf $D && {script}", directory.display());
    ["unshare", "--mount", "sh", "-c", &script].map(str::to_owned)
}

#[cfg(target_arch = "x86_64")]
fn compare(script: &[impl AsRef<std::ffi::OsStr>]) -> Option<Vec<CommandNumber>> {
    let mut direct = Command::new(&script[0]);
    direct.args(&script[1..]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut calls = catch(&mut direct);
    calls.iter_mut().for_each(same_bytes);
    let traced =
        Command::new("strace").args(["-e", "trace=bpf", "-v", "-X", "raw", "-s", "1"]).args(script).output().ok()?;
    let text = String::from_utf8_lossy(&traced.stderr).into_owned();
    let lines: Vec<_> = text.lines().filter_map(printed).collect();
    assert_eq!(lines.len(), calls.len(), "strace saw other calls:\n{text}");
    for (line, call) in lines.iter().zip(&calls) {
        assert_eq!((line.number, line.size), (call.number, call.attr.len()));
        let number = CommandNumber::from_number(line.number).expect("a known command");
        for (name, value) in &line.fields {
            let fits = |spec: &&skep_abi::command::FieldSpec| spec.name.rsplit('.').next() == Some(name);
            let Some(spec) = number.fields().iter().find(fits) else { continue };
            let FieldKind::Scalar(size) = spec.kind else { continue };
            // Ids grow from run to run.
            if name.ends_with("_id") && !name.contains("type") {
                continue;
            }
            let mut bytes = [0; 8];
            bytes[..size.min(8)].copy_from_slice(&call.attr[spec.offset..spec.offset + size.min(8)]);
            assert_eq!(u64::from_ne_bytes(bytes), *value, "{} {name}", number.name());
        }
    }
    Some(calls.iter().filter_map(|call| CommandNumber::from_number(call.number)).collect())
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_bpftool() {
    if kernel().is_none() {
        return;
    }
    for tool in ["bpftool", "strace"] {
        if Command::new(tool).arg("--version").output().is_err() {
            return skip(&format!("{tool} is not installed"));
        }
    }
    let features = compare(&["bpftool", "feature", "probe", "kernel"]).expect("strace runs");
    assert!(features.len() > 50, "{} calls", features.len());
    compare(&["bpftool", "prog", "show", "id", "4294967295"]).expect("strace runs");
    compare(&["bpftool", "btf", "show", "id", "1"]).expect("strace runs");

    let directory = tempfile::tempdir().expect("a directory");
    let create = "bpftool map create $D/m type hash key 4 value 8 entries 16 name m";
    let update = "bpftool map update pinned $D/m key 1 0 0 0 value 1 0 0 0 0 0 0 0";
    for (before, watched, wanted) in [
        ("true", create, CommandNumber::MapCreate),
        (create, update, CommandNumber::MapUpdateElem),
        (create, "bpftool map lookup pinned $D/m key 1 0 0 0", CommandNumber::MapLookupElem),
        (create, "bpftool map getnext pinned $D/m", CommandNumber::MapGetNextKey),
        (create, "bpftool map freeze pinned $D/m", CommandNumber::MapFreeze),
    ] {
        let script = with_file_system(directory.path(), &format!("{before} && exec {watched}"));
        let calls = compare(&script).expect("strace runs");
        assert!(calls.contains(&wanted), "{watched}: {calls:?}");
    }
}

/// A program with a map, in C that needs no headers.
const PROGRAM: &str = r#"
struct { int (*type)[1]; unsigned *key; unsigned long long *value; int (*max_entries)[16]; }
    counts __attribute__((section(".maps"), used));
static void *(*bpf_map_lookup_elem)(void *, const void *) = (void *)1;
__attribute__((section("xdp"), used)) int count(void *ctx)
{
    unsigned key = 1;
    unsigned long long *value = bpf_map_lookup_elem(&counts, &key);
    if (value)
        *value += 1;
    return 2;
}
char _license[] __attribute__((section("license"), used)) = "GPL";
"#;

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_libbpf() {
    if kernel().is_none() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let (source, object, mount) = ["p.c", "p.o", "bpf"].map(|name| directory.path().join(name)).into();
    std::fs::write(&source, PROGRAM).expect("a file");
    std::fs::create_dir(&mount).expect("a directory");
    let compiled = ["clang", "clang-19", "clang-18", "clang-14"].iter().any(|clang| {
        let mut clang = Command::new(clang);
        clang.args(["-target", "bpf", "-g", "-O2", "-c", "-o"]).args([&object, &source]);
        clang.status().is_ok_and(|status| status.success())
    });
    if !compiled || Command::new("bpftool").arg("version").output().is_err() {
        return skip("clang and bpftool are not installed");
    }
    if Command::new("strace").arg("--version").output().is_err() {
        return skip("strace is not installed");
    }
    let script = format!("exec bpftool prog load {} $D/x", object.display());
    let calls = compare(&with_file_system(&mount, &script)).expect("strace runs");
    for wanted in [CommandNumber::BtfLoad, CommandNumber::MapCreate, CommandNumber::ProgLoad, CommandNumber::ObjPin] {
        assert!(calls.contains(&wanted), "{calls:?}");
    }
}
