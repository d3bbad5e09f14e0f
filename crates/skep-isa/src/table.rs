//! The instruction table: every instruction once.
//!
//! [`for_each_instruction!`] hands all rows to the macro whose name it is given. `form.rs` makes from them the
//! [`Form`](crate::Form) enum, its facts, the way from a slot to an [`Insn`](crate::Insn) and the way back; the text
//! column alone drives the disassembler and the assembler.
//!
//! A row reads:
//!
//! ```text
//! name opcode [dst src offset imm (second slot's imm)] group cpu linux "text" => { Insn }
//! ```
//!
//! * A field is a number that must stand there, or the name of the part of the `Insn` it holds; `(unsigned x)`,
//!   `(wide x)`, `(low x)` and `(high x)` say how the part is put into the field. Rows with the same opcode are told
//!   apart by their numbers. The last column is both a pattern and an expression.
//! * `group` is the conformance group of RFC 9669 (section 2.4), or who else defined the instruction.
//! * `cpu` is the lowest `-mcpu` that has the encoding. (clang uses 32-bit arithmetic from v3 on; the encoding is v1's.)
//! * `linux` is the first version that runs it, `()` where none does.
//! * In the text, `{dst}` and `{src}` are register numbers, and `?` before one is `r`, or `w` where LLVM has
//!   32-bit registers. What the other placeholders mean is in `text/template.rs`.

/// Calls `$consumer!` with all rows.
macro_rules! for_each_instruction {
    ($consumer:ident) => {
        $consumer! {
    // Arithmetic (RFC 9669, section 4.1). `sdiv` and `smod` are told apart by offset 1.
    Add32Imm  0x04 [dst 0 0 imm] Base32   V1 (3,18) "w{dst} += {imm}"    => { Alu { op: Add, width: W32, dst, src: Imm(imm) } }
    Add32Reg  0x0c [dst src 0 0] Base32   V1 (3,18) "w{dst} += w{src}"   => { Alu { op: Add, width: W32, dst, src: Reg(src) } }
    Sub32Imm  0x14 [dst 0 0 imm] Base32   V1 (3,18) "w{dst} -= {imm}"    => { Alu { op: Sub, width: W32, dst, src: Imm(imm) } }
    Sub32Reg  0x1c [dst src 0 0] Base32   V1 (3,18) "w{dst} -= w{src}"   => { Alu { op: Sub, width: W32, dst, src: Reg(src) } }
    Mul32Imm  0x24 [dst 0 0 imm] DivMul32 V1 (3,18) "w{dst} *= {imm}"    => { Alu { op: Mul, width: W32, dst, src: Imm(imm) } }
    Mul32Reg  0x2c [dst src 0 0] DivMul32 V1 (3,18) "w{dst} *= w{src}"   => { Alu { op: Mul, width: W32, dst, src: Reg(src) } }
    Div32Imm  0x34 [dst 0 0 imm] DivMul32 V1 (3,18) "w{dst} /= {imm}"    => { Alu { op: Div, width: W32, dst, src: Imm(imm) } }
    Div32Reg  0x3c [dst src 0 0] DivMul32 V1 (3,18) "w{dst} /= w{src}"   => { Alu { op: Div, width: W32, dst, src: Reg(src) } }
    SDiv32Imm 0x34 [dst 0 1 imm] DivMul32 V4 (6,6)  "w{dst} s/= {imm}"   => { Alu { op: SDiv, width: W32, dst, src: Imm(imm) } }
    SDiv32Reg 0x3c [dst src 1 0] DivMul32 V4 (6,6)  "w{dst} s/= w{src}"  => { Alu { op: SDiv, width: W32, dst, src: Reg(src) } }
    Or32Imm   0x44 [dst 0 0 imm] Base32   V1 (3,18) "w{dst} |= {imm}"    => { Alu { op: Or, width: W32, dst, src: Imm(imm) } }
    Or32Reg   0x4c [dst src 0 0] Base32   V1 (3,18) "w{dst} |= w{src}"   => { Alu { op: Or, width: W32, dst, src: Reg(src) } }
    And32Imm  0x54 [dst 0 0 imm] Base32   V1 (3,18) "w{dst} &= {imm}"    => { Alu { op: And, width: W32, dst, src: Imm(imm) } }
    And32Reg  0x5c [dst src 0 0] Base32   V1 (3,18) "w{dst} &= w{src}"   => { Alu { op: And, width: W32, dst, src: Reg(src) } }
    Lsh32Imm  0x64 [dst 0 0 imm] Base32   V1 (3,18) "w{dst} <<= {imm}"   => { Alu { op: Lsh, width: W32, dst, src: Imm(imm) } }
    Lsh32Reg  0x6c [dst src 0 0] Base32   V1 (3,18) "w{dst} <<= w{src}"  => { Alu { op: Lsh, width: W32, dst, src: Reg(src) } }
    Rsh32Imm  0x74 [dst 0 0 imm] Base32   V1 (3,18) "w{dst} >>= {imm}"   => { Alu { op: Rsh, width: W32, dst, src: Imm(imm) } }
    Rsh32Reg  0x7c [dst src 0 0] Base32   V1 (3,18) "w{dst} >>= w{src}"  => { Alu { op: Rsh, width: W32, dst, src: Reg(src) } }
    Mod32Imm  0x94 [dst 0 0 imm] DivMul32 V1 (3,18) "w{dst} %= {imm}"    => { Alu { op: Mod, width: W32, dst, src: Imm(imm) } }
    Mod32Reg  0x9c [dst src 0 0] DivMul32 V1 (3,18) "w{dst} %= w{src}"   => { Alu { op: Mod, width: W32, dst, src: Reg(src) } }
    SMod32Imm 0x94 [dst 0 1 imm] DivMul32 V4 (6,6)  "w{dst} s%= {imm}"   => { Alu { op: SMod, width: W32, dst, src: Imm(imm) } }
    SMod32Reg 0x9c [dst src 1 0] DivMul32 V4 (6,6)  "w{dst} s%= w{src}"  => { Alu { op: SMod, width: W32, dst, src: Reg(src) } }
    Xor32Imm  0xa4 [dst 0 0 imm] Base32   V1 (3,18) "w{dst} ^= {imm}"    => { Alu { op: Xor, width: W32, dst, src: Imm(imm) } }
    Xor32Reg  0xac [dst src 0 0] Base32   V1 (3,18) "w{dst} ^= w{src}"   => { Alu { op: Xor, width: W32, dst, src: Reg(src) } }
    Mov32Imm  0xb4 [dst 0 0 imm] Base32   V1 (3,18) "w{dst} = {imm}"     => { Alu { op: Mov, width: W32, dst, src: Imm(imm) } }
    Mov32Reg  0xbc [dst src 0 0] Base32   V1 (3,18) "w{dst} = w{src}"    => { Alu { op: Mov, width: W32, dst, src: Reg(src) } }
    Arsh32Imm 0xc4 [dst 0 0 imm] Base32   V1 (3,18) "w{dst} s>>= {imm}"  => { Alu { op: Arsh, width: W32, dst, src: Imm(imm) } }
    Arsh32Reg 0xcc [dst src 0 0] Base32   V1 (3,18) "w{dst} s>>= w{src}" => { Alu { op: Arsh, width: W32, dst, src: Reg(src) } }
    Add64Imm  0x07 [dst 0 0 imm] Base64   V1 (3,18) "r{dst} += {imm}"    => { Alu { op: Add, width: W64, dst, src: Imm(imm) } }
    Add64Reg  0x0f [dst src 0 0] Base64   V1 (3,18) "r{dst} += r{src}"   => { Alu { op: Add, width: W64, dst, src: Reg(src) } }
    Sub64Imm  0x17 [dst 0 0 imm] Base64   V1 (3,18) "r{dst} -= {imm}"    => { Alu { op: Sub, width: W64, dst, src: Imm(imm) } }
    Sub64Reg  0x1f [dst src 0 0] Base64   V1 (3,18) "r{dst} -= r{src}"   => { Alu { op: Sub, width: W64, dst, src: Reg(src) } }
    Mul64Imm  0x27 [dst 0 0 imm] DivMul64 V1 (3,18) "r{dst} *= {imm}"    => { Alu { op: Mul, width: W64, dst, src: Imm(imm) } }
    Mul64Reg  0x2f [dst src 0 0] DivMul64 V1 (3,18) "r{dst} *= r{src}"   => { Alu { op: Mul, width: W64, dst, src: Reg(src) } }
    Div64Imm  0x37 [dst 0 0 imm] DivMul64 V1 (3,18) "r{dst} /= {imm}"    => { Alu { op: Div, width: W64, dst, src: Imm(imm) } }
    Div64Reg  0x3f [dst src 0 0] DivMul64 V1 (3,18) "r{dst} /= r{src}"   => { Alu { op: Div, width: W64, dst, src: Reg(src) } }
    SDiv64Imm 0x37 [dst 0 1 imm] DivMul64 V4 (6,6)  "r{dst} s/= {imm}"   => { Alu { op: SDiv, width: W64, dst, src: Imm(imm) } }
    SDiv64Reg 0x3f [dst src 1 0] DivMul64 V4 (6,6)  "r{dst} s/= r{src}"  => { Alu { op: SDiv, width: W64, dst, src: Reg(src) } }
    Or64Imm   0x47 [dst 0 0 imm] Base64   V1 (3,18) "r{dst} |= {imm}"    => { Alu { op: Or, width: W64, dst, src: Imm(imm) } }
    Or64Reg   0x4f [dst src 0 0] Base64   V1 (3,18) "r{dst} |= r{src}"   => { Alu { op: Or, width: W64, dst, src: Reg(src) } }
    And64Imm  0x57 [dst 0 0 imm] Base64   V1 (3,18) "r{dst} &= {imm}"    => { Alu { op: And, width: W64, dst, src: Imm(imm) } }
    And64Reg  0x5f [dst src 0 0] Base64   V1 (3,18) "r{dst} &= r{src}"   => { Alu { op: And, width: W64, dst, src: Reg(src) } }
    Lsh64Imm  0x67 [dst 0 0 imm] Base64   V1 (3,18) "r{dst} <<= {imm}"   => { Alu { op: Lsh, width: W64, dst, src: Imm(imm) } }
    Lsh64Reg  0x6f [dst src 0 0] Base64   V1 (3,18) "r{dst} <<= r{src}"  => { Alu { op: Lsh, width: W64, dst, src: Reg(src) } }
    Rsh64Imm  0x77 [dst 0 0 imm] Base64   V1 (3,18) "r{dst} >>= {imm}"   => { Alu { op: Rsh, width: W64, dst, src: Imm(imm) } }
    Rsh64Reg  0x7f [dst src 0 0] Base64   V1 (3,18) "r{dst} >>= r{src}"  => { Alu { op: Rsh, width: W64, dst, src: Reg(src) } }
    Mod64Imm  0x97 [dst 0 0 imm] DivMul64 V1 (3,18) "r{dst} %= {imm}"    => { Alu { op: Mod, width: W64, dst, src: Imm(imm) } }
    Mod64Reg  0x9f [dst src 0 0] DivMul64 V1 (3,18) "r{dst} %= r{src}"   => { Alu { op: Mod, width: W64, dst, src: Reg(src) } }
    SMod64Imm 0x97 [dst 0 1 imm] DivMul64 V4 (6,6)  "r{dst} s%= {imm}"   => { Alu { op: SMod, width: W64, dst, src: Imm(imm) } }
    SMod64Reg 0x9f [dst src 1 0] DivMul64 V4 (6,6)  "r{dst} s%= r{src}"  => { Alu { op: SMod, width: W64, dst, src: Reg(src) } }
    Xor64Imm  0xa7 [dst 0 0 imm] Base64   V1 (3,18) "r{dst} ^= {imm}"    => { Alu { op: Xor, width: W64, dst, src: Imm(imm) } }
    Xor64Reg  0xaf [dst src 0 0] Base64   V1 (3,18) "r{dst} ^= r{src}"   => { Alu { op: Xor, width: W64, dst, src: Reg(src) } }
    Mov64Imm  0xb7 [dst 0 0 imm] Base64   V1 (3,18) "r{dst} = {imm}"     => { Alu { op: Mov, width: W64, dst, src: Imm(imm) } }
    Mov64Reg  0xbf [dst src 0 0] Base64   V1 (3,18) "r{dst} = r{src}"    => { Alu { op: Mov, width: W64, dst, src: Reg(src) } }
    Arsh64Imm 0xc7 [dst 0 0 imm] Base64   V1 (3,18) "r{dst} s>>= {imm}"  => { Alu { op: Arsh, width: W64, dst, src: Imm(imm) } }
    Arsh64Reg 0xcf [dst src 0 0] Base64   V1 (3,18) "r{dst} s>>= r{src}" => { Alu { op: Arsh, width: W64, dst, src: Reg(src) } }
    Neg32     0x84 [dst 0 0 0]   Base32   V1 (3,18) "w{dst} = -w{dst}"   => { Neg { width: W32, dst } }
    Neg64     0x87 [dst 0 0 0]   Base64   V1 (3,18) "r{dst} = -r{dst}"   => { Neg { width: W64, dst } }
    // Moves with sign extension: the offset is the number of bits (section 4.1).
    MovSx8To32  0xbc [dst src 8 0]  Base32 V4 (6,6) "w{dst} = (s8)w{src}"  => { MovSx { width: W32, from: Byte, dst, src } }
    MovSx16To32 0xbc [dst src 16 0] Base32 V4 (6,6) "w{dst} = (s16)w{src}" => { MovSx { width: W32, from: Half, dst, src } }
    MovSx8To64  0xbf [dst src 8 0]  Base64 V4 (6,6) "r{dst} = (s8)r{src}"  => { MovSx { width: W64, from: Byte, dst, src } }
    MovSx16To64 0xbf [dst src 16 0] Base64 V4 (6,6) "r{dst} = (s16)r{src}" => { MovSx { width: W64, from: Half, dst, src } }
    MovSx32To64 0xbf [dst src 32 0] Base64 V4 (6,6) "r{dst} = (s32)r{src}" => { MovSx { width: W64, from: Word, dst, src } }
    // Byte order: the immediate is the number of bits (section 4.2).
    Le16    0xd4 [dst 0 0 16] Base32 V1 (3,18) "r{dst} = le16 r{dst}"    => { Swap { kind: ToLittle, size: Half, dst } }
    Le32    0xd4 [dst 0 0 32] Base32 V1 (3,18) "r{dst} = le32 r{dst}"    => { Swap { kind: ToLittle, size: Word, dst } }
    Le64    0xd4 [dst 0 0 64] Base64 V1 (3,18) "r{dst} = le64 r{dst}"    => { Swap { kind: ToLittle, size: Double, dst } }
    Be16    0xdc [dst 0 0 16] Base32 V1 (3,18) "r{dst} = be16 r{dst}"    => { Swap { kind: ToBig, size: Half, dst } }
    Be32    0xdc [dst 0 0 32] Base32 V1 (3,18) "r{dst} = be32 r{dst}"    => { Swap { kind: ToBig, size: Word, dst } }
    Be64    0xdc [dst 0 0 64] Base64 V1 (3,18) "r{dst} = be64 r{dst}"    => { Swap { kind: ToBig, size: Double, dst } }
    Bswap16 0xd7 [dst 0 0 16] Base32 V4 (6,6)  "r{dst} = bswap16 r{dst}" => { Swap { kind: SwapKind::Swap, size: Half, dst } }
    Bswap32 0xd7 [dst 0 0 32] Base32 V4 (6,6)  "r{dst} = bswap32 r{dst}" => { Swap { kind: SwapKind::Swap, size: Word, dst } }
    Bswap64 0xd7 [dst 0 0 64] Base64 V4 (6,6)  "r{dst} = bswap64 r{dst}" => { Swap { kind: SwapKind::Swap, size: Double, dst } }
    // Linux: arena pointers. Offset 1 of the 64-bit move; the immediate holds both address spaces.
    CastFromArena 0xbf [dst src 1 1]       Linux V4 (6,9) "r{dst} = addr_space_cast(r{src}, 0, 1)"
        => { AddrSpaceCast { dst, src, to: 0, from: 1 } }
    CastToArena   0xbf [dst src 1 0x10000] Linux V4 (6,9) "r{dst} = addr_space_cast(r{src}, 1, 0)"
        => { AddrSpaceCast { dst, src, to: 1, from: 0 } }
    // 64-bit immediates, two slots, by pseudo source (section 5.4). The fifth field is the second slot's immediate.
    LoadImm64         0x18 [dst 0 0 (low value) (high value)] Base64 V1 (3,18) "r{dst} = {imm64} ll"
        => { LoadImm64 { dst, imm: Value(value) } }
    LoadMapFd         0x18 [dst 1 0 fd 0]                     Base64 V1 (3,18) "r{dst} = map[fd:{imm}] ll"
        => { LoadImm64 { dst, imm: MapFd(fd) } }
    LoadMapValue      0x18 [dst 2 0 fd (unsigned offset)]     Base64 V1 (5,2)  "r{dst} = map[fd:{imm}][0]+{next_u} ll"
        => { LoadImm64 { dst, imm: MapValue { fd, offset } } }
    LoadBtfId         0x18 [dst 3 0 (unsigned id) btf_fd]     Base64 V1 (5,10) "r{dst} = btf[id:{imm_u},fd:{next}] ll"
        => { LoadImm64 { dst, imm: BtfId { id, btf_fd } } }
    LoadFunction      0x18 [dst 4 0 offset 0]                 Base64 V1 (5,13) "r{dst} = subprog[{jump_imm}] ll"
        => { LoadImm64 { dst, imm: Function { offset } } }
    LoadMapIndex      0x18 [dst 5 0 index 0]                  Base64 V1 (5,14) "r{dst} = map[idx:{imm}] ll"
        => { LoadImm64 { dst, imm: MapIndex(index) } }
    LoadMapIndexValue 0x18 [dst 6 0 index (unsigned offset)]  Base64 V1 (5,14) "r{dst} = map[idx:{imm}][0]+{next_u} ll"
        => { LoadImm64 { dst, imm: MapIndexValue { index, offset } } }
    // Memory (sections 5.1 and 5.2).
    Load8        0x71 [dst base offset 0] Base32 V1 (3,18) "?{dst} = *(u8 *)(r{src} {+offset})"
        => { Load { size: Byte, signed: false, dst, base, offset } }
    Load16       0x69 [dst base offset 0] Base32 V1 (3,18) "?{dst} = *(u16 *)(r{src} {+offset})"
        => { Load { size: Half, signed: false, dst, base, offset } }
    Load32       0x61 [dst base offset 0] Base32 V1 (3,18) "?{dst} = *(u32 *)(r{src} {+offset})"
        => { Load { size: Word, signed: false, dst, base, offset } }
    Load64       0x79 [dst base offset 0] Base64 V1 (3,18) "r{dst} = *(u64 *)(r{src} {+offset})"
        => { Load { size: Double, signed: false, dst, base, offset } }
    LoadSigned8  0x91 [dst base offset 0] Base32 V4 (6,6)  "r{dst} = *(s8 *)(r{src} {+offset})"
        => { Load { size: Byte, signed: true, dst, base, offset } }
    LoadSigned16 0x89 [dst base offset 0] Base32 V4 (6,6)  "r{dst} = *(s16 *)(r{src} {+offset})"
        => { Load { size: Half, signed: true, dst, base, offset } }
    LoadSigned32 0x81 [dst base offset 0] Base32 V4 (6,6)  "r{dst} = *(s32 *)(r{src} {+offset})"
        => { Load { size: Word, signed: true, dst, base, offset } }
    Store8Imm    0x72 [base 0 offset imm] Base32 V1 (3,18) "*(u8 *)(r{dst} {+offset}) = {imm}"
        => { Store { size: Byte, base, offset, src: Imm(imm) } }
    Store16Imm   0x6a [base 0 offset imm] Base32 V1 (3,18) "*(u16 *)(r{dst} {+offset}) = {imm}"
        => { Store { size: Half, base, offset, src: Imm(imm) } }
    Store32Imm   0x62 [base 0 offset imm] Base32 V1 (3,18) "*(u32 *)(r{dst} {+offset}) = {imm}"
        => { Store { size: Word, base, offset, src: Imm(imm) } }
    Store64Imm   0x7a [base 0 offset imm] Base64 V1 (3,18) "*(u64 *)(r{dst} {+offset}) = {imm}"
        => { Store { size: Double, base, offset, src: Imm(imm) } }
    Store8Reg    0x73 [base src offset 0] Base32 V1 (3,18) "*(u8 *)(r{dst} {+offset}) = ?{src}"
        => { Store { size: Byte, base, offset, src: Reg(src) } }
    Store16Reg   0x6b [base src offset 0] Base32 V1 (3,18) "*(u16 *)(r{dst} {+offset}) = ?{src}"
        => { Store { size: Half, base, offset, src: Reg(src) } }
    Store32Reg   0x63 [base src offset 0] Base32 V1 (3,18) "*(u32 *)(r{dst} {+offset}) = ?{src}"
        => { Store { size: Word, base, offset, src: Reg(src) } }
    Store64Reg   0x7b [base src offset 0] Base64 V1 (3,18) "*(u64 *)(r{dst} {+offset}) = r{src}"
        => { Store { size: Double, base, offset, src: Reg(src) } }
    // Atomic operations: the immediate is the operation (section 5.3).
    AtomicAdd32      0xc3 [base src offset 0]    Atomic32 V1 (3,18) "lock *(u32 *)(r{dst} {+offset}) += w{src}"
        => { Atomic { op: AtomicOp::Add { fetch: false }, size: Word, base, offset, src } }
    AtomicOr32       0xc3 [base src offset 0x40] Atomic32 V3 (5,12) "lock *(u32 *)(r{dst} {+offset}) |= w{src}"
        => { Atomic { op: AtomicOp::Or { fetch: false }, size: Word, base, offset, src } }
    AtomicAnd32      0xc3 [base src offset 0x50] Atomic32 V3 (5,12) "lock *(u32 *)(r{dst} {+offset}) &= w{src}"
        => { Atomic { op: AtomicOp::And { fetch: false }, size: Word, base, offset, src } }
    AtomicXor32      0xc3 [base src offset 0xa0] Atomic32 V3 (5,12) "lock *(u32 *)(r{dst} {+offset}) ^= w{src}"
        => { Atomic { op: AtomicOp::Xor { fetch: false }, size: Word, base, offset, src } }
    AtomicFetchAdd32 0xc3 [base src offset 0x1]  Atomic32 V3 (5,12) "w{src} = atomic_fetch_add((u32 *)(r{dst} {+offset}), w{src})"
        => { Atomic { op: AtomicOp::Add { fetch: true }, size: Word, base, offset, src } }
    AtomicFetchOr32  0xc3 [base src offset 0x41] Atomic32 V3 (5,12) "w{src} = atomic_fetch_or((u32 *)(r{dst} {+offset}), w{src})"
        => { Atomic { op: AtomicOp::Or { fetch: true }, size: Word, base, offset, src } }
    AtomicFetchAnd32 0xc3 [base src offset 0x51] Atomic32 V3 (5,12) "w{src} = atomic_fetch_and((u32 *)(r{dst} {+offset}), w{src})"
        => { Atomic { op: AtomicOp::And { fetch: true }, size: Word, base, offset, src } }
    AtomicFetchXor32 0xc3 [base src offset 0xa1] Atomic32 V3 (5,12) "w{src} = atomic_fetch_xor((u32 *)(r{dst} {+offset}), w{src})"
        => { Atomic { op: AtomicOp::Xor { fetch: true }, size: Word, base, offset, src } }
    Xchg32           0xc3 [base src offset 0xe1] Atomic32 V3 (5,12) "w{src} = xchg32_32(r{dst} {+offset}, w{src})"
        => { Atomic { op: AtomicOp::Xchg, size: Word, base, offset, src } }
    Cmpxchg32        0xc3 [base src offset 0xf1] Atomic32 V3 (5,12) "w0 = cmpxchg32_32(r{dst} {+offset}, w0, w{src})"
        => { Atomic { op: AtomicOp::Cmpxchg, size: Word, base, offset, src } }
    AtomicAdd64      0xdb [base src offset 0]    Atomic64 V1 (3,18) "lock *(u64 *)(r{dst} {+offset}) += r{src}"
        => { Atomic { op: AtomicOp::Add { fetch: false }, size: Double, base, offset, src } }
    AtomicOr64       0xdb [base src offset 0x40] Atomic64 V3 (5,12) "lock *(u64 *)(r{dst} {+offset}) |= r{src}"
        => { Atomic { op: AtomicOp::Or { fetch: false }, size: Double, base, offset, src } }
    AtomicAnd64      0xdb [base src offset 0x50] Atomic64 V3 (5,12) "lock *(u64 *)(r{dst} {+offset}) &= r{src}"
        => { Atomic { op: AtomicOp::And { fetch: false }, size: Double, base, offset, src } }
    AtomicXor64      0xdb [base src offset 0xa0] Atomic64 V3 (5,12) "lock *(u64 *)(r{dst} {+offset}) ^= r{src}"
        => { Atomic { op: AtomicOp::Xor { fetch: false }, size: Double, base, offset, src } }
    AtomicFetchAdd64 0xdb [base src offset 0x1]  Atomic64 V3 (5,12) "r{src} = atomic_fetch_add((u64 *)(r{dst} {+offset}), r{src})"
        => { Atomic { op: AtomicOp::Add { fetch: true }, size: Double, base, offset, src } }
    AtomicFetchOr64  0xdb [base src offset 0x41] Atomic64 V3 (5,12) "r{src} = atomic_fetch_or((u64 *)(r{dst} {+offset}), r{src})"
        => { Atomic { op: AtomicOp::Or { fetch: true }, size: Double, base, offset, src } }
    AtomicFetchAnd64 0xdb [base src offset 0x51] Atomic64 V3 (5,12) "r{src} = atomic_fetch_and((u64 *)(r{dst} {+offset}), r{src})"
        => { Atomic { op: AtomicOp::And { fetch: true }, size: Double, base, offset, src } }
    AtomicFetchXor64 0xdb [base src offset 0xa1] Atomic64 V3 (5,12) "r{src} = atomic_fetch_xor((u64 *)(r{dst} {+offset}), r{src})"
        => { Atomic { op: AtomicOp::Xor { fetch: true }, size: Double, base, offset, src } }
    Xchg64           0xdb [base src offset 0xe1] Atomic64 V3 (5,12) "r{src} = xchg_64(r{dst} {+offset}, r{src})"
        => { Atomic { op: AtomicOp::Xchg, size: Double, base, offset, src } }
    Cmpxchg64        0xdb [base src offset 0xf1] Atomic64 V3 (5,12) "r0 = cmpxchg_64(r{dst} {+offset}, r0, r{src})"
        => { Atomic { op: AtomicOp::Cmpxchg, size: Double, base, offset, src } }
    // Linux: load-acquire and store-release, at every size.
    LoadAcquire8   0xd3 [dst base offset 0x100] Linux V4 (6,15) "w{dst} = load_acquire((u8 *)(r{src} {+offset}))"
        => { LoadAcquire { size: Byte, dst, base, offset } }
    LoadAcquire16  0xcb [dst base offset 0x100] Linux V4 (6,15) "w{dst} = load_acquire((u16 *)(r{src} {+offset}))"
        => { LoadAcquire { size: Half, dst, base, offset } }
    LoadAcquire32  0xc3 [dst base offset 0x100] Linux V4 (6,15) "w{dst} = load_acquire((u32 *)(r{src} {+offset}))"
        => { LoadAcquire { size: Word, dst, base, offset } }
    LoadAcquire64  0xdb [dst base offset 0x100] Linux V4 (6,15) "r{dst} = load_acquire((u64 *)(r{src} {+offset}))"
        => { LoadAcquire { size: Double, dst, base, offset } }
    StoreRelease8  0xd3 [base src offset 0x110] Linux V4 (6,15) "store_release((u8 *)(r{dst} {+offset}), w{src})"
        => { StoreRelease { size: Byte, base, offset, src } }
    StoreRelease16 0xcb [base src offset 0x110] Linux V4 (6,15) "store_release((u16 *)(r{dst} {+offset}), w{src})"
        => { StoreRelease { size: Half, base, offset, src } }
    StoreRelease32 0xc3 [base src offset 0x110] Linux V4 (6,15) "store_release((u32 *)(r{dst} {+offset}), w{src})"
        => { StoreRelease { size: Word, base, offset, src } }
    StoreRelease64 0xdb [base src offset 0x110] Linux V4 (6,15) "store_release((u64 *)(r{dst} {+offset}), r{src})"
        => { StoreRelease { size: Double, base, offset, src } }
    // Packet access (section 5.5).
    LoadAbsolute8  0x30 [0 0 0 imm]   Packet V1 (3,18) "r0 = *(u8 *)skb[{imm}]"
        => { LoadPacket { size: Byte, from: Absolute(imm) } }
    LoadAbsolute16 0x28 [0 0 0 imm]   Packet V1 (3,18) "r0 = *(u16 *)skb[{imm}]"
        => { LoadPacket { size: Half, from: Absolute(imm) } }
    LoadAbsolute32 0x20 [0 0 0 imm]   Packet V1 (3,18) "r0 = *(u32 *)skb[{imm}]"
        => { LoadPacket { size: Word, from: Absolute(imm) } }
    LoadIndirect8  0x50 [0 src 0 imm] Packet V1 (3,18) "r0 = *(u8 *)skb[r{src}{index}]"
        => { LoadPacket { size: Byte, from: Indirect(src, imm) } }
    LoadIndirect16 0x48 [0 src 0 imm] Packet V1 (3,18) "r0 = *(u16 *)skb[r{src}{index}]"
        => { LoadPacket { size: Half, from: Indirect(src, imm) } }
    LoadIndirect32 0x40 [0 src 0 imm] Packet V1 (3,18) "r0 = *(u32 *)skb[r{src}{index}]"
        => { LoadPacket { size: Word, from: Indirect(src, imm) } }
    // Jumps (section 4.3).
    Jump         0x05 [0 0 (wide offset) 0] Base32 V1 (3,18) "goto {jump}"
        => { Jump { offset, long: false } }
    JumpLong     0x06 [0 0 0 offset]        Base32 V4 (6,6)  "gotol {jump_imm}"
        => { Jump { offset, long: true } }
    JumpEq64Imm  0x15 [dst 0 offset imm]    Base64 V1 (3,18) "if r{dst} == {imm} goto {jump}"
        => { JumpIf { condition: Eq, width: W64, dst, src: Imm(imm), offset } }
    JumpEq64Reg  0x1d [dst src offset 0]    Base64 V1 (3,18) "if r{dst} == r{src} goto {jump}"
        => { JumpIf { condition: Eq, width: W64, dst, src: Reg(src), offset } }
    JumpGt64Imm  0x25 [dst 0 offset imm]    Base64 V1 (3,18) "if r{dst} > {imm} goto {jump}"
        => { JumpIf { condition: Gt, width: W64, dst, src: Imm(imm), offset } }
    JumpGt64Reg  0x2d [dst src offset 0]    Base64 V1 (3,18) "if r{dst} > r{src} goto {jump}"
        => { JumpIf { condition: Gt, width: W64, dst, src: Reg(src), offset } }
    JumpGe64Imm  0x35 [dst 0 offset imm]    Base64 V1 (3,18) "if r{dst} >= {imm} goto {jump}"
        => { JumpIf { condition: Ge, width: W64, dst, src: Imm(imm), offset } }
    JumpGe64Reg  0x3d [dst src offset 0]    Base64 V1 (3,18) "if r{dst} >= r{src} goto {jump}"
        => { JumpIf { condition: Ge, width: W64, dst, src: Reg(src), offset } }
    JumpSet64Imm 0x45 [dst 0 offset imm]    Base64 V1 (3,18) "if r{dst} & {imm} goto {jump}"
        => { JumpIf { condition: Set, width: W64, dst, src: Imm(imm), offset } }
    JumpSet64Reg 0x4d [dst src offset 0]    Base64 V1 (3,18) "if r{dst} & r{src} goto {jump}"
        => { JumpIf { condition: Set, width: W64, dst, src: Reg(src), offset } }
    JumpNe64Imm  0x55 [dst 0 offset imm]    Base64 V1 (3,18) "if r{dst} != {imm} goto {jump}"
        => { JumpIf { condition: Ne, width: W64, dst, src: Imm(imm), offset } }
    JumpNe64Reg  0x5d [dst src offset 0]    Base64 V1 (3,18) "if r{dst} != r{src} goto {jump}"
        => { JumpIf { condition: Ne, width: W64, dst, src: Reg(src), offset } }
    JumpSGt64Imm 0x65 [dst 0 offset imm]    Base64 V1 (3,18) "if r{dst} s> {imm} goto {jump}"
        => { JumpIf { condition: SGt, width: W64, dst, src: Imm(imm), offset } }
    JumpSGt64Reg 0x6d [dst src offset 0]    Base64 V1 (3,18) "if r{dst} s> r{src} goto {jump}"
        => { JumpIf { condition: SGt, width: W64, dst, src: Reg(src), offset } }
    JumpSGe64Imm 0x75 [dst 0 offset imm]    Base64 V1 (3,18) "if r{dst} s>= {imm} goto {jump}"
        => { JumpIf { condition: SGe, width: W64, dst, src: Imm(imm), offset } }
    JumpSGe64Reg 0x7d [dst src offset 0]    Base64 V1 (3,18) "if r{dst} s>= r{src} goto {jump}"
        => { JumpIf { condition: SGe, width: W64, dst, src: Reg(src), offset } }
    JumpLt64Imm  0xa5 [dst 0 offset imm]    Base64 V2 (4,14) "if r{dst} < {imm} goto {jump}"
        => { JumpIf { condition: Lt, width: W64, dst, src: Imm(imm), offset } }
    JumpLt64Reg  0xad [dst src offset 0]    Base64 V2 (4,14) "if r{dst} < r{src} goto {jump}"
        => { JumpIf { condition: Lt, width: W64, dst, src: Reg(src), offset } }
    JumpLe64Imm  0xb5 [dst 0 offset imm]    Base64 V2 (4,14) "if r{dst} <= {imm} goto {jump}"
        => { JumpIf { condition: Le, width: W64, dst, src: Imm(imm), offset } }
    JumpLe64Reg  0xbd [dst src offset 0]    Base64 V2 (4,14) "if r{dst} <= r{src} goto {jump}"
        => { JumpIf { condition: Le, width: W64, dst, src: Reg(src), offset } }
    JumpSLt64Imm 0xc5 [dst 0 offset imm]    Base64 V2 (4,14) "if r{dst} s< {imm} goto {jump}"
        => { JumpIf { condition: SLt, width: W64, dst, src: Imm(imm), offset } }
    JumpSLt64Reg 0xcd [dst src offset 0]    Base64 V2 (4,14) "if r{dst} s< r{src} goto {jump}"
        => { JumpIf { condition: SLt, width: W64, dst, src: Reg(src), offset } }
    JumpSLe64Imm 0xd5 [dst 0 offset imm]    Base64 V2 (4,14) "if r{dst} s<= {imm} goto {jump}"
        => { JumpIf { condition: SLe, width: W64, dst, src: Imm(imm), offset } }
    JumpSLe64Reg 0xdd [dst src offset 0]    Base64 V2 (4,14) "if r{dst} s<= r{src} goto {jump}"
        => { JumpIf { condition: SLe, width: W64, dst, src: Reg(src), offset } }
    JumpEq32Imm  0x16 [dst 0 offset imm]    Base32 V3 (5,1)  "if w{dst} == {imm} goto {jump}"
        => { JumpIf { condition: Eq, width: W32, dst, src: Imm(imm), offset } }
    JumpEq32Reg  0x1e [dst src offset 0]    Base32 V3 (5,1)  "if w{dst} == w{src} goto {jump}"
        => { JumpIf { condition: Eq, width: W32, dst, src: Reg(src), offset } }
    JumpGt32Imm  0x26 [dst 0 offset imm]    Base32 V3 (5,1)  "if w{dst} > {imm} goto {jump}"
        => { JumpIf { condition: Gt, width: W32, dst, src: Imm(imm), offset } }
    JumpGt32Reg  0x2e [dst src offset 0]    Base32 V3 (5,1)  "if w{dst} > w{src} goto {jump}"
        => { JumpIf { condition: Gt, width: W32, dst, src: Reg(src), offset } }
    JumpGe32Imm  0x36 [dst 0 offset imm]    Base32 V3 (5,1)  "if w{dst} >= {imm} goto {jump}"
        => { JumpIf { condition: Ge, width: W32, dst, src: Imm(imm), offset } }
    JumpGe32Reg  0x3e [dst src offset 0]    Base32 V3 (5,1)  "if w{dst} >= w{src} goto {jump}"
        => { JumpIf { condition: Ge, width: W32, dst, src: Reg(src), offset } }
    JumpSet32Imm 0x46 [dst 0 offset imm]    Base32 V3 (5,1)  "if w{dst} & {imm} goto {jump}"
        => { JumpIf { condition: Set, width: W32, dst, src: Imm(imm), offset } }
    JumpSet32Reg 0x4e [dst src offset 0]    Base32 V3 (5,1)  "if w{dst} & w{src} goto {jump}"
        => { JumpIf { condition: Set, width: W32, dst, src: Reg(src), offset } }
    JumpNe32Imm  0x56 [dst 0 offset imm]    Base32 V3 (5,1)  "if w{dst} != {imm} goto {jump}"
        => { JumpIf { condition: Ne, width: W32, dst, src: Imm(imm), offset } }
    JumpNe32Reg  0x5e [dst src offset 0]    Base32 V3 (5,1)  "if w{dst} != w{src} goto {jump}"
        => { JumpIf { condition: Ne, width: W32, dst, src: Reg(src), offset } }
    JumpSGt32Imm 0x66 [dst 0 offset imm]    Base32 V3 (5,1)  "if w{dst} s> {imm} goto {jump}"
        => { JumpIf { condition: SGt, width: W32, dst, src: Imm(imm), offset } }
    JumpSGt32Reg 0x6e [dst src offset 0]    Base32 V3 (5,1)  "if w{dst} s> w{src} goto {jump}"
        => { JumpIf { condition: SGt, width: W32, dst, src: Reg(src), offset } }
    JumpSGe32Imm 0x76 [dst 0 offset imm]    Base32 V3 (5,1)  "if w{dst} s>= {imm} goto {jump}"
        => { JumpIf { condition: SGe, width: W32, dst, src: Imm(imm), offset } }
    JumpSGe32Reg 0x7e [dst src offset 0]    Base32 V3 (5,1)  "if w{dst} s>= w{src} goto {jump}"
        => { JumpIf { condition: SGe, width: W32, dst, src: Reg(src), offset } }
    JumpLt32Imm  0xa6 [dst 0 offset imm]    Base32 V3 (5,1)  "if w{dst} < {imm} goto {jump}"
        => { JumpIf { condition: Lt, width: W32, dst, src: Imm(imm), offset } }
    JumpLt32Reg  0xae [dst src offset 0]    Base32 V3 (5,1)  "if w{dst} < w{src} goto {jump}"
        => { JumpIf { condition: Lt, width: W32, dst, src: Reg(src), offset } }
    JumpLe32Imm  0xb6 [dst 0 offset imm]    Base32 V3 (5,1)  "if w{dst} <= {imm} goto {jump}"
        => { JumpIf { condition: Le, width: W32, dst, src: Imm(imm), offset } }
    JumpLe32Reg  0xbe [dst src offset 0]    Base32 V3 (5,1)  "if w{dst} <= w{src} goto {jump}"
        => { JumpIf { condition: Le, width: W32, dst, src: Reg(src), offset } }
    JumpSLt32Imm 0xc6 [dst 0 offset imm]    Base32 V3 (5,1)  "if w{dst} s< {imm} goto {jump}"
        => { JumpIf { condition: SLt, width: W32, dst, src: Imm(imm), offset } }
    JumpSLt32Reg 0xce [dst src offset 0]    Base32 V3 (5,1)  "if w{dst} s< w{src} goto {jump}"
        => { JumpIf { condition: SLt, width: W32, dst, src: Reg(src), offset } }
    JumpSLe32Imm 0xd6 [dst 0 offset imm]    Base32 V3 (5,1)  "if w{dst} s<= {imm} goto {jump}"
        => { JumpIf { condition: SLe, width: W32, dst, src: Imm(imm), offset } }
    JumpSLe32Reg 0xde [dst src offset 0]    Base32 V3 (5,1)  "if w{dst} s<= w{src} goto {jump}"
        => { JumpIf { condition: SLe, width: W32, dst, src: Reg(src), offset } }
    MayGoto      0xe5 [0 0 offset 0]        Linux  V4 (6,9)  "may_goto {jump}"
        => { MayGoto { offset } }
    // Calls, by pseudo source (section 4.3.1), and the end.
    CallHelper     0x85 [0 0 0 imm]    Base32 V1 (3,18) "call {helper}"                     => { Call(Helper(imm)) }
    CallSubprogram 0x85 [0 1 0 offset] Base32 V1 (4,16) "call {callee}"                     => { Call(Subprogram { offset }) }
    CallKfunc      0x85 [0 2 btf id]   Base32 V1 (5,13) "call kfunc[id:{imm},btf:{offset}]" => { Call(Kfunc { id, btf }) }
    CallReg        0x8d [dst 0 0 0]    Callx  V1 ()     "callx r{dst}"                      => { CallReg(dst) }
    Exit           0x95 [0 0 0 0]      Base32 V1 (3,18) "exit"                              => { Exit }
        }
    };
}
pub(crate) use for_each_instruction;
