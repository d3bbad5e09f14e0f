//! What an instruction means, as data.

/// A register, `r0` to `r10`. `r10` is the read-only frame pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reg(u8);

impl Reg {
    /// Return value.
    pub const R0: Reg = Reg(0);
    /// First argument; the context at entry.
    pub const R1: Reg = Reg(1);
    /// Second argument.
    pub const R2: Reg = Reg(2);
    /// Third argument.
    pub const R3: Reg = Reg(3);
    /// Fourth argument.
    pub const R4: Reg = Reg(4);
    /// Fifth argument.
    pub const R5: Reg = Reg(5);
    /// Callee-saved.
    pub const R6: Reg = Reg(6);
    /// Callee-saved.
    pub const R7: Reg = Reg(7);
    /// Callee-saved.
    pub const R8: Reg = Reg(8);
    /// Callee-saved.
    pub const R9: Reg = Reg(9);
    /// Frame pointer, read-only.
    pub const R10: Reg = Reg(10);
    /// How many registers there are.
    pub const COUNT: usize = 11;

    /// The register of that number, if there is one.
    pub const fn new(number: u8) -> Option<Reg> {
        if number <= 10 { Some(Reg(number)) } else { None }
    }

    /// 0 to 10.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// 0 to 10, to index with.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// All registers in order.
    pub fn all() -> impl DoubleEndedIterator<Item = Reg> {
        (0..=10).map(Reg)
    }
}

impl std::fmt::Display for Reg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// Width of an arithmetic operation or comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// 32 bits; the upper half of the result is zero.
    W32,
    /// 64 bits.
    W64,
}

/// Size of a memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Size {
    /// `u8`
    Byte,
    /// `u16`
    Half,
    /// `u32`
    Word,
    /// `u64`
    Double,
}

impl Size {
    /// 1, 2, 4 or 8.
    pub const fn bytes(self) -> u8 {
        match self {
            Size::Byte => 1,
            Size::Half => 2,
            Size::Word => 4,
            Size::Double => 8,
        }
    }

    /// 8, 16, 32 or 64.
    pub const fn bits(self) -> u8 {
        self.bytes() * 8
    }

    /// The size of so many bytes.
    pub const fn from_bytes(bytes: usize) -> Option<Size> {
        match bytes {
            1 => Some(Size::Byte),
            2 => Some(Size::Half),
            4 => Some(Size::Word),
            8 => Some(Size::Double),
            _ => None,
        }
    }
}

/// The second operand: a register or a sign-extended immediate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A register.
    Reg(Reg),
    /// An immediate, sign-extended to 64 bits.
    Imm(i32),
}

/// Arithmetic with two operands: `dst = dst op src`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+=`
    Add,
    /// `-=`
    Sub,
    /// `*=`
    Mul,
    /// `/=` unsigned; division by zero gives 0.
    Div,
    /// `s/=` signed; division by zero gives 0.
    SDiv,
    /// `%=` unsigned; modulo zero leaves `dst`.
    Mod,
    /// `s%=` signed; modulo zero leaves `dst`.
    SMod,
    /// `|=`
    Or,
    /// `&=`
    And,
    /// `^=`
    Xor,
    /// `<<=`; the amount is masked by the width.
    Lsh,
    /// `>>=`; the amount is masked by the width.
    Rsh,
    /// `s>>=`; the amount is masked by the width.
    Arsh,
    /// `=`
    Mov,
}

/// What a byte-swapping instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SwapKind {
    /// `le16` …: to little-endian.
    ToLittle,
    /// `be16` …: to big-endian.
    ToBig,
    /// `bswap16` …: always.
    Swap,
}

/// The operation of an atomic read-modify-write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtomicOp {
    /// Add, with or without the old value in `src`.
    Add {
        /// Whether `src` receives the old value.
        fetch: bool,
    },
    /// Or, with or without the old value in `src`.
    Or {
        /// Whether `src` receives the old value.
        fetch: bool,
    },
    /// And, with or without the old value in `src`.
    And {
        /// Whether `src` receives the old value.
        fetch: bool,
    },
    /// Exclusive or, with or without the old value in `src`.
    Xor {
        /// Whether `src` receives the old value.
        fetch: bool,
    },
    /// Exchange; `src` receives the old value.
    Xchg,
    /// Compare with `r0` and exchange; `r0` receives the old value.
    Cmpxchg,
}

/// A comparison of a conditional jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `&`
    Set,
    /// `>` unsigned
    Gt,
    /// `>=` unsigned
    Ge,
    /// `<` unsigned
    Lt,
    /// `<=` unsigned
    Le,
    /// `s>`
    SGt,
    /// `s>=`
    SGe,
    /// `s<`
    SLt,
    /// `s<=`
    SLe,
}

impl Condition {
    /// How it is written: `s<=`.
    pub const fn symbol(self) -> &'static str {
        match self {
            Condition::Eq => "==",
            Condition::Ne => "!=",
            Condition::Set => "&",
            Condition::Gt => ">",
            Condition::Ge => ">=",
            Condition::Lt => "<",
            Condition::Le => "<=",
            Condition::SGt => "s>",
            Condition::SGe => "s>=",
            Condition::SLt => "s<",
            Condition::SLe => "s<=",
        }
    }
}

/// What a two-slot `lddw` loads, by its pseudo source (RFC 9669, section 5.4; Linux `BPF_PSEUDO_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Imm64 {
    /// 0: a plain number.
    Value(u64),
    /// 1: the map behind a file descriptor.
    MapFd(i32),
    /// 2: the address of a map's value plus an offset. `map_val(map_by_fd(imm)) + next_imm`.
    MapValue {
        /// The map's file descriptor.
        fd: i32,
        /// Byte offset into the value.
        offset: u32,
    },
    /// 3: the address of a kernel variable by BTF id, in the BTF of `btf_fd` (0: vmlinux).
    BtfId {
        /// BTF type id of the variable.
        id: u32,
        /// File descriptor of the module's BTF, or 0.
        btf_fd: i32,
    },
    /// 4: the address of a subprogram, `offset` slots from the slot after this instruction's first.
    Function {
        /// Relative to the first slot plus one.
        offset: i32,
    },
    /// 5: the map of that index in `fd_array`.
    MapIndex(i32),
    /// 6: the address of a map's value, the map by its index in `fd_array`.
    MapIndexValue {
        /// Index in `fd_array`.
        index: i32,
        /// Byte offset into the value.
        offset: u32,
    },
}

/// Where `LD_ABS` and `LD_IND` read the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketOffset {
    /// At `imm`.
    Absolute(i32),
    /// At `reg + imm`.
    Indirect(Reg, i32),
}

/// What a `call` calls, by its pseudo source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallTarget {
    /// 0: a helper by its number.
    Helper(i32),
    /// 1: a subprogram, `offset` slots from the next instruction.
    Subprogram {
        /// Relative to the next slot.
        offset: i32,
    },
    /// 2: a kernel function by BTF id; `btf` is an index into `fd_array` (0: vmlinux).
    Kfunc {
        /// BTF id of the function.
        id: i32,
        /// Index into `fd_array` of its BTF, or 0.
        btf: i16,
    },
}

/// A decoded instruction. Jump offsets count slots from the slot after the instruction's (first) slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Insn {
    /// `dst = dst op src`, moves included.
    Alu {
        /// Operation.
        op: BinaryOp,
        /// 32 or 64 bits.
        width: Width,
        /// Destination and first operand.
        dst: Reg,
        /// Second operand.
        src: Operand,
    },
    /// Move with sign extension: `dst = (s8)src`. From `Byte`, `Half`, or (64 bits only) `Word`.
    MovSx {
        /// Width of the result.
        width: Width,
        /// Size of what is extended.
        from: Size,
        /// Destination.
        dst: Reg,
        /// Source.
        src: Reg,
    },
    /// `dst = -dst`
    Neg {
        /// 32 or 64 bits.
        width: Width,
        /// Operand.
        dst: Reg,
    },
    /// Byte swap of the low 16, 32 or 64 bits; what is above them becomes zero.
    Swap {
        /// Which kind.
        kind: SwapKind,
        /// `Half`, `Word` or `Double`.
        size: Size,
        /// Operand.
        dst: Reg,
    },
    /// `dst = addr_space_cast(src, to, from)` (Linux 6.9, arenas).
    AddrSpaceCast {
        /// Destination.
        dst: Reg,
        /// Source.
        src: Reg,
        /// Destination address space: the upper half of `imm`.
        to: u16,
        /// Source address space: the lower half of `imm`.
        from: u16,
    },
    /// `dst = imm64 ll`, two slots.
    LoadImm64 {
        /// Destination.
        dst: Reg,
        /// What is loaded.
        imm: Imm64,
    },
    /// `dst = *(u8 *)(base + offset)`, sign-extended where `signed` (cpu v4).
    Load {
        /// Access size.
        size: Size,
        /// Sign-extend to 64 bits.
        signed: bool,
        /// Destination.
        dst: Reg,
        /// Address register.
        base: Reg,
        /// Byte offset.
        offset: i16,
    },
    /// `*(u8 *)(base + offset) = src`
    Store {
        /// Access size.
        size: Size,
        /// Address register.
        base: Reg,
        /// Byte offset.
        offset: i16,
        /// What is stored.
        src: Operand,
    },
    /// Atomic read-modify-write: `lock *(u64 *)(base + offset) += src`.
    Atomic {
        /// Operation.
        op: AtomicOp,
        /// `Word` or `Double`.
        size: Size,
        /// Address register.
        base: Reg,
        /// Byte offset.
        offset: i16,
        /// Operand, and destination of fetching forms but `Cmpxchg`.
        src: Reg,
    },
    /// `dst = load_acquire((u8 *)(base + offset))` (Linux 6.15).
    LoadAcquire {
        /// Access size.
        size: Size,
        /// Destination.
        dst: Reg,
        /// Address register.
        base: Reg,
        /// Byte offset.
        offset: i16,
    },
    /// `store_release((u8 *)(base + offset), src)` (Linux 6.15).
    StoreRelease {
        /// Access size.
        size: Size,
        /// Address register.
        base: Reg,
        /// Byte offset.
        offset: i16,
        /// What is stored.
        src: Reg,
    },
    /// `r0 = *(u8 *)skb[…]`: conformance group `packet`. Clobbers r1 to r5, ends the program with 0 past the packet.
    LoadPacket {
        /// `Byte`, `Half` or `Word`.
        size: Size,
        /// Where.
        from: PacketOffset,
    },
    /// `goto +offset`; `long` is `gotol` with a 32-bit offset.
    Jump {
        /// Slots from the next one.
        offset: i32,
        /// The JMP32 form (cpu v4).
        long: bool,
    },
    /// `if dst cond src goto +offset`
    JumpIf {
        /// Comparison.
        condition: Condition,
        /// 32 or 64 bits.
        width: Width,
        /// Left operand.
        dst: Reg,
        /// Right operand.
        src: Operand,
        /// Slots from the next one.
        offset: i16,
    },
    /// `may_goto +offset`: jumps once the loop budget is used up (Linux 6.9).
    MayGoto {
        /// Slots from the next one.
        offset: i16,
    },
    /// `call …`
    Call(CallTarget),
    /// `callx reg` (conformance tests; Linux refuses it).
    CallReg(Reg),
    /// `exit`
    Exit,
}
