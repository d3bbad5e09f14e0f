//! What the verifier believes at each instruction, to be held against real runs.
//!
//! A claim is an abstract state that exploration passed through. Fact stated: whenever a run stands before an
//! instruction, one of the claims there covers all of its frames: numbers lie in their known bits and ranges, linked
//! numbers keep their distance, pointers lead where they are said to, stack slots hold what was written.
//!
//! There are two records of claims:
//! * of the exploration that gave the verdict. A path may end there at an old state that differs from it in what decides
//!   nothing, so that only this is claimed: registers that are still read, stack slots that are, and of numbers those
//!   that decided something. It shows whether paths end too early.
//! * of a complete one, with [`Options::exact_pruning`]. There everything is claimed. It shows whether what is computed
//!   of a path is true. It may be refused where the first is not: it takes longer, and goes on with paths on which
//!   numbers that decide nothing differ, so that loops may not come to an end and unused pointers move too far.

mod check;
mod place;
mod record;

pub use check::{Lie, Position, Running, RunningFrame};
pub use place::Place;

use crate::input::{Options, Program};
use crate::output::{Rejection, Verified};
use record::{Record, Recorder};

/// The abstract states of each instruction of an accepted program, by slot of the program as it was given.
#[derive(Clone, Debug)]
pub struct Claims {
    /// Of the exploration that gave the verdict: what decided it.
    decisive: Record,
    /// Of a complete exploration; or why that was refused.
    complete: Result<Record, String>,
    /// Descriptors of the program's maps, in order of their number in the states; inner maps come after them.
    maps: Vec<i32>,
}

/// How much is claimed of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent<'a> {
    /// Everything.
    Everything,
    /// What decided the verdict; a complete exploration was refused, for that reason.
    WhatDecides(&'a str),
    /// Too little to hold runs against: there are too many states.
    Nothing,
}

impl Claims {
    /// Verifies a program and keeps what is believed of it; then once more, completely.
    ///
    /// # Errors
    /// As [`crate::verify`].
    #[allow(clippy::result_large_err, reason = "refusals are rare, and the path that makes one is cold")]
    pub fn of(program: &Program<'_>, options: &Options<'_>) -> Result<(Verified, Claims), Rejection> {
        let maps = program.maps.iter().map(|(fd, _)| *fd).collect();
        let explore = |exact_pruning: bool| {
            let mut recorder = Recorder::new(program.insns.len());
            let options = Options { exact_pruning, ..options.clone() };
            crate::verify_observed(program, &options, &mut recorder).map(|verified| (verified, recorder.record))
        };
        let (verified, decisive) = explore(false)?;
        let complete = explore(true).map(|(_, record)| record).map_err(|rejection| rejection.message);
        Ok((verified, Claims { decisive, complete, maps }))
    }

    /// How much is claimed.
    pub fn extent(&self) -> Extent<'_> {
        match &self.complete {
            Err(reason) if self.decisive.is_whole() => Extent::WhatDecides(reason),
            Ok(complete) if self.decisive.is_whole() && complete.is_whole() => Extent::Everything,
            Ok(_) if self.decisive.is_whole() => Extent::WhatDecides("too many states"),
            _ => Extent::Nothing,
        }
    }

    /// The records that runs are held against, each with what it is called.
    fn records(&self) -> impl Iterator<Item = (&'static str, &Record)> {
        let complete = self.complete.as_ref().ok().map(|record| ("claimed", record));
        let records = [complete, Some(("decided by", &self.decisive))];
        records.into_iter().flatten().filter(|(_, record)| record.is_whole())
    }
}
