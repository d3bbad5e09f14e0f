//! Commands on the running kernel.

mod common;

use common::{EXIT, array, bytes, call, copy, count, counter, kernel, load, map, mov, skip, slot};
use skep_abi::command::{
    ATTR_SIZE, BtfLoad, Command, CommandNumber, ElementFlags, InfoRequest, MapCreate, MapFreeze, MapInfo,
    MapLookupBatch, MapLookupElem, MapUpdateBatch, ObjGetInfoByFd, ObjectName, ProgLoad, ProgTestRun, ProgramBuffers,
    Reply,
};
use skep_abi::map_type::{MapFlags, MapType};
use skep_abi::program_type::ProgramType;
use skep_kernel::{Errno, Handle, Kernel, Operation, calls};
use std::sync::Arc;

fn hash(kernel: &Arc<dyn Kernel>, map_type: MapType, value_size: u32) -> Handle {
    let command =
        MapCreate { map_type: map_type.number(), key_size: 4, value_size, max_entries: 16, ..MapCreate::default() };
    calls::map_create(kernel, command).expect("a hash table")
}

#[test]
fn elements_of_a_hash() {
    let Some(kernel) = kernel() else { return };
    let map = hash(&kernel, MapType::Hash, 8);
    let fd = map.fd();
    for key in 0u32..5 {
        let value = u64::from(key * 10).to_ne_bytes();
        calls::map_update_elem(&*kernel, fd, &key.to_ne_bytes(), &value, ElementFlags::NOEXIST).unwrap();
    }
    let again = calls::map_update_elem(&*kernel, fd, &3u32.to_ne_bytes(), &[0; 8], ElementFlags::NOEXIST);
    assert_eq!(again, Err(Errno::EEXIST));

    let mut value = [0; 8];
    calls::map_lookup_elem(&*kernel, fd, &3u32.to_ne_bytes(), &mut value, ElementFlags::ANY).unwrap();
    assert_eq!(u64::from_ne_bytes(value), 30);
    let absent = calls::map_lookup_elem(&*kernel, fd, &9u32.to_ne_bytes(), &mut value, ElementFlags::ANY);
    assert_eq!(absent, Err(Errno::ENOENT));

    let mut keys = Vec::new();
    let (mut key, mut next) = ([0; 4], [0; 4]);
    let mut more = calls::map_next_key(&*kernel, fd, None, &mut next).unwrap();
    while more {
        key = next;
        keys.push(u32::from_ne_bytes(key));
        more = calls::map_next_key(&*kernel, fd, Some(&key), &mut next).unwrap();
    }
    keys.sort_unstable();
    assert_eq!(keys, [0, 1, 2, 3, 4]);

    calls::map_lookup_and_delete_elem(&*kernel, fd, &key, &mut value, ElementFlags::ANY).unwrap();
    assert_eq!(calls::map_delete_elem(&*kernel, fd, &key), Err(Errno::ENOENT));
}

#[test]
fn a_batch_says_how_many_although_it_fails() {
    let Some(kernel) = kernel() else { return };
    let map = hash(&kernel, MapType::Hash, 4);
    let numbers: Vec<u8> = (0u32..5).flat_map(u32::to_ne_bytes).collect();
    let update = MapUpdateBatch { keys: &numbers, values: &numbers, count: 5, map_fd: map.fd(), ..Default::default() };
    assert_eq!(kernel.bpf(update.into()), Ok(Reply::Count(5)));

    let (mut position, mut keys, mut values) = ([0; 4], [0; 64], [0; 64]);
    let lookup = MapLookupBatch {
        out_batch: &mut position,
        keys: &mut keys,
        values: &mut values,
        count: 16,
        map_fd: map.fd(),
        ..Default::default()
    };
    // There are fewer elements than room: the end was reached.
    let failure = kernel.bpf(lookup.into()).unwrap_err();
    assert_eq!((failure.errno, failure.reply), (Errno::ENOENT, Reply::Count(5)));
    assert_eq!(keys[..20], values[..20]);
}

#[test]
fn buffers_that_are_too_short_are_refused_before_the_kernel_writes() {
    let Some(kernel) = kernel() else { return };
    let per_cpu = hash(&kernel, MapType::PerCpuHash, 4);
    let key = 1u32.to_ne_bytes();
    let room = 8 * kernel.possible_cpus() as usize;
    let full = vec![7; room];
    calls::map_update_elem(&*kernel, per_cpu.fd(), &key, &full, ElementFlags::ANY).unwrap();
    let mut short = vec![0; room - 1];
    let refused = calls::map_lookup_elem(&*kernel, per_cpu.fd(), &key, &mut short, ElementFlags::ANY);
    assert_eq!((refused, short), (Err(Errno::EFAULT), vec![0; room - 1]));
    let mut long = vec![0; room];
    calls::map_lookup_elem(&*kernel, per_cpu.fd(), &key, &mut long, ElementFlags::ANY).unwrap();

    let plain = array(&kernel, 64);
    let mut value = [0; 63];
    let lookup = MapLookupElem { map_fd: plain.fd(), key: &[0; 4], value: &mut value, ..Default::default() };
    assert_eq!(kernel.bpf(lookup.into()).map_err(|f| f.errno), Err(Errno::EFAULT));
}

#[test]
fn a_descriptor_of_another_kind_is_refused() {
    let Some(kernel) = kernel() else { return };
    let program = load(&kernel, ProgramType::SocketFilter, None, &[mov(0, 0), EXIT]).unwrap();
    let mut info = MapInfo::default();
    let request = InfoRequest::Map { info: &mut info, hash: &mut [] };
    let command = ObjGetInfoByFd { bpf_fd: program.fd(), info: request };
    assert_eq!(kernel.bpf(command.into()).map_err(|f| f.errno), Err(Errno::EINVAL));
    assert_eq!(calls::map_info(&*kernel, -1).unwrap_err(), Errno::EBADF);
    assert_eq!(calls::map_freeze(&*kernel, program.fd()), Err(Errno::EINVAL));
}

#[test]
fn a_refused_program_leaves_the_log_and_its_length() {
    let Some(kernel) = kernel() else { return };
    let insns = bytes(&[EXIT]);
    let mut log = vec![0; 4096];
    let command = ProgLoad {
        prog_type: ProgramType::SocketFilter.number(),
        insns: &insns,
        license: Some(c"GPL"),
        log_level: 1,
        log_buf: &mut log,
        ..ProgLoad::default()
    };
    let failure = calls::prog_load(&kernel, command).unwrap_err();
    assert_eq!(failure.errno, Errno::EACCES);
    let Reply::Log { log_true_size } = failure.reply else { panic!("{:?}", failure.reply) };
    let text = std::ffi::CStr::from_bytes_until_nul(&log).unwrap();
    assert_eq!(log_true_size as usize, text.to_bytes_with_nul().len());
    assert!(text.to_str().unwrap().contains("R0 !read_ok"), "{text:?}");

    // A log that does not fit is ENOSPC and says how long it would be.
    let mut short = vec![0; 32];
    let command = ProgLoad {
        prog_type: ProgramType::SocketFilter.number(),
        insns: &insns,
        license: Some(c"GPL"),
        log_level: 1 | 2,
        log_buf: &mut short,
        ..ProgLoad::default()
    };
    let failure = calls::prog_load(&kernel, command).unwrap_err();
    assert_eq!(failure.errno, Errno::ENOSPC);
    assert!(matches!(failure.reply, Reply::Log { log_true_size } if log_true_size > 32));
}

#[test]
fn ids_and_infos_of_what_was_loaded() {
    let Some(kernel) = kernel() else { return };
    let array = array(&kernel, 8);
    let program = load(&kernel, ProgramType::SocketFilter, None, &counter(array.fd(), 3)).unwrap();
    let info = calls::prog_info(&*kernel, program.fd()).unwrap();
    assert_eq!((info.program_type, info.name.as_bytes()), (1, &b"skep_test"[..]));
    assert!(calls::prog_ids(&*kernel).any(|id| id == Ok(info.id)));
    let map_id = calls::map_info(&*kernel, array.fd()).unwrap().id;
    assert_eq!(calls::prog_map_ids(&*kernel, program.fd()), Ok(vec![map_id]));

    let mut insns = vec![0; info.xlated_prog_len as usize];
    let buffers = ProgramBuffers { xlated_prog_insns: &mut insns, ..ProgramBuffers::default() };
    calls::prog_info_with(&*kernel, program.fd(), buffers).unwrap();
    assert_eq!(insns[insns.len() - 8..], EXIT.to_le_bytes());

    let again = calls::prog_by_id(&kernel, info.id).unwrap();
    assert_eq!(calls::prog_info(&*kernel, again.fd()).unwrap(), info);
    let copy = again.try_clone().unwrap();
    drop(again);
    assert_eq!(calls::prog_info(&*kernel, copy.fd()).unwrap().id, info.id);
}

#[test]
fn a_test_run_counts_and_returns() {
    let Some(kernel) = kernel() else { return };
    let array = array(&kernel, 8);
    let program = load(&kernel, ProgramType::SocketFilter, None, &counter(array.fd(), 77)).unwrap();
    let packet = [0u8; 64];
    let run = ProgTestRun { prog_fd: program.fd(), data_in: &packet, repeat: 10, ..ProgTestRun::default() };
    let result = calls::prog_test_run(&*kernel, run).unwrap();
    assert_eq!((result.retval, result.data_size), (77, 64));
    assert_eq!(count(&*kernel, &array), 10);

    let mut short = [0; 8];
    let run = ProgTestRun { prog_fd: program.fd(), data_in: &packet, data_out: &mut short, ..ProgTestRun::default() };
    let failure = calls::prog_test_run(&*kernel, run).unwrap_err();
    assert_eq!(failure.errno, Errno::ENOSPC);
    assert!(matches!(failure.reply, Reply::TestRun { retval: 77, data_size: 64, .. }), "{failure:?}");
}

#[test]
fn a_ring_buffer_through_its_memory() {
    let Some(kernel) = kernel() else { return };
    const SIZE: usize = 4096;
    let command = MapCreate { map_type: MapType::Ringbuf.number(), max_entries: SIZE as u32, ..MapCreate::default() };
    let ring = calls::map_create(&kernel, command).unwrap();
    // *(u64 *)(r10 - 8) = 0x1122; ringbuf_output(ring, r10 - 8, 8, 0)
    let mut insns = vec![slot(0x7a, 10, 0, -8, 0x1122)];
    insns.extend(map(1, ring.fd()));
    insns.extend([copy(2, 10), slot(0x07, 2, 0, 0, -8), mov(3, 8), mov(4, 0), call(130), mov(0, 0), EXIT]);
    let program = load(&kernel, ProgramType::SocketFilter, None, &insns).unwrap();
    assert_eq!(kernel.wait_readable(&[ring.fd()], Some(std::time::Duration::ZERO)), Ok(vec![false]));
    let run = ProgTestRun { prog_fd: program.fd(), data_in: &[0; 64], ..ProgTestRun::default() };
    calls::prog_test_run(&*kernel, run).unwrap();
    let soon = Some(std::time::Duration::from_secs(5));
    assert_eq!(kernel.wait_readable(&[ring.fd()], soon), Ok(vec![true]));

    let page = 4096;
    let consumer = kernel.map_memory(ring.fd(), 0, page, true).unwrap();
    let producer = kernel.map_memory(ring.fd(), page as u64, page + 2 * SIZE, false).unwrap();
    assert_eq!(producer.load_acquire_u64(0), Ok(16));
    assert_eq!(producer.load_acquire_u32(page), Ok(8));
    let mut record = [0; 8];
    producer.read(page + 8, &mut record).unwrap();
    assert_eq!(u64::from_ne_bytes(record), 0x1122);
    consumer.store_release_u64(0, 16).unwrap();
    assert_eq!(kernel.wait_readable(&[ring.fd()], Some(std::time::Duration::ZERO)), Ok(vec![false]));
    assert_eq!(producer.store_release_u64(0, 0), Err(Errno::EACCES));
    assert_eq!(producer.read(page + 2 * SIZE, &mut record), Err(Errno::EFAULT));
    assert_eq!(producer.load_acquire_u64(4), Err(Errno::EINVAL));
}

#[test]
fn an_array_in_memory_and_frozen() {
    let Some(kernel) = kernel() else { return };
    let command = MapCreate {
        map_type: MapType::Array.number(),
        key_size: 4,
        value_size: 8,
        max_entries: 4,
        map_flags: MapFlags::MMAPABLE,
        ..MapCreate::default()
    };
    let map = calls::map_create(&kernel, command).unwrap();
    let memory = kernel.map_memory(map.fd(), 0, 32, true).unwrap();
    memory.write(8, &5u64.to_ne_bytes()).unwrap();
    let mut value = [0; 8];
    calls::map_lookup_elem(&*kernel, map.fd(), &1u32.to_ne_bytes(), &mut value, ElementFlags::ANY).unwrap();
    assert_eq!(u64::from_ne_bytes(value), 5);
    assert_eq!(kernel.bpf(MapFreeze { map_fd: map.fd() }.into()).map_err(|f| f.errno), Err(Errno::EBUSY));
    drop(memory);
    calls::map_freeze(&*kernel, map.fd()).unwrap();
    let write = calls::map_update_elem(&*kernel, map.fd(), &[0; 4], &[0; 8], ElementFlags::ANY);
    assert_eq!(write, Err(Errno::EPERM));
}

#[test]
fn btf_is_loaded_and_read_back() {
    let Some(kernel) = kernel() else { return };
    let mut builder = skep_btf::BtfBuilder::new();
    builder.int("int", 4, skep_btf::IntEncoding::SIGNED);
    let btf = builder.build().unwrap();
    let bytes = btf.to_bytes(btf.endian()).unwrap();
    let (handle, _) = calls::btf_load(&kernel, BtfLoad { btf: &bytes, ..BtfLoad::default() }).unwrap();
    assert_eq!(calls::btf_bytes(&*kernel, handle.fd()), Ok(bytes));
    let bad = calls::btf_load(&kernel, BtfLoad { btf: &[1, 2, 3], ..BtfLoad::default() }).unwrap_err();
    assert_eq!(bad.errno, Errno::EINVAL);
}

#[test]
fn what_linux_says_about_itself() {
    let Some(kernel) = kernel() else { return };
    assert!(kernel.version_code() > 4 << 16);
    assert!(kernel.possible_cpus() >= 1);
    match kernel.btf() {
        Ok(btf) => assert!(btf.find(skep_btf::Kind::Struct, "task_struct").is_some()),
        Err(errno) => skip(&format!("the kernel's BTF: {errno}")),
    }
    match kernel.config("CONFIG_BPF_SYSCALL") {
        Ok(value) => assert_eq!(value.as_deref(), Some("y")),
        Err(errno) => skip(&format!("the kernel's build options: {errno}")),
    }
    match kernel.symbol_address("bpf_prog_load") {
        Ok(address) => assert_ne!(address, 0),
        Err(errno) => skip(&format!("kernel symbols: {errno}")),
    }
    assert_eq!(kernel.interface_index("lo"), Ok(1));
    assert_eq!(kernel.interface_index("no-such-device"), Err(Errno::ENODEV));
    assert_eq!(kernel.tracepoint_id("..", "events"), Err(Errno::EINVAL));
}

#[test]
fn a_missing_build_option_is_named() {
    let Some(kernel) = kernel() else { return };
    if kernel.config("CONFIG_BPF_LIRC_MODE2").ok().flatten().is_some() {
        return skip("this kernel has infrared programs");
    }
    let (errno, _) = load(&kernel, ProgramType::LircMode2, None, &[mov(0, 0), EXIT]).unwrap_err();
    let said = kernel.explain(Operation::LoadProgram(ProgramType::LircMode2), errno);
    assert_eq!(
        said.as_deref(),
        Some("lirc_mode2 programs need a kernel built with CONFIG_BPF_LIRC_MODE2=y; this one is not")
    );
}

#[test]
fn names_that_the_kernel_refuses_are_made_plain() {
    let Some(kernel) = kernel() else { return };
    let command = MapCreate {
        map_type: MapType::Array.number(),
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        map_name: ObjectName::from("a name/with:odd characters"),
        ..MapCreate::default()
    };
    let map = calls::map_create(&kernel, command).unwrap();
    assert_eq!(calls::map_info(&*kernel, map.fd()).unwrap().name.as_bytes(), b"a_name_with_odd");
    let raw = MapCreate { map_name: ObjectName(*b"a b\0\0\0\0\0\0\0\0\0\0\0\0\0"), ..MapCreate::default() };
    assert_eq!(kernel.bpf(Command::from(raw)).map_err(|f| f.errno), Err(Errno::EINVAL));
}

#[test]
fn program_types_are_found_by_trying() {
    let Some(kernel) = kernel() else { return };
    let built = |option: &str| kernel.config(option).is_ok_and(|value| value.is_some());
    for program_type in ProgramType::ALL {
        let wanted = match program_type {
            ProgramType::LircMode2 => built("CONFIG_BPF_LIRC_MODE2"),
            ProgramType::Lsm => built("CONFIG_BPF_LSM"),
            ProgramType::Netfilter => built("CONFIG_NETFILTER_BPF_LINK"),
            _ => true,
        };
        let found = skep_kernel::probe::has_program_type(&kernel, *program_type);
        // A policy of the machine may forbid a type that the kernel has.
        assert!(found == Ok(wanted) || found == Err(Errno::EPERM), "{program_type:?}: {found:?}");
    }
}

#[test]
fn the_kernel_knows_each_command_up_to_the_same_byte() {
    let Some(kernel) = kernel() else { return };
    if kernel.version_code() >> 8 != 6 << 8 | 18 {
        return skip("the tables are those of Linux 6.18, which this is not");
    }
    /// Makes a call with an attr of zeros but for one byte.
    fn errno_with(number: CommandNumber, set: Option<usize>) -> i32 {
        let mut attr = [0u8; 256];
        if let Some(at) = set {
            attr[at] = 1;
        }
        // SAFETY: every pointer in the attr is null or 1, where nothing is mapped.
        let result = unsafe { libc::syscall(libc::SYS_bpf, number.number(), attr.as_mut_ptr(), attr.len()) };
        if result >= 0 {
            if matches!(number, CommandNumber::EnableStats) {
                // SAFETY: the descriptor was just given to us.
                unsafe { libc::close(i32::try_from(result).unwrap()) };
            }
            return 0;
        }
        std::io::Error::last_os_error().raw_os_error().unwrap()
    }
    let mut told_apart = 0;
    for number in CommandNumber::ALL {
        // Beyond the union itself it is the size that is wrong.
        let wanted = if number.attr_len() < ATTR_SIZE { libc::EINVAL } else { libc::E2BIG };
        assert_eq!(errno_with(*number, Some(number.attr_len())), wanted, "{} knows more", number.name());
        assert_eq!(errno_with(*number, Some(200)), libc::E2BIG, "{}", number.name());
        // Where zeros alone are not EINVAL, the last known byte can be told from the first unknown one.
        if errno_with(*number, None) != libc::EINVAL {
            told_apart += 1;
        }
    }
    assert!(told_apart > 10, "{told_apart}");
}
