//! Ids, descriptors, names, pins, BTF and links: the same on both kernels.

mod support;

use skep_abi::attach_type::AttachType;
use skep_abi::command::{
    BtfLoad, EnableStats, FileFlags, InfoRequest, LinkCreate, LinkDetach, MapCreate, MapGetFdById, MapInfo,
    ObjGetInfoByFd, ObjectName, ProgLoad, ProgramInfo, Reply,
};
use skep_abi::map_type::{MapFlags, MapType};
use skep_abi::program_type::ProgramType;
use skep_isa::Slot;
use skep_isa::text::assemble;
use skep_kernel::{Errno, Handle, Kernel, calls};
use skep_user::{Config, UserKernel};
use std::sync::Arc;
use support::linux;

/// Runs a check on our kernel, and on Linux where that can be used.
fn on_both(test: &str, check: impl Fn(&Arc<dyn Kernel>)) {
    let user: Arc<dyn Kernel> = UserKernel::new(Config { cpus: Some(4), ..Config::default() });
    check(&user);
    if let Some(linux) = linux(test) {
        check(&linux);
    }
}

fn array(kernel: &Arc<dyn Kernel>, name: &[u8]) -> Result<Handle, Errno> {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name);
    let command = MapCreate {
        map_type: MapType::Array.number(),
        key_size: 4,
        value_size: 8,
        max_entries: 2,
        map_name: ObjectName(bytes),
        ..Default::default()
    };
    calls::map_create(kernel, command)
}

fn load(kernel: &Arc<dyn Kernel>, program_type: ProgramType, text: &str) -> Result<Handle, Errno> {
    let insns = Slot::write_program(&assemble(text).expect("the text assembles"));
    let expected_attach_type = if program_type == ProgramType::Xdp { AttachType::Xdp.number() } else { 0 };
    let command = ProgLoad {
        prog_type: program_type.number(),
        insns: &insns,
        license: Some(c"Dual BSD/GPL"),
        prog_name: ObjectName::lossy("some_program"),
        expected_attach_type,
        ..Default::default()
    };
    Ok(calls::prog_load(kernel, command)?.0)
}

const TRIVIAL: &str = "r0 = 0\nexit";

#[test]
fn names_have_only_certain_characters_and_an_end() {
    on_both("names", |kernel| {
        assert!(array(kernel, b"with_dots.and_9").is_ok());
        assert!(array(kernel, &[0xff]).is_ok());
        let cut = array(kernel, b"a\0-").expect("what is behind the NUL is dropped");
        assert_eq!(calls::map_info(&**kernel, cut.fd()).expect("info").name, ObjectName::lossy("a"));
        for bad in [&b"a b"[..], b"a-b", b"a/b", &[b'x'; 16], &[0xf7]] {
            assert_eq!(array(kernel, bad).map(drop), Err(Errno::EINVAL), "{bad:?}");
        }
    });
}

#[test]
fn maps_are_found_by_id_as_long_as_they_live() {
    on_both("ids of maps", |kernel| {
        let map = array(kernel, b"by_id").expect("map");
        let info = calls::map_info(&**kernel, map.fd()).expect("info");
        assert_eq!((info.map_type, info.key_size, info.value_size, info.max_entries), (2, 4, 8, 2));
        assert_eq!(info.name.to_text(), "by_id");
        let open = |open_flags| {
            let reply = kernel.bpf(MapGetFdById { map_id: info.id, open_flags }.into())?;
            Ok(Handle::new(kernel.clone(), reply.fd().expect("a descriptor")))
        };
        let again = open(FileFlags::RDONLY).map_err(|failure: skep_kernel::Failure| failure.errno).expect("alive");
        assert_eq!(calls::map_info(&**kernel, again.fd()).expect("info").id, info.id);
        let both = open(FileFlags::RDONLY | FileFlags::WRONLY).map(drop);
        assert_eq!(both.map_err(|failure| failure.errno), Err(Errno::EINVAL));
        assert_eq!(calls::map_next_id(&**kernel, info.id - 1), Ok(Some(info.id)));
        assert!(calls::map_ids(&**kernel).any(|id| id == Ok(info.id)));
        drop((map, again));
        // Linux lets go of a map a moment later.
        let gone = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            open(FileFlags::empty()).map(drop).map_err(|failure| failure.errno) == Err(Errno::ENOENT)
        });
        assert!(gone);
    });
}

#[test]
fn information_about_programs() {
    on_both("information about programs", |kernel| {
        let program = load(kernel, ProgramType::SocketFilter, TRIVIAL).expect("program");
        let info = calls::prog_info(&**kernel, program.fd()).expect("info");
        assert_eq!(info.program_type, ProgramType::SocketFilter.number());
        assert_eq!(info.name.to_text(), "some_program");
        assert_eq!((info.gpl_compatible & 1, info.nr_map_ids, info.xlated_prog_len), (1, 0, 16));
        assert_eq!(info.verified_insns, 2);
        assert!(info.load_time > 0);
        let mut wrong = MapInfo::default();
        let request = InfoRequest::Map { info: &mut wrong, hash: &mut [] };
        let other_kind = kernel.bpf(ObjGetInfoByFd { bpf_fd: program.fd(), info: request }.into());
        // The struct that was asked for is not the one that is filled; both kernels know by the descriptor.
        assert!(other_kind.is_err() || wrong != MapInfo::default());
        let mut info = ProgramInfo::default();
        let request = InfoRequest::Program { info: &mut info, buffers: Default::default() };
        let none = kernel.bpf(ObjGetInfoByFd { bpf_fd: 4000, info: request }.into()).map_err(Errno::from);
        assert_eq!(none, Err(Errno::EBADF));
    });
}

#[test]
fn programs_that_cannot_be_loaded() {
    on_both("refused programs", |kernel| {
        let kind = ProgramType::SocketFilter;
        assert_eq!(load(kernel, kind, "").map(drop), Err(Errno::E2BIG));
        assert_eq!(load(kernel, kind, "exit").map(drop), Err(Errno::EACCES));
        assert_eq!(load(kernel, kind, "r0 = 0\ngoto -1").map(drop), Err(Errno::EINVAL));
        assert_eq!(load(kernel, kind, "r1 = map[fd:4000] ll\nr0 = 0\nexit").map(drop), Err(Errno::EBADF));
        let insns = Slot::write_program(&assemble(TRIVIAL).expect("the text assembles"));
        let errno = |command: ProgLoad<'_>| calls::prog_load(kernel, command).map(drop).map_err(|f| f.errno);
        let base = || ProgLoad { prog_type: 1, insns: &insns, license: Some(c"GPL"), ..Default::default() };
        assert_eq!(errno(base()), Ok(()));
        assert_eq!(errno(ProgLoad { prog_type: 99, ..base() }), Err(Errno::EINVAL));
        assert_eq!(errno(ProgLoad { license: None, ..base() }), Err(Errno::EFAULT));
        assert_eq!(errno(ProgLoad { log_level: 16, ..base() }), Err(Errno::EINVAL));
        assert_eq!(errno(ProgLoad { log_level: 0, log_buf: &mut [0; 100], ..base() }), Err(Errno::EINVAL));
        assert_eq!(
            errno(ProgLoad { prog_btf_fd: 4000, func_info_rec_size: 8, func_info: &[0; 8], ..base() }),
            Err(Errno::EBADF)
        );
        let sock_addr = ProgramType::CgroupSockAddr.number();
        assert_eq!(errno(ProgLoad { prog_type: sock_addr, expected_attach_type: 0, ..base() }), Err(Errno::EINVAL));
    });
}

#[test]
fn a_log_that_does_not_fit_is_an_error_of_its_own() {
    on_both("logs", |kernel| {
        let insns = Slot::write_program(&assemble("r0 = r5\nexit").expect("the text assembles"));
        let load = |log: &mut [u8]| {
            let base = ProgLoad { prog_type: 1, insns: &insns, license: Some(c"GPL"), ..Default::default() };
            let failure = calls::prog_load(kernel, ProgLoad { log_level: 1, log_buf: log, ..base }).map(drop);
            failure.expect_err("r5 was never written")
        };
        let mut log = [0xff; 1000];
        let failure = load(&mut log);
        let text = log.split(|byte| *byte == 0).next().expect("a NUL");
        assert!(String::from_utf8_lossy(text).contains("R5 !read_ok"), "{}", String::from_utf8_lossy(text));
        assert_eq!(failure.errno, Errno::EACCES);
        assert_eq!(failure.reply, Reply::Log { log_true_size: text.len() as u32 + 1 });
        let mut short = [0xff; 20];
        assert_eq!(load(&mut short).errno, Errno::ENOSPC);
        assert_eq!(short[19], 0);
    });
}

#[test]
fn loaded_btf_comes_back_as_it_was() {
    on_both("BTF", |kernel| {
        let mut builder = skep_btf::BtfBuilder::new();
        builder.int("int", 4, skep_btf::IntEncoding::SIGNED);
        let bytes = builder.build().expect("BTF").to_bytes(skep_btf::Endian::Little).expect("bytes");
        let (btf, _) = calls::btf_load(kernel, BtfLoad { btf: &bytes, ..Default::default() }).expect("good BTF");
        assert_eq!(calls::btf_bytes(&**kernel, btf.fd()).expect("the bytes"), bytes);
        let info = calls::btf_info(&**kernel, btf.fd()).expect("info");
        assert_eq!((info.kernel_btf, info.name_len, info.btf_size), (0, 0, bytes.len() as u32));
        let mut cut = bytes.clone();
        cut.truncate(30);
        let bad = calls::btf_load(kernel, BtfLoad { btf: &cut, ..Default::default() }).map(drop);
        assert_eq!(bad.map_err(|failure| failure.errno), Err(Errno::EINVAL));

        // The types of a map must have its sizes.
        let create = |value_size, value| {
            let command = MapCreate {
                map_type: MapType::Array.number(),
                key_size: 4,
                value_size,
                max_entries: 1,
                btf_fd: btf.fd(),
                btf_key_type_id: 1,
                btf_value_type_id: value,
                map_flags: MapFlags::empty(),
                ..Default::default()
            };
            calls::map_create(kernel, command).map(|map| {
                let info = calls::map_info(&**kernel, map.fd()).expect("info");
                (info.btf_key_type_id, info.btf_value_type_id)
            })
        };
        assert_eq!(create(4, 1), Ok((1, 1)));
        assert_eq!(create(8, 1), Err(Errno::EINVAL));
        assert_eq!(create(4, 9), Err(Errno::EINVAL));
    });
}

#[test]
fn run_time_statistics_are_counted_while_somebody_asks() {
    on_both("statistics", |kernel| {
        assert_eq!(kernel.bpf(EnableStats { stats_type: 7 }.into()).map_err(Errno::from), Err(Errno::EINVAL));
        let stats = calls::enable_stats(kernel).expect("statistics");
        let program = load(kernel, ProgramType::SocketFilter, TRIVIAL).expect("program");
        let run = skep_abi::command::ProgTestRun {
            prog_fd: program.fd(),
            data_in: &[0; 64],
            repeat: 5,
            ..Default::default()
        };
        kernel.bpf(run.into()).expect("a run");
        let info = calls::prog_info(&**kernel, program.fd()).expect("info");
        // Linux does not count test runs.
        assert!(info.run_cnt == 5 || kernel.name() == "linux", "{info:?}");
        drop(stats);
    });
}

/// Pins and links of our kernel: Linux's need a mounted file system and devices of their own.
#[test]
fn a_pin_keeps_a_map_and_gives_it_back() {
    let user = UserKernel::new(Config::deterministic());
    let kernel: Arc<dyn Kernel> = user.clone();
    let map = array(&kernel, b"pinned").expect("map");
    let id = calls::map_info(&*kernel, map.fd()).expect("info").id;
    let pin = |path| calls::obj_pin(&*kernel, map.fd(), path);
    assert_eq!(pin(c"/sys/fs/bpf/dir/one"), Ok(()));
    assert_eq!(pin(c"/sys/fs/bpf/dir/one"), Err(Errno::EEXIST));
    assert_eq!(pin(c"/sys/fs/bpf/dir"), Err(Errno::EEXIST));
    assert_eq!(pin(c"/sys/fs/bpf/dir/one/below"), Err(Errno::ENOTDIR));
    assert_eq!(pin(c"/sys/fs/bpf/with.dot"), Err(Errno::EPERM));
    drop(map);
    let again = calls::obj_get(&kernel, c"/sys/fs/bpf/./dir/../dir/one", FileFlags::empty()).expect("pinned");
    assert_eq!(calls::map_info(&*kernel, again.fd()).expect("info").id, id);
    drop(again);
    user.unpin(c"/sys/fs/bpf/dir/one").expect("pinned");
    let gone = calls::obj_get(&kernel, c"/sys/fs/bpf/dir/one", FileFlags::empty()).map(drop);
    assert_eq!(gone, Err(Errno::ENOENT));
    assert_eq!(calls::map_ids(&*kernel).count(), 0);
}

#[test]
fn a_link_attaches_until_it_is_dropped_or_detached() {
    let user = UserKernel::new(Config::deterministic());
    let kernel: Arc<dyn Kernel> = user.clone();
    let point = skep_user::AttachPoint::Interface(3, AttachType::Xdp);
    let program = load(&kernel, ProgramType::Xdp, "r0 = 2\nexit").expect("program");
    let filter = load(&kernel, ProgramType::SocketFilter, TRIVIAL).expect("program");
    let create = |prog_fd: i32, target: u32| {
        let attach_type = AttachType::Xdp.number();
        calls::link_create(&kernel, LinkCreate { prog_fd, target, attach_type, ..Default::default() })
    };
    let link = create(program.fd(), 3).expect("link");
    assert_eq!(create(program.fd(), 3).map(drop), Err(Errno::EBUSY));
    assert_eq!(create(filter.fd(), 3).map(drop), Err(Errno::EINVAL));
    assert_eq!(create(program.fd(), 0).map(drop), Err(Errno::ENODEV));
    assert_eq!(create(4000, 3).map(drop), Err(Errno::EBADF));
    assert_eq!(user.attached(&point).len(), 1);
    let info = calls::link_info(&*kernel, link.fd()).expect("info");
    assert_eq!(info.detail, skep_abi::command::LinkDetail::Xdp { ifindex: 3 });
    drop(link);
    assert_eq!(user.attached(&point).len(), 0);

    let link = create(program.fd(), 3).expect("free again");
    let other = load(&kernel, ProgramType::Xdp, "r0 = 1\nexit").expect("program");
    calls::link_update(&*kernel, link.fd(), other.fd(), Some(program.fd())).expect("the old one is right");
    let wrong = calls::link_update(&*kernel, link.fd(), other.fd(), Some(program.fd()));
    assert_eq!(wrong, Err(Errno::EPERM));
    assert_eq!(user.attached(&point)[0].0.id(), calls::prog_info(&*kernel, other.fd()).expect("info").id);
    kernel.bpf(LinkDetach { link_fd: link.fd() }.into()).expect("detach");
    assert_eq!(user.attached(&point).len(), 0);
    assert_eq!(calls::link_info(&*kernel, link.fd()).expect("the link stays").prog_id, 0);
}
