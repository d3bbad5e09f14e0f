//! Instructions in the notation of Linux: its verifier's log and bpftool's listings of translated programs.

use crate::insn::{AtomicOp, BinaryOp, CallTarget, Imm64, Insn, Operand, PacketOffset, Size, SwapKind, Width};
use std::fmt;

/// An instruction as Linux prints it: `if w1 != 0x5 goto pc+3`. See [`Insn::linux_text`].
#[derive(Clone, Copy)]
pub struct LinuxText<'a> {
    insn: Insn,
    names: &'a dyn Fn(&CallTarget) -> Option<String>,
}

impl Insn {
    /// The instruction in Linux's notation. `names` knows what helpers and kernel functions are called; Linux prints
    /// `unknown` for those without a name. Addresses of maps and variables, which only a kernel has, are printed as 0.
    pub fn linux_text<'a>(&self, names: &'a dyn Fn(&CallTarget) -> Option<String>) -> LinuxText<'a> {
        LinuxText { insn: *self, names }
    }
}

impl fmt::Debug for LinuxText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for LinuxText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.insn {
            Insn::Alu { op, width, dst, src } => {
                let r = letter(width);
                write!(f, "{r}{} {} ", dst.number(), assignment(op))?;
                match src {
                    Operand::Reg(src) => write!(f, "{r}{}", src.number()),
                    Operand::Imm(imm) => write!(f, "{imm}"),
                }
            }
            Insn::MovSx { width, from, dst, src } => {
                let r = letter(width);
                write!(f, "{r}{} = (s{}){r}{}", dst.number(), from.bits(), src.number())
            }
            Insn::Neg { width, dst } => write!(f, "{0}{1} = -{0}{1}", letter(width), dst.number()),
            Insn::Swap { kind, size, dst } => {
                let name = match kind {
                    SwapKind::ToLittle => "le",
                    SwapKind::ToBig => "be",
                    SwapKind::Swap => "bswap",
                };
                write!(f, "{dst} = {name}{} {dst}", size.bits())
            }
            Insn::AddrSpaceCast { dst, src, to, from } => write!(f, "{dst} = addr_space_cast({src}, {to}, {from})"),
            Insn::LoadImm64 { dst, imm } => write!(f, "{dst} = {:#x}", shown(imm)),
            Insn::Load { size, signed, dst, base, offset } => {
                let sign = if signed { 's' } else { 'u' };
                write!(f, "{dst} = *({sign}{} *)({base} {offset:+})", size.bits())
            }
            Insn::Store { size, base, offset, src } => {
                write!(f, "*({} *)({base} {offset:+}) = ", unsigned(size))?;
                match src {
                    Operand::Reg(src) => write!(f, "{src}"),
                    Operand::Imm(imm) => write!(f, "{imm}"),
                }
            }
            Insn::Atomic { op, size, base, offset, src } => {
                let place = format!("({} *)({base} {offset:+})", unsigned(size));
                let bits = if size == Size::Double { "64" } else { "" };
                match atomic(op) {
                    Atomic::Locked(sign) => write!(f, "lock *{place} {sign}= {src}"),
                    Atomic::Fetch(name) => write!(f, "{src} = atomic{bits}_{name}({place}, {src})"),
                    Atomic::Compare => write!(f, "r0 = atomic{bits}_cmpxchg({place}, r0, {src})"),
                }
            }
            Insn::LoadAcquire { size, dst, base, offset } => {
                write!(f, "{dst} = load_acquire(({} *)({base} {offset:+}))", unsigned(size))
            }
            Insn::StoreRelease { size, base, offset, src } => {
                write!(f, "store_release(({} *)({base} {offset:+}), {src})", unsigned(size))
            }
            Insn::LoadPacket { size, from: PacketOffset::Absolute(at) } => {
                write!(f, "r0 = *({} *)skb[{at}]", unsigned(size))
            }
            Insn::LoadPacket { size, from: PacketOffset::Indirect(index, at) } => {
                write!(f, "r0 = *({} *)skb[{index} + {at}]", unsigned(size))
            }
            Insn::Jump { offset, long } => write!(f, "goto{} pc{offset:+}", if long { "l" } else { "" }),
            Insn::JumpIf { condition, width, dst, src, offset } => {
                let r = letter(width);
                write!(f, "if {r}{} {} ", dst.number(), condition.symbol())?;
                match src {
                    Operand::Reg(src) => write!(f, "{r}{}", src.number())?,
                    Operand::Imm(imm) => write!(f, "{imm:#x}")?,
                }
                write!(f, " goto pc{offset:+}")
            }
            Insn::MayGoto { offset } => write!(f, "may_goto pc{offset:+}"),
            Insn::Call(CallTarget::Subprogram { offset }) => write!(f, "call pc{offset:+}"),
            Insn::Call(target @ (CallTarget::Helper(id) | CallTarget::Kfunc { id, .. })) => {
                let name = (self.names)(&target);
                write!(f, "call {}#{id}", name.as_deref().unwrap_or("unknown"))
            }
            Insn::CallReg(reg) => write!(f, "callx {reg}"),
            Insn::Exit => f.write_str("exit"),
        }
    }
}

fn letter(width: Width) -> char {
    match width {
        Width::W32 => 'w',
        Width::W64 => 'r',
    }
}

fn unsigned(size: Size) -> &'static str {
    match size {
        Size::Byte => "u8",
        Size::Half => "u16",
        Size::Word => "u32",
        Size::Double => "u64",
    }
}

/// What can be told without a kernel.
fn shown(imm: Imm64) -> u64 {
    match imm {
        Imm64::Value(value) => value,
        Imm64::Function { offset } => u64::from(offset as u32),
        _ => 0,
    }
}

fn assignment(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+=",
        BinaryOp::Sub => "-=",
        BinaryOp::Mul => "*=",
        BinaryOp::Div => "/=",
        BinaryOp::SDiv => "s/=",
        BinaryOp::Mod => "%=",
        BinaryOp::SMod => "s%=",
        BinaryOp::Or => "|=",
        BinaryOp::And => "&=",
        BinaryOp::Xor => "^=",
        BinaryOp::Lsh => "<<=",
        BinaryOp::Rsh => ">>=",
        BinaryOp::Arsh => "s>>=",
        BinaryOp::Mov => "=",
    }
}

enum Atomic {
    Locked(char),
    Fetch(&'static str),
    Compare,
}

fn atomic(op: AtomicOp) -> Atomic {
    match op {
        AtomicOp::Add { fetch: false } => Atomic::Locked('+'),
        AtomicOp::Or { fetch: false } => Atomic::Locked('|'),
        AtomicOp::And { fetch: false } => Atomic::Locked('&'),
        AtomicOp::Xor { fetch: false } => Atomic::Locked('^'),
        AtomicOp::Add { fetch: true } => Atomic::Fetch("fetch_add"),
        AtomicOp::Or { fetch: true } => Atomic::Fetch("fetch_or"),
        AtomicOp::And { fetch: true } => Atomic::Fetch("fetch_and"),
        AtomicOp::Xor { fetch: true } => Atomic::Fetch("fetch_xor"),
        AtomicOp::Xchg => Atomic::Fetch("xchg"),
        AtomicOp::Cmpxchg => Atomic::Compare,
    }
}
