//! Reading the data files, and running a case through the verifier.
#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod declarations;
pub(crate) mod kernel_types;
pub(crate) mod linux;

use declarations::Declarations;
use skep_abi::attach_type::AttachType;
use skep_abi::helper;
use skep_abi::map_type::{MapFlags, MapType};
use skep_abi::program_type::ProgramType;
use skep_btf::{Btf, BtfBuilder, FunctionLinkage, IntEncoding, TypeId};
use skep_isa::Slot;
use skep_isa::text::{Names, assemble_with};
use skep_verifier::{
    AttachTarget, Capabilities, LogLevel, MapFacts, Options, Program, ProgramBtf, Rejection, TargetProgram, Verified,
    verify,
};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A verdict and its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) verdict: String,
    pub(crate) message: String,
}

/// One program.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) header: Vec<(String, String)>,
    pub(crate) code: String,
    pub(crate) expected: Expected,
    /// The case as it stands in the file, up to the verdict.
    source: String,
    /// The case whose program this one is attached to.
    target: Option<Box<Case>>,
    /// What its `c:` lines declare: one BTF, for the program and its maps.
    declared: Option<Arc<Declarations>>,
}

/// A map of a case.
#[derive(Clone, Debug)]
pub(crate) struct MapLine {
    pub(crate) name: String,
    pub(crate) facts: MapFacts,
}

/// Map descriptors by name, and the types of the kernel that the program is for.
struct CaseNames<'a> {
    maps: &'a [(String, i32)],
    kernel: &'a Btf,
}

impl Names for CaseNames<'_> {
    fn kfunc(&self, name: &str) -> Option<(i32, i16)> {
        Some((self.kernel.find(skep_btf::Kind::Function, name)?.0 as i32, 0))
    }

    fn helper(&self, name: &str) -> Option<i32> {
        helper::by_name(name).map(|h| h.id as i32)
    }

    fn map(&self, name: &str) -> Option<i32> {
        self.maps.iter().find(|(known, _)| known == name).map(|(_, fd)| *fd)
    }
}

/// The BTF of a case, with the first slot and type of each function.
type CaseTypes = (Arc<Btf>, Vec<(u32, TypeId)>);

/// All data files with their cases.
pub(crate) fn files() -> Vec<(PathBuf, Vec<Case>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/verifier");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("the data files").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    paths.sort();
    assert!(!paths.is_empty(), "no data files in {}", folder.display());
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a readable file");
            let cases = parse(&text).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
            (path, cases)
        })
        .collect()
}

fn parse(text: &str) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = text.split("\n=== ").skip(1).map(parse_case).collect::<Result<_, _>>()?;
    // Targets stand before what is attached to them.
    for at in 0..cases.len() {
        let Some(of) = cases[at].get("of").map(str::to_owned) else { continue };
        let target = cases[..at].iter().find(|case| case.name == of).cloned();
        cases[at].target = Some(Box::new(target.ok_or_else(|| format!("no case `{of}` before `{}`", cases[at].name))?));
    }
    Ok(cases)
}

fn parse_case(text: &str) -> Result<Case, String> {
    let (program, expected) =
        text.split_once("\n--- ").ok_or_else(|| format!("no verdict: {}", text.lines().next().unwrap_or("")))?;
    let mut lines = program.lines();
    let name = lines.next().unwrap_or("").trim().to_owned();
    let is_header = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase()) && line.contains(": ");
    let mut header = Vec::new();
    let mut code = String::new();
    for line in lines {
        match line.split_once(": ").filter(|_| is_header(&line) && code.is_empty()) {
            Some((key, value)) => header.push((key.to_owned(), value.trim().to_owned())),
            None => {
                code.push_str(line);
                code.push('\n');
            }
        }
    }
    let (verdict, message) = expected.split_once('\n').unwrap_or((expected, ""));
    let message = message.trim().to_owned();
    let expected = Expected { verdict: verdict.trim().to_owned(), message };
    let lines: Vec<&str> = header.iter().filter(|(key, _)| key == "c").map(|(_, line)| line.as_str()).collect();
    let declared = if lines.is_empty() { None } else { Some(Arc::new(declarations::parse(lines.into_iter())?)) };
    Ok(Case { name, header, code, expected, source: program.to_owned(), target: None, declared })
}

/// Writes the verdicts found into a file.
pub(crate) fn bless(path: &Path, cases: &[Case]) {
    let text = std::fs::read_to_string(path).expect("a readable file");
    let mut out = text.split("\n=== ").next().unwrap_or("").to_owned();
    for case in cases {
        let found = case.verify().unwrap_or_else(|problem| panic!("{}: {problem}", case.name));
        let _ = write!(out, "\n=== {}\n--- {}\n", case.source, found.verdict);
        if !found.message.is_empty() {
            let _ = writeln!(out, "{}", found.message);
        }
    }
    std::fs::write(path, out).expect("a writable file");
}

impl Case {
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.header.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    pub(crate) fn has_flag(&self, flag: &str) -> bool {
        self.get("flags").is_some_and(|flags| flags.split_whitespace().any(|f| f == flag))
    }

    pub(crate) fn program_type(&self) -> Result<ProgramType, String> {
        let name = self.get("type").ok_or("no type")?;
        ProgramType::from_name(name).ok_or_else(|| format!("no program type {name}"))
    }

    pub(crate) fn attach_type(&self) -> Result<Option<AttachType>, String> {
        let Some(name) = self.get("attach") else { return Ok(None) };
        let found = AttachType::ALL.iter().find(|t| t.name() == name);
        found.copied().map(Some).ok_or_else(|| format!("no attach type {name}"))
    }

    /// The case whose program this one is attached to.
    pub(crate) fn target_case(&self) -> Option<&Case> {
        self.target.as_deref()
    }

    /// The function or tracepoint's typedef of a kernel that the program is attached to, or the function of a program.
    pub(crate) fn attach_target(&self, kernel: &Btf) -> Result<Option<AttachTarget>, String> {
        let Some(name) = self.get("target") else { return Ok(None) };
        if let Some(target) = &self.target {
            let program = target.as_target()?;
            let function = program.btf.as_ref().and_then(|btf| btf.find(skep_btf::Kind::Function, name));
            let id = function.unwrap_or(TypeId(1));
            let name = program.btf.as_ref().map_or(name, |btf| btf.name(id)).to_owned();
            return Ok(Some(AttachTarget { name, id, interface: None, program: Some(Arc::new(program)) }));
        }
        if let Some(interface) = self.get("interface") {
            let no_member = || format!("no member {name} of {interface}");
            let id = kernel.find(skep_btf::Kind::Struct, interface).ok_or_else(no_member)?;
            let id = kernel.find_member(id, name).ok_or_else(no_member)?.ty;
            let interface = Some(interface.to_owned());
            return Ok(Some(AttachTarget { name: name.to_owned(), id, interface, program: None }));
        }
        let function = kernel.find(skep_btf::Kind::Function, name);
        let id = function.or_else(|| kernel.find(skep_btf::Kind::Typedef, name));
        let id = id.ok_or_else(|| format!("no function or tracepoint {name}"))?;
        Ok(Some(AttachTarget { name: name.to_owned(), id, interface: None, program: None }))
    }

    pub(crate) fn maps(&self) -> Result<Vec<MapLine>, String> {
        let lines = self.header.iter().filter(|(key, _)| key == "map");
        let mut maps: Vec<MapLine> = lines.map(|(_, line)| map_line(line)).collect::<Result<_, _>>()?;
        for (_, line) in self.header.iter().filter(|(key, _)| key == "text") {
            let (name, text) = line.split_once(' ').ok_or_else(|| format!("text `{line}` lacks its map"))?;
            let map = maps.iter_mut().find(|map| map.name == name).ok_or_else(|| format!("no map {name}"))?;
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(map.facts.value_size as usize, 0);
            map.facts.frozen = Some(bytes.into());
        }
        for (_, line) in self.header.iter().filter(|(key, _)| key == "value") {
            let (name, ty) = line.split_once(" struct ").ok_or_else(|| format!("value `{line}` names no struct"))?;
            let map = maps.iter_mut().find(|map| map.name == name).ok_or_else(|| format!("no map {name}"))?;
            let btf = &self.declared.as_ref().ok_or("no types are declared")?.btf;
            let id = btf.find(skep_btf::Kind::Struct, ty).ok_or_else(|| format!("no struct {ty} is declared"))?;
            map.facts.value_size = btf.size_of(id).unwrap_or(0) as u32;
            map.facts.value_type = Some((btf.clone(), id));
        }
        Ok(maps)
    }

    /// The struct of a kernel that the program implements a member of, and the index of the member.
    pub(crate) fn interface_member(&self, kernel: &Btf) -> Option<(TypeId, u32)> {
        let id = kernel.find(skep_btf::Kind::Struct, self.get("interface")?)?;
        let skep_btf::Type::Struct(interface) = kernel.ty(id) else { return None };
        let name = self.get("target")?;
        let index = interface.members.iter().position(|member| kernel.str(member.name) == name)?;
        Some((id, index as u32))
    }

    /// The case as a program that others are attached to.
    fn as_target(&self) -> Result<TargetProgram, String> {
        let verified = self.run(LogLevel::empty())?.map_err(|rejection| format!("the target: {rejection}"))?;
        let over = self.target.as_ref().map(|target| target.as_target()).transpose()?;
        let is_extension = self.program_type()?.info().extends_programs;
        let extended = over.as_ref().filter(|_| is_extension);
        let insns = self.assemble(&[], &kernel_types::SMALL)?;
        Ok(TargetProgram {
            program_type: extended.map_or(self.program_type()?, |target| target.program_type),
            attach_type: extended.map_or(self.attach_type()?, |target| target.attach_type),
            is_extension,
            traces_program: over.is_some() && !is_extension,
            btf: self.btf(&insns)?.map(|(btf, _)| btf),
            functions: verified.functions().to_vec(),
        })
    }

    pub(crate) fn gpl_compatible(&self) -> bool {
        self.get("license").is_none_or(|license| license == "GPL")
    }

    pub(crate) fn capabilities(&self) -> Result<Capabilities, String> {
        let Some(names) = self.get("capabilities") else { return Ok(Capabilities::all()) };
        let mut set = Capabilities::empty();
        for name in names.split_whitespace().filter(|name| *name != "none") {
            set |= Capabilities::from_name(name).ok_or_else(|| format!("no capability {name}"))?;
        }
        Ok(set)
    }

    pub(crate) fn assemble(&self, maps: &[(String, i32)], kernel: &Btf) -> Result<Vec<Slot>, String> {
        let code = with_offsets(&self.code, kernel)?;
        let code = self.with_types(&code)?;
        assemble_with(&code, &CaseNames { maps, kernel }).map(|a| a.slots).map_err(|error| error.to_string())
    }

    /// Puts numbers in the place of `btf_id(STRUCT)`, a struct that the case declares.
    fn with_types(&self, code: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = code;
        while let Some((before, after)) = rest.split_once("btf_id(") {
            let (name, end) = after.split_once(')').ok_or("btf_id lacks its end")?;
            let declared = self.declared.as_ref().ok_or("no types are declared")?;
            let id = declared.btf.find(skep_btf::Kind::Struct, name).ok_or_else(|| format!("no struct {name}"))?;
            let _ = write!(out, "{before}{}", id.0);
            rest = end;
        }
        Ok(out + rest)
    }

    /// Types for all functions, if the case asks for them (`btf: static` or `btf: global`, for all but the first):
    /// each takes a number and gives one. `exception_callback: SLOT` names one more by a tag of the main program.
    ///
    /// Lines that begin with `c:` declare types and functions; these are those of the program, in order.
    pub(crate) fn btf(&self, insns: &[Slot]) -> Result<Option<CaseTypes>, String> {
        if self.get("btf").is_none() && self.get("c").is_none() {
            return Ok(None);
        }
        let decoded = skep_isa::decode_program(insns).map_err(|error| error.to_string())?;
        let callees =
            decoded.iter().filter_map(|(slot, insn)| Some(*slot as i64 + 1 + i64::from(insn.subprogram_offset()?)));
        let exception_callback = self.get("exception_callback").and_then(|slot| slot.parse::<u32>().ok());
        let mut starts: Vec<u32> = callees.map(|slot| slot as u32).chain(exception_callback).collect();
        starts.sort_unstable();
        starts.dedup();
        if let Some(declared) = &self.declared {
            let starts = std::iter::once(0).chain(starts);
            let functions = starts.zip(declared.functions.iter().copied()).collect();
            return Ok(Some((declared.btf.clone(), functions)));
        }
        let linkage = match self.get("btf") {
            Some("static") => FunctionLinkage::Static,
            _ => FunctionLinkage::Global,
        };
        let mut builder = BtfBuilder::new();
        let int = builder.int("int", 4, IntEncoding::SIGNED);
        let prototype = builder.prototype(int, &[("x", int)]);
        let main = builder.function("main", prototype, FunctionLinkage::Global);
        if let Some(slot) = exception_callback {
            builder.decl_tag(&format!("exception_callback:f{slot}"), main, None);
        }
        let others = starts.into_iter().map(|slot| (slot, builder.function(&format!("f{slot}"), prototype, linkage)));
        let functions = std::iter::once((0, main)).chain(others).collect();
        Ok(Some((Arc::new(builder.build().map_err(|error| error.to_string())?), functions)))
    }

    /// What the verifier says.
    pub(crate) fn verify(&self) -> Result<Expected, String> {
        self.verify_for(&kernel_types::SMALL)
    }

    /// What the verifier says of it for a kernel.
    pub(crate) fn verify_for(&self, kernel: &Btf) -> Result<Expected, String> {
        Ok(match self.run_for(kernel, LogLevel::empty())? {
            Ok(_) => Expected { verdict: "accept".into(), message: String::new() },
            Err(rejection) => Expected { verdict: "reject".into(), message: rejection.message },
        })
    }

    /// The errno of a refusal.
    pub(crate) fn errno(&self) -> Result<i32, String> {
        self.run(LogLevel::empty())?.err().map(|rejection| rejection.errno).ok_or_else(|| "accepted".to_owned())
    }

    /// The verifier's log.
    pub(crate) fn log(&self) -> String {
        match self.run(LogLevel::INSTRUCTIONS) {
            Ok(Ok(verified)) => verified.log().to_owned(),
            Ok(Err(rejection)) => rejection.log,
            Err(problem) => problem,
        }
    }

    /// Verifies it, for the small kernel.
    pub(crate) fn run(&self, log_level: LogLevel) -> Result<Result<Verified, Box<Rejection>>, String> {
        self.run_for(&kernel_types::SMALL, log_level)
    }

    fn run_for(&self, kernel: &Btf, log_level: LogLevel) -> Result<Result<Verified, Box<Rejection>>, String> {
        let maps = self.maps()?;
        let names: Vec<(String, i32)> = maps.iter().zip(1000..).map(|(map, fd)| (map.name.clone(), fd)).collect();
        let facts: Vec<(i32, MapFacts)> = maps.into_iter().zip(1000..).map(|(map, fd)| (fd, map.facts)).collect();
        let insns = self.assemble(&names, kernel)?;
        let btf = self.btf(&insns)?;
        let program = Program {
            attach_type: self.attach_type()?,
            attach_target: self.attach_target(kernel)?,
            gpl_compatible: self.gpl_compatible(),
            sleepable: self.has_flag("sleepable"),
            maps: &facts,
            btf: btf.as_ref().map(|(btf, functions)| ProgramBtf { btf, functions, lines: &[] }),
            ..Program::new(&self.name, self.program_type()?, &insns)
        };
        let options = Options {
            capabilities: self.capabilities()?,
            strict_alignment: self.has_flag("strict_alignment"),
            any_alignment: self.has_flag("any_alignment"),
            test_state_frequency: self.has_flag("test_state_frequency"),
            log_level,
            kernel_btf: Some(kernel),
            ..Options::default()
        };
        Ok(verify(&program, &options).map_err(Box::new))
    }
}

/// Puts numbers in the place of `offsetof(STRUCT, MEMBER)`.
fn with_offsets(code: &str, kernel: &Btf) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = code;
    while let Some((before, after)) = rest.split_once("offsetof(") {
        let (place, end) = after.split_once(')').ok_or("offsetof lacks its end")?;
        let (name, member) = place.split_once(", ").ok_or("offsetof takes a struct and a member")?;
        let id = kernel.find(skep_btf::Kind::Struct, name).ok_or_else(|| format!("the kernel has no struct {name}"))?;
        let field = kernel.find_member(id, member).ok_or_else(|| format!("{name} has no member {member}"))?;
        let _ = write!(out, "{before}{}", field.byte_offset());
        rest = end;
    }
    Ok(out + rest)
}

fn map_line(line: &str) -> Result<MapLine, String> {
    let mut words = line.split_whitespace();
    let mut word = |what: &str| words.next().ok_or_else(|| format!("map `{line}` lacks its {what}"));
    let name = word("name")?.to_owned();
    let kind = word("type")?;
    let map_type = MapType::from_name(kind).ok_or_else(|| format!("no map type {kind}"))?;
    let mut number = |what: &str| word(what)?.parse::<u32>().map_err(|e| format!("map `{line}`: {what}: {e}"));
    let (key_size, value_size, max_entries) = (number("key size")?, number("value size")?, number("entries")?);
    let mut flags = MapFlags::empty();
    for flag in words {
        flags |= MapFlags::from_name(&flag.to_uppercase()).ok_or_else(|| format!("no map flag {flag}"))?;
    }
    let facts = MapFacts {
        name: name.clone(),
        map_type,
        key_size,
        value_size,
        max_entries,
        flags,
        value_type: None,
        frozen: None,
        inner: None,
    };
    Ok(MapLine { name, facts })
}
