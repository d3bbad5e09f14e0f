//! Encodings against LLVM's assembler: what each function of the assembler writes is what LLVM makes of the same
//! instruction as text.

use std::io::Write as _;
use std::process::{Command, Stdio};

use skep_isa::{Size, Width};

use super::super::assembler::{
    Access, Alu, Alu2, AluImm, Assembler, Atomic, Flags, Gpr, Logical, Mem, Multiply, Ordered, Pair, Swap, When,
};
use super::super::immediates::{bitmask, unsigned12};

/// LLVM's machine-code tool.
fn llvm_mc() -> Option<&'static str> {
    ["llvm-mc-19", "llvm-mc"].into_iter().find(|tool| {
        let version = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    })
}

/// The words that LLVM makes of some lines.
fn assembled(tool: &str, text: &str) -> Vec<u32> {
    let mut child = Command::new(tool)
        .args(["--triple=aarch64", "-mattr=+lse", "--assemble", "--show-encoding"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("llvm-mc starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = text.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("llvm-mc ends");
    writer.join().expect("the writer ends").expect("llvm-mc reads its input");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = String::from_utf8(output.stdout).expect("text");
    let encodings = output.lines().filter_map(|line| line.split_once("encoding: ["));
    let bytes = encodings.map(|(_, bytes)| bytes.trim_end_matches(']').split(','));
    let byte = |text: &str| u8::from_str_radix(text.trim().trim_start_matches("0x"), 16).expect("a byte");
    bytes.map(|bytes| bytes.map(byte).rev().fold(0, |word, byte| word << 8 | u32::from(byte))).collect()
}

/// Instructions with what they are called.
struct Pairs {
    asm: Assembler,
    text: Vec<String>,
}

impl Pairs {
    /// One instruction.
    fn add(&mut self, text: impl Into<String>, write: impl FnOnce(&mut Assembler)) {
        let before = self.asm.position();
        write(&mut self.asm);
        let text = text.into();
        assert_eq!(self.asm.position(), before + 4, "`{text}` is one instruction");
        self.text.push(text);
    }
}

fn name(width: Width, register: Gpr) -> String {
    match (width, register.0) {
        (Width::W32, 31) => "wzr".into(),
        (Width::W64, 31) => "xzr".into(),
        (Width::W32, number) => format!("w{number}"),
        (Width::W64, number) => format!("x{number}"),
    }
}

fn base(register: Gpr) -> String {
    if register == Gpr::SP { "sp".into() } else { name(Width::W64, register) }
}

const WIDTHS: [Width; 2] = [Width::W32, Width::W64];
const REGISTERS: [[Gpr; 3]; 3] = [[Gpr(0), Gpr(9), Gpr(21)], [Gpr(30), Gpr(1), Gpr(7)], [Gpr(12), Gpr(29), Gpr(16)]];
const SIZES: [Size; 4] = [Size::Byte, Size::Half, Size::Word, Size::Double];

fn arithmetic(pairs: &mut Pairs) {
    let alu = [
        (Alu::Add, "add"),
        (Alu::Sub, "sub"),
        (Alu::Subs, "subs"),
        (Alu::And, "and"),
        (Alu::Or, "orr"),
        (Alu::Xor, "eor"),
        (Alu::Ands, "ands"),
        (Alu::OrNot, "orn"),
    ];
    let alu2 = [
        (Alu2::Udiv, "udiv"),
        (Alu2::Sdiv, "sdiv"),
        (Alu2::ShiftLeft, "lsl"),
        (Alu2::ShiftRight, "lsr"),
        (Alu2::ShiftArithmetic, "asr"),
    ];
    for (width, [d, n, m]) in WIDTHS.into_iter().flat_map(|width| REGISTERS.map(|registers| (width, registers))) {
        let [rd, rn, rm] = [d, n, m].map(|register| name(width, register));
        for (op, text) in alu {
            pairs.add(format!("{text} {rd}, {rn}, {rm}"), |asm| asm.alu(op, width, d, n, m));
            for shift in [1, 3, 17, 31] {
                let text = format!("{text} {rd}, {rn}, {rm}, lsl #{shift}");
                pairs.add(text, |asm| asm.alu_shifted(op, width, d, n, (m, shift)));
            }
        }
        pairs.add(format!("add {rd}, {rn}, {rm}, lsr #1"), |asm| asm.add_half(width, d, n, m));
        for (op, text) in alu2 {
            pairs.add(format!("{text} {rd}, {rn}, {rm}"), |asm| asm.alu2(op, width, d, n, m));
        }
        let a = Gpr(17);
        let ra = name(width, a);
        for (op, text) in [(Multiply::Add, "madd"), (Multiply::Sub, "msub")] {
            pairs.add(format!("{text} {rd}, {rn}, {rm}, {ra}"), |asm| asm.multiply(op, width, d, (n, m), a));
        }
        pairs.add(format!("mov {rd}, {rn}"), |asm| asm.mov(width, d, n));
        for by in [1, 7, width.bits() - 1] {
            pairs.add(format!("lsl {rd}, {rn}, #{by}"), |asm| asm.shift_left(width, d, n, by));
            pairs.add(format!("lsr {rd}, {rn}, #{by}"), |asm| asm.shift_right(false, width, d, n, by));
            pairs.add(format!("asr {rd}, {rn}, #{by}"), |asm| asm.shift_right(true, width, d, n, by));
        }
        let wn = name(Width::W32, n);
        pairs.add(format!("sxtb {rd}, {wn}"), |asm| asm.extend(Size::Byte, true, width, d, n));
        pairs.add(format!("sxth {rd}, {wn}"), |asm| asm.extend(Size::Half, true, width, d, n));
    }
    for [d, n, m] in REGISTERS {
        let [xd, xn, xm] = [d, n, m].map(|register| name(Width::W64, register));
        let [wd, wn, wm] = [d, n, m].map(|register| name(Width::W32, register));
        pairs.add(format!("umulh {xd}, {xn}, {xm}"), |asm| asm.multiply_high(d, n, m));
        pairs.add(format!("umull {xd}, {wn}, {wm}"), |asm| asm.multiply_wide(d, n, m));
        pairs.add(format!("uxtb {wd}, {wn}"), |asm| asm.extend(Size::Byte, false, Width::W32, d, n));
        pairs.add(format!("uxth {wd}, {wn}"), |asm| asm.extend(Size::Half, false, Width::W32, d, n));
        pairs.add(format!("sxtw {xd}, {wn}"), |asm| asm.extend(Size::Word, true, Width::W64, d, n));
        pairs.add(format!("rev16 {wd}, {wn}"), |asm| asm.swap(Swap::Halves, d, n));
        pairs.add(format!("rev {wd}, {wn}"), |asm| asm.swap(Swap::Word, d, n));
        pairs.add(format!("rev {xd}, {xn}"), |asm| asm.swap(Swap::Double, d, n));
        for (flags, text) in FLAGS {
            pairs.add(format!("csel {xd}, {xn}, {xm}, {text}"), |asm| asm.select(flags, d, n, m));
            pairs.add(format!("csinc {xd}, {xn}, {xm}, {text}"), |asm| asm.select_incremented(flags, d, n, m));
        }
    }
}

const FLAGS: [(Flags, &str); 10] = [
    (Flags::Equal, "eq"),
    (Flags::NotEqual, "ne"),
    (Flags::AboveOrEqual, "hs"),
    (Flags::Below, "lo"),
    (Flags::Above, "hi"),
    (Flags::BelowOrEqual, "ls"),
    (Flags::GreaterOrEqual, "ge"),
    (Flags::Less, "lt"),
    (Flags::Greater, "gt"),
    (Flags::LessOrEqual, "le"),
];

fn immediates(pairs: &mut Pairs) {
    let additions = [(AluImm::Add, "add"), (AluImm::Sub, "sub"), (AluImm::Adds, "adds"), (AluImm::Subs, "subs")];
    let logical = [(Logical::And, "and"), (Logical::Or, "orr"), (Logical::Xor, "eor"), (Logical::Ands, "ands")];
    for (width, [d, n, _]) in WIDTHS.into_iter().flat_map(|width| REGISTERS.map(|registers| (width, registers))) {
        let [rd, rn] = [d, n].map(|register| name(width, register));
        for value in [1_u64, 8, 4095, 4096, 0xfff000] {
            let bits = unsigned12(value).expect("it fits");
            for (op, text) in additions {
                pairs.add(format!("{text} {rd}, {rn}, #{value}"), |asm| asm.alu_imm(op, width, d, n, bits));
            }
        }
        for value in [1_u64, 0xff, 0xff00, 0x7fff_fffe, 0xf0f0_f0f0_f0f0_f0f0, 0x5555_5555_5555_5555, !1, 1 << 63] {
            let value = width.truncate(value);
            let Some(bits) = bitmask(width, value) else { continue };
            for (op, text) in logical {
                pairs.add(format!("{text} {rd}, {rn}, #{value:#x}"), |asm| asm.logical(op, width, d, n, bits));
            }
        }
    }
    for value in [0_u64, 1, 0xffff, 0xffff_0000] {
        pairs.add(format!("mov w3, #{value:#x}"), |asm| asm.mov_imm(Gpr(3), value));
    }
    for value in [0xffff_0000_0000_u64, 1 << 48, u64::MAX, !0x1234, !0x1234_0000, 0x7fff_ffff_ffff_ffff] {
        pairs.add(format!("mov x3, #{}", value.cast_signed()), |asm| asm.mov_imm(Gpr(3), value));
    }
    pairs.add("mov x29, sp", |asm| asm.mov_from_sp(Gpr(29)));
    pairs.add("mov sp, x9", |asm| asm.mov_to_sp(Gpr(9)));
}

fn accesses(pairs: &mut Pairs) {
    let (t, n, m) = (Gpr(3), Gpr(21), Gpr(10));
    let suffix = |size| match size {
        Size::Byte => "b",
        Size::Half => "h",
        _ => "",
    };
    for size in SIZES {
        let width = size.width();
        let bytes = i32::from(size.bytes());
        let extended = if size == Size::Word { "ldrsw".into() } else { format!("ldrs{}", suffix(size)) };
        let mut forms = vec![
            (Access::Load, format!("ldr{}", suffix(size)), width),
            (Access::Store, format!("str{}", suffix(size)), width),
        ];
        if size != Size::Double {
            forms.push((Access::LoadSigned, extended, Width::W64));
        }
        for (access, text, width) in forms {
            let rt = name(width, t);
            for register in [n, Gpr::SP] {
                let rn = base(register);
                for offset in [0, bytes, 17 * bytes, 4095 * bytes] {
                    let text = format!("{text} {rt}, [{rn}, #{offset}]");
                    pairs.add(text, |asm| asm.access(access, size, t, Mem::new(register, offset)));
                }
                for offset in [-1, -256, -bytes] {
                    let text =
                        format!("{} {rt}, [{rn}, #{offset}]", text.replace("ldr", "ldur").replace("str", "stur"));
                    pairs.add(text, |asm| asm.access(access, size, t, Mem::new(register, offset)));
                }
            }
            let index = |scaled| Mem::Index { base: n, index: m, scaled };
            pairs.add(format!("{text} {rt}, [x21, x10]"), |asm| asm.access(access, size, t, index(false)));
            if size != Size::Byte {
                let shift = size.bytes().trailing_zeros();
                let text = format!("{text} {rt}, [x21, x10, lsl #{shift}]");
                pairs.add(text, |asm| asm.access(access, size, t, index(true)));
            }
        }
        ordered(pairs, size);
    }
    for (pair, text) in [(Pair::Offset, "[sp, #16]"), (Pair::Before, "[sp, #16]!"), (Pair::After, "[sp], #16")] {
        pairs.add(format!("stp x29, x30, {text}"), |asm| asm.store_pair(pair, (Gpr(29), Gpr(30)), Gpr::SP, 16));
        pairs.add(format!("ldp x19, x20, {text}"), |asm| asm.load_pair(pair, (Gpr(19), Gpr(20)), Gpr::SP, 16));
    }
    pairs.add("stp xzr, xzr, [x29, #-512]", |asm| {
        asm.store_pair(Pair::Offset, (Gpr::ZERO, Gpr::ZERO), Gpr(29), -512);
    });
    pairs.add("str x4, [sp, #-16]!", |asm| asm.push(Gpr(4)));
    pairs.add("ldr x4, [sp], #16", |asm| asm.pop(Gpr(4)));
    pairs.add("movi v0.2d, #0", Assembler::zero_vector);
    pairs.add("stp q0, q0, [x29, #-64]", |asm| asm.store_vector_twice(Gpr(29), -64));
}

fn ordered(pairs: &mut Pairs, size: Size) {
    let (s, t, n) = (Gpr(9), Gpr(3), Gpr(21));
    let width = size.width();
    let suffix = match size {
        Size::Byte => "b",
        Size::Half => "h",
        _ => "",
    };
    let [rs, rt] = [s, t].map(|register| name(width, register));
    for (op, text) in [
        (Ordered::LoadAcquire, "ldar"),
        (Ordered::StoreRelease, "stlr"),
        (Ordered::LoadExclusive, "ldxr"),
        (Ordered::LoadAcquireExclusive, "ldaxr"),
    ] {
        pairs.add(format!("{text}{suffix} {rt}, [x21]"), |asm| asm.ordered(op, size, t, n));
    }
    for (release, text) in [(false, "stxr"), (true, "stlxr")] {
        let text = format!("{text}{suffix} w9, {rt}, [x21]");
        pairs.add(text, |asm| asm.store_exclusive(release, size, s, t, n));
    }
    for (op, text) in [
        (Atomic::Add, "ldadd"),
        (Atomic::Clear, "ldclr"),
        (Atomic::Xor, "ldeor"),
        (Atomic::Set, "ldset"),
        (Atomic::Swap, "swp"),
    ] {
        for (ordered, order) in [(false, ""), (true, "al")] {
            let text = format!("{text}{order}{suffix} {rs}, {rt}, [x21]");
            pairs.add(text, |asm| asm.atomic(op, ordered, size, (s, t), n));
        }
    }
    pairs.add(format!("casal{suffix} {rs}, {rt}, [x21]"), |asm| asm.compare_and_swap(size, s, t, n));
}

/// Displacements are filled in afterwards, forwards and backwards.
fn branches(pairs: &mut Pairs) {
    let mut jump = |text: String, when: When| {
        for displacement in [8_i64, -32_768] {
            pairs.add(format!("{text}{displacement}"), |asm| {
                let at = asm.jump(when);
                asm.patch(at, displacement, when.reach());
            });
        }
    };
    jump("b #".into(), When::Always);
    for (flags, text) in FLAGS {
        jump(format!("b.{text} #"), When::Flags(flags));
    }
    for width in WIDTHS {
        jump(format!("cbz {}, #", name(width, Gpr(7))), When::Zero(width, Gpr(7)));
        jump(format!("cbnz {}, #", name(width, Gpr(22))), When::NotZero(width, Gpr(22)));
    }
    for (bit, register) in [(0, "w19"), (31, "w19"), (32, "x19"), (63, "x19")] {
        jump(format!("tbz {register}, #{bit}, #"), When::BitClear(Gpr(19), bit));
        jump(format!("tbnz {register}, #{bit}, #"), When::BitSet(Gpr(19), bit));
    }
    pairs.add("br x7", |asm| asm.jump_register(Gpr(7)));
    pairs.add("blr x9", |asm| asm.call_register(Gpr(9)));
    pairs.add("ret", Assembler::ret);
    pairs.add("nop", Assembler::nop);
    pairs.add("dmb ish", Assembler::barrier);
    pairs.add("dmb ishld", Assembler::load_barrier);
}

#[test]
fn encodings_are_those_of_llvm() {
    let Some(tool) = llvm_mc() else { return skep_testing::skip("llvm-mc is not installed") };
    let mut pairs = Pairs { asm: Assembler::with_capacity(4096), text: Vec::new() };
    arithmetic(&mut pairs);
    immediates(&mut pairs);
    accesses(&mut pairs);
    branches(&mut pairs);
    let theirs = assembled(tool, &pairs.text.join("\n"));
    let ours = pairs.asm.finish();
    let ours = ours.chunks(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")));
    assert_eq!(theirs.len(), pairs.text.len());
    for ((ours, theirs), text) in ours.zip(theirs).zip(&pairs.text) {
        assert_eq!(format!("{ours:08x}"), format!("{theirs:08x}"), "{text}");
    }
}
