//! Control-flow graphs of small programs, of any programs, and of very large ones.

mod common;

use proptest::prelude::*;
use skep_isa::cfg::{BlockId, Cfg, CfgError};
use skep_isa::text::assemble;
use skep_isa::{Insn, Slot};

fn cfg(text: &str) -> Result<Cfg, CfgError> {
    Cfg::build(&assemble(text).unwrap())
}

/// `start..end -> successors` of each block.
fn blocks(cfg: &Cfg) -> Vec<(usize, usize, Vec<u32>)> {
    cfg.blocks().iter().map(|b| (b.start, b.end, b.successors().map(|to| to.0).collect())).collect()
}

const LOOP: &str = "
    r0 = 0
    r2 = 0x5 ll
head:
    if r0 > 9 goto out
    r0 += 1
    if r0 & 1 goto head
    call double
    goto head
out:
    exit
double:
    r0 += r0
    exit
";

#[test]
fn blocks_edges_and_functions_of_a_loop() {
    let cfg = cfg(LOOP).unwrap();
    let expected =
        [(0, 3, vec![1]), (3, 4, vec![2, 4]), (4, 6, vec![3, 1]), (6, 8, vec![1]), (8, 9, vec![]), (9, 11, vec![])];
    assert_eq!(blocks(&cfg), expected);
    assert_eq!(cfg.block(BlockId(1)).predecessors, [BlockId(0), BlockId(2), BlockId(3)]);
    assert_eq!(cfg.subprograms().len(), 2);
    assert_eq!(cfg.subprograms()[0].calls, [(6, 1)]);
    assert_eq!((cfg.subprograms()[1].start, cfg.subprograms()[1].end), (9, 11));
    assert_eq!(cfg.back_edges(0), [(BlockId(3), BlockId(1)), (BlockId(2), BlockId(1))]);
    assert_eq!(cfg.loops(0), [[BlockId(1), BlockId(2), BlockId(3)]]);
    assert_eq!(cfg.loops(1), Vec::<Vec<BlockId>>::new());
    assert_eq!(cfg.first_unreachable_slot(), None);
    assert_eq!(cfg.jump_target(3), Some(8));
    assert_eq!((cfg.insn(1).map(Insn::slots), cfg.insn(2)), (Some(2), None));
    assert_eq!(cfg.subprogram_at(10), Some(1));
    assert_eq!(cfg.reachable_subprograms(), [true, true]);
}

#[test]
fn dominators_of_a_loop() {
    let cfg = cfg(LOOP).unwrap();
    let tree = cfg.dominators(0);
    let immediate: Vec<Option<u32>> = (0..5).map(|b| tree.immediate(BlockId(b)).map(|d| d.0)).collect();
    assert_eq!(immediate, [None, Some(0), Some(1), Some(2), Some(1)]);
    assert!(tree.dominates(BlockId(1), BlockId(3)) && !tree.dominates(BlockId(3), BlockId(1)));
}

#[test]
fn what_has_no_graph() {
    for (text, error) in [
        ("", CfgError::Empty),
        ("goto +0", CfgError::JumpOutOfRange { slot: 0, target: 1, start: 0, end: 1 }),
        ("goto -2\nexit", CfgError::JumpOutOfRange { slot: 0, target: -1, start: 0, end: 2 }),
        ("gotol -2147483648\nexit", CfgError::JumpOutOfRange { slot: 0, target: -2_147_483_647, start: 0, end: 2 }),
        ("goto +1\nr1 = 0x0 ll\nexit", CfgError::IntoSecondSlot { slot: 0, target: 2 }),
        ("call pc+1\nexit", CfgError::NoSuchFunction { slot: 0, target: 2 }),
        ("r1 = subprog[-5] ll\nexit", CfgError::NoSuchFunction { slot: 0, target: -4 }),
        ("r0 = 0", CfgError::RunsOff { slot: 0 }),
        ("call f\nr0 = 0\nf: exit", CfgError::RunsOff { slot: 1 }),
        ("r1 = 0x0 ll", CfgError::RunsOff { slot: 0 }),
        // From one function into the other.
        ("call f\ngoto g\nf: r0 = 0\ng: exit", CfgError::JumpOutOfRange { slot: 1, target: 3, start: 0, end: 2 }),
    ] {
        assert_eq!(cfg(text).unwrap_err(), error, "{text}");
    }
}

#[test]
fn unreachable_code_is_found() {
    let dead = cfg("goto end\nr0 = 1\nr0 = 2\nend: exit").unwrap();
    assert_eq!(dead.first_unreachable_slot(), Some(1));
    assert_eq!(dead.reachable_blocks(), [true, false, true]);
    assert_eq!(dead.reverse_postorder(0), [BlockId(0), BlockId(2)]);
    let unused = cfg("exit\nr1 = subprog[b] ll\nexit\nb: exit").unwrap();
    assert_eq!(unused.reachable_subprograms(), [true, true]);
    assert_eq!(unused.subprograms()[0].addresses, [(1, 1)]);
}

#[test]
fn dot_is_quoted() {
    let program = cfg("if r1 == 0 goto +1\ncall f\nexit\nf: exit").unwrap();
    let dot = program
        .dot()
        .names(&|_| Some("a\"b\\".into()))
        .comments(&|slot, _| (slot == 0).then(|| "x\ny".into()))
        .to_string();
    assert!(dot.contains(r#"label="a\"b\\";"#), "{dot}");
    assert!(dot.contains(r#"b0 [label="0: if r1 == 0 goto +1  ; x\ly\l"];"#), "{dot}");
    assert!(dot.contains("b0 -> b1 [style=dashed];\n    b0 -> b2;"), "{dot}");
    assert!(dot.contains("b1 -> b3 [style=dotted, constraint=false];"), "{dot}");
}

#[test]
fn a_million_slots_take_no_recursion_and_no_time() {
    // Every jump leads to the next: as many blocks as slots, all on one path, which is a loop.
    let mut slots = assemble("r1 = 0\nif r1 != 0 goto +1").unwrap();
    slots.resize(999_998, slots[1]);
    slots.extend(assemble("gotol -999998\nexit").unwrap());
    let cfg = Cfg::build(&slots).unwrap();
    assert_eq!(cfg.loops(0).len(), 1);
    assert_eq!(cfg.first_unreachable_slot(), None);
    assert!(cfg.dominators(0).dominates(BlockId(0), BlockId(900_000)));
}

/// Programs of jumps, most of which have a graph.
fn jumps() -> impl Strategy<Value = Vec<Slot>> {
    prop::collection::vec((0u8..4, any::<prop::sample::Index>()), 1..24).prop_map(|parts| {
        let len = parts.len() + 1;
        let slot = |(i, (kind, to)): (usize, (u8, prop::sample::Index))| {
            let offset = to.index(len) as i16 - i as i16 - 1;
            match kind {
                0 => Slot { opcode: 0xb7, ..Slot::default() },
                1 => Slot { opcode: 0x05, offset, ..Slot::default() },
                2 => Slot { opcode: 0x15, offset, ..Slot::default() },
                _ => Slot { opcode: 0x95, ..Slot::default() },
            }
        };
        let exit = Slot { opcode: 0x95, ..Slot::default() };
        parts.into_iter().enumerate().map(slot).chain([exit]).collect()
    })
}

/// The blocks that can be reached from the entry without passing `without`.
fn reach(cfg: &Cfg, without: Option<BlockId>) -> Vec<bool> {
    let mut seen = vec![false; cfg.blocks().len()];
    let mut waiting = vec![BlockId(0)];
    while let Some(block) = waiting.pop() {
        if Some(block) != without && !std::mem::replace(&mut seen[block.index()], true) {
            waiting.extend(cfg.block(block).successors());
        }
    }
    seen
}

proptest! {
    #[test]
    fn dominators_are_what_their_definition_says(slots in jumps()) {
        let cfg = Cfg::build(&slots).unwrap();
        let tree = cfg.dominators(0);
        let all = reach(&cfg, None);
        prop_assert_eq!(&all, &cfg.reachable_blocks());
        for a in 0..cfg.blocks().len() {
            let a = BlockId(a as u32);
            let without = reach(&cfg, Some(a));
            for b in 0..cfg.blocks().len() {
                let dominates = all[a.index()] && all[b] && !without[b];
                prop_assert_eq!(tree.dominates(a, BlockId(b as u32)), dominates, "{:?} {}", a, b);
            }
            if let Some(parent) = tree.immediate(a) {
                prop_assert!(tree.dominates(parent, a) && parent != a);
            }
        }
    }

    #[test]
    fn loops_are_where_blocks_reach_themselves(slots in jumps()) {
        let cfg = Cfg::build(&slots).unwrap();
        let reachable = cfg.reachable_blocks();
        let loops: Vec<BlockId> = cfg.loops(0).concat();
        for (i, &reachable) in reachable.iter().enumerate() {
            let block = BlockId(i as u32);
            let mut seen = vec![false; cfg.blocks().len()];
            let mut waiting: Vec<BlockId> = cfg.block(block).successors().collect();
            while let Some(at) = waiting.pop() {
                if !std::mem::replace(&mut seen[at.index()], true) {
                    waiting.extend(cfg.block(at).successors());
                }
            }
            prop_assert_eq!(loops.contains(&block), reachable && seen[i]);
        }
    }

    #[test]
    fn any_slots_have_a_graph_or_an_error(slots in prop::collection::vec(common::any_slot(), 0..32)) {
        if let Ok(cfg) = Cfg::build(&slots) {
            let _ = cfg.dot().to_string();
            prop_assert_eq!(cfg.blocks().iter().map(|b| b.end - b.start).sum::<usize>(), slots.len());
            for subprogram in 0..cfg.subprograms().len() {
                let _ = (cfg.loops(subprogram), cfg.dominators(subprogram));
            }
        }
    }
}
