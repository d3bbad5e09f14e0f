//! `skep dump --xlated`: programs after verification, in the form of `bpftool prog dump xlated`.

use crate::error::Failure;
use crate::offline::{Offline, Verdict, fill_kernel_settings};
use crate::output::Report;
use crate::style::{self, printable};
use crate::target_btf;
use serde::Serialize;
use skep_abi::{helper, kfunc};
use skep_btf::Btf;
use skep_isa::{CallTarget, Imm64, Insn, Slot};
use skep_object::{ObjectSpec, ProgramSpec};
use skep_verifier::{CallSite, Options, Verified};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// How to translate.
pub(super) struct Translate<'a> {
    /// BTF of the kernel in question.
    pub(super) btf: Option<&'a Path>,
    /// With what all paths agree on.
    pub(super) facts: bool,
}

impl Translate<'_> {
    /// Programs after verification; fails at the first that is refused.
    pub(super) fn all(&self, object: &ObjectSpec, programs: &[&ProgramSpec]) -> Result<Listings, Failure> {
        let listings = programs.iter().map(|program| Ok(self.one(object, program)?.listing));
        Ok(Listings(listings.collect::<Result<_, Failure>>()?))
    }

    /// A program after verification.
    pub(super) fn one(&self, object: &ObjectSpec, program: &ProgramSpec) -> Result<Translated, Failure> {
        let mut object = object.clone();
        fill_kernel_settings(&mut object);
        let kernel = target_btf::load(self.btf)?;
        let offline = Offline::new(&object, Arc::clone(&kernel));
        let failed = |why: String| Failure::new(format!("program '{}' cannot be translated: {why}", program.name));
        match offline.check(program, &Options::default()) {
            Verdict::Accept(verified) => Ok(Translated {
                listing: self.listing(&object, &kernel, program, &offline, &verified),
                slots: verified.insns().to_vec(),
                maps: verified.maps().iter().map(|fd| offline.map_name(*fd).to_owned()).collect(),
            }),
            Verdict::Reject(rejection) => {
                Err(failed(format!("it is refused: {}", rejection.message)).hint("`skep check` says why"))
            }
            Verdict::Environment(reason) => Err(failed(reason)),
        }
    }

    fn listing(
        &self,
        object: &ObjectSpec,
        kernel: &Btf,
        program: &ProgramSpec,
        offline: &Offline<'_>,
        verified: &Verified,
    ) -> Listing {
        let source = Source::new(object, program);
        let maps: Vec<&str> = verified.maps().iter().map(|fd| offline.map_name(*fd)).collect();
        let names = |target: &CallTarget| callee(kernel, target);
        let mut last_source = None;
        let instructions = skep_isa::instructions(verified.insns()).filter_map(Result::ok).map(|(slot, insn)| {
            let original = verified.original_slots().get(slot).copied().unwrap_or(0);
            let proto = source.functions.get(&original).cloned();
            let src = source.line(original).filter(|line| last_source.replace(*line) != Some(*line));
            Instruction {
                slot,
                proto,
                src: src.map(str::to_owned),
                disasm: disassembled(verified, slot, &insn, &maps, &names),
                facts: if self.facts { facts(verified, slot as u32, &maps) } else { Vec::new() },
            }
        });
        Listing { name: program.name.clone(), instructions: instructions.collect() }
    }
}

/// A program after verification.
pub(super) struct Translated {
    /// As it is shown.
    pub(super) listing: Listing,
    /// Its instructions.
    pub(super) slots: Vec<Slot>,
    /// Names of the maps that they refer to by index.
    pub(super) maps: Vec<String>,
}

/// What a call calls, as Linux names it.
fn callee(kernel: &Btf, target: &CallTarget) -> Option<String> {
    match *target {
        CallTarget::Helper(id) => helper::by_id(u32::try_from(id).ok()?).map(|proto| format!("bpf_{}", proto.name)),
        CallTarget::Kfunc { id, .. } => {
            let name = kernel.name(skep_btf::TypeId(u32::try_from(id).ok()?));
            kfunc::by_name(name).map(|kfunc| kfunc.name.to_owned())
        }
        CallTarget::Subprogram { .. } => None,
    }
}

/// `(b7) r0 = 0`
fn disassembled(
    verified: &Verified,
    slot: usize,
    insn: &Insn,
    maps: &[&str],
    names: &dyn Fn(&CallTarget) -> Option<String>,
) -> String {
    let opcode = verified.insns().get(slot).map_or(0, |slot| slot.opcode);
    let map = |index: i32| usize::try_from(index).ok().and_then(|index| maps.get(index)).copied().unwrap_or("?");
    let text = match *insn {
        Insn::LoadImm64 { dst, imm: Imm64::MapIndex(index) } => format!("{dst} = map[{}]", map(index)),
        Insn::LoadImm64 { dst, imm: Imm64::MapIndexValue { index, offset } } => {
            format!("{dst} = map[{}][0]+{offset}", map(index))
        }
        Insn::LoadImm64 { dst, imm: Imm64::Function { offset } } => format!("{dst} = subprog[{offset:+}]"),
        ref insn => insn.linux_text(names).to_string(),
    };
    format!("({opcode:02x}) {text}")
}

/// What all paths agree on about an instruction, in words.
fn facts(verified: &Verified, slot: u32, maps: &[&str]) -> Vec<String> {
    let mut facts = Vec::new();
    let sites = verified.call_sites();
    if let Ok(index) = sites.binary_search_by_key(&slot, |site| site.slot) {
        let CallSite { map, tail_call_index, loop_body, .. } = sites[index];
        let name = map.and_then(|map| maps.get(map as usize));
        facts.extend(name.map(|name| format!("always map {name}")));
        facts.extend(tail_call_index.map(|index| format!("always element {index}")));
        facts.extend(loop_body.map(|start| format!("always loops over {start}")));
    }
    if verified.zero_extensions().binary_search(&slot).is_ok() {
        facts.push("upper half is read".to_owned());
    }
    if verified.probe_loads().binary_search(&slot).is_ok() {
        facts.push("gives 0 where nothing can be read".to_owned());
    }
    facts
}

/// Function declarations and source lines by slot of the object's program.
struct Source {
    functions: BTreeMap<u32, String>,
    lines: BTreeMap<u32, String>,
}

impl Source {
    fn new(object: &ObjectSpec, program: &ProgramSpec) -> Source {
        let Some(btf) = &object.btf else { return Source { functions: BTreeMap::new(), lines: BTreeMap::new() } };
        let declaration = |id| btf.function_declaration(id).ok().flatten();
        let functions = program.functions.iter();
        let text = |offset| btf.string(offset).unwrap_or_default().trim().to_owned();
        Source {
            // Linux's tools set each star apart.
            functions: functions.filter_map(|f| Some((f.start, declaration(f.type_id?)?.replace('*', "* ")))).collect(),
            lines: program.lines.iter().map(|line| (line.slot, text(line.text))).collect(),
        }
    }

    /// The line that a slot belongs to.
    fn line(&self, slot: u32) -> Option<&str> {
        self.lines.range(..=slot).next_back().map(|(_, line)| line.as_str()).filter(|line| !line.is_empty())
    }
}

/// Programs, in the form and with the keys of bpftool.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Listings(Vec<Listing>);

#[derive(Serialize)]
pub(super) struct Listing {
    pub(super) name: String,
    #[serde(rename = "insns")]
    pub(super) instructions: Vec<Instruction>,
}

#[derive(Serialize)]
pub(super) struct Instruction {
    #[serde(skip)]
    pub(super) slot: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proto: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) src: Option<String>,
    pub(super) disasm: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    facts: Vec<String>,
}

impl Report for Listings {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let quiet = style::QUIET;
        for (index, program) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            for instruction in &program.instructions {
                if let Some(proto) = &instruction.proto {
                    writeln!(out, "{}:", printable(proto))?;
                }
                if let Some(src) = &instruction.src {
                    writeln!(out, "{quiet}; {}{quiet:#}", printable(src))?;
                }
                write!(out, "{:4}: {}", instruction.slot, printable(&instruction.disasm))?;
                if !instruction.facts.is_empty() {
                    write!(out, "{quiet}  ; {}{quiet:#}", printable(&instruction.facts.join(", ")))?;
                }
                writeln!(out)?;
            }
        }
        Ok(())
    }
}
