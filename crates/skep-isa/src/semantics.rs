//! What instructions compute, once (RFC 9669, sections 4 and 5.3).
//!
//! All values are 64-bit registers. A 32-bit operation reads the lower halves of its operands and gives a result whose
//! upper half is zero. Nothing here traps: division by zero and the overflow of `MIN / -1` have defined results.

use crate::insn::{AtomicOp, BinaryOp, Condition, Operand, Size, SwapKind, Width};

impl Width {
    /// 32 or 64.
    pub const fn bits(self) -> u32 {
        match self {
            Width::W32 => 32,
            Width::W64 => 64,
        }
    }

    /// The bits of `value` that an operation of this width reads; the others become zero.
    #[inline]
    pub const fn truncate(self, value: u64) -> u64 {
        match self {
            Width::W32 => value as u32 as u64,
            Width::W64 => value,
        }
    }

    /// `value` as a signed number of this width.
    #[inline]
    pub const fn signed(self, value: u64) -> i64 {
        match self {
            Width::W32 => value as i32 as i64,
            Width::W64 => value as i64,
        }
    }
}

impl Size {
    /// The lower bits of `value` that a store of this size writes; the others become zero.
    #[inline]
    pub const fn truncate(self, value: u64) -> u64 {
        match self {
            Size::Byte => value as u8 as u64,
            Size::Half => value as u16 as u64,
            Size::Word => value as u32 as u64,
            Size::Double => value,
        }
    }

    /// The lower bits of `value`, sign-extended to 64 bits.
    #[inline]
    pub const fn sign_extend(self, value: u64) -> u64 {
        match self {
            Size::Byte => value as i8 as u64,
            Size::Half => value as i16 as u64,
            Size::Word => value as i32 as u64,
            Size::Double => value,
        }
    }

    /// What a load of this size puts into the register.
    #[inline]
    pub const fn extend(self, signed: bool, value: u64) -> u64 {
        if signed { self.sign_extend(value) } else { self.truncate(value) }
    }

    /// The width of arithmetic on atomics of this size: 64 bits for `Double`, else 32.
    pub const fn width(self) -> Width {
        match self {
            Size::Double => Width::W64,
            _ => Width::W32,
        }
    }
}

impl Operand {
    /// The operand's value, given the value of each register.
    #[inline]
    pub fn value(self, registers: &[u64; crate::Reg::COUNT]) -> u64 {
        match self {
            Operand::Reg(reg) => registers[reg.index()],
            Operand::Imm(imm) => imm as u64,
        }
    }
}

impl BinaryOp {
    /// All of them.
    pub const ALL: [BinaryOp; 14] = [
        BinaryOp::Add,
        BinaryOp::Sub,
        BinaryOp::Mul,
        BinaryOp::Div,
        BinaryOp::SDiv,
        BinaryOp::Mod,
        BinaryOp::SMod,
        BinaryOp::Or,
        BinaryOp::And,
        BinaryOp::Xor,
        BinaryOp::Lsh,
        BinaryOp::Rsh,
        BinaryOp::Arsh,
        BinaryOp::Mov,
    ];

    /// `dst op src` at that width. An immediate is sign-extended to 64 bits before it is given as `src`.
    #[inline]
    pub const fn eval(self, width: Width, dst: u64, src: u64) -> u64 {
        match width {
            Width::W32 => self.eval32(dst as u32, src as u32) as u64,
            Width::W64 => self.eval64(dst, src),
        }
    }

    /// `dst op src` at 64 bits.
    #[inline]
    pub const fn eval64(self, dst: u64, src: u64) -> u64 {
        match self {
            BinaryOp::Add => dst.wrapping_add(src),
            BinaryOp::Sub => dst.wrapping_sub(src),
            BinaryOp::Mul => dst.wrapping_mul(src),
            BinaryOp::Div if src == 0 => 0,
            BinaryOp::Div => dst / src,
            BinaryOp::SDiv if src == 0 => 0,
            BinaryOp::SDiv => (dst as i64).wrapping_div(src as i64) as u64,
            BinaryOp::Mod | BinaryOp::SMod if src == 0 => dst,
            BinaryOp::Mod => dst % src,
            BinaryOp::SMod => (dst as i64).wrapping_rem(src as i64) as u64,
            BinaryOp::Or => dst | src,
            BinaryOp::And => dst & src,
            BinaryOp::Xor => dst ^ src,
            BinaryOp::Lsh => dst.wrapping_shl(src as u32),
            BinaryOp::Rsh => dst.wrapping_shr(src as u32),
            BinaryOp::Arsh => (dst as i64).wrapping_shr(src as u32) as u64,
            BinaryOp::Mov => src,
        }
    }

    /// `dst op src` at 32 bits.
    #[inline]
    pub const fn eval32(self, dst: u32, src: u32) -> u32 {
        match self {
            BinaryOp::Add => dst.wrapping_add(src),
            BinaryOp::Sub => dst.wrapping_sub(src),
            BinaryOp::Mul => dst.wrapping_mul(src),
            BinaryOp::Div if src == 0 => 0,
            BinaryOp::Div => dst / src,
            BinaryOp::SDiv if src == 0 => 0,
            BinaryOp::SDiv => (dst as i32).wrapping_div(src as i32) as u32,
            BinaryOp::Mod | BinaryOp::SMod if src == 0 => dst,
            BinaryOp::Mod => dst % src,
            BinaryOp::SMod => (dst as i32).wrapping_rem(src as i32) as u32,
            BinaryOp::Or => dst | src,
            BinaryOp::And => dst & src,
            BinaryOp::Xor => dst ^ src,
            BinaryOp::Lsh => dst.wrapping_shl(src),
            BinaryOp::Rsh => dst.wrapping_shr(src),
            BinaryOp::Arsh => (dst as i32).wrapping_shr(src) as u32,
            BinaryOp::Mov => src,
        }
    }
}

impl Condition {
    /// All of them.
    pub const ALL: [Condition; 11] = [
        Condition::Eq,
        Condition::Ne,
        Condition::Set,
        Condition::Gt,
        Condition::Ge,
        Condition::Lt,
        Condition::Le,
        Condition::SGt,
        Condition::SGe,
        Condition::SLt,
        Condition::SLe,
    ];

    /// Whether `a cond b` at that width. An immediate is sign-extended to 64 bits before it is given as `b`.
    #[inline]
    pub const fn eval(self, width: Width, a: u64, b: u64) -> bool {
        let (ua, ub) = (width.truncate(a), width.truncate(b));
        let (sa, sb) = (width.signed(a), width.signed(b));
        match self {
            Condition::Eq => ua == ub,
            Condition::Ne => ua != ub,
            Condition::Set => ua & ub != 0,
            Condition::Gt => ua > ub,
            Condition::Ge => ua >= ub,
            Condition::Lt => ua < ub,
            Condition::Le => ua <= ub,
            Condition::SGt => sa > sb,
            Condition::SGe => sa >= sb,
            Condition::SLt => sa < sb,
            Condition::SLe => sa <= sb,
        }
    }

    /// The condition that holds exactly when this one does not; `&` has none.
    pub const fn negated(self) -> Option<Condition> {
        Some(match self {
            Condition::Eq => Condition::Ne,
            Condition::Ne => Condition::Eq,
            Condition::Set => return None,
            Condition::Gt => Condition::Le,
            Condition::Ge => Condition::Lt,
            Condition::Lt => Condition::Ge,
            Condition::Le => Condition::Gt,
            Condition::SGt => Condition::SLe,
            Condition::SGe => Condition::SLt,
            Condition::SLt => Condition::SGe,
            Condition::SLe => Condition::SGt,
        })
    }

    /// The condition with its operands exchanged: `a cond b` is `b cond.swapped() a`.
    pub const fn swapped(self) -> Condition {
        match self {
            Condition::Eq | Condition::Ne | Condition::Set => self,
            Condition::Gt => Condition::Lt,
            Condition::Ge => Condition::Le,
            Condition::Lt => Condition::Gt,
            Condition::Le => Condition::Ge,
            Condition::SGt => Condition::SLt,
            Condition::SGe => Condition::SLe,
            Condition::SLt => Condition::SGt,
            Condition::SLe => Condition::SGe,
        }
    }
}

/// `dst = (s8)src` and its kin.
#[inline]
pub const fn mov_sign_extended(width: Width, from: Size, src: u64) -> u64 {
    width.truncate(from.sign_extend(src))
}

/// `dst = -dst`
#[inline]
pub const fn negate(width: Width, value: u64) -> u64 {
    width.truncate(value.wrapping_neg())
}

/// Byte swap of the low bits on a little-endian machine (the only kind programs run on here).
#[inline]
pub const fn swap(kind: SwapKind, size: Size, value: u64) -> u64 {
    match (kind, size) {
        (SwapKind::ToLittle, _) => size.truncate(value),
        (_, Size::Byte) => size.truncate(value),
        (_, Size::Half) => (value as u16).swap_bytes() as u64,
        (_, Size::Word) => (value as u32).swap_bytes() as u64,
        (_, Size::Double) => value.swap_bytes(),
    }
}

/// What an atomic read-modify-write does, given what stands in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AtomicResult {
    /// The new contents of memory, zero-extended.
    pub memory: u64,
    /// What the fetching register receives: the old contents, zero-extended. `None` for operations that do not fetch.
    pub fetched: Option<u64>,
}

impl AtomicOp {
    /// All of them.
    pub const ALL: [AtomicOp; 10] = [
        AtomicOp::Add { fetch: false },
        AtomicOp::Or { fetch: false },
        AtomicOp::And { fetch: false },
        AtomicOp::Xor { fetch: false },
        AtomicOp::Add { fetch: true },
        AtomicOp::Or { fetch: true },
        AtomicOp::And { fetch: true },
        AtomicOp::Xor { fetch: true },
        AtomicOp::Xchg,
        AtomicOp::Cmpxchg,
    ];

    /// Whether a register receives the old contents: `r0` for `Cmpxchg`, `src` for the others.
    pub const fn fetches(self) -> bool {
        match self {
            AtomicOp::Add { fetch } | AtomicOp::Or { fetch } | AtomicOp::And { fetch } | AtomicOp::Xor { fetch } => {
                fetch
            }
            AtomicOp::Xchg | AtomicOp::Cmpxchg => true,
        }
    }

    /// The effect on a cell of that size that holds `old`, with `src` and (for `Cmpxchg`) `r0`.
    #[inline]
    pub const fn eval(self, size: Size, old: u64, src: u64, r0: u64) -> AtomicResult {
        let old = size.truncate(old);
        let new = match self {
            AtomicOp::Add { .. } => old.wrapping_add(src),
            AtomicOp::Or { .. } => old | src,
            AtomicOp::And { .. } => old & src,
            AtomicOp::Xor { .. } => old ^ src,
            AtomicOp::Xchg => src,
            AtomicOp::Cmpxchg if old == size.truncate(r0) => src,
            AtomicOp::Cmpxchg => old,
        };
        AtomicResult { memory: size.truncate(new), fetched: if self.fetches() { Some(old) } else { None } }
    }
}
