//! Attaching on Linux: what a program sees while attached, and that it sees nothing before and after.

mod common;

use common::{eventually, skip};
use skep::{Error, Kernel, LoadOptions, LoadedObject, Object, PerfEvent, PerfEventKind, SampleRate, Uprobe, XdpMode};
use skep_kernel::{Errno, calls};
use std::hint::black_box;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lets one test run at a time: a child process that another thread is just starting holds copies of this process's
/// descriptors for a moment, so that links would live on past their drop.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Loads only the named programs of the test object into Linux; `None`, loudly, where that cannot be.
fn load(programs: &[&str]) -> Option<LoadedObject> {
    let kernel = common::linux()?;
    let object = chosen(programs)?;
    Some(object.load(&kernel).unwrap_or_else(|e| panic!("{e}: {e:?}")))
}

/// The test object with only the named programs to be loaded, filtering on this process.
fn chosen(programs: &[&str]) -> Option<Object> {
    let mut object = common::object("attach.bpf.c")?;
    let names: Vec<String> = object.spec().programs.iter().map(|program| program.name.clone()).collect();
    for name in names {
        object.program_mut(&name).unwrap().autoload = programs.contains(&&*name);
    }
    object.set_global("process", &std::process::id()).unwrap();
    object.set_global("syscall_number", &GETPPID).unwrap();
    Some(object)
}

/// `getppid` on x86-64.
const GETPPID: u64 = 110;

fn count(loaded: &LoadedObject, name: &str) -> u64 {
    loaded.global(name).unwrap()
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    match output {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            eprintln!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            false
        }
        Err(error) => {
            eprintln!("{program}: {error}");
            false
        }
    }
}

/// A network namespace of its own with a pair of connected interfaces, which the calling thread enters. What is sent to
/// 10.99.0.2 leaves by `left` and arrives at `right`.
struct Network {
    name: String,
}

impl Network {
    fn enter(name: &str) -> Option<Network> {
        let name = format!("skep-{name}-{}", std::process::id());
        if !run("ip", &["netns", "add", &name]) {
            skip("network namespaces cannot be made");
            return None;
        }
        let network = Network { name };
        let ip = |arguments: &[&str]| {
            let all = [&["-n", &network.name], arguments].concat();
            assert!(run("ip", &all), "ip {arguments:?}");
        };
        ip(&["link", "add", "left", "type", "veth", "peer", "name", "right", "address", "02:00:00:00:00:02"]);
        ip(&["addr", "add", "10.99.0.1/24", "dev", "left"]);
        for interface in ["lo", "left", "right"] {
            ip(&["link", "set", interface, "up"]);
        }
        ip(&["neigh", "add", "10.99.0.2", "lladdr", "02:00:00:00:00:02", "dev", "left"]);
        let file = std::fs::File::open(format!("/run/netns/{}", network.name)).unwrap();
        use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
        move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(LinkNameSpaceType::Network)).unwrap();
        Some(network)
    }

    /// Sends some packets from `left` to `right`.
    fn send(&self) {
        let socket = UdpSocket::bind("10.99.0.1:0").unwrap();
        for _ in 0..3 {
            socket.send_to(b"hello", "10.99.0.2:9").unwrap();
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        run("ip", &["netns", "del", &self.name]);
    }
}

#[test]
fn xdp_is_attached_replaced_and_detached() {
    let _turn = alone();
    let Some(loaded) = load(&["count_xdp_one", "count_xdp_two"]) else { return };
    let Some(network) = Network::enter("xdp") else { return };
    let one = loaded.program("count_xdp_one").unwrap();
    let two = loaded.program("count_xdp_two").unwrap();

    let error = one.attach_xdp("no-such-if", XdpMode::Default).unwrap_err();
    assert!(error.to_string().contains("find interface 'no-such-if'"), "{error}");

    let link = one.attach_xdp("right", XdpMode::Generic).unwrap();
    network.send();
    eventually("a run of the first program", || count(&loaded, "xdp_one") >= 3);
    assert_eq!(count(&loaded, "xdp_two"), 0);
    let busy = two.attach_xdp("right", XdpMode::Generic).unwrap_err();
    assert!(matches!(&busy, Error::Kernel(e) if e.errno == Errno::EBUSY), "{busy}");

    link.replace(two).unwrap();
    let before = count(&loaded, "xdp_one");
    network.send();
    eventually("a run of the second program", || count(&loaded, "xdp_two") >= 3);
    assert_eq!(count(&loaded, "xdp_one"), before);

    let id = link.id().unwrap();
    drop(link);
    let kernel = loaded.kernel();
    assert!(matches!(calls::link_by_id(kernel, id), Err(Errno::ENOENT)), "link {id} is still there");
    let before = count(&loaded, "xdp_two");
    network.send();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(count(&loaded, "xdp_two"), before);
}

#[test]
fn tcx_sees_what_arrives() {
    let _turn = alone();
    let Some(loaded) = load(&["count_tcx"]) else { return };
    let Some(network) = Network::enter("tcx") else { return };
    let link = loaded.program("count_tcx").unwrap().attach_tcx("right").unwrap();
    network.send();
    eventually("a run at tcx", || count(&loaded, "tcx") >= 3);
    drop(link);
    let before = count(&loaded, "tcx");
    network.send();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(count(&loaded, "tcx"), before);
}

#[test]
fn a_socket_filter_drops_until_it_is_taken_off() {
    let _turn = alone();
    let Some(loaded) = load(&["drop_all"]) else { return };
    let Some(_network) = Network::enter("socket") else { return };
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    let arrives = || {
        sender.send(b"hello").unwrap();
        receiver.recv(&mut [0; 16]).is_ok()
    };
    assert!(arrives());
    let link = loaded.program("drop_all").unwrap().attach_socket(&receiver).unwrap();
    assert!(!arrives());
    assert_eq!(count(&loaded, "filtered"), 1);
    assert!(link.id().is_err(), "a filter on a socket is no link");
    drop(link);
    assert!(arrives());
    let program = loaded.program("drop_all").unwrap();
    assert!(program.attach().unwrap_err().to_string().contains("cannot be attached by its section alone"));
}

/// Attaches a program as its section says and counts while this process calls `getppid`.
fn by_section(program: &str, counter: &str) {
    let Some(loaded) = load(&[program]) else { return };
    let call = || {
        for _ in 0..5 {
            black_box(rustix::process::getppid());
        }
    };
    call();
    assert_eq!(count(&loaded, counter), 0);
    let link = match loaded.program(program).unwrap().attach() {
        Ok(link) => link,
        Err(Error::Kernel(error)) if error.errno == Errno::ENOENT => {
            skip(&format!("{program}: {error}"));
            return;
        }
        Err(error) => panic!("{error}"),
    };
    call();
    assert_eq!(count(&loaded, counter), 5);
    drop(link);
    call();
    assert_eq!(count(&loaded, counter), 5);
}

#[test]
fn a_tracepoint_counts_while_attached() {
    let _turn = alone();
    by_section("count_tracepoint", "tracepoint");
}

#[test]
fn a_raw_tracepoint_counts_while_attached() {
    let _turn = alone();
    by_section("count_raw", "raw");
}

#[test]
fn a_typed_tracepoint_counts_while_attached() {
    let _turn = alone();
    by_section("count_typed", "typed");
}

#[test]
fn unknown_tracepoints_are_named() {
    let _turn = alone();
    let Some(loaded) = load(&["count_tracepoint", "count_raw"]) else { return };
    let error = loaded.program("count_tracepoint").unwrap().attach_tracepoint("nothing", "at_all").unwrap_err();
    assert!(error.to_string().contains("tracepoint nothing/at_all"), "{error}");
    let error = loaded.program("count_raw").unwrap().attach_raw_tracepoint("nothing").unwrap_err();
    assert!(matches!(&error, Error::Kernel(e) if e.errno == Errno::ENOENT), "{error}");
    assert!(loaded.program("count_raw").unwrap().attach_raw_tracepoint("a\0b").is_err());
}

#[inline(never)]
extern "C" fn probed_function(x: u64) -> u64 {
    black_box(x).wrapping_mul(3) + 1
}

/// The mangled name of [`probed_function`].
fn probed_symbol(binary: &Path) -> String {
    use object::{Object as _, ObjectSymbol as _};
    let bytes = std::fs::read(binary).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let name = file.symbols().filter_map(|s| s.name().ok()).find(|name| name.contains("probed_function"));
    name.expect("tests are not stripped").to_owned()
}

#[test]
fn uprobes_see_arguments_and_results() {
    let _turn = alone();
    let Some(loaded) = load(&["count_entry", "count_return"]) else { return };
    let binary = std::env::current_exe().unwrap();
    let symbol = probed_symbol(&binary);
    let attach = |program: &str, probe: Uprobe| loaded.program(program).unwrap().attach_uprobe(&probe);
    let missing = attach("count_entry", Uprobe::at_entry(&binary, "no_such_function")).unwrap_err();
    assert!(missing.to_string().contains("no function 'no_such_function'"), "{missing}");

    let entry = attach("count_entry", Uprobe::at_entry(&binary, &symbol).for_process(std::process::id()));
    let entry = match entry {
        Ok(link) => link,
        Err(Error::Kernel(error)) if error.errno == Errno::ENOENT => return skip(&format!("uprobes: {error}")),
        Err(error) => panic!("{error}"),
    };
    let back = attach("count_return", Uprobe::at_return(&binary, &symbol)).unwrap();
    assert_eq!(black_box(probed_function(14)), 43);
    assert_eq!((count(&loaded, "entered"), count(&loaded, "argument")), (1, 14));
    assert_eq!((count(&loaded, "returned"), count(&loaded, "result")), (1, 43));
    drop((entry, back));
    black_box(probed_function(15));
    assert_eq!((count(&loaded, "entered"), count(&loaded, "returned")), (1, 1));
}

#[test]
fn samples_come_while_the_process_works() {
    let _turn = alone();
    let Some(loaded) = load(&["count_sample"]) else { return };
    let event = PerfEvent { rate: SampleRate::Frequency(1000), ..PerfEvent::every(PerfEventKind::CpuClock) };
    let program = loaded.program("count_sample").unwrap();
    let work = |wanted: u64| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while count(&loaded, "samples") < wanted {
            assert!(Instant::now() < deadline, "no samples");
            black_box((0..100_000u64).fold(0, |sum, n| black_box(sum ^ n)));
        }
    };
    let everywhere = program.attach_perf_event(&event, None).unwrap();
    work(3);
    drop(everywhere);
    let before = count(&loaded, "samples");
    black_box((0..10_000_000u64).fold(0, |sum, n| black_box(sum ^ n)));
    assert_eq!(count(&loaded, "samples"), before);
}

/// A cgroup of its own, removed in the end.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(name: &str) -> Option<Cgroup> {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        let root = mounts.lines().find_map(|line| {
            let mut words = line.split(' ');
            let (_, place, kind) = (words.next()?, words.next()?, words.next()?);
            (kind == "cgroup2").then(|| PathBuf::from(place))
        });
        let path = root.map(|root| root.join(format!("skep-{name}-{}", std::process::id())));
        match path.as_ref().map(std::fs::create_dir) {
            Some(Ok(())) => path.map(Cgroup),
            _ => {
                skip("no cgroup (version 2) can be made");
                None
            }
        }
    }

    /// Runs a shell line in the cgroup; whether it succeeded.
    fn run(&self, line: &str) -> bool {
        let line = format!("echo $$ > {}/cgroup.procs && {line}", self.0.display());
        Command::new("bash").args(["-c", &line]).output().unwrap().status.success()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        eventually("the end of a cgroup", || std::fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn cgroup_programs_decide_over_the_processes_inside() {
    let _turn = alone();
    let Some(loaded) = load(&["drop_egress", "refuse_connect"]) else { return };
    let Some(_network) = Network::enter("cgroup") else { return };
    let Some(cgroup) = Cgroup::new("egress") else { return };
    let connect = || cgroup.run("exec 3<>/dev/udp/10.99.0.2/9");
    let send = || cgroup.run("echo hello > /dev/udp/10.99.0.2/9");
    assert!(connect() && send());
    let link = loaded.program("refuse_connect").unwrap().attach_cgroup(&cgroup.0).unwrap();
    assert!(!connect());
    assert_eq!(count(&loaded, "connects"), 1);
    drop(link);
    assert!(connect());
    let link = loaded.program("drop_egress").unwrap().attach_cgroup(&cgroup.0).unwrap();
    assert!(!send(), "sending is not permitted");
    assert_eq!(count(&loaded, "egress"), 1);
    drop(link);
    assert!(send());
    let error = loaded.program("drop_egress").unwrap().attach_cgroup("/no/such/cgroup").unwrap_err();
    assert!(error.to_string().contains("/no/such/cgroup"), "{error}");
}

/// A BPF file system of its own.
struct BpfFiles(tempfile::TempDir);

impl BpfFiles {
    fn mount() -> Option<BpfFiles> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap().to_owned();
        if run("mount", &["-t", "bpf", "bpf", &path]) {
            return Some(BpfFiles(directory));
        }
        skip("no BPF file system can be mounted");
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Drop for BpfFiles {
    fn drop(&mut self) {
        run("umount", &[self.0.path().to_str().unwrap()]);
    }
}

fn pins(kernel: &Arc<dyn Kernel>, place: impl Fn(&str) -> PathBuf, root: PathBuf) {
    let mut object = common::object("library.bpf.c").unwrap();
    object.map_mut("by_length").unwrap().pinning = skep_object::Pinning::ByName;
    let options = LoadOptions { pin_root: root, ..LoadOptions::default() };
    let loaded = object.load_with(kernel, &options).unwrap();
    loaded.map("by_length").unwrap().typed::<u32, u64>().unwrap().insert(&1, &77).unwrap();
    let id = loaded.map("by_length").unwrap().info().id;
    drop(loaded);

    // The next object of the kind finds the same map.
    let again = object.load_with(kernel, &options).unwrap();
    let map = again.map("by_length").unwrap();
    assert_eq!(map.info().id, id);
    assert_eq!(map.typed::<u32, u64>().unwrap().get(&1).unwrap(), Some(77));

    // One of another shape does not.
    let mut other = object.clone();
    other.map_mut("by_length").unwrap().value_size = 16;
    let error = other.load_with(kernel, &options).unwrap_err().to_string();
    assert!(error.contains("by_length") && error.contains("values of 8 bytes"), "{error}");

    again.map("ring").unwrap().pin(place("a_ring")).unwrap();
    again.program("count").unwrap().pin(place("a_program")).unwrap();
    let taken = again.map("ring").unwrap().pin(place("a_ring")).unwrap_err();
    assert!(matches!(&taken, Error::Kernel(e) if e.errno == Errno::EEXIST), "{taken}");
    let ring = skep::RawMap::open_pinned(kernel, place("a_ring")).unwrap();
    assert_eq!(ring.info().id, again.map("ring").unwrap().info().id);
    let missing = skep::RawMap::open_pinned(kernel, place("nothing")).unwrap_err().to_string();
    assert!(missing.starts_with("nothing is pinned at"), "{missing}");
    assert!(skep::RawMap::open_pinned(kernel, place("a_program")).is_err(), "a program is no map");
}

#[test]
fn pinned_maps_are_found_again() {
    let _turn = alone();
    if common::compile("library.bpf.c").is_none() {
        return;
    }
    pins(&common::user(), |name| Path::new("/sys/fs/bpf").join(name), PathBuf::from("/sys/fs/bpf"));
    let Some(kernel) = common::linux() else { return };
    let Some(files) = BpfFiles::mount() else { return };
    pins(&kernel, |name| files.path(name), files.0.path().to_owned());
    // Outside of a BPF file system nothing can be pinned.
    let loaded = common::object("library.bpf.c").unwrap().load(&kernel).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let error = loaded.map("ring").unwrap().pin(elsewhere.path().join("ring")).unwrap_err();
    assert!(matches!(&error, Error::Kernel(e) if e.errno == Errno::EPERM), "{error}");
}

#[test]
fn a_pinned_link_outlives_its_owner() {
    let _turn = alone();
    let Some(loaded) = load(&["count_tcx"]) else { return };
    let Some(network) = Network::enter("pin") else { return };
    let Some(files) = BpfFiles::mount() else { return };
    let link = loaded.program("count_tcx").unwrap().attach_tcx("right").unwrap();
    link.pin(files.path("link")).unwrap();
    let id = link.id().unwrap();
    drop(link);
    network.send();
    eventually("a run through the pinned link", || count(&loaded, "tcx") >= 3);
    std::fs::remove_file(files.path("link")).unwrap();
    eventually("the end of the link", || matches!(calls::link_by_id(loaded.kernel(), id), Err(Errno::ENOENT)));
}

#[test]
fn attaching_in_the_user_space_kernel_keeps_the_program_until_the_link_goes() {
    let _turn = alone();
    let Some(object) = chosen(&["drop_egress", "count_raw"]) else { return };
    let kernel = common::user();
    let loaded = object.load(&kernel).unwrap();
    let ids = common::Ids::of(&loaded);
    let cgroup = loaded.program("drop_egress").unwrap().attach_cgroup("/sys/fs/cgroup/web").unwrap();
    let raw = loaded.program("count_raw").unwrap().attach().unwrap();
    let link_ids = [cgroup.id().unwrap(), raw.id().unwrap()];
    drop(loaded);
    for id in link_ids {
        assert!(calls::link_by_id(&kernel, id).is_ok());
    }
    drop((cgroup, raw));
    for id in link_ids {
        assert!(matches!(calls::link_by_id(&kernel, id), Err(Errno::ENOENT)));
    }
    ids.expect_gone(&kernel);
}
