//! The command `planted`: after how many programs each planted fault of the verifier is found.

use crate::claims::program;
use crate::{Failure, Range};
use skep_fuzzing::soundness::{Testimony, Witness};
use skep_verifier::planted::{Fault, plant};
use std::process::ExitCode;

/// Programs after which the kernel is made anew, as in `claims`.
const PROGRAMS_PER_KERNEL: u64 = 200;

/// What showed a fault.
struct Found {
    after: u64,
    lie: String,
}

/// Plants one fault after the other and prints what finds it. Fails if one is not found within so many programs.
pub(crate) fn planted(range: &Range, runs: u32, only: Option<&str>) -> Result<ExitCode, Failure> {
    let wanted = |fault: &&Fault| only.is_none_or(|name| format!("{fault:?}") == name);
    let mut missed = 0;
    println!("{:27} {:>8}  what is wrong, and what showed it", "fault", "programs");
    for fault in Fault::ALL.iter().filter(wanted) {
        plant(Some(*fault));
        let found = find(range, runs);
        plant(None);
        let name = format!("{fault:?}");
        match found? {
            Some(Found { after, lie }) => println!("{name:27} {after:8}  {}\n{:38}{lie}", fault.text(), ""),
            None => {
                missed += 1;
                println!("{name:27} {:>8}  {}", "-", fault.text());
            }
        }
    }
    println!("{missed} not found within {} programs", range.count);
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn find(range: &Range, runs: u32) -> Result<Option<Found>, Failure> {
    let mut witness = None;
    for (after, seed) in (1..=range.count).zip(range.seed..) {
        if after.is_multiple_of(PROGRAMS_PER_KERNEL) {
            witness = None;
        }
        let witness = match &mut witness {
            Some(witness) => witness,
            none => none.insert(Witness::new().map_err(|errno| errno.to_string())?),
        };
        if let Testimony::Lie(lie) = witness.hear(&program(seed), seed, runs).map_err(|errno| errno.to_string())? {
            return Ok(Some(Found { after, lie }));
        }
    }
    Ok(None)
}
