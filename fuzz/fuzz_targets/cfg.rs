//! Any bytes as instructions: the graph of a program covers it, and its pictures end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_isa::Slot;
use skep_isa::cfg::Cfg;

fuzz_target!(|bytes: &[u8]| {
    let Ok(slots) = Slot::read_program(bytes) else { return };
    let Ok(cfg) = Cfg::build(&slots) else { return };
    for (slot, _) in cfg.insns() {
        assert!(cfg.block_at(slot).is_some(), "slot {slot} is in no block");
    }
    for (number, subprogram) in cfg.subprograms().iter().enumerate() {
        let order = cfg.reverse_postorder(number);
        assert!(order.len() <= subprogram.blocks().len(), "a block came twice");
        let dominators = cfg.dominators(number);
        for block in &order {
            assert!(dominators.dominates(*block, *block), "a block dominates itself");
        }
        let _ = (cfg.loops(number), cfg.back_edges(number));
    }
    let _ = (cfg.first_unreachable_slot(), cfg.reachable_subprograms(), cfg.dot().to_string());
});
