//! An object as text, one fact a line: what the test programs' expectations are written in. Instruction counts and
//! type ids are left out, since they are the compiler's choice.

use skep_object::{ExternKind, MapSpec, ObjectSpec, Pinning, ProgramSpec, SlotValue, Target};
use std::collections::BTreeSet;
use std::fmt::Write;

pub(crate) fn render(object: &ObjectSpec) -> String {
    let mut out = String::new();
    if let Some(license) = &object.license {
        writeln!(out, "license {license:?}").unwrap();
    }
    if let Some(version) = object.kernel_version {
        writeln!(out, "version {version:#x}").unwrap();
    }
    for map in &object.maps {
        writeln!(out, "map {}", one_map(map)).unwrap();
        if let Some(inner) = &map.inner {
            writeln!(out, "  inner {}", one_map(inner)).unwrap();
        }
        for initial in &map.initial_values {
            let value = match initial.value {
                SlotValue::Map(index) => format!("map {}", object.maps[index.0].name),
                SlotValue::Program(index) => format!("program {}", object.programs[index.0].name),
            };
            writeln!(out, "  [{}] = {value}", initial.key).unwrap();
        }
    }
    for g in &object.globals {
        let map = &object.maps[g.map.0].name;
        let typed = if g.type_id.is_some() { "" } else { " untyped" };
        let sharing = if g.is_static { " static" } else { "" };
        let bytes: String = object.global_bytes(&g.name).unwrap().iter().take(8).map(|b| format!("{b:02x}")).collect();
        writeln!(out, "global {} {map}+{} size {}{typed}{sharing} = {bytes}", g.name, g.offset, g.size).unwrap();
    }
    for e in &object.externs {
        let weak = if e.weak { " weak" } else { "" };
        let kind = match e.kind {
            ExternKind::Kconfig { offset, value } => format!("kconfig+{offset} {value:?}"),
            ExternKind::Variable { .. } => "variable".to_owned(),
            ExternKind::Address => "address".to_owned(),
            ExternKind::Function { .. } => "function".to_owned(),
        };
        writeln!(out, "extern {}{weak} {kind}", e.name).unwrap();
    }
    for s in &object.struct_ops {
        writeln!(out, "struct_ops {} {} size {} link {}", s.name, s.type_name, s.contents.size(), s.link).unwrap();
        for m in &s.members {
            writeln!(out, "  {}+{} = program {}", m.name, m.offset, object.programs[m.program.0].name).unwrap();
        }
    }
    for warning in &object.warnings {
        writeln!(out, "warning {warning}").unwrap();
    }
    object.programs.iter().for_each(|p| program(&mut out, object, p));
    out
}

fn one_map(map: &MapSpec) -> String {
    let kind = map.map_type().map_or_else(|| format!("type {}", map.type_number), |t| format!("{t:?}"));
    let mut out = format!("{} {kind} key {} value {}", map.name, map.key_size, map.value_size);
    write!(out, " entries {}", map.max_entries).unwrap();
    if !map.flags.is_empty() {
        write!(out, " flags {:#x}", map.flags.bits()).unwrap();
    }
    if let Some(node) = map.numa_node {
        write!(out, " numa {node}").unwrap();
    }
    if map.map_extra != 0 {
        write!(out, " extra {:#x}", map.map_extra).unwrap();
    }
    if map.pinning == Pinning::ByName {
        out.push_str(" pinned");
    }
    if map.freeze {
        out.push_str(" frozen");
    }
    out
}

fn program(out: &mut String, object: &ObjectSpec, p: &ProgramSpec) {
    let autoload = if p.autoload { "" } else { " (not by default)" };
    writeln!(out, "program {} in {}{autoload}", p.name, p.section).unwrap();
    match &p.kind {
        Some(kind) => {
            write!(out, "  type {:?}", kind.program_type).unwrap();
            if let Some(attach) = kind.attach_type {
                write!(out, " attach {}", attach.name()).unwrap();
            }
            if let Some(target) = &kind.attach_to {
                write!(out, " to {target:?}").unwrap();
            }
            for (is, word) in [(kind.sleepable, "sleepable"), (kind.xdp_has_frags, "frags")] {
                if is {
                    write!(out, " {word}").unwrap();
                }
            }
            writeln!(out).unwrap();
        }
        None => writeln!(out, "  type unknown").unwrap(),
    }
    let functions: Vec<String> = p.functions.iter().map(|f| format!("{} {:?}", f.name, f.linkage)).collect();
    writeln!(out, "  functions {}", functions.join(", ")).unwrap();
    let references: BTreeSet<String> = p
        .relocations
        .iter()
        .map(|r| match r.target {
            Target::Map(map) => object.maps[map.0].name.clone(),
            Target::MapValue { map, offset } => format!("{}+{offset}", object.maps[map.0].name),
            Target::ExternAddress(index) => format!("&{}", object.externs[index.0].name),
            Target::ExternCall(index) => format!("{}()", object.externs[index.0].name),
        })
        .collect();
    if !references.is_empty() {
        writeln!(out, "  refers to {}", references.into_iter().collect::<Vec<_>>().join(", ")).unwrap();
    }
    if let Some(btf) = &object.btf {
        let core: BTreeSet<String> = p
            .core_relocations
            .iter()
            .map(|r| format!("{} of {} {}", r.kind.name(), btf.name(r.type_id), btf.str(r.access)))
            .collect();
        core.iter().for_each(|r| writeln!(out, "  core {r}").unwrap());
    }
}
