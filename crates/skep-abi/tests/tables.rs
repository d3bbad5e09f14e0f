//! The tables agree with each other.

use skep_abi::attach_type::AttachType;
use skep_abi::helper::{self, ArgKind, HELPERS, HelperFlags};
use skep_abi::map_type::{MAP_TYPES, MapType};
use skep_abi::program_type::{BASE_HELPERS, ContextInfo, ProgramType, TRACING_HELPERS, by_section};

#[test]
fn helpers_are_numbered_without_gaps_and_found_by_id_and_name() {
    assert_eq!(HELPERS.len(), 211);
    for (index, row) in HELPERS.iter().enumerate() {
        assert_eq!(row.id as usize, index + 1, "{}", row.name);
        assert_eq!(helper::by_id(row.id).map(|h| h.id), Some(row.id));
        assert_eq!(helper::by_name(row.name).map(|h| h.id), Some(row.id));
    }
    assert!(helper::by_id(0).is_none() && helper::by_id(212).is_none());
    assert_eq!(helper::id::r#loop, helper::by_name("bpf_loop").map_or(0, |h| h.id));
}

#[test]
fn a_memory_argument_is_followed_by_its_size() {
    for row in HELPERS {
        for args in std::iter::once(row.args).chain(row.variants.iter().map(|v| v.args)) {
            assert!(args.len() <= 5, "{}", row.name);
            for (index, arg) in args.iter().enumerate() {
                if matches!(arg, ArgKind::Mem { .. }) {
                    let size = args.get(index + 1);
                    assert!(matches!(size, Some(ArgKind::Size | ArgKind::SizeOrZero)), "{} argument {index}", row.name);
                }
            }
            assert_eq!(row.callback.is_some(), args.contains(&ArgKind::Function), "{}", row.name);
        }
        assert_eq!(row.release_arg != 0, row.flags.contains(HelperFlags::RELEASES), "{}", row.name);
        assert!(row.prototype.contains(&format!("bpf_{}(", row.name)), "{}", row.prototype);
    }
}

#[test]
fn every_name_in_a_helper_list_is_a_helper() {
    let of_programs = ProgramType::ALL.iter().flat_map(|t| {
        let info = t.info();
        info.helpers.iter().chain(info.attach_helpers.iter().flat_map(|(_, names)| names.iter()))
    });
    let of_maps = MAP_TYPES.iter().flat_map(|m| m.helpers);
    for name in of_programs.chain(of_maps).chain(BASE_HELPERS).chain(TRACING_HELPERS) {
        assert!(helper::by_name(name).is_some(), "{name}");
    }
}

#[test]
fn no_helper_is_listed_twice_for_a_program_type() {
    for program_type in ProgramType::ALL {
        for attach_type in std::iter::once(None).chain(AttachType::ALL.iter().map(|t| Some(*t))) {
            let mut names: Vec<_> = program_type.info().helpers_for(attach_type).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(all, names.len(), "{program_type:?} {attach_type:?}");
        }
    }
}

#[test]
fn rows_stand_at_their_types() {
    for map_type in MapType::ALL {
        assert_eq!(map_type.info().map_type, *map_type);
        assert_eq!(MapType::from_name(map_type.info().name), Some(*map_type));
        assert!(map_type.info().flags.contains(map_type.info().required_flags));
    }
    for program_type in ProgramType::ALL {
        assert_eq!(program_type.info().program_type, *program_type);
        assert_eq!(ProgramType::from_name(program_type.info().name), Some(*program_type));
    }
}

#[test]
fn context_fields_are_ordered_and_lie_inside() {
    for program_type in ProgramType::ALL {
        let ContextInfo::Struct { name, size, fields } = program_type.info().context else { continue };
        let mut last = 0;
        for field in fields {
            assert!(field.offset >= last, "{name}.{}", field.name);
            assert!(field.offset + field.size <= size, "{name}.{}", field.name);
            assert_eq!(field.size % u16::from(field.element), 0, "{name}.{}", field.name);
            last = field.offset;
        }
    }
}

#[test]
fn pointer_slots_follow_the_struct() {
    let xdp = &ProgramType::Xdp.info().context;
    assert_eq!((xdp.pointer_slot(0), xdp.pointer_slot(4), xdp.pointer_slot(8)), (Some(24), Some(32), Some(40)));
    assert_eq!(xdp.pointer_slot(12), None);
    assert_eq!(xdp.running_size(), 48);
}

#[test]
fn sections_are_read_as_libbpf_reads_them() {
    let read = |name| by_section(name).map(|s| (s.program_type, s.name.attach_type, s.rest, s.autoload));
    use ProgramType as P;
    assert_eq!(read("xdp"), Some((P::Xdp, Some(AttachType::Xdp), None, true)));
    assert_eq!(read("?xdp.frags/devmap"), Some((P::Xdp, Some(AttachType::XdpDevmap), None, false)));
    assert_eq!(read("xdp/other"), None);
    assert_eq!(read("kprobe/do_unlinkat+8"), Some((P::Kprobe, None, Some("do_unlinkat+8"), true)));
    assert_eq!(read("kprobes/x"), None);
    assert_eq!(
        read("tp/syscalls/sys_enter_openat"),
        Some((P::Tracepoint, None, Some("syscalls/sys_enter_openat"), true))
    );
    assert_eq!(read("cgroup/connect4"), Some((P::CgroupSockAddr, Some(AttachType::CgroupInet4Connect), None, true)));
    assert_eq!(read("tcx/ingress"), Some((P::SchedCls, Some(AttachType::TcxIngress), None, true)));
    assert_eq!(read("tc"), Some((P::SchedCls, None, None, true)));
    assert_eq!(read("sk_skb/stream_parser"), Some((P::SkSkb, Some(AttachType::SkSkbStreamParser), None, true)));
    assert_eq!(read(".text"), None);
    let sleepable = by_section("fentry.s/bpf_fentry_test1").map(|s| (s.name.sleepable, s.name.attach_btf, s.rest));
    assert_eq!(sleepable, Some((true, true, Some("bpf_fentry_test1"))));
}
