//! `skep dump --jited`: the machine code of programs, beside their instructions after verification.
//!
//! Addresses of this process are not shown unless they are asked for: functions and maps by their name, the rest as
//! `<address>`.

use super::xlated::{self, Translate};
use crate::error::Failure;
use crate::machine_text::{self, Line};
use crate::output::Report;
use crate::style::{self, printable};
use serde::Serialize;
use skep::{Kernel, Object};
use skep_abi::helper;
use skep_engine::{MachineCode, Mode, Symbol};
use skep_isa::{Imm64, Insn};
use skep_object::{ObjectSpec, ProgramSpec};
use skep_user::{Config, UserKernel};
use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

/// How to show.
pub(super) struct Jited {
    /// With the bytes of each instruction.
    pub(super) bytes: bool,
    /// With addresses of this process.
    pub(super) addresses: bool,
}

impl Jited {
    /// Programs as the user-space kernel compiles them; fails at the first that it refuses.
    pub(super) fn all(
        &self,
        name: &str,
        bytes: &[u8],
        object: &ObjectSpec,
        programs: &[&ProgramSpec],
    ) -> Result<Listings, Failure> {
        let translate = Translate { btf: None, facts: false };
        let failed = |program: &ProgramSpec, why: &dyn std::error::Error| {
            Failure::because(format!("program '{}' cannot be compiled", program.name), why)
        };
        let mut listings = Vec::new();
        for program in programs {
            let translated = translate.one(object, program)?;
            let mut alone = Object::parse(name, bytes).map_err(|e| failed(program, &e))?;
            alone.keep_only(&[&program.name]).map_err(|e| failed(program, &e))?;
            let user = UserKernel::new(Config { mode: Mode::Jit, ..Config::default() });
            let kernel: Arc<dyn Kernel> = user.clone();
            let loaded = alone.load(&kernel).map_err(|e| failed(program, &e))?;
            let fd = loaded.program(&program.name).map_err(|e| failed(program, &e))?.fd();
            let compiled = user.program(fd).map_err(|e| failed(program, &e))?;
            let Some(code) = compiled.machine_code().filter(|code| code.slots() == translated.slots.len()) else {
                return Err(Failure::new(format!("program '{}' is not compiled on this host", program.name)));
            };
            listings.push(self.listing(code, translated));
        }
        Ok(Listings(listings))
    }

    fn listing(&self, code: MachineCode<'_>, translated: xlated::Translated) -> Listing {
        let constants = constants(&translated);
        let names = |value: u64| if self.addresses { None } else { name(code, value, &constants, &translated.maps) };
        let lines = machine_text::disassemble(code.bytes(), code.address(), &names);
        let parts = code.parts();
        let of = |slot: usize, entry: bool| -> Vec<Operation> {
            let own = parts.iter().filter(|part| part.slot as usize == slot && part.is_entry == entry);
            let within = own.flat_map(|part| lines.iter().filter(|line| part.range.contains(&line.offset)));
            within.map(|line| self.operation(line)).collect()
        };
        let instructions = translated.listing.instructions.into_iter().map(|instruction| Instruction {
            entry: of(instruction.slot, true),
            code: of(instruction.slot, false),
            instruction,
        });
        Listing {
            name: translated.listing.name,
            architecture: std::env::consts::ARCH,
            bytes: code.bytes().len(),
            address: self.addresses.then(|| format!("{:#x}", code.address())),
            instructions: instructions.collect(),
        }
    }

    fn operation(&self, line: &Line) -> Operation {
        Operation {
            pc: format!("{:#x}", line.offset),
            disasm: line.text.clone(),
            bytes: self.bytes.then(|| line.bytes.clone()),
        }
    }
}

/// Numbers that the program itself loads: they are no secrets.
fn constants(translated: &xlated::Translated) -> HashSet<u64> {
    let insns = skep_isa::instructions(&translated.slots).filter_map(Result::ok);
    insns
        .filter_map(|(_, insn)| match insn {
            Insn::LoadImm64 { imm: Imm64::Value(value), .. } => Some(value),
            _ => None,
        })
        .collect()
}

/// Where a process on a 64-bit host has something, except for programs that are linked to lie low.
const ADDRESSES: std::ops::Range<u64> = 1 << 32..1 << 56;

/// What is shown in the place of a number, if it may be an address.
fn name(code: MachineCode<'_>, value: u64, constants: &HashSet<u64>, maps: &[String]) -> Option<String> {
    let map = |index: usize| maps.get(index).map_or("?", |name| &**name);
    Some(match code.symbol(value) {
        Some(Symbol::Engine(name)) => name.to_owned(),
        Some(Symbol::Helper(id)) => {
            helper::by_id(id).map_or_else(|| format!("helper {id}"), |helper| format!("bpf_{}", helper.name))
        }
        Some(Symbol::MapData(index)) => format!("data[{}]", map(index as usize)),
        Some(Symbol::Reference(Imm64::MapIndex(index))) => format!("map[{}]", map(index as usize)),
        Some(Symbol::Reference(Imm64::MapIndexValue { index, offset })) => {
            format!("map[{}][0]+{offset}", map(index as usize))
        }
        _ if ADDRESSES.contains(&value) && !constants.contains(&value) => "<address>".to_owned(),
        _ => return None,
    })
}

/// Programs.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Listings(Vec<Listing>);

#[derive(Serialize)]
struct Listing {
    name: String,
    architecture: &'static str,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(rename = "insns")]
    instructions: Vec<Instruction>,
}

#[derive(Serialize)]
struct Instruction {
    /// What comes before the first instruction of a function.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entry: Vec<Operation>,
    #[serde(flatten)]
    instruction: xlated::Instruction,
    code: Vec<Operation>,
}

#[derive(Serialize)]
struct Operation {
    /// From the beginning of the code.
    pc: String,
    disasm: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
}

impl Report for Listings {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (bold, quiet) = (style::TITLE, style::QUIET);
        for (index, program) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            let at = program.address.as_ref().map_or_else(String::new, |address| format!(" at {address}"));
            let (name, bytes, architecture) = (printable(&program.name), program.bytes, program.architecture);
            writeln!(out, "{bold}{name}{bold:#}: {bytes} bytes of {architecture}{at}")?;
            for Instruction { entry, instruction, code } in &program.instructions {
                if let Some(proto) = &instruction.proto {
                    writeln!(out, "{}:", printable(proto))?;
                }
                print(out, entry)?;
                if let Some(src) = &instruction.src {
                    writeln!(out, "{quiet}; {}{quiet:#}", printable(src))?;
                }
                writeln!(out, "{:4}: {}", instruction.slot, printable(&instruction.disasm))?;
                print(out, code)?;
            }
        }
        Ok(())
    }
}

fn print(out: &mut dyn Write, code: &[Operation]) -> io::Result<()> {
    code.iter().try_for_each(|operation| {
        let Operation { pc, disasm, bytes } = operation;
        let bytes = bytes.as_ref().map_or_else(String::new, |bytes| format!("{bytes:<22}"));
        writeln!(out, "      {pc:>7}:  {bytes}{}", printable(disasm))
    })
}
