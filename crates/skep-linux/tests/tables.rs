//! The tables of `skep-abi` against the verdicts of the running kernel.

mod common;

use common::{EXIT, call, kernel, load_with, mov, skip, slot};
use skep_abi::attach_type::AttachType;
use skep_abi::command::{MapCreate, ProgLoad, ProgramFlags};
use skep_abi::helper::{ArgKind, HELPERS, HelperFlags};
use skep_abi::map_type::{EntriesRule, MapFlags, MapType, SizeRule};
use skep_abi::program_type::{ContextInfo, ProgramType};
use skep_btf::{BtfBuilder, IntEncoding, Kind};
use skep_kernel::{Errno, Handle, Kernel, calls};
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::sync::Arc;

/// The kernel that the tables describe. On others their rows may be more or fewer than the kernel's.
fn kernel_of_the_tables() -> Option<Arc<dyn Kernel>> {
    let kernel = kernel()?;
    if kernel.version_code() >> 8 != 6 << 8 | 18 {
        skip("the tables are those of Linux 6.18, which this is not");
        return None;
    }
    Some(kernel)
}

/// A way to load programs of a type.
#[derive(Clone, Copy, Debug)]
struct Way {
    program_type: ProgramType,
    attach_type: Option<AttachType>,
    btf_id: u32,
}

impl Way {
    /// Loads; the log tells what the verifier thought.
    fn load(&self, kernel: &Arc<dyn Kernel>, license: &CStr, insns: &[u64]) -> Result<Handle, (Errno, String)> {
        let sleepable = self.program_type == ProgramType::Syscall;
        let insns = common::bytes(insns);
        let mut log = vec![0; 1 << 16];
        let command = ProgLoad {
            prog_type: self.program_type.number(),
            expected_attach_type: self.attach_type.map_or(0, AttachType::number),
            attach_btf_id: self.btf_id,
            prog_flags: if sleepable { ProgramFlags::SLEEPABLE } else { ProgramFlags::empty() },
            insns: &insns,
            license: Some(license),
            log_level: 2,
            log_buf: &mut log,
            ..ProgLoad::default()
        };
        let loaded = calls::prog_load(kernel, command);
        loaded.map(|(handle, _)| handle).map_err(|failure| {
            let end = log.iter().position(|b| *b == 0).unwrap_or(log.len());
            (failure.errno, String::from_utf8_lossy(&log[..end]).into_owned())
        })
    }
}

/// Every type with every attach type that its row names, as far as this kernel can load it at all.
fn ways(kernel: &Arc<dyn Kernel>) -> Vec<Way> {
    let btf = kernel.btf().ok();
    let find = |kind, name| btf.as_ref().and_then(|btf| btf.find(kind, name)).map_or(0, |id| id.0);
    let mut ways = Vec::new();
    for program_type in ProgramType::ALL.iter().copied() {
        let info = program_type.info();
        let named = info.sections.iter().map(|s| s.attach_type);
        let attach_types: BTreeSet<_> = named.chain(info.attach_types.iter().map(|t| Some(*t))).collect();
        for attach_type in attach_types {
            let btf_id = match attach_type {
                Some(AttachType::TraceRawTp) => find(Kind::Typedef, "btf_trace_sched_switch"),
                Some(AttachType::TraceIter) => find(Kind::Function, "bpf_iter_task"),
                Some(AttachType::LsmMac | AttachType::LsmCgroup) => find(Kind::Function, "bpf_lsm_socket_bind"),
                Some(AttachType::TraceFentry | AttachType::TraceFexit) => find(Kind::Function, "bpf_fentry_test1"),
                Some(AttachType::ModifyReturn) => find(Kind::Function, "bpf_modify_return_test"),
                _ => 0,
            };
            let way = Way { program_type, attach_type, btf_id };
            let loads = [0, 1].iter().any(|result| way.load(kernel, c"GPL", &[mov(0, *result), EXIT]).is_ok());
            if loads {
                ways.push(way);
            } else {
                eprintln!("not loadable on this kernel, so not compared: {program_type:?} {attach_type:?}");
            }
        }
    }
    assert!(ways.len() > 50, "only {} ways to load programs", ways.len());
    ways
}

/// Where this kernel has less than the table, and why.
const ABSENT: &[(&str, &str)] = &[
    ("probe_write_user", "absent while the kernel is locked down"),
    ("override_return", "needs CONFIG_BPF_KPROBE_OVERRIDE"),
    ("setsockopt", "in iterators only for sockets; compared with the iterator over tasks"),
    ("getsockopt", "in iterators only for sockets; compared with the iterator over tasks"),
];

fn may_be_absent(way: &Way, name: &str) -> bool {
    let socket_option = matches!(name, "setsockopt" | "getsockopt");
    ABSENT.iter().any(|(absent, _)| *absent == name)
        && (!socket_option || way.attach_type == Some(AttachType::TraceIter))
}

#[test]
fn helpers_of_every_program_type() {
    let Some(kernel) = kernel_of_the_tables() else { return };
    let unknown = ["cannot use helper", "unknown func", "invalid func"];
    let mut differences = Vec::new();
    for way in ways(&kernel) {
        let info = way.program_type.info();
        for helper in HELPERS {
            let insns = [call(helper.id), mov(0, 0), EXIT];
            let here = match way.load(&kernel, c"GPL", &insns) {
                Ok(_) => true,
                Err((_, log)) => !log.is_empty() && !unknown.iter().any(|text| log.contains(text)),
            };
            let table = info.has_helper(way.attach_type, helper.name);
            if here != table && !(table && may_be_absent(&way, helper.name)) {
                differences.push(format!("{way:?} {}: kernel {here}, table {table}", helper.name));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Where a helper that is for GPL programs elsewhere has a form that is for all.
fn for_all_in(way: &Way, name: &str) -> bool {
    match name {
        "get_func_ip" => way.program_type == ProgramType::Kprobe && way.attach_type.is_some(),
        "get_stackid" => way.program_type == ProgramType::PerfEvent,
        _ => false,
    }
}

#[test]
fn helpers_for_gpl_programs_only() {
    let Some(kernel) = kernel_of_the_tables() else { return };
    let mut differences = Vec::new();
    for way in ways(&kernel) {
        for helper in HELPERS.iter().filter(|h| way.program_type.info().has_helper(way.attach_type, h.name)) {
            if may_be_absent(&way, helper.name) {
                continue;
            }
            let log = way.load(&kernel, c"Proprietary", &[call(helper.id), mov(0, 0), EXIT]).err();
            let here = log.is_some_and(|(_, log)| log.contains("GPL"));
            let table = helper.flags.contains(HelperFlags::GPL_ONLY);
            if here != table && !for_all_in(&way, helper.name) {
                differences.push(format!("{way:?} {}: kernel {here}, table {table}", helper.name));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// `BPF_MEM` opcodes of 1, 2, 4 and 8 bytes.
const SIZES: [(u8, u8); 4] = [(1, 0x10), (2, 0x08), (4, 0x00), (8, 0x18)];

#[test]
fn accesses_of_every_context() {
    let Some(kernel) = kernel_of_the_tables() else { return };
    let refused = ["invalid bpf_context access", "invalid access", "misaligned", "cannot write", "disallowed"];
    let (mut differences, mut compared) = (Vec::new(), 0);
    for way in ways(&kernel) {
        let context = way.program_type.info().context;
        let limit = match context {
            ContextInfo::Struct { size, .. } => u32::from(size) + 8,
            ContextInfo::Bytes { limit, .. } => u32::from(limit).min(192) + 8,
            ContextInfo::Arguments { max, .. } => 8 * u32::from(max) + 8,
            ContextInfo::Btf | ContextInfo::Target | ContextInfo::Buffer => continue,
        };
        for (offset, (size, opcode), write) in
            (0..limit).flat_map(|o| SIZES.map(|s| (o, s))).flat_map(|(o, s)| [(o, s, false), (o, s, true)])
        {
            let at = i16::try_from(offset).expect("a small offset");
            let access = match write {
                false => [slot(0x61 & !0x18 | opcode, 0, 1, at, 0), mov(0, 1), EXIT, EXIT],
                true => [mov(2, 0), slot(0x63 & !0x18 | opcode, 1, 2, at, 0), mov(0, 1), EXIT],
            };
            let insns = &access[..if write { 4 } else { 3 }];
            let here = match way.load(&kernel, c"GPL", insns) {
                Ok(_) => true,
                Err((_, log)) => !refused.iter().any(|text| log.contains(text)),
            };
            let table = table_allows(&context, offset, size, write, way.attach_type);
            compared += 1;
            if here != table {
                differences.push(format!("{way:?} offset {offset} size {size} write {write}: kernel {here}"));
            }
        }
    }
    assert!(differences.is_empty(), "{} of {compared}:\n{}", differences.len(), differences.join("\n"));
    println!("{compared} accesses compared");
}

fn table_allows(context: &ContextInfo, offset: u32, size: u8, write: bool, attach_type: Option<AttachType>) -> bool {
    let (end, aligned) = (offset + u32::from(size), offset.is_multiple_of(u32::from(size)));
    match *context {
        ContextInfo::Struct { .. } => context.field(offset, size, write, attach_type, true).is_some(),
        ContextInfo::Bytes { start, limit, .. } => {
            !write && aligned && offset >= u32::from(start) && end <= u32::from(limit)
        }
        ContextInfo::Arguments { max, buffer } => {
            !write && aligned && end <= 8 * u32::from(max) && !(buffer && offset == 0 && size != 8)
        }
        ContextInfo::Btf | ContextInfo::Target | ContextInfo::Buffer => false,
    }
}

#[test]
fn what_programs_may_return() {
    let Some(kernel) = kernel_of_the_tables() else { return };
    let mut differences = Vec::new();
    for way in ways(&kernel) {
        if matches!(way.program_type, ProgramType::StructOps | ProgramType::Ext) {
            continue; // Their targets decide.
        }
        let range = way.program_type.info().return_range(way.attach_type);
        for result in [-4096, -4095, -1, 0, 1, 2, 3, 4, 100] {
            let here = way.load(&kernel, c"GPL", &[mov(0, result), EXIT]).is_ok();
            let table = range.is_none_or(|r| r.min <= result && result <= r.max);
            if here != table {
                differences.push(format!("{way:?} returns {result}: kernel {here}, table {range:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Sizes, entries and flags that a map of each type can be made with.
fn pattern(map_type: MapType) -> (u32, u32, u32) {
    let size = |rule: SizeRule| match rule {
        SizeRule::Exactly(n) => n,
        SizeRule::Range(least, most) => 8.clamp(least, most),
        SizeRule::MultipleOf(_, least, most) => 80.clamp(least, most),
        SizeRule::OneOf(n, _) => n,
    };
    let info = map_type.info();
    let entries = match info.entries {
        EntriesRule::Zero => 0,
        EntriesRule::NonZero | EntriesRule::DefaultCpus => 64,
        EntriesRule::PowerOfTwoPages => 4096,
    };
    // Programs beside redirections take longer to make; entries of a CPU map are limited by the CPUs.
    let entries = if map_type == MapType::Cpumap { 1 } else { entries };
    (size(info.key), if info.needs_btf { 4 } else { size(info.value) }, entries)
}

struct MapMaker {
    kernel: Arc<dyn Kernel>,
    inner: Handle,
    btf: Handle,
}

impl MapMaker {
    fn new(kernel: Arc<dyn Kernel>) -> MapMaker {
        let mut builder = BtfBuilder::new();
        builder.int("int", 4, IntEncoding::SIGNED);
        let btf = builder.build().expect("a BTF of one int");
        let bytes = btf.to_bytes(btf.endian()).expect("its bytes");
        let command = skep_abi::command::BtfLoad { btf: &bytes, ..Default::default() };
        let (btf, _) = calls::btf_load(&kernel, command).expect("a loaded BTF");
        let inner = common::array(&kernel, 8);
        MapMaker { kernel, inner, btf }
    }

    fn make(&self, map_type: MapType, (key_size, value_size, max_entries): (u32, u32, u32), flags: MapFlags) -> bool {
        let info = map_type.info();
        let of_maps = matches!(map_type, MapType::ArrayOfMaps | MapType::HashOfMaps);
        let (btf_fd, type_id) = if info.needs_btf { (self.btf.fd(), 1) } else { (0, 0) };
        let command = MapCreate {
            map_type: map_type.number(),
            key_size,
            value_size,
            max_entries,
            map_flags: flags,
            inner_map_fd: if of_maps { self.inner.fd() } else { 0 },
            btf_fd,
            btf_key_type_id: type_id,
            btf_value_type_id: type_id,
            ..MapCreate::default()
        };
        calls::map_create(&self.kernel, command).is_ok()
    }
}

#[test]
fn sizes_entries_and_flags_of_every_map_type() {
    let Some(kernel) = kernel_of_the_tables() else { return };
    let maker = MapMaker::new(kernel);
    let mut differences = Vec::new();
    for map_type in MapType::ALL.iter().copied().filter(|t| *t != MapType::StructOps) {
        let info = map_type.info();
        let (key, value, entries) = pattern(map_type);
        let mut check = |what: String, table: bool, sizes, flags| {
            let here = maker.make(map_type, sizes, flags);
            if here != table {
                differences.push(format!("{map_type:?} {what}: kernel {here}, table {table}"));
            }
        };
        for size in [0, 1, 3, 4, 5, 8, 12, 16, 260, 261, 512, 513] {
            // The type of a key with BTF is an int of four bytes.
            let table = info.key.allows(size) && (!info.needs_btf || size == 4);
            check(format!("key {size}"), table, (size, value, entries), info.required_flags);
        }
        for size in [0, 1, 3, 4, 7, 8, 12, 16, 1016, 1024, 32768, 32776, 1 << 20, 4 << 20] {
            // Larger ones would ask for much memory.
            let few = if entries == 64 { 1 } else { entries };
            let table = info.value.allows(size) && (!info.needs_btf || size == 4);
            check(format!("value {size}"), table, (key, size, few), info.required_flags);
        }
        for count in [0, 1, 3, 4095, 4096, 8192, 12288] {
            if map_type == MapType::Cpumap && count > 3 {
                continue; // Limited by the CPUs the kernel is built for.
            }
            check(
                format!("{count} entries"),
                info.entries.allows(count, 4096),
                (key, value, count),
                info.required_flags,
            );
        }
        for flag in MapFlags::all().iter() {
            // These go with another field: a path, a token, another BTF; build ids with larger values.
            let paired = MapFlags::PATH_FD | MapFlags::TOKEN_FD | MapFlags::VTYPE_BTF_OBJ_FD | MapFlags::STACK_BUILD_ID;
            if !paired.contains(flag) {
                let flags = info.required_flags | flag;
                check(format!("{flag:?}"), info.flags.contains(flags), (key, value, entries), flags);
            }
        }
        check("no flags".to_owned(), info.required_flags.is_empty(), (key, value, entries), MapFlags::empty());
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn kfuncs_are_in_the_kernel() {
    let Some(kernel) = kernel_of_the_tables() else { return };
    let Ok(btf) = kernel.btf() else { return skip("the kernel's BTF") };
    let absent: Vec<_> =
        skep_abi::kfunc::KFUNCS.iter().filter(|k| btf.find(Kind::Function, k.name).is_none()).map(|k| k.name).collect();
    // Connection tracking may be a module or left out.
    let absent: Vec<_> = absent.into_iter().filter(|name| !name.contains("_ct_")).collect();
    assert!(absent.is_empty(), "{absent:?}");
}

#[test]
fn a_map_that_is_not_allowed_inside_another_is_refused() {
    let Some(kernel) = kernel_of_the_tables() else { return };
    let maker = MapMaker::new(Arc::clone(&kernel));
    for map_type in MapType::ALL.iter().copied().filter(|t| *t != MapType::StructOps) {
        let info = map_type.info();
        let (key_size, value_size, max_entries) = pattern(map_type);
        let of_maps = matches!(map_type, MapType::ArrayOfMaps | MapType::HashOfMaps);
        let (btf_fd, type_id) = if info.needs_btf { (maker.btf.fd(), 1) } else { (0, 0) };
        let inner = MapCreate {
            map_type: map_type.number(),
            key_size,
            value_size,
            max_entries,
            map_flags: info.required_flags,
            inner_map_fd: if of_maps { maker.inner.fd() } else { 0 },
            btf_fd,
            btf_key_type_id: type_id,
            btf_value_type_id: type_id,
            ..MapCreate::default()
        };
        let inner = calls::map_create(&kernel, inner).unwrap_or_else(|e| panic!("{map_type:?}: {e}"));
        let outer = MapCreate {
            map_type: MapType::ArrayOfMaps.number(),
            key_size: 4,
            value_size: 4,
            max_entries: 1,
            inner_map_fd: inner.fd(),
            ..MapCreate::default()
        };
        assert_eq!(calls::map_create(&kernel, outer).is_ok(), info.inner, "{map_type:?}");
    }
}

#[test]
fn the_program_that_every_comparison_stands_on_loads() {
    let Some(kernel) = kernel() else { return };
    let pattern = ProgLoad { prog_type: ProgramType::Xdp.number(), ..ProgLoad::default() };
    assert!(load_with(&kernel, &[mov(0, 2), EXIT], pattern).is_ok());
}

/// Arguments that any call of a helper could have; `None` for kinds that need more.
fn plain_arguments(args: &[ArgKind]) -> Option<Vec<u64>> {
    let mut insns = Vec::new();
    for (register, kind) in (1u8..).zip(args) {
        match kind {
            ArgKind::Context => insns.push(common::copy(register, 6)),
            ArgKind::Anything => insns.push(mov(register, 0)),
            ArgKind::Size | ArgKind::SizeOrZero => insns.push(mov(register, 16)),
            ArgKind::Mem { .. } => insns.extend([common::copy(register, 10), slot(0x07, register, 0, 0, -64)]),
            _ => return None,
        }
    }
    Some(insns)
}

#[test]
fn helpers_that_move_packets() {
    let Some(kernel) = kernel_of_the_tables() else { return };
    let (mut differences, mut compared) = (Vec::new(), 0);
    for way in ways(&kernel) {
        let info = way.program_type.info();
        let (Some(data), Some(end)) = (info.context.field_by_name("data"), info.context.field_by_name("data_end"))
        else {
            continue;
        };
        for helper in HELPERS.iter().filter(|h| info.has_helper(way.attach_type, h.name)) {
            let Some(arguments) = plain_arguments(helper.args_in(way.program_type)) else { continue };
            if helper.args.is_empty() || helper.flags.contains(HelperFlags::ACQUIRES) {
                continue;
            }
            // r7 = data; leave unless 14 bytes are there; call; read through r7.
            let load = if data.size == 4 { 0x61 } else { 0x79 };
            let place = |offset: u16| i16::try_from(offset).expect("a small offset");
            let mut insns = vec![
                common::copy(6, 1),
                slot(load, 7, 6, place(data.offset), 0),
                slot(load, 8, 6, place(end.offset), 0),
                common::copy(2, 7),
                slot(0x07, 2, 0, 0, 14),
                slot(0x2d, 2, 8, i16::try_from(arguments.len() + 2).expect("few"), 0),
            ];
            insns.extend(arguments);
            insns.extend([call(helper.id), slot(0x71, 0, 7, 0, 0), mov(0, 1), EXIT]);
            let here = match way.load(&kernel, c"GPL", &insns) {
                Ok(_) => false,
                Err((_, log)) if log.contains("R7 invalid mem access 'scalar'") => true,
                Err(_) => continue, // Refused for another reason, which says nothing.
            };
            compared += 1;
            if here != helper.flags.contains(HelperFlags::CHANGES_PACKET) {
                differences.push(format!("{way:?} {}: kernel {here}", helper.name));
            }
        }
    }
    assert!(compared > 200, "{compared} calls compared");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
