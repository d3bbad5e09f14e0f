//! Classic BPF: text and numbers as tcpdump prints them, Linux's rules, and a translation that computes the same.

mod common;

use common::evaluator::evaluate;
use proptest::prelude::*;
use skep_isa::cfg::Cfg;
use skep_isa::classic::{
    Ancillary, CheckErrorReason, ClassicInsn, ClassicOperand, ClassicOperation, ClassicReg, Listing, MAX_LEN, Packet,
    SK_BUFF, Source, check, run, translate,
};
use skep_isa::{BinaryOp, Condition, Insn, Size, encode_program};
use std::io::Write;
use std::process::{Command, Stdio};

/// Filters that between them use most of the instructions libpcap generates.
const FILTERS: [&str; 14] = [
    "tcp port 80",
    "ip and udp",
    "vlan 5 and ip6",
    "ip host 10.0.0.1",
    "ip[0] & 0xf > 5",
    "len > 100",
    "icmp[icmptype] = 8",
    "tcp[13] & 7 != 0 and ip[8] * 2 > 6 / ip[9]",
    "ip[2:2] * ip[4] - 3 < ip[5] ^ ip[6] | 2",
    "ip[0] << 3 >> 1 = -5",
    "ip[0] % 5 = 1 or ip[1] % ip[2] = 2",
    "4 = -ip[0]",
    "not ether broadcast and portrange 1000-2000",
    "greater 60 and ip6 net 2001:db8::/32",
];

/// What tcpdump prints for a filter on Ethernet; `None` if there is no tcpdump. It compiles the filter for an empty
/// capture, which takes neither a device nor root.
fn tcpdump(argument: &str, filter: &str) -> Option<String> {
    let mut command = Command::new("tcpdump");
    command.args(["-r", "-", argument, filter]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut header = [0u8; 24];
    for (at, word) in [(0, 0xa1b2_c3d4_u32), (4, 0x0004_0002), (16, 0x0004_0000), (20, 1)] {
        header[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    child.stdin.take().expect("stdin is piped").write_all(&header).expect("tcpdump reads the header");
    let output = child.wait_with_output().expect("tcpdump ends");
    assert!(output.status.success(), "{filter}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn tcpdump_prints_what_we_print() {
    for filter in FILTERS {
        let Some(numbers) = tcpdump("-ddd", filter) else { return common::skip("tcpdump is not installed") };
        let program = ClassicInsn::read_numbers(&numbers).unwrap();
        let text = tcpdump("-d", filter).unwrap();
        assert_eq!(Listing(&program).to_string(), text, "{filter}");
        check(&program).unwrap_or_else(|error| panic!("{filter}: {error}"));
    }
}

/// Packets that some of the filters match.
fn packets() -> Vec<Vec<u8>> {
    let ethernet = |kind: [u8; 2], rest: &[u8]| [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &kind, rest].concat();
    let ipv4 = |protocol: u8, rest: &[u8]| {
        let header = [0x45, 0, 0, 40, 0, 1, 0, 0, 3, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        ethernet([8, 0], &[&header[..], rest].concat())
    };
    let tcp = [0, 80, 0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x12, 0, 0, 0, 0, 0, 0];
    let mut ipv6 = vec![0x60, 0, 0, 0, 0, 20, 6, 64, 0x20, 1, 0x0d, 0xb8];
    ipv6.resize(40, 0);
    ipv6.extend(tcp);
    let mut packets = vec![
        ipv4(6, &tcp),
        ipv4(17, &[0x04, 0x00, 0, 53, 0, 8, 0, 0]),
        ipv4(1, &[8, 0, 0, 0]),
        ethernet([0x86, 0xdd], &ipv6),
        ethernet([0x81, 0], &[&[0, 5, 0x86, 0xdd][..], &ipv6].concat()),
        [&[0xff; 6][..], &[0; 60]].concat(),
        Vec::new(),
    ];
    let whole = packets[0].clone();
    packets.extend((0..whole.len()).map(|len| whole[..len].to_vec()));
    packets
}

#[test]
fn translated_filters_compute_the_same() {
    let mut matched = 0;
    for filter in FILTERS {
        let Some(numbers) = tcpdump("-ddd", filter) else { return common::skip("tcpdump is not installed") };
        let program = ClassicInsn::read_numbers(&numbers).unwrap();
        let program = check(&program).unwrap();
        let translated = translate(program, &SK_BUFF).unwrap();
        for packet in packets() {
            let classic = run(program, packet.as_slice());
            let field = |offset| if offset == 0 { packet.len() as u32 } else { panic!("field at {offset}") };
            let today = evaluate(&translated.insns, packet.as_slice(), &field, &|_| panic!("no helper"));
            assert_eq!(u64::from(classic), today, "{filter}: {packet:x?}");
            matched += u32::from(classic != 0);
        }
    }
    assert!(matched > 20, "only {matched} packets matched anything");
}

fn insn(operation: ClassicOperation, k: u32) -> ClassicInsn {
    ClassicInsn::new(operation, k).unwrap()
}

const RETURN: ClassicInsn = ClassicInsn { code: 0x06, jt: 0, jf: 0, k: 7 };

#[test]
fn the_rules_are_linuxs() {
    use ClassicOperand::K;
    use ClassicOperation::*;
    let jump_if = insn(JumpIf(Condition::Eq, K), 0);
    for (program, at, reason) in [
        (vec![], 0, CheckErrorReason::Length(0)),
        (vec![RETURN; MAX_LEN + 1], 0, CheckErrorReason::Length(MAX_LEN + 1)),
        (vec![ClassicInsn { code: 0x0e, ..RETURN }, RETURN], 0, CheckErrorReason::Code(0x0e)),
        (vec![insn(Alu(BinaryOp::Div, K), 0), RETURN], 0, CheckErrorReason::DivisionByZero),
        (vec![insn(Alu(BinaryOp::Mod, K), 0), RETURN], 0, CheckErrorReason::DivisionByZero),
        (vec![insn(Alu(BinaryOp::Lsh, K), 32), RETURN], 0, CheckErrorReason::Shift(32)),
        (vec![insn(Store(ClassicReg::A), 16), RETURN], 0, CheckErrorReason::MemoryWord(16)),
        (vec![insn(Jump, 1), RETURN], 0, CheckErrorReason::Jump(2)),
        (vec![insn(Jump, u32::MAX), RETURN], 0, CheckErrorReason::Jump(0x1_0000_0000)),
        (vec![jump_if.with_jumps(0, 1), RETURN], 0, CheckErrorReason::Jump(2)),
        (vec![jump_if.with_jumps(9, 0), RETURN], 0, CheckErrorReason::Jump(10)),
        (vec![insn(LoadAbsolute(Size::Word), 0xffff_f001), RETURN], 0, CheckErrorReason::Ancillary(0xffff_f001)),
        (vec![RETURN, insn(Neg, 0)], 1, CheckErrorReason::NoReturn),
        (vec![insn(LoadMemory(ClassicReg::A), 3), RETURN], 0, CheckErrorReason::Unwritten(3)),
        // Written on one of two paths.
        (
            vec![jump_if.with_jumps(1, 0), insn(Store(ClassicReg::X), 3), insn(LoadMemory(ClassicReg::X), 3), RETURN],
            2,
            CheckErrorReason::Unwritten(3),
        ),
    ] {
        let error = check(&program).unwrap_err();
        assert_eq!((error.at, error.reason), (at, reason));
    }
    let fine = [
        insn(Store(ClassicReg::A), 15),
        jump_if.with_jumps(1, 0),
        insn(Jump, 0),
        insn(LoadMemory(ClassicReg::X), 15),
        RETURN,
    ];
    assert_eq!(check(&fine).unwrap().program(), fine);
}

#[test]
fn unknown_codes_and_numbers_have_a_text() {
    let program = [
        ClassicInsn { code: 0xfe, ..RETURN },
        insn(ClassicOperation::LoadAbsolute(Size::Word), Ancillary::VlanTag.offset()),
        insn(ClassicOperation::LoadAbsolute(Size::Half), 0xffff_fff0),
    ];
    let text = Listing(&program).to_string();
    assert_eq!(text, "(000) unimp    0xfe\n(001) ld       [vlan_tci]\n(002) ldh      [-16]\n");
    assert_eq!(ClassicInsn::read_numbers("1\n6 0 0 x"), Err(2));
    assert_eq!(ClassicInsn::read_numbers("2\n6 0 0 7"), Err(3));
    assert_eq!(ClassicInsn::read_numbers(""), Err(1));
    assert_eq!(ClassicInsn::read_numbers("1\n6 0 0 7"), Ok(vec![RETURN]));
}

#[test]
fn data_that_the_context_lacks_is_an_error() {
    let program = [insn(ClassicOperation::LoadAbsolute(Size::Word), Ancillary::HardwareType.offset()), RETURN];
    let error = translate(check(&program).unwrap(), &SK_BUFF).unwrap_err();
    assert_eq!(error.to_string(), "instruction 0: the context has no `hatype`");
}

/// The longest translation there is: its jumps must still reach.
#[test]
fn the_longest_program_translates() {
    let always = insn(ClassicOperation::JumpIf(Condition::Ge, ClassicOperand::K), 0).with_jumps(0, 1);
    let mut program = vec![always, insn(ClassicOperation::Jump, MAX_LEN as u32 - 3)];
    program.resize(MAX_LEN - 1, insn(ClassicOperation::LoadHeaderLength, 0));
    program.push(RETURN);
    let translated = translate(check(&program).unwrap(), &SK_BUFF).unwrap();
    assert!(translated.insns.iter().all(|insn| insn.try_encode().is_some()));
    assert_eq!(evaluate(&translated.insns, &[][..], &|_| 0, &|_| 0), 7);
}

/// A packet with everything.
struct Full {
    bytes: Vec<u8>,
}

impl Full {
    /// A 32-bit word of the context, by offset.
    fn field(&self, offset: i16) -> u32 {
        match offset {
            0 => Packet::len(self),
            16 | 28 => 0xdd86,
            other => other as u32 * 0x0101_0101,
        }
    }

    fn helper(id: i32) -> u64 {
        0xffff_ffff_0000_0000 + id as u64 * 1000
    }
}

impl Packet for Full {
    fn len(&self) -> u32 {
        self.bytes.len() as u32
    }

    fn load(&self, offset: i32, size: Size) -> Option<u32> {
        self.bytes.load(offset, size)
    }

    fn ancillary(&self, what: Ancillary, _: u32, _: u32) -> Option<u32> {
        let (_, source) = SK_BUFF.ancillary.iter().find(|(found, _)| *found == what)?;
        Some(match source {
            Source::Field(field) if field.network_order => 0x86dd,
            Source::Field(field) => self.field(field.offset),
            Source::Helper(id) => Full::helper(*id) as u32,
        })
    }
}

fn operation() -> impl Strategy<Value = ClassicOperation> {
    use ClassicOperation::*;
    let size = prop::sample::select(vec![Size::Byte, Size::Half, Size::Word]);
    let reg = prop::sample::select(vec![ClassicReg::A, ClassicReg::X]);
    let operand = prop::sample::select(vec![ClassicOperand::K, ClassicOperand::X]);
    let op = prop::sample::select(vec![
        BinaryOp::Add,
        BinaryOp::Sub,
        BinaryOp::Mul,
        BinaryOp::Div,
        BinaryOp::Mod,
        BinaryOp::Or,
        BinaryOp::And,
        BinaryOp::Xor,
        BinaryOp::Lsh,
        BinaryOp::Rsh,
    ]);
    let condition = prop::sample::select(vec![Condition::Eq, Condition::Gt, Condition::Ge, Condition::Set]);
    prop_oneof![
        2 => size.clone().prop_map(LoadAbsolute),
        1 => size.prop_map(LoadIndirect),
        1 => reg.clone().prop_map(LoadLength),
        2 => reg.clone().prop_map(LoadImm),
        2 => reg.clone().prop_map(LoadMemory),
        1 => Just(LoadHeaderLength),
        3 => reg.prop_map(Store),
        6 => (op, operand.clone()).prop_map(|(op, operand)| Alu(op, operand)),
        1 => Just(Neg),
        1 => Just(Jump),
        4 => (condition, operand).prop_map(|(condition, operand)| JumpIf(condition, operand)),
        1 => Just(ReturnK),
        1 => Just(ReturnA),
        1 => Just(CopyToX),
        1 => Just(CopyToA),
    ]
}

fn ancillary() -> impl Strategy<Value = u32> {
    let known: Vec<u32> = SK_BUFF.ancillary.iter().map(|(what, _)| what.offset()).collect();
    prop_oneof![prop::sample::select(known), Just(Ancillary::XorX.offset())]
}

/// Programs most of which pass the check: numbers are made to fit the operation.
fn program() -> impl Strategy<Value = Vec<ClassicInsn>> {
    let part =
        (operation(), any::<u32>(), 0u8..4, 0u8..4, prop_oneof![4 => Just(None), 1 => ancillary().prop_map(Some)]);
    prop::collection::vec(part, 1..24).prop_map(|parts| {
        let len = parts.len() as u32;
        // Writes every memory word, so that any may be read.
        let mut program: Vec<ClassicInsn> = (0..16).map(|k| insn(ClassicOperation::Store(ClassicReg::A), k)).collect();
        for (i, (operation, k, jt, jf, other)) in (0u32..).zip(parts) {
            let k = match operation {
                ClassicOperation::LoadAbsolute(_) => other.unwrap_or(k % 48),
                ClassicOperation::LoadIndirect(_) | ClassicOperation::LoadHeaderLength => k % 48,
                ClassicOperation::LoadMemory(_) | ClassicOperation::Store(_) => k % 16,
                ClassicOperation::Jump => k % (len - i).min(4),
                ClassicOperation::Alu(BinaryOp::Lsh | BinaryOp::Rsh, _) => k % 32,
                ClassicOperation::Alu(BinaryOp::Div | BinaryOp::Mod, _) => k.max(1),
                _ => other.unwrap_or(k),
            };
            let left = len - i - 1;
            program.push(insn(operation, k).with_jumps(jt.min(left as u8), jf.min(left as u8)));
        }
        program.push(insn(ClassicOperation::ReturnA, 0));
        program
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn translation_computes_the_same(program in program(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let program = check(&program).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let packet = Full { bytes };
        let translated = translate(program, &SK_BUFF).unwrap();
        let today = evaluate(&translated.insns, &packet, &|offset| packet.field(offset), &Full::helper);
        prop_assert_eq!(u64::from(run(program, &packet)), today);
        let slots = encode_program(&translated.insns);
        prop_assert_eq!(slots.len(), translated.insns.len());
        prop_assert_eq!(Cfg::build(&slots).map(|cfg| cfg.first_unreachable_slot()), Ok(None));
    }

    #[test]
    fn any_numbers_are_checked_printed_and_run(
        raw in prop::collection::vec((0u16..0xff, 0u8..4, 0u8..4, any::<u32>()), 0..8),
        bytes in prop::collection::vec(any::<u8>(), 0..32),
    ) {
        let program: Vec<ClassicInsn> = raw.into_iter().map(|(code, jt, jf, k)| ClassicInsn { code, jt, jf, k }).collect();
        let _ = Listing(&program).to_string();
        for insn in &program {
            prop_assert_eq!(ClassicInsn::from_le_bytes(insn.to_le_bytes()), *insn);
        }
        if let Ok(checked) = check(&program) {
            let _ = run(checked, bytes.as_slice());
            let _ = translate(checked, &SK_BUFF);
        }
    }

    #[test]
    fn any_text_is_read_as_numbers_or_refused(text in "[0-9 \n-]{0,40}") {
        let _ = ClassicInsn::read_numbers(&text);
    }
}

#[test]
fn a_translation_says_where_each_instruction_begins() {
    let program = [insn(ClassicOperation::LoadHeaderLength, 14), RETURN];
    let translated = translate(check(&program).unwrap(), &SK_BUFF).unwrap();
    assert_eq!(translated.starts, [3, 9]);
    assert_eq!(translated.insns.last(), Some(&Insn::Exit));
}
