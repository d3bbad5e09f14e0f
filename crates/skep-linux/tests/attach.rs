//! Attaching to the running kernel: own network namespace, own cgroup, own process; nothing is left behind.

mod common;

use common::{array, call, count, counter, kernel, load, load_with, mov, skip, slot};
use skep_abi::attach_type::AttachType;
use skep_abi::command::{AttachFlags, LinkCreate, LinkOptions, LinkType, ProgLoad, ProgTestRun};
use skep_abi::program_type::ProgramType;
use skep_kernel::{Errno, Handle, Kernel, PerfEvent, PerfEventKind, SampleRate, calls};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs a test in a network namespace of its own, with `lo` up and a pair `va`, `vb` (10.9.0.1 and 10.9.0.2).
fn in_own_network(test: impl FnOnce() + Send + 'static) {
    let outcome = std::thread::spawn(move || {
        // SAFETY: only this thread changes its namespace; no memory is concerned.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            return skip("no network namespace can be made");
        }
        let setup = "ip link set lo up && ip link add va type veth peer name vb && ip addr add 10.9.0.1/24 dev va \
                     && ip link set va up && ip link set vb up && ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev va";
        match Command::new("sh").args(["-c", setup]).status() {
            Ok(status) if status.success() => test(),
            other => skip(&format!("ip link: {other:?}")),
        }
    })
    .join();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// A cgroup of version 2 that goes when this does.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(name: &str) -> Option<Cgroup> {
        let mounts = std::fs::read_to_string("/proc/mounts").ok()?;
        let root = mounts.lines().find_map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            (words.get(2) == Some(&"cgroup2")).then(|| PathBuf::from(words[1]))
        });
        let Some(root) = root else {
            skip("cgroup version 2 is not mounted");
            return None;
        };
        let path = root.join(format!("skep-test-{name}-{}", std::process::id()));
        if let Err(error) = std::fs::create_dir(&path) {
            skip(&format!("no cgroup can be made: {error}"));
            return None;
        }
        Some(Cgroup(path))
    }

    /// Runs a shell command in it.
    fn run(&self, command: &str) -> bool {
        let script = format!("echo $$ > {}/cgroup.procs && {command}", self.0.display());
        Command::new("bash").args(["-c", &script]).status().is_ok_and(|status| status.success())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Drops a program and its links and waits until the kernel has forgotten it.
fn gone(kernel: &dyn Kernel, program: Handle, links: Vec<Handle>) {
    let id = calls::prog_info(kernel, program.fd()).expect("a program").id;
    drop(links);
    drop(program);
    let deadline = Instant::now() + Duration::from_secs(5);
    while calls::prog_ids(kernel).any(|other| other == Ok(id)) {
        assert!(Instant::now() < deadline, "program {id} was left behind");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn link(
    kernel: &Arc<dyn Kernel>,
    program: &Handle,
    target: u32,
    attach_type: AttachType,
    options: LinkOptions<'_>,
) -> Result<Handle, Errno> {
    let command = LinkCreate { prog_fd: program.fd(), target, attach_type: attach_type.number(), flags: 0, options };
    calls::link_create(kernel, command)
}

/// Sends `n` datagrams from `va` towards `vb`.
fn send_datagrams(n: usize) {
    let socket = UdpSocket::bind("10.9.0.1:0").expect("a socket");
    for _ in 0..n {
        let _ = socket.send_to(b"skep", "10.9.0.2:9");
    }
}

/// Waits until a count is reached.
fn reaches(kernel: &dyn Kernel, counts: &Handle, least: u64) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    while count(kernel, counts) < least {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

#[test]
fn xdp_on_a_veth() {
    let Some(kernel) = kernel() else { return };
    in_own_network(move || {
        let counts = array(&kernel, 8);
        let program = load(&kernel, ProgramType::Xdp, Some(AttachType::Xdp), &counter(counts.fd(), 1)).unwrap();
        let index = kernel.interface_index("vb").unwrap();
        let first = link(&kernel, &program, index, AttachType::Xdp, LinkOptions::None).unwrap();
        assert_eq!(calls::link_info(&*kernel, first.fd()).unwrap().link_type, LinkType::Xdp.number());
        let second = link(&kernel, &program, index, AttachType::Xdp, LinkOptions::None);
        assert_eq!(second.unwrap_err(), Errno::EBUSY);
        send_datagrams(5);
        assert!(reaches(&*kernel, &counts, 5));
        calls::link_detach(&*kernel, first.fd()).unwrap();
        gone(&*kernel, program, vec![first]);
        let bad = load(&kernel, ProgramType::Xdp, Some(AttachType::Xdp), &counter(counts.fd(), 1)).unwrap();
        assert_eq!(link(&kernel, &bad, 9999, AttachType::Xdp, LinkOptions::None).unwrap_err(), Errno::EINVAL);
    });
}

#[test]
fn tcx_before_and_after() {
    let Some(kernel) = kernel() else { return };
    in_own_network(move || {
        let (early, late) = (array(&kernel, 8), array(&kernel, 8));
        const NEXT: i32 = -1; // TCX_NEXT
        let egress = Some(AttachType::TcxEgress);
        let program = load(&kernel, ProgramType::SchedCls, egress, &counter(late.fd(), NEXT)).unwrap();
        let index = kernel.interface_index("va").unwrap();
        let anchor = |relative| LinkOptions::Anchor { relative, expected_revision: 0 };
        let late_link = link(&kernel, &program, index, AttachType::TcxEgress, anchor(0)).unwrap();
        // The second one goes before the first and drops everything.
        let dropping = load(&kernel, ProgramType::SchedCls, egress, &counter(early.fd(), 2)).unwrap();
        let command = LinkCreate {
            prog_fd: dropping.fd(),
            target: index,
            attach_type: AttachType::TcxEgress.number(),
            flags: (AttachFlags::BEFORE | AttachFlags::LINK).bits(),
            options: anchor(late_link.fd().cast_unsigned()),
        };
        let early_link = calls::link_create(&kernel, command).unwrap();
        let ids = calls::prog_query(&*kernel, index, AttachType::TcxEgress, Default::default()).unwrap();
        let id = |p: &Handle| calls::prog_info(&*kernel, p.fd()).unwrap().id;
        assert_eq!(ids, [id(&dropping), id(&program)]);
        send_datagrams(3);
        assert!(reaches(&*kernel, &early, 3));
        assert_eq!(count(&*kernel, &late), 0);
        gone(&*kernel, dropping, vec![early_link]);
        send_datagrams(2);
        assert!(reaches(&*kernel, &late, 2));
        gone(&*kernel, program, vec![late_link]);
    });
}

#[test]
fn a_socket_filter() {
    let Some(kernel) = kernel() else { return };
    in_own_network(move || {
        let counts = array(&kernel, 8);
        // Keeps nothing: every datagram is dropped.
        let program = load(&kernel, ProgramType::SocketFilter, None, &counter(counts.fd(), 0)).unwrap();
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        kernel.attach_socket_filter(receiver.as_fd(), program.fd()).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(b"one", receiver.local_addr().unwrap()).unwrap();
        assert!(receiver.recv(&mut [0; 8]).is_err());
        assert_eq!(count(&*kernel, &counts), 1);
        kernel.detach_socket_filter(receiver.as_fd()).unwrap();
        assert_eq!(kernel.detach_socket_filter(receiver.as_fd()), Err(Errno::ENOENT));
        sender.send_to(b"two", receiver.local_addr().unwrap()).unwrap();
        assert_eq!(receiver.recv(&mut [0; 8]).unwrap(), 3);
        gone(&*kernel, program, Vec::new());
    });
}

#[test]
fn packets_of_a_cgroup() {
    let Some(kernel) = kernel() else { return };
    let Some(cgroup) = Cgroup::new("skb") else { return };
    in_own_network(move || {
        let counts = array(&kernel, 8);
        let egress = AttachType::CgroupInetEgress;
        let program = load(&kernel, ProgramType::CgroupSkb, Some(egress), &counter(counts.fd(), 0)).unwrap();
        let directory = Handle::new(Arc::clone(&kernel), kernel.open_cgroup(&cgroup.0).unwrap());
        let target = directory.fd().cast_unsigned();
        let attached = link(&kernel, &program, target, egress, LinkOptions::None).unwrap();
        let send = "echo x > /dev/udp/10.9.0.2/9";
        assert!(!cgroup.run(send), "the datagram was not refused");
        assert_eq!(count(&*kernel, &counts), 1);
        gone(&*kernel, program, vec![attached]);
        assert!(cgroup.run(send));
        assert_eq!(count(&*kernel, &counts), 1);
    });
}

#[test]
fn addresses_of_a_cgroup() {
    let Some(kernel) = kernel() else { return };
    let Some(cgroup) = Cgroup::new("addr") else { return };
    in_own_network(move || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connect = AttachType::CgroupInet4Connect;
        // user_port = the listener's, whatever was asked for; go on.
        let port = i32::from(port.to_be());
        let insns = [mov(2, port), slot(0x63, 1, 2, 24, 0), mov(0, 1), common::EXIT];
        let program = load(&kernel, ProgramType::CgroupSockAddr, Some(connect), &insns).unwrap();
        let directory = Handle::new(Arc::clone(&kernel), kernel.open_cgroup(&cgroup.0).unwrap());
        let reach = "exec 3<>/dev/tcp/127.0.0.1/1";
        assert!(!cgroup.run(reach), "somebody listens on port 1");
        let attached = link(&kernel, &program, directory.fd().cast_unsigned(), connect, LinkOptions::None).unwrap();
        assert!(cgroup.run(reach), "the connection did not go to the listener");
        gone(&*kernel, program, vec![attached]);
        assert!(!cgroup.run(reach));
    });
}

/// Counts a run if it is in this process, then returns 0.
fn counter_of_this_process(counts: &Handle) -> Vec<u64> {
    let process = i32::try_from(std::process::id()).expect("a process id");
    // r0 = get_current_pid_tgid() >> 32; if r0 != process goto the last two slots
    let mut insns = vec![call(14), slot(0x77, 0, 0, 0, 32), slot(0x55, 0, 0, 4, process)];
    insns.extend(&counter(counts.fd(), 0));
    insns
}

fn some_system_calls() {
    for _ in 0..10 {
        // SAFETY: no memory is concerned.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }
}

#[test]
fn a_tracepoint() {
    let Some(kernel) = kernel() else { return };
    let id = match kernel.tracepoint_id("syscalls", "sys_enter_getppid") {
        Ok(id) => id,
        Err(errno) => return skip(&format!("tracepoints: {errno}")),
    };
    let format = kernel.tracepoint_format("syscalls", "sys_enter_getppid").unwrap();
    assert!(format.contains("__syscall_nr"), "{format}");
    assert_eq!(kernel.tracepoint_id("syscalls", "no_such_tracepoint"), Err(Errno::ENOENT));
    let counts = array(&kernel, 8);
    let program = load(&kernel, ProgramType::Tracepoint, None, &counter_of_this_process(&counts)).unwrap();
    let event = PerfEvent::every(PerfEventKind::Tracepoint(id));
    let event_fd = kernel.perf_event_open(&event, None, Some(0)).unwrap();
    let event = Handle::new(Arc::clone(&kernel), event_fd);
    let attached = link(
        &kernel,
        &program,
        event.fd().cast_unsigned(),
        AttachType::PerfEvent,
        LinkOptions::PerfEvent { cookie: 7 },
    )
    .unwrap();
    kernel.perf_event_enable(event.fd(), true).unwrap();
    some_system_calls();
    assert!(count(&*kernel, &counts) >= 10);
    gone(&*kernel, program, vec![attached, event]);
}

#[test]
fn a_raw_tracepoint() {
    let Some(kernel) = kernel() else { return };
    let counts = array(&kernel, 8);
    let program = load(&kernel, ProgramType::RawTracepoint, None, &counter_of_this_process(&counts)).unwrap();
    let unknown = calls::raw_tracepoint_open(&kernel, Some(c"no_such_tracepoint"), program.fd(), 0);
    assert_eq!(unknown.unwrap_err(), Errno::ENOENT);
    let attached = calls::raw_tracepoint_open(&kernel, Some(c"sys_enter"), program.fd(), 0).unwrap();
    some_system_calls();
    assert!(count(&*kernel, &counts) >= 10);
    gone(&*kernel, program, vec![attached]);
}

#[test]
fn a_typed_raw_tracepoint() {
    let Some(kernel) = kernel() else { return };
    let Ok(btf) = kernel.btf() else { return skip("the kernel has no BTF") };
    let Some(id) = btf.find(skep_btf::Kind::Typedef, "btf_trace_sys_enter") else {
        return skip("the kernel's BTF has no sys_enter");
    };
    let counts = array(&kernel, 8);
    let pattern = ProgLoad {
        prog_type: ProgramType::Tracing.number(),
        expected_attach_type: AttachType::TraceRawTp.number(),
        attach_btf_id: id.0,
        ..ProgLoad::default()
    };
    let program = load_with(&kernel, &counter_of_this_process(&counts), pattern).unwrap();
    let attached = calls::raw_tracepoint_open(&kernel, None, program.fd(), 0).unwrap();
    some_system_calls();
    assert!(count(&*kernel, &counts) >= 10);
    gone(&*kernel, program, vec![attached]);
}

/// What the user probes are put on.
#[inline(never)]
extern "C" fn probed(number: u64) -> u64 {
    std::hint::black_box(number) + 1
}

/// The binary and the offset in it of an address of this process.
fn place_in_file(address: usize) -> Option<(PathBuf, u64)> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let (start, end) = words.first()?.split_once('-')?;
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        let offset = u64::from_str_radix(words.get(2)?, 16).ok()?;
        (start..end).contains(&address).then(|| (PathBuf::from(words[5]), offset + (address - start) as u64))
    })
}

#[test]
fn user_probes() {
    let Some(kernel) = kernel() else { return };
    if !Path::new("/sys/bus/event_source/devices/uprobe").exists() {
        return skip("this kernel has no user probes");
    }
    let (path, offset) = place_in_file(probed as *const () as usize).expect("this binary");
    for returns in [false, true] {
        let counts = array(&kernel, 8);
        let program = load(&kernel, ProgramType::Kprobe, None, &counter_of_this_process(&counts)).unwrap();
        let kind = PerfEventKind::Uprobe { path: path.clone(), offset, returns, ref_ctr_offset: 0 };
        let event_fd = kernel.perf_event_open(&PerfEvent::every(kind), None, Some(0)).unwrap();
        let event = Handle::new(Arc::clone(&kernel), event_fd);
        let options = LinkOptions::PerfEvent { cookie: 1 };
        let attached = link(&kernel, &program, event.fd().cast_unsigned(), AttachType::PerfEvent, options).unwrap();
        kernel.perf_event_enable(event.fd(), true).unwrap();
        let before = count(&*kernel, &counts);
        let sum: u64 = (0..5).map(|n| probed(n)).sum();
        assert_eq!((sum, count(&*kernel, &counts) - before), (15, 5));
        gone(&*kernel, program, vec![attached, event]);
        probed(0);
        assert_eq!(count(&*kernel, &counts) - before, 5);
    }
}

#[test]
fn samples_by_time() {
    let Some(kernel) = kernel() else { return };
    let counts = array(&kernel, 8);
    let program = load(&kernel, ProgramType::PerfEvent, None, &counter(counts.fd(), 0)).unwrap();
    let sampling = PerfEvent { rate: SampleRate::Frequency(500), ..PerfEvent::every(PerfEventKind::CpuClock) };
    // SAFETY: no memory is concerned.
    let thread = unsafe { libc::gettid() }.cast_unsigned();
    let event = Handle::new(Arc::clone(&kernel), kernel.perf_event_open(&sampling, Some(thread), None).unwrap());
    kernel.perf_event_attach(event.fd(), program.fd()).unwrap();
    kernel.perf_event_enable(event.fd(), true).unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut work = 0u64;
    while count(&*kernel, &counts) < 3 && Instant::now() < deadline {
        work = (0..10_000).fold(work, |sum, n| std::hint::black_box(sum ^ n));
    }
    assert!(count(&*kernel, &counts) >= 3, "{work}");
    kernel.perf_event_enable(event.fd(), false).unwrap();
    gone(&*kernel, program, vec![event]);
}

#[test]
fn printk_lines() {
    let Some(kernel) = kernel() else { return };
    // "skep %d\n" with this process's number, on the stack; trace_printk(r10 - 16, 9, process)
    let text = i64::from_le_bytes(*b"skep %d\n");
    let process = i32::try_from(std::process::id()).expect("a process id");
    let mut insns = vec![slot(0x18, 1, 0, 0, text as i32), slot(0, 0, 0, 0, (text >> 32) as i32)];
    insns.extend([slot(0x7b, 10, 1, -16, 0), slot(0x7a, 10, 0, -8, 0), common::copy(1, 10), slot(0x07, 1, 0, 0, -16)]);
    insns.extend([mov(2, 9), mov(3, process), call(6), mov(0, 0), common::EXIT]);
    let program = load(&kernel, ProgramType::SocketFilter, None, &insns).unwrap();
    if let Err(errno) = kernel.drain_printk(&mut |_| {}) {
        return skip(&format!("the trace pipe: {errno}"));
    }
    let run = ProgTestRun { prog_fd: program.fd(), data_in: &[0; 64], ..ProgTestRun::default() };
    calls::prog_test_run(&*kernel, run).unwrap();
    let wanted = format!("skep {process}");
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut found = false;
    while !found && Instant::now() < deadline {
        kernel.drain_printk(&mut |line| found |= line.contains(&wanted)).unwrap();
    }
    assert!(found);
}
