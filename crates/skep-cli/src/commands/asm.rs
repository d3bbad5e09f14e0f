//! `skep asm` and `skep disasm`: text to instructions and back.

use crate::error::{self, Exit, Failure, Outcome};
use crate::input;
use crate::output::{Output, Report};
use clap::{Args, ValueEnum};
use serde::Serialize;
use skep_abi::helper;
use skep_isa::text::{Listing, Names, assemble_with};
use skep_isa::{CallTarget, Insn, Slot};
use std::io::{self, Write};
use std::path::PathBuf;

/// Assemble instructions to bytes
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  echo 'r0 = 2; exit' | tr ';' '\\n' | skep asm            hexadecimal on standard output
  skep asm program.s --output program.bin                 raw bytes

The text is that of LLVM and the kernel; helpers may be called by name:
  r1 = *(u32 *)(r1 + 0)
  if w1 s> 5 goto done
  call bpf_ktime_get_ns
done:
  r0 = 0
  exit")]
pub(crate) struct Asm {
    /// Text; `-` is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Write raw bytes here instead of hexadecimal to standard output
    #[arg(short, long)]
    output: Option<PathBuf>,
}

/// A program's slots, each as 16 hexadecimal digits.
#[derive(Serialize)]
struct Assembled {
    slots: Vec<String>,
}

impl Report for Assembled {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.slots.iter().try_for_each(|slot| writeln!(out, "{slot}"))
    }
}

/// Names of helpers, with or without `bpf_`.
struct HelperNames;

impl Names for HelperNames {
    fn helper(&self, name: &str) -> Option<i32> {
        let proto = helper::by_name(name.strip_prefix("bpf_").unwrap_or(name))?;
        i32::try_from(proto.id).ok()
    }
}

impl Asm {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let text = input::read_text(&self.file)?;
        let assembly = assemble_with(&text, &HelperNames).map_err(|e| Failure::file("assemble", &self.file, &e))?;
        let bytes = Slot::write_program(&assembly.slots);
        match &self.output {
            Some(path) => std::fs::write(path, bytes).map_err(|e| Failure::file("write", path, &e))?,
            None => {
                output.print(&Assembled { slots: assembly.slots.iter().map(|slot| format!("{slot:x}")).collect() })?;
            }
        }
        Ok(Exit::Success)
    }
}

/// How the input of `disasm` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InputForm {
    /// Hexadecimal if it is nothing else, raw bytes otherwise.
    Auto,
    /// Hexadecimal digits, white space between them or not.
    Hex,
    /// Bytes.
    Raw,
}

/// Disassemble bytes to instructions
///
/// For programs in objects use `skep dump`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  echo b700000002000000 9500000000000000 | skep disasm
  skep asm program.s | skep disasm --bytes
  skep disasm program.bin --plain                         text that `skep asm` reads")]
pub(crate) struct Disasm {
    /// Program; `-` is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// How the input is written
    #[arg(long, value_enum, default_value = "auto")]
    input: InputForm,
    /// The program is big-endian
    #[arg(long)]
    big_endian: bool,
    /// Show the bytes of each instruction
    #[arg(long)]
    bytes: bool,
    /// No numbers in front of instructions
    #[arg(long)]
    plain: bool,
}

#[derive(Serialize)]
struct Disassembly {
    #[serde(skip)]
    text: String,
    instructions: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    slot: usize,
    bytes: String,
    text: String,
}

impl Report for Disassembly {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.text.as_bytes())
    }
}

impl Disasm {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let slots = self.slots()?;
        let comment = |_: usize, insn: &Insn| helper_name(insn);
        let listing = Listing::new(&slots).numbers(!self.plain).bytes(self.bytes).comments(&comment);
        let mut instructions = Vec::new();
        for decoded in skep_isa::instructions(&slots) {
            let (slot, text, len) = match decoded {
                Ok((slot, insn)) => (slot, insn.to_string(), insn.slots()),
                Err(invalid) => (invalid.slot, format!("invalid: {}", invalid.reason), 1),
            };
            let bytes = slots[slot..slot + len].iter().map(|slot| format!("{slot:x}")).collect();
            instructions.push(Line { slot, bytes, text });
        }
        output.print(&Disassembly { text: listing.to_string(), instructions })?;
        Ok(Exit::Success)
    }

    fn slots(&self) -> Result<Vec<Slot>, Failure> {
        let given = input::read(&self.file)?;
        let looks_hex = given.iter().all(|b| b.is_ascii_hexdigit() || b.is_ascii_whitespace());
        let bytes = match self.input {
            InputForm::Raw => given,
            InputForm::Auto if !looks_hex => given,
            InputForm::Hex | InputForm::Auto => {
                let text = String::from_utf8_lossy(&given);
                skep_engine::conformance::parse_hex(&text).map_err(|e| Failure::file("read", &self.file, &e))?
            }
        };
        if bytes.is_empty() {
            return Err(Failure::new(format!("{} is empty: there is nothing to disassemble", error::name(&self.file))));
        }
        let (chunks, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            let len = bytes.len();
            return Err(Failure::new(format!("{len} bytes are no program: instructions have 8 bytes each")));
        }
        let read = if self.big_endian { Slot::from_be_bytes } else { Slot::from_le_bytes };
        Ok(chunks.iter().map(|chunk| read(*chunk)).collect())
    }
}

/// The name of the helper that an instruction calls.
pub(crate) fn helper_name(insn: &Insn) -> Option<String> {
    match insn {
        Insn::Call(CallTarget::Helper(id)) => {
            helper::by_id(u32::try_from(*id).ok()?).map(|proto| format!("bpf_{}", proto.name))
        }
        _ => None,
    }
}
