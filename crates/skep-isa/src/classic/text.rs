//! The text of `tcpdump -d`.

use super::{Ancillary, ClassicInsn, ClassicOperation, OperandText, row};
use std::fmt;

/// Prints a program as `tcpdump -d` does. (It prints `ldx #pktlen`, which libpcap never generates, as `unimp`.)
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a>(
    /// The program; it need not be a valid one.
    pub &'a [ClassicInsn],
);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, insn) in self.0.iter().enumerate() {
            line(f, i as u64, insn)?;
            f.write_str("\n")?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, at: u64, insn: &ClassicInsn) -> fmt::Result {
    let Some(row) = row(insn.code) else {
        return write!(f, "({at:03}) {:<8} {:#x}", "unimp", insn.code);
    };
    let operand = operand(row.2, at, insn);
    write!(f, "({at:03}) {:<8} ", row.1)?;
    match row.3 {
        ClassicOperation::JumpIf(..) => {
            let (jt, jf) = (at + 1 + u64::from(insn.jt), at + 1 + u64::from(insn.jf));
            write!(f, "{operand:<16} jt {jt}\tjf {jf}")
        }
        _ => f.write_str(&operand),
    }
}

fn operand(text: OperandText, at: u64, insn: &ClassicInsn) -> String {
    let (k, signed) = (insn.k, insn.k as i32);
    match text {
        OperandText::None => String::new(),
        OperandText::Decimal => format!("#{signed}"),
        OperandText::Hexadecimal => format!("#{k:#x}"),
        OperandText::X => "x".into(),
        OperandText::Packet => match Ancillary::of(insn) {
            Some(ancillary) => format!("[{}]", ancillary.name()),
            None => format!("[{signed}]"),
        },
        OperandText::PacketAtX => format!("[x + {signed}]"),
        OperandText::Length => "#pktlen".into(),
        OperandText::HeaderLength => format!("4*([{signed}]&0xf)"),
        OperandText::Memory => format!("M[{signed}]"),
        OperandText::Target => format!("{}", at as i64 + 1 + i64::from(signed)),
    }
}
