//! Numbers and layouts against the BTF of the running kernel.

use skep_abi::attach_type::AttachType;
use skep_abi::command::{
    ATTR_SIZE, BtfInfo, CommandNumber, FieldKind, LinkInfo, LinkType, MapInfo, ProgramInfo, TokenInfo,
};
use skep_abi::helper::HELPERS;
use skep_abi::map_type::MapType;
use skep_abi::program_type::{ContextInfo, ProgramType};
use skep_btf::{Btf, Kind, Type, TypeId};
use skep_testing::skip;
use std::collections::BTreeMap;

/// The BTF of a Linux 6.18, which these tables describe.
fn btf() -> Option<Btf> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if !release.starts_with("6.18.") {
        skip("the tables are those of Linux 6.18, which this is not");
        return None;
    }
    match std::fs::read("/sys/kernel/btf/vmlinux") {
        Ok(bytes) => Some(Btf::parse(&bytes).expect("the kernel's own BTF")),
        Err(error) => {
            skip(&format!("the kernel's BTF: {error}"));
            None
        }
    }
}

/// Values of an enum, by name.
fn values(btf: &Btf, name: &str) -> BTreeMap<String, u32> {
    let id = btf.find(Kind::Enum, name).unwrap_or_else(|| panic!("enum {name}"));
    let Type::Enum(found) = btf.ty(id) else { panic!("enum {name}") };
    found.values.iter().map(|v| (btf.str(v.name).to_owned(), v.value)).collect()
}

/// Offset and size of `a.b.c` in a struct or union.
fn place(btf: &Btf, mut id: TypeId, path: &str) -> Option<(usize, usize)> {
    let (mut offset, mut size) = (0, 0);
    for name in path.split('.') {
        let field = btf.find_member(btf.resolve(id).0, name)?;
        offset += usize::try_from(field.byte_offset()).ok()?;
        id = field.ty;
        size = usize::try_from(btf.size_of(id)?).ok()?;
    }
    Some((offset, size))
}

fn structure(btf: &Btf, name: &str) -> (TypeId, usize) {
    let id = btf.find(Kind::Struct, name).or_else(|| btf.find(Kind::Union, name));
    let id = id.unwrap_or_else(|| panic!("{name}"));
    (id, usize::try_from(btf.size_of(id).expect("a size")).expect("a small size"))
}

#[test]
fn enums() {
    let Some(btf) = btf() else { return };
    let commands = values(&btf, "bpf_cmd");
    for number in CommandNumber::ALL {
        assert_eq!(commands.get(&format!("BPF_{}", number.name())), Some(&number.number()));
    }
    assert_eq!(commands["__MAX_BPF_CMD"] as usize, CommandNumber::ALL.len());
    for (name, ours, max) in [
        ("bpf_map_type", MapType::ALL.len(), "__MAX_BPF_MAP_TYPE"),
        ("bpf_prog_type", ProgramType::ALL.len(), "__MAX_BPF_PROG_TYPE"),
        ("bpf_link_type", LinkType::ALL.len(), "__MAX_BPF_LINK_TYPE"),
    ] {
        assert_eq!(values(&btf, name)[max] as usize, ours + 1, "{name}");
    }
    let upper = |prefix: &str, name: &str| format!("{prefix}{}", name.to_uppercase());
    let maps = values(&btf, "bpf_map_type");
    for map_type in MapType::ALL {
        assert_eq!(maps.get(&upper("BPF_MAP_TYPE_", map_type.info().name)), Some(&map_type.number()), "{map_type:?}");
    }
    let programs = values(&btf, "bpf_prog_type");
    for program_type in ProgramType::ALL {
        let name = upper("BPF_PROG_TYPE_", program_type.info().name);
        assert_eq!(programs.get(&name), Some(&program_type.number()), "{program_type:?}");
    }
    let attach = values(&btf, "bpf_attach_type");
    assert_eq!(attach["__MAX_BPF_ATTACH_TYPE"] as usize, AttachType::ALL.len());
    for attach_type in AttachType::ALL {
        assert_eq!(attach.get(&upper("BPF_", attach_type.name())), Some(&attach_type.number()), "{attach_type:?}");
    }
    let links = values(&btf, "bpf_link_type");
    for link_type in LinkType::ALL {
        assert_eq!(links.get(&upper("BPF_LINK_TYPE_", link_type.name())), Some(&link_type.number()));
    }
    let helpers = values(&btf, "bpf_func_id");
    assert_eq!(helpers["__BPF_FUNC_MAX_ID"] as usize, HELPERS.len() + 1);
    for helper in HELPERS {
        assert_eq!(helpers.get(&format!("BPF_FUNC_{}", helper.name)), Some(&helper.id));
    }
}

#[test]
fn every_field_of_every_command() {
    let Some(btf) = btf() else { return };
    let (attr, size) = structure(&btf, "bpf_attr");
    assert_eq!(size, ATTR_SIZE);
    let mut compared = 0;
    for number in CommandNumber::ALL {
        let options = number.option_fields();
        for spec in number.fields().iter().chain(options.into_iter().flatten()) {
            let wanted = match spec.kind {
                FieldKind::Scalar(size) | FieldKind::Reply(size) => size,
                FieldKind::Input(_) | FieldKind::Output(_) | FieldKind::Text(_) => 8,
            };
            assert_eq!(place(&btf, attr, spec.name), Some((spec.offset, wanted)), "{} {}", number.name(), spec.name);
            assert!(spec.offset + wanted <= number.attr_len(), "{} {}", number.name(), spec.name);
            compared += 1;
        }
    }
    assert!(compared > 150, "{compared}");
}

#[test]
fn info_structs() {
    let Some(btf) = btf() else { return };
    for (name, fields, size) in [
        ("bpf_prog_info", ProgramInfo::FIELDS, ProgramInfo::SIZE),
        ("bpf_map_info", MapInfo::FIELDS, MapInfo::SIZE),
        ("bpf_btf_info", BtfInfo::FIELDS, BtfInfo::SIZE),
        ("bpf_token_info", TokenInfo::FIELDS, TokenInfo::SIZE),
    ] {
        let (id, kernel_size) = structure(&btf, name);
        assert_eq!(size, kernel_size, "{name}");
        for field in fields {
            // `type` is no name in Rust, and the flag is a bit field of its word.
            let theirs = match field.name {
                "program_type" | "map_type" => "type",
                "gpl_compatible" => continue,
                same => same,
            };
            assert_eq!(place(&btf, id, theirs), Some((field.offset, field.size)), "{name}.{theirs}");
        }
    }
    let (id, size) = structure(&btf, "bpf_link_info");
    assert_eq!(LinkInfo::SIZE, size);
    for pointer in LinkType::ALL.iter().flat_map(|t| t.pointers()) {
        assert_eq!(place(&btf, id, pointer.name), Some((pointer.offset, 8)), "{}", pointer.name);
    }
    for (name, rows) in [
        ("bpf_prog_info", skep_abi::command::PROGRAM_POINTERS),
        ("bpf_map_info", skep_abi::command::MAP_POINTERS),
        ("bpf_btf_info", skep_abi::command::BTF_POINTERS),
    ] {
        let (id, _) = structure(&btf, name);
        for row in rows {
            assert_eq!(place(&btf, id, row.name), Some((row.offset, 8)), "{name}.{}", row.name);
        }
    }
}

#[test]
fn contexts() {
    let Some(btf) = btf() else { return };
    for program_type in ProgramType::ALL {
        let ContextInfo::Struct { name, size, fields } = program_type.info().context else { continue };
        if *program_type == ProgramType::LircMode2 {
            continue; // Its context is a bare number.
        }
        let (id, kernel_size) = structure(&btf, name);
        assert_eq!(usize::from(size), kernel_size, "{name}");
        for field in fields {
            let Some((offset, size)) = place(&btf, id, field.name) else { panic!("{name}.{}", field.name) };
            assert_eq!(usize::from(field.offset), offset, "{name}.{}", field.name);
            // A port of two bytes may be read as four: the padding behind it is zero.
            let padded = size == 2 && field.size == 4;
            assert!(usize::from(field.size) == size || padded, "{name}.{}", field.name);
        }
    }
}
