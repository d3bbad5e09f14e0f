//! `skep dump`: what is in an object.

mod jited;
mod xlated;

use crate::error::{Exit, Failure, Outcome};
use crate::output::{Output, Report, print_text};
use crate::style::printable;
use crate::{cfg_svg, input, style};
use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use skep_abi::map_type::MapFlags;
use skep_isa::cfg::Cfg;
use skep_isa::text::Listing;
use skep_isa::{CallTarget, Imm64, Insn};
use skep_object::{ExternKind, MapSpec, ObjectSpec, ProgramSpec, Target};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

/// Show what is in an object: sections, programs, maps, variables, instructions
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  skep dump firewall.bpf.o                        what it holds
  skep dump firewall.bpf.o --program firewall     its instructions beside their source lines
  skep dump firewall.bpf.o --program firewall --cfg svg > firewall.svg
  skep dump firewall.bpf.o --program firewall --xlated --facts
  skep dump firewall.bpf.o --program firewall --jited")]
pub(crate) struct Dump {
    /// BPF object
    object: PathBuf,
    /// Instructions of this program
    #[arg(long, value_name = "NAME")]
    program: Option<String>,
    /// Instructions of all programs
    #[arg(long, conflicts_with = "program")]
    instructions: bool,
    /// Show the bytes of each instruction
    #[arg(long)]
    bytes: bool,
    /// Instructions after verification, as the engine runs them
    #[arg(long, conflicts_with_all = ["bytes", "instructions", "cfg"])]
    xlated: bool,
    /// Machine code beside the instructions, as Skep's own kernel compiles them
    #[arg(long, conflicts_with_all = ["xlated", "instructions", "cfg"])]
    jited: bool,
    /// With --jited: show addresses of this process, which are otherwise named or left out
    #[arg(long, requires = "jited")]
    addresses: bool,
    /// With --xlated: what all paths agree on, beside the instructions
    #[arg(long, requires = "xlated")]
    facts: bool,
    /// With --xlated: BTF of the kernel the programs are meant for
    #[arg(long, value_name = "FILE", requires = "xlated")]
    btf: Option<PathBuf>,
    /// Control-flow graph of a program in place of its instructions
    #[arg(long, value_enum, value_name = "FORM", conflicts_with_all = ["instructions", "bytes"])]
    cfg: Option<CfgForm>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CfgForm {
    /// For graphviz
    Dot,
    /// A picture
    Svg,
}

impl Dump {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let bytes = input::read(&self.object)?;
        let object = ObjectSpec::parse(&bytes).map_err(|e| Failure::file("read the object", &self.object, &e))?;
        let programs = self.selected(&object)?;
        match self.cfg {
            Some(_) if output.is_json() => {
                return Err(Failure::new("a control-flow graph is printed as dot or SVG, not as JSON"));
            }
            Some(form) => self.print_cfg(&object, &programs, form)?,
            None if self.xlated => {
                let translate = xlated::Translate { btf: self.btf.as_deref(), facts: self.facts };
                output.print(&translate.all(&object, &programs)?)?;
            }
            None if self.jited => {
                let jited = jited::Jited { bytes: self.bytes, addresses: self.addresses };
                output.print(&jited.all(&self.object.display().to_string(), &bytes, &object, &programs)?)?;
            }
            None if self.program.is_some() || self.instructions => {
                output.print(&Listings(programs.iter().map(|p| self.listing(&object, p)).collect()))?;
            }
            None => output.print(&Summary::new(&object))?,
        }
        Ok(Exit::Success)
    }

    fn selected<'a>(&self, object: &'a ObjectSpec) -> Result<Vec<&'a ProgramSpec>, Failure> {
        let Some(name) = &self.program else { return Ok(object.programs.iter().collect()) };
        match object.program(name) {
            Some((_, program)) => Ok(vec![program]),
            None => Err(Failure::new(format!("no program '{name}'; the object has {}", name_list(object)))),
        }
    }

    fn print_cfg(&self, object: &ObjectSpec, programs: &[&ProgramSpec], form: CfgForm) -> Result<(), Failure> {
        let [program] = programs else {
            let names = name_list(object);
            return Err(Failure::new(format!("a graph is of one program; the object has {names}"))
                .hint("choose one with --program"));
        };
        let failed = |e: skep_isa::cfg::CfgError| {
            Failure::because(format!("program '{}' has no control-flow graph", program.name), &e)
        };
        let cfg = Cfg::build(&program.insns).map_err(failed)?;
        let names = |number: usize| {
            let start = cfg.subprograms().get(number)?.start;
            program.functions.iter().find(|f| f.start as usize == start).map(|f| f.name.clone())
        };
        let comments = |slot: usize, insn: &Insn| comment(object, program, slot, insn);
        match form {
            CfgForm::Dot => print_text(&cfg.dot().names(&names).comments(&comments).to_string()),
            CfgForm::Svg => print_text(&cfg_svg::render(&cfg, &cfg_svg::Labels { names: &names, comments: &comments })),
        }
    }

    fn listing(&self, object: &ObjectSpec, program: &ProgramSpec) -> ProgramListing {
        let comments = |slot: usize, insn: &Insn| comment(object, program, slot, insn);
        let mut listing = Listing::new(&program.insns).bytes(self.bytes).comments(&comments);
        for function in &program.functions {
            listing = listing.label(function.start as usize, &function.name);
        }
        let lines = source_lines(object, program);
        let text = listing.to_string();
        let instructions = skep_isa::instructions(&program.insns)
            .filter_map(Result::ok)
            .map(|(slot, insn)| Instruction {
                slot,
                text: insn.to_string(),
                comment: comments(slot, &insn),
                source: lines.get(&slot).cloned(),
            })
            .collect();
        ProgramListing {
            name: program.name.clone(),
            section: program.section.clone(),
            text: interleave(&text, &lines),
            instructions,
        }
    }
}

/// The programs of an object, for messages.
fn name_list(object: &ObjectSpec) -> String {
    let names: Vec<&str> = object.programs.iter().map(|program| &*program.name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What an instruction refers to, for people.
fn comment(object: &ObjectSpec, program: &ProgramSpec, slot: usize, insn: &Insn) -> Option<String> {
    let relocation = program.relocations.iter().find(|r| r.slot as usize == slot);
    if let Some(relocation) = relocation {
        let map = |index: skep_object::MapIndex| object.maps.get(index.0).map_or("?", |map| &*map.name);
        let external = |index: skep_object::ExternIndex| object.externs.get(index.0).map_or("?", |e| &*e.name);
        return Some(match relocation.target {
            Target::Map(index) => format!("map {}", map(index)),
            Target::MapValue { map: index, offset } => format!("{}+{offset}", map(index)),
            Target::ExternAddress(index) | Target::ExternCall(index) => external(index).to_owned(),
        });
    }
    let function = |offset: i32| {
        let start = i64::try_from(slot).ok()? + 1 + i64::from(offset);
        program.functions.iter().find(|f| i64::from(f.start) == start).map(|f| f.name.clone())
    };
    match insn {
        Insn::Call(CallTarget::Subprogram { offset }) => function(*offset),
        Insn::LoadImm64 { imm: Imm64::Function { offset }, .. } => function(*offset),
        _ => crate::commands::asm::helper_name(insn),
    }
}

/// The source line that begins at each slot: `file:line: text`.
fn source_lines(object: &ObjectSpec, program: &ProgramSpec) -> BTreeMap<usize, String> {
    let Some(btf) = &object.btf else { return BTreeMap::new() };
    let string = |offset| btf.string(offset).unwrap_or_default();
    let file = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    program
        .lines
        .iter()
        .map(|record| {
            let text = string(record.text).trim();
            (record.slot as usize, format!("{}:{}: {text}", file(string(record.file)), record.line))
        })
        .collect()
}

/// Puts each source line in front of the first instruction that stems from it.
fn interleave(listing: &str, lines: &BTreeMap<usize, String>) -> String {
    let mut text = String::with_capacity(listing.len() * 2);
    let mut last = None;
    for line in listing.lines() {
        let slot = line.split_once(':').and_then(|(number, _)| number.trim().parse::<usize>().ok());
        if let Some(source) = slot.and_then(|slot| lines.get(&slot)).filter(|source| last != Some(*source)) {
            text.push_str(&format!("; {source}\n"));
            last = Some(source);
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listings(Vec<ProgramListing>);

#[derive(Serialize)]
struct ProgramListing {
    name: String,
    section: String,
    #[serde(skip)]
    text: String,
    instructions: Vec<Instruction>,
}

#[derive(Serialize)]
struct Instruction {
    slot: usize,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

impl Report for Listings {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let source = style::QUIET;
        for program in &self.0 {
            let bold = style::TITLE;
            let (name, section) = (printable(&program.name), printable(&program.section));
            writeln!(out, "{bold}{name}{bold:#}: section {section}")?;
            for line in program.text.lines().map(printable) {
                if line.starts_with("; ") {
                    writeln!(out, "{source}{line}{source:#}")?;
                } else {
                    writeln!(out, "{line}")?;
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// An object at a glance.
#[derive(Serialize)]
struct Summary {
    license: Option<String>,
    byte_order: &'static str,
    btf_types: Option<u32>,
    sections: Vec<Section>,
    programs: Vec<Program>,
    maps: Vec<Map>,
    globals: Vec<Global>,
    externs: Vec<Extern>,
}

#[derive(Serialize)]
struct Section {
    name: String,
    offset_bytes: u64,
    size_bytes: u64,
}

#[derive(Serialize)]
struct Program {
    name: String,
    section: String,
    #[serde(rename = "type")]
    program_type: Option<&'static str>,
    attach_type: Option<&'static str>,
    attach_to: Option<String>,
    sleepable: bool,
    autoload: bool,
    instructions: usize,
    subprograms: Vec<String>,
    core_relocations: usize,
}

#[derive(Serialize)]
struct Map {
    name: String,
    #[serde(rename = "type")]
    map_type: String,
    key_bytes: u32,
    value_bytes: u32,
    max_entries: u32,
    flags: u32,
    pinned: bool,
    key: Option<String>,
    value: Option<String>,
}

#[derive(Serialize)]
struct Global {
    name: String,
    map: String,
    offset_bytes: u32,
    size_bytes: u32,
}

#[derive(Serialize)]
struct Extern {
    name: String,
    kind: &'static str,
    weak: bool,
}

impl Summary {
    fn new(object: &ObjectSpec) -> Summary {
        let map_name =
            |index: skep_object::MapIndex| object.maps.get(index.0).map_or_else(String::new, |m| m.name.clone());
        Summary {
            license: object.license.clone(),
            byte_order: match object.byte_order {
                skep_object::ByteOrder::Little => "little",
                skep_object::ByteOrder::Big => "big",
            },
            btf_types: object.btf.as_ref().map(|btf| btf.type_count()),
            sections: object
                .sections
                .iter()
                .map(|s| Section { name: s.name.clone(), offset_bytes: s.offset, size_bytes: s.size })
                .collect(),
            programs: object.programs.iter().map(Program::new).collect(),
            maps: object.maps.iter().map(|map| Map::new(object, map)).collect(),
            globals: object
                .globals
                .iter()
                .map(|g| Global {
                    name: g.name.clone(),
                    map: map_name(g.map),
                    offset_bytes: g.offset,
                    size_bytes: g.size,
                })
                .collect(),
            externs: object
                .externs
                .iter()
                .map(|e| Extern { name: e.name.clone(), kind: extern_kind(e.kind), weak: e.weak })
                .collect(),
        }
    }
}

fn extern_kind(kind: ExternKind) -> &'static str {
    match kind {
        ExternKind::Kconfig { .. } => "kconfig",
        ExternKind::Variable { .. } => "variable",
        ExternKind::Address => "symbol",
        ExternKind::Function { .. } => "function",
    }
}

impl Program {
    fn new(spec: &ProgramSpec) -> Program {
        let kind = spec.kind.as_ref();
        Program {
            name: spec.name.clone(),
            section: spec.section.clone(),
            program_type: kind.map(|kind| kind.program_type.info().name),
            attach_type: kind.and_then(|kind| kind.attach_type).map(|attach_type| attach_type.name()),
            attach_to: kind.and_then(|kind| kind.attach_to.clone()),
            sleepable: kind.is_some_and(|kind| kind.sleepable),
            autoload: spec.autoload,
            instructions: spec.insns.len(),
            subprograms: spec.functions.iter().skip(1).map(|f| f.name.clone()).collect(),
            core_relocations: spec.core_relocations.len(),
        }
    }
}

impl Map {
    fn new(object: &ObjectSpec, spec: &MapSpec) -> Map {
        let type_name = |id: Option<skep_btf::TypeId>| {
            let btf = object.btf.as_ref()?;
            let name = btf.name(id?);
            (!name.is_empty()).then(|| name.to_owned())
        };
        Map {
            name: spec.name.clone(),
            map_type: spec.map_type().map_or_else(|| spec.type_number.to_string(), |t| t.info().name.to_owned()),
            key_bytes: spec.key_size,
            value_bytes: spec.value_size,
            max_entries: spec.max_entries,
            flags: spec.flags.bits(),
            pinned: spec.pinning == skep_object::Pinning::ByName,
            key: type_name(spec.key_type),
            value: type_name(spec.value_type),
        }
    }
}

/// `rdonly_prog mmapable`
fn flag_names(bits: u32) -> String {
    let flags = MapFlags::from_bits_retain(bits);
    let unknown = flags.difference(MapFlags::all()).bits();
    let names = flags.iter_names().map(|(name, _)| name.to_ascii_lowercase());
    names.chain((unknown != 0).then(|| format!("{unknown:#x}"))).collect::<Vec<_>>().join(" ")
}

/// A table with a title, if it has rows.
fn table(out: &mut dyn Write, title: &str, header: &[&str], rows: Vec<Vec<String>>) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    let is_number = |cell: &String| cell.bytes().all(|byte| byte.is_ascii_digit());
    for (index, column) in table.column_iter_mut().enumerate() {
        if rows.iter().filter_map(|row| row.get(index)).all(is_number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.add_rows(rows.iter().map(|row| row.iter().map(|cell| printable(cell))));
    let bold = style::TITLE;
    writeln!(out, "\n{bold}{title}{bold:#}")?;
    table.lines().try_for_each(|line| writeln!(out, " {}", line.trim_end()))
}

impl Report for Summary {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "license {}", self.license.as_deref().map_or("none".into(), printable))?;
        let types = self.btf_types.map_or_else(|| "no BTF".to_owned(), |count| format!("{count} types"));
        writeln!(out, "{}-endian, {types}", self.byte_order)?;
        let sections =
            self.sections.iter().map(|s| vec![s.name.clone(), s.offset_bytes.to_string(), s.size_bytes.to_string()]);
        table(out, "Sections", &["name", "offset", "bytes"], sections.collect())?;
        table(
            out,
            "Programs",
            &["name", "section", "type", "attach", "insns", "CO-RE", "subprograms"],
            self.programs.iter().map(Program::row).collect(),
        )?;
        table(
            out,
            "Maps",
            &["name", "type", "key", "value", "entries", "flags"],
            self.maps.iter().map(Map::row).collect(),
        )?;
        let globals = self
            .globals
            .iter()
            .map(|g| vec![g.name.clone(), g.map.clone(), g.offset_bytes.to_string(), g.size_bytes.to_string()]);
        table(out, "Variables", &["name", "map", "offset", "bytes"], globals.collect())?;
        let externs = self
            .externs
            .iter()
            .map(|e| vec![e.name.clone(), e.kind.to_owned(), if e.weak { "weak" } else { "" }.to_owned()]);
        table(out, "Externs", &["name", "kind", ""], externs.collect())
    }
}

impl Program {
    fn row(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.section.clone(),
            self.program_type.unwrap_or("unknown").to_owned(),
            self.attach_type.unwrap_or_default().to_owned(),
            self.instructions.to_string(),
            self.core_relocations.to_string(),
            self.subprograms.join(" "),
        ]
    }
}

impl Map {
    fn row(&self) -> Vec<String> {
        let typed = |bytes: u32, name: &Option<String>| {
            name.as_ref().map_or_else(|| format!("{bytes} bytes"), |name| format!("{name} ({bytes})"))
        };
        let pinned = if self.pinned { "pinned by name" } else { "" };
        let flags = [flag_names(self.flags), pinned.to_owned()].join(" ");
        vec![
            self.name.clone(),
            self.map_type.clone(),
            typed(self.key_bytes, &self.key),
            typed(self.value_bytes, &self.value),
            self.max_entries.to_string(),
            flags.trim().to_owned(),
        ]
    }
}
