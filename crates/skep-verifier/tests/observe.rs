//! Watching a verification.

use skep_abi::program_type::ProgramType;
use skep_isa::Reg;
use skep_verifier::observe::{Observer, StateView};
use skep_verifier::{Options, Program, verify, verify_observed};

/// What was seen at one slot: the text of `r2`, and how each visit was reached.
#[derive(Default)]
struct At {
    slot: usize,
    r2: Vec<String>,
    covered: usize,
    previous: Vec<(u32, Option<u32>)>,
}

impl Observer for At {
    fn at(&mut self, slot: usize, state: &StateView<'_>) {
        self.previous.push((state.visit(), state.previous_visit()));
        if slot == self.slot {
            self.r2.push(state.register_text(state.register(Reg::R2), 0));
        }
    }

    fn covered(&mut self, _slot: usize, _state: &StateView<'_>) {
        self.covered += 1;
    }
}

/// Two paths with different `r2` meet at slot 4, where nothing reads it.
const MEETING: &str = "r2 = 1\nr0 = *(u32 *)(r1 + 0)\nif r0 == 0 goto +1\nr2 = 2\nr0 = 0\nexit";

fn watch(exact_pruning: bool) -> At {
    let insns = skep_isa::text::assemble(MEETING).unwrap();
    let program = Program::new("meeting", ProgramType::SocketFilter, &insns);
    let options = Options { test_state_frequency: true, exact_pruning, ..Options::default() };
    let mut seen = At { slot: 4, ..At::default() };
    let watched = verify_observed(&program, &options, &mut seen).unwrap();
    let plain = verify(&program, &options).unwrap();
    assert_eq!(watched.statistics().instructions_processed, plain.statistics().instructions_processed);
    seen
}

#[test]
fn a_covered_path_ends_with_its_state_shown() {
    let seen = watch(false);
    assert_eq!(seen.r2, ["2"]);
    assert_eq!(seen.covered, 1);
}

#[test]
fn exact_pruning_shows_every_value() {
    let seen = watch(true);
    assert_eq!(seen.r2, ["2", "1"]);
    assert_eq!(seen.covered, 0);
}

#[test]
fn visits_form_the_tree_of_paths() {
    let seen = watch(true);
    // 0 → 1 → 2 → 3 → 4 → 5 (visits 1 to 6), and from the branch at slot 2 (visit 3) the other way.
    assert_eq!(
        seen.previous,
        [(1, None), (2, Some(1)), (3, Some(2)), (4, Some(3)), (5, Some(4)), (6, Some(5)), (7, Some(3)), (8, Some(7))]
    );
}
