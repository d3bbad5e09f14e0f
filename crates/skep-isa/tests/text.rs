//! What is printed is what is read.

mod common;

use proptest::prelude::*;
use skep_isa::text::{Listing, Names, Style, assemble, assemble_with};
use skep_isa::{Form, INSTRUCTIONS, Insn, Slot};

/// Assembles one line and prints it.
fn reprint(line: &str) -> String {
    let slots = assemble(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    Insn::decode(&slots, 0).unwrap().to_string()
}

#[test]
fn the_notation_is_llvms_and_the_kernels() {
    for line in [
        "r0 = *(u8 *)(r1 + 23)",
        "if w1 s> 5 goto +3",
        "lock *(u64 *)(r1 + 0) += r2",
        "r0 = atomic_fetch_add((u64 *)(r1 + 0), r0)",
        "w2 = xchg32_32(r1 - 8, w2)",
        "r0 = cmpxchg_64(r1 + 8, r0, r2)",
        "w0 = load_acquire((u8 *)(r1 + 0))",
        "store_release((u64 *)(r10 - 8), r2)",
        "r1 = be16 r1",
        "r2 = bswap32 r2",
        "r1 = (s8)r2",
        "r3 = *(s16 *)(r1 + 2)",
        "r1 = 0x1122334455667788 ll",
        "r1 = map[fd:5] ll",
        "r1 = map[idx:2][0]+8 ll",
        "r1 = btf[id:7,fd:3] ll",
        "r1 = subprog[+4] ll",
        "goto -1",
        "gotol +70000",
        "may_goto +2",
        "call 12",
        "call pc+4",
        "call kfunc[id:9,btf:1]",
        "callx r1",
        "exit",
        "r0 = *(u8 *)skb[4]",
        "r0 = *(u32 *)skb[r1]",
        "r0 = *(u16 *)skb[r1 - 4]",
        "r0 s/= r1",
        "w0 s%= -3",
        "r1 s>>= 63",
        "r2 = addr_space_cast(r1, 0, 1)",
        "*(u32 *)(r10 - 4) = -1",
        "*(u16 *)(r10 - 4) = r1",
        "r1 = -r1",
        "r1 = -1",
    ] {
        assert_eq!(reprint(line), line);
    }
}

#[test]
fn other_ways_to_write_the_same() {
    for (line, canonical) in [
        ("w3 = *(u8*)(r1+23)", "r3 = *(u8 *)(r1 + 23)"),
        ("r3 = *(u8 *)(r1)", "r3 = *(u8 *)(r1 + 0)"),
        ("r3 = *(u64 *)(r10 -8)", "r3 = *(u64 *)(r10 - 8)"),
        ("r3 = *(u64 *)(r10 + -0x8)", "r3 = *(u64 *)(r10 - 8)"),
        ("*(u32 *)(r10 - 0x4) = w1", "*(u32 *)(r10 - 4) = r1"),
        ("r1=0xffffffff", "r1 = -1"),
        ("  goto pc+3 // kernel", "goto +3"),
        ("if r1 == r2 goto pc-2 ; kernel", "if r1 == r2 goto -2"),
        ("r1 = map[3] ll # by index", "r1 = map[idx:3] ll"),
        ("r1 = -1 ll", "r1 = 0xffffffffffffffff ll"),
        ("0: r1 = map[0][0]+0x10 ll", "r1 = map[idx:0][0]+16 ll"),
        ("start: exit", "exit"),
    ] {
        assert_eq!(reprint(line), canonical);
    }
}

#[test]
fn labels_lead_where_they_stand() {
    let text = "
        ; counts down
        r0 = 10
    loop:
        r0 -= 1
        r1 = 0x1 ll
        r2 = subprog[callback] ll
        if r0 != 0 goto loop
        call callback
        gotol done
    done: exit
    callback:
        goto done
    ";
    let assembly = assemble_with(text, &skep_isa::text::NoNames).unwrap();
    let text: Vec<String> =
        skep_isa::decode_program(&assembly.slots).unwrap().iter().map(|(_, insn)| insn.to_string()).collect();
    assert_eq!(
        text,
        [
            "r0 = 10",
            "r0 -= 1",
            "r1 = 0x1 ll",
            "r2 = subprog[+5] ll",
            "if r0 != 0 goto -6",
            "call pc+2",
            "gotol +0",
            "exit",
            "goto -2"
        ]
    );
    assert_eq!(assembly.labels["loop"], 1);
    assert_eq!(assembly.labels["callback"], 10);
    assert_eq!(assembly.lines, [3, 5, 6, 6, 7, 7, 8, 9, 10, 11, 13]);
}

struct Known;

impl Names for Known {
    fn helper(&self, name: &str) -> Option<i32> {
        (name == "bpf_map_lookup_elem").then_some(1)
    }
    fn kfunc(&self, name: &str) -> Option<(i32, i16)> {
        (name == "bpf_iter_num_new").then_some((4711, 2))
    }
    fn map(&self, name: &str) -> Option<i32> {
        (name == "counts").then_some(9)
    }
}

#[test]
fn names_are_looked_up() {
    let text = "r1 = map[counts] ll\nr1 = map[counts][0]+4 ll\ncall bpf_map_lookup_elem\ncall bpf_iter_num_new";
    let slots = assemble_with(text, &Known).unwrap().slots;
    let printed = Listing::new(&slots).numbers(false).to_string();
    assert_eq!(printed, "r1 = map[fd:9] ll\nr1 = map[fd:9][0]+4 ll\ncall 1\ncall kfunc[id:4711,btf:2]\n");
}

#[test]
fn errors_say_where_and_what() {
    for (text, message) in [
        ("exit\n  r0 += ", "line 2, column 8: the line ends, expected a number or a register"),
        ("r0 = r11", "line 1, column 6: `r11` is no register: there are r0 to r10"),
        ("goto nowhere", "line 1, column 6: there is no label `nowhere`"),
        ("goto +40000", "line 1, column 6: 40000 is not between -32768 and 32767"),
        ("call nothing", "line 1, column 6: `nothing` is not known as a label or name"),
        ("a:\na: exit", "line 2, column 1: the label `a` stands here a second time"),
        ("exit exit", "line 1, column 6: found `exit`, expected the end of the line"),
        ("3: exit", "line 1, column 1: this is slot 0, not 3"),
        (".word 3", "line 1, column 1: unknown directive `.word`; there is `.slot`"),
        (".slot 1, 16, 0, 0, 0", "line 1, column 10: found `16`, expected a number from 0 to 15"),
        ("r0 = 5000000000", "line 1, column 16: the line ends, expected `ll`"),
        ("r0 += 5000000000", "line 1, column 7: 5000000000 is not between -2147483648 and 2147483647"),
        ("w0 = atomic_fetch_or((u32 *)(r1 + 0), w2)", "line 1, column 39: found `w2`, expected `w0` again"),
        ("r1 = map[fd:3 ll", "line 1, column 15: found `ll`, expected `]`"),
    ] {
        assert_eq!(assemble(text).unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn a_label_too_far_for_a_short_jump_is_an_error() {
    let far = "r0 = 0\n".repeat(40_000);
    let error = assemble(&format!("goto end\n{far}end: exit")).unwrap_err().to_string();
    assert_eq!(error, "line 1, column 6: the label is 40000 slots away; an offset has 16 bits: use `gotol`");
    assemble(&format!("gotol end\n{far}end: exit")).unwrap();
}

#[test]
fn a_listing_names_targets_and_shows_what_does_not_decode() {
    let slots = assemble("if r1 == 0 goto out\ncall helper\n.slot 0xff, 1, 2, -3, 4\nout: exit\nhelper: exit").unwrap();
    let comment = |_: usize, insn: &Insn| matches!(insn, Insn::Exit).then(|| "the\nend".to_owned());
    let listing = Listing::new(&slots).label(4, "helper").comments(&comment).to_string();
    assert_eq!(
        listing,
        "    0: if r1 == 0 goto L3
    1: call helper
    2: .slot 0xff, 1, 2, -3, 4                      ; unknown opcode 0xff
L3:
    3: exit                                         ; the end
helper:
    4: exit                                         ; the end
"
    );
    assert_eq!(assemble(&listing), Ok(slots));
}

#[test]
fn every_row_has_both_ways() {
    for row in INSTRUCTIONS {
        for (offset, imm) in [(0, 0), (1, 1), (-1, -1), (i16::MIN, i32::MIN), (i16::MAX, i32::MAX)] {
            let slots = common::fill(row, 4, 5, offset, imm, imm);
            for alu32 in [false, true] {
                let text = Insn::decode(&slots, 0).unwrap().text(Style { alu32 }).to_string();
                assert_eq!(assemble(&text).as_ref(), Ok(&slots), "{:?}: {text}", row.form);
            }
        }
    }
    assert_eq!(Form::all().count(), INSTRUCTIONS.len());
}

proptest! {
    #[test]
    fn text_round_trips(slots in common::slots()) {
        let text = Insn::decode(&slots, 0).unwrap().to_string();
        prop_assert_eq!(assemble(&text), Ok(slots));
    }

    #[test]
    fn listings_round_trip(slots in prop::collection::vec(common::any_slot(), 0..12), bytes: bool, numbers: bool) {
        let listing = Listing::new(&slots).bytes(bytes).numbers(numbers).to_string();
        prop_assert_eq!(assemble(&listing).map_err(|e| e.to_string()), Ok(slots), "{}", listing);
    }

    #[test]
    fn programs_with_jumps_round_trip(parts in prop::collection::vec(common::slots(), 0..12)) {
        let slots: Vec<Slot> = parts.concat();
        let listing = Listing::new(&slots).to_string();
        prop_assert_eq!(assemble(&listing).map_err(|e| e.to_string()), Ok(slots), "{}", listing);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = assemble(&text);
    }

    #[test]
    fn nearly_instructions_are_read_or_refused(text in "([rw][0-9]{1,2}|if|goto|[a-z]+|ll|lock|call|exit|map|0x[0-9a-f]{1,18}|[0-9]{1,22}|[-+*/%&|^=<>!:;,.(){}\\[\\] \n]){0,24}") {
        let _ = assemble(&text);
    }
}

/// What Linux 6.18's verifier prints for these instructions.
#[test]
fn linux_notation() {
    let cases = [
        ("r2 += -8", "r2 += -8"),
        ("w0 += w6", "w0 += w6"),
        ("r0 = (s8)r10", "r0 = (s8)r10"),
        ("w3 = -w3", "w3 = -w3"),
        ("r1 = be16 r1", "r1 = be16 r1"),
        ("r1 = 5 ll", "r1 = 0x5"),
        ("r1 = *(u8 *)(r0 + 0)", "r1 = *(u8 *)(r0 +0)"),
        ("r1 = *(s16 *)(r0 - 4)", "r1 = *(s16 *)(r0 -4)"),
        ("*(u64 *)(r10 - 8) = r1", "*(u64 *)(r10 -8) = r1"),
        ("*(u32 *)(r10 - 4) = 7", "*(u32 *)(r10 -4) = 7"),
        ("lock *(u64 *)(r1 + 4) += r2", "lock *(u64 *)(r1 +4) += r2"),
        ("r0 = *(u8 *)skb[23]", "r0 = *(u8 *)skb[23]"),
        ("goto +3", "goto pc+3"),
        ("if w1 != 5 goto -2", "if w1 != 0x5 goto pc-2"),
        ("if r1 s> r2 goto +2", "if r1 s> r2 goto pc+2"),
        ("call 1", "call bpf_map_lookup_elem#1"),
        ("call 77777", "call unknown#77777"),
        ("call pc+4", "call pc+4"),
        ("exit", "exit"),
    ];
    let names = |target: &skep_isa::CallTarget| {
        (*target == skep_isa::CallTarget::Helper(1)).then(|| "bpf_map_lookup_elem".to_owned())
    };
    for (text, expected) in cases {
        let slots = skep_isa::text::assemble(text).unwrap();
        let insn = skep_isa::Insn::decode(&slots, 0).unwrap();
        assert_eq!(insn.linux_text(&names).to_string(), expected);
    }
}
