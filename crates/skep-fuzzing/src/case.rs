//! Programs as cases of `tests/verifier`.

use crate::generate::Candidate;
use crate::setting::{MAPS, MapDefinition};
use skep_abi::helper;
use skep_isa::text::{Listing, Names, Style, assemble_with};
use skep_isa::{CallTarget, Imm64, Insn, Slot, instructions};
use std::fmt::Write as _;

/// The text of a case; `verdict` is `accept`, or `reject` with a message on the next line.
pub fn text(name: &str, candidate: &Candidate, verdict: &str) -> String {
    let mut out = format!("=== {name}\ntype: {}\n", candidate.program_type.info().name);
    for number in maps_used(&candidate.slots) {
        let MapDefinition { name, map_type, key_size, value_size, max_entries } = MAPS[number];
        let _ = writeln!(out, "map: {name} {} {key_size} {value_size} {max_entries}", map_type.info().name);
    }
    for line in listing(&candidate.slots).lines() {
        let indent = if line.ends_with(':') { "" } else { "    " };
        let _ = writeln!(out, "{indent}{line}");
    }
    let _ = writeln!(out, "--- {verdict}");
    out
}

/// The program with names of maps and helpers.
pub fn listing(slots: &[Slot]) -> String {
    let mut text = Listing::new(slots).style(Style::default()).numbers(false).to_string();
    for (number, map) in MAPS.iter().enumerate() {
        text = text.replace(&format!("map[fd:{number}]"), &format!("map[{}]", map.name));
    }
    for (_, insn) in instructions(slots).flatten() {
        if let Insn::Call(CallTarget::Helper(id)) = insn
            && let Some(helper) = u32::try_from(id).ok().and_then(helper::by_id)
        {
            text = text.replace(&format!("call {id}\n"), &format!("call bpf_{}\n", helper.name));
        }
    }
    text
}

fn maps_used(slots: &[Slot]) -> Vec<usize> {
    let mut used: Vec<usize> = instructions(slots)
        .flatten()
        .filter_map(|(_, insn)| match insn {
            Insn::LoadImm64 { imm: Imm64::MapFd(fd) | Imm64::MapValue { fd, .. }, .. } => usize::try_from(fd).ok(),
            _ => None,
        })
        .filter(|number| *number < MAPS.len())
        .collect();
    used.sort_unstable();
    used.dedup();
    used
}

/// Names that programs may use.
struct Setting;

impl Names for Setting {
    fn helper(&self, name: &str) -> Option<i32> {
        i32::try_from(helper::by_name(name)?.id).ok()
    }

    fn map(&self, name: &str) -> Option<i32> {
        MAPS.iter().position(|map| map.name == name).and_then(|number| i32::try_from(number).ok())
    }
}

/// The program of a text as [`listing`] writes it.
///
/// # Errors
/// What the assembler says.
pub fn assemble(text: &str) -> Result<Vec<Slot>, String> {
    assemble_with(text, &Setting).map(|assembly| assembly.slots).map_err(|error| error.to_string())
}
