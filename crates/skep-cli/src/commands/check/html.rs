//! One self-contained page: source, bytecode and states side by side.

use super::explained::Source;
use super::row::Row;
use super::snippet::{Sources, expression};
use super::trace::{Trace, source};
use serde_json::{Value, json};
use skep_isa::{CallTarget, Insn};
use skep_object::{ObjectSpec, ProgramSpec};
use std::collections::BTreeMap;

/// The page, in which the data is put.
const PAGE: &str = include_str!("page.html");
const PLACE_FOR_DATA: &str = "\"SKEP-DATA\"";
/// Lines of a source file around those that code came from.
const CONTEXT: u32 = 3;

/// What the page shows of one program.
pub(super) fn program(
    row: &Row,
    trace: &Trace,
    object: &ObjectSpec,
    spec: &ProgramSpec,
    sources: &mut Sources,
) -> Value {
    let names = |target: &CallTarget| match *target {
        CallTarget::Helper(id) => {
            let proto = skep_abi::helper::by_id(u32::try_from(id).ok()?)?;
            Some(format!("bpf_{}", proto.name))
        }
        _ => None,
    };
    let mut files: BTreeMap<String, BTreeMap<u32, String>> = BTreeMap::new();
    let mut insns = Vec::new();
    for slot in 0..spec.insns.len() {
        // The second half of a two-slot instruction has no line of its own.
        let Ok(insn) = Insn::decode(&spec.insns, slot) else { continue };
        let record = spec.lines.partition_point(|record| record.slot as usize <= slot).checked_sub(1);
        let place = record.map(|at| source(object, &spec.lines[at]));
        if let Some(place) = &place {
            files.entry(place.file.clone()).or_default().insert(place.line, place.text.clone());
        }
        let seen = &trace.slots[slot];
        insns.push(json!({
            "slot": slot,
            "op": format!("{:02x}", spec.insns[slot].opcode),
            "text": insn.linux_text(&names).to_string(),
            "to": jump_target(slot, &insn),
            "file": place.as_ref().map(|place| &place.file),
            "line": place.as_ref().map(|place| place.line),
            "column": place.as_ref().map(|place| place.column),
            "visits": seen.visits,
            "states": seen.states,
        }));
    }
    let functions: Vec<Value> =
        spec.functions.iter().map(|function| json!({ "slot": function.start, "name": function.name })).collect();
    json!({
        "row": row,
        "marked": row.source.as_ref().map(|place| marked(place, sources)),
        "title": row.reason.map(|reason| reason.info().title),
        "files": files.into_iter().map(|(name, lines)| file(&name, lines, sources)).collect::<Vec<_>>(),
        "functions": functions,
        "insns": insns,
        "texts": trace.texts,
    })
}

/// The part of the refused line that it is about, in UTF-16 code units, as scripts count.
fn marked(place: &Source, sources: &mut Sources) -> [usize; 2] {
    let line = sources.line(&place.file, place.line, &place.text);
    let range = expression(line, place.column);
    [range.start, range.end].map(|at| line[..at].encode_utf16().count())
}

fn jump_target(slot: usize, insn: &Insn) -> Option<i64> {
    let next = slot as i64 + 1;
    match *insn {
        Insn::Jump { offset, .. } => Some(next + i64::from(offset)),
        Insn::JumpIf { offset, .. } | Insn::MayGoto { offset } => Some(next + i64::from(offset)),
        Insn::Call(CallTarget::Subprogram { offset }) => Some(next + i64::from(offset)),
        _ => None,
    }
}

/// The lines that code came from, with some around them where the file can be read.
fn file(name: &str, known: BTreeMap<u32, String>, sources: &mut Sources) -> Value {
    let mut shown: BTreeMap<u32, String> = BTreeMap::new();
    for (number, text) in &known {
        for near in number.saturating_sub(CONTEXT).max(1)..=number + CONTEXT {
            let text = if near == *number { text.as_str() } else { known.get(&near).map_or("", String::as_str) };
            if let Some(text) = sources.known_line(name, near, text) {
                shown.insert(near, text);
            }
        }
    }
    let lines: Vec<Value> = shown.into_iter().map(|(number, text)| json!([number, text])).collect();
    json!({ "name": name, "lines": lines })
}

/// The page for some programs.
pub(super) fn page(programs: &[Value]) -> String {
    // Inside a script element, `</` must not occur.
    let data = Value::from(programs.to_vec()).to_string().replace('<', "\\u003c");
    PAGE.replacen(PLACE_FOR_DATA, &data, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_needs_nothing_else() {
        assert_eq!(PAGE.matches(PLACE_FOR_DATA).count(), 1);
        for outside in ["http:", "https:", " src=", "@import", "url("] {
            assert!(!PAGE.contains(outside), "{outside}");
        }
        let page = page(&[json!({ "text": "</script><script>alert(1)</script>" })]);
        assert_eq!(page.matches("</script>").count(), PAGE.matches("</script>").count());
    }
}
