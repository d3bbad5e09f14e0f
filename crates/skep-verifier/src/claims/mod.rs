//! What the verifier believes at each instruction, to be held against real runs.
//!
//! A claim is an abstract state that exploration passed through. Fact stated: whenever a run stands before an
//! instruction, one of the claims there covers all of its frames: numbers lie in their known bits and ranges, linked
//! numbers keep their distance, pointers lead where they are said to, stack slots hold what was written.
//!
//! Usually a path may end at an old state that differs from it in what decides nothing, so that the old state's claims do
//! not hold on it. Claims are therefore made with [`Options::exact_pruning`].

mod check;
mod place;

pub use check::{Lie, Running, RunningFrame};
pub use place::Place;

use crate::input::{Options, Program};
use crate::observe::{Frame, Observer, Register, StackSlot, StateView};
use crate::output::{Rejection, Verified};
use skep_isa::Reg;

/// States recorded of one program. Beyond that, nothing is claimed.
const MOST_CLAIMS: usize = 20_000;

/// The abstract states of each instruction of an accepted program, by slot of the program as it was given.
#[derive(Clone, Debug)]
pub struct Claims {
    at: Vec<Vec<Claim>>,
    total: usize,
    /// Descriptors of the program's maps, in order of their number in the states; inner maps come after them.
    maps: Vec<i32>,
}

/// One state: frames, the running one last.
#[derive(Clone, Debug)]
struct Claim {
    frames: Box<[FrameClaim]>,
}

/// One function invocation of a state.
#[derive(Clone, Debug)]
struct FrameClaim {
    registers: [Register; Reg::COUNT],
    stack: Box<[StackSlot]>,
    /// Slot of the call that made it; nothing in the outermost frame.
    call_site: usize,
}

impl FrameClaim {
    fn of(frame: &Frame) -> FrameClaim {
        FrameClaim { registers: frame.registers, stack: frame.stack.as_slice().into(), call_site: frame.call_site }
    }
}

impl Claims {
    /// Verifies a program and keeps what is believed of it. Paths end only at states that cover them completely, so that
    /// this takes longer than [`crate::verify`] and some programs become too complex.
    ///
    /// # Errors
    /// As [`crate::verify`].
    #[allow(clippy::result_large_err, reason = "refusals are rare, and the path that makes one is cold")]
    pub fn of(program: &Program<'_>, options: &Options<'_>) -> Result<(Verified, Claims), Rejection> {
        let maps = program.maps.iter().map(|(fd, _)| *fd).collect();
        let mut claims = Claims { at: vec![Vec::new(); program.insns.len()], total: 0, maps };
        let options = Options { exact_pruning: true, ..options.clone() };
        let verified = crate::verify_observed(program, &options, &mut claims)?;
        Ok((verified, claims))
    }

    /// Whether every state is there.
    pub fn is_complete(&self) -> bool {
        self.total <= MOST_CLAIMS
    }

    /// Number of states.
    pub fn len(&self) -> usize {
        self.total
    }

    /// Whether exploration passed through nothing.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

impl Observer for Claims {
    fn at(&mut self, slot: usize, state: &StateView<'_>) {
        self.total += 1;
        if self.total <= MOST_CLAIMS
            && let Some(claims) = self.at.get_mut(slot)
        {
            claims.push(Claim { frames: state.frames().map(FrameClaim::of).collect() });
        }
    }
}
