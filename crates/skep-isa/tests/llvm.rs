//! The text against LLVM's assembler and disassembler.

mod common;

use skep_isa::text::{Style, assemble};
use skep_isa::{Field, Form, Group, INSTRUCTIONS, Insn, Row, Slot};
use std::io::Write;
use std::process::{Command, Stdio};

/// LLVM's machine-code tool, version 19 if it is there.
fn llvm_mc() -> Option<&'static str> {
    ["llvm-mc-19", "llvm-mc"].into_iter().find(|tool| {
        let version = Command::new(tool).arg("--version").output();
        version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("LLVM version 19"))
    })
}

fn run(tool: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(tool)
        .args(["--triple=bpfel", "-mcpu=v4"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("llvm-mc starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("llvm-mc ends");
    writer.join().expect("the writer ends").expect("llvm-mc reads its input");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Rows that LLVM 19 writes as we do. It has no load-acquire and store-release yet, prints every pseudo source of a call
/// as a plain number, those of `lddw` in a notation of its own, and leaves out the immediate of `LD_IND`.
fn same_in_llvm(row: &Row) -> bool {
    let acquires = row.group == Group::Linux && row.linux >= Some((6, 15));
    let pseudo = matches!(row.opcode, 0x18 | 0x85) && row.src != Field::Is(0);
    !acquires && !pseudo
}

fn programs() -> Vec<(&'static Row, Vec<Slot>)> {
    let numbers =
        [(1, 2, 8, 0x1234), (9, 0, -8, -1), (10, 10, 0, 0), (0, 6, i16::MAX, i32::MAX), (3, 4, i16::MIN, i32::MIN)];
    let mut programs = Vec::new();
    for row in INSTRUCTIONS.iter().filter(|row| same_in_llvm(row)) {
        for (dst, src, offset, imm) in numbers {
            let imm = match row.form {
                Form::LoadIndirect8 | Form::LoadIndirect16 | Form::LoadIndirect32 => 0,
                // Its assembler reads no longer offset, though its disassembler prints it.
                Form::JumpLong => imm.clamp(i16::MIN.into(), i16::MAX.into()),
                _ => imm,
            };
            programs.push((row, common::fill(row, dst, src, offset, imm, imm)));
        }
    }
    programs
}

/// `0x0f,0x10,…`, one instruction to a line.
fn hex(slots: &[Slot]) -> String {
    let bytes: Vec<String> = Slot::write_program(slots).iter().map(|byte| format!("0x{byte:02x}")).collect();
    bytes.join(",") + "\n"
}

#[test]
fn llvm_prints_what_we_print() {
    let Some(tool) = llvm_mc() else { return common::skip("llvm-mc 19 is not installed") };
    let programs = programs();
    let input: String = programs.iter().map(|(_, slots)| hex(slots)).collect();
    let output = run(tool, &["--disassemble"], &input);
    let lines: Vec<&str> = output.lines().map(str::trim).filter(|line| !line.is_empty() && *line != ".text").collect();
    assert_eq!(lines.len(), programs.len());
    for ((row, slots), theirs) in programs.iter().zip(lines) {
        assert_eq!(assemble(theirs).as_ref(), Ok(slots), "{theirs}");
        // LLVM prints this one in decimal.
        if row.form != Form::LoadImm64 {
            let ours = Insn::decode(slots, 0).unwrap().text(Style { alu32: true }).to_string();
            assert_eq!(ours, theirs);
        }
    }
}

#[test]
fn llvm_assembles_what_we_print() {
    let Some(tool) = llvm_mc() else { return common::skip("llvm-mc 19 is not installed") };
    for alu32 in [false, true] {
        let programs = programs();
        let text = |slots: &[Slot]| Insn::decode(slots, 0).unwrap().text(Style { alu32 }).to_string() + "\n";
        let input: String = programs.iter().map(|(_, slots)| text(slots)).collect();
        let output = run(tool, &["--show-encoding"], &input);
        let encodings = output.lines().filter_map(|line| Some(line.split_once("encoding: [")?.1.split_once(']')?.0));
        let encodings: Vec<String> = encodings.map(|bytes| bytes.to_owned() + "\n").collect();
        assert_eq!(encodings.len(), programs.len());
        for ((_, slots), theirs) in programs.iter().zip(encodings) {
            assert_eq!(hex(slots), theirs, "{}", text(slots));
        }
    }
}
