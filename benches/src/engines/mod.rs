//! The engines: one file each.
//!
//! A new engine is a row in [`all`]; an engine that this machine lacks says why instead of being there.

mod flat;
mod linux;
mod native;
mod skep;

#[cfg(target_arch = "x86_64")]
mod rbpf;
#[cfg(target_arch = "x86_64")]
mod sbpf;

use crate::Error;
use crate::build::Built;
use skep_engine::Mode;
use std::time::{Duration, Instant};

/// Something that runs BPF programs.
pub trait Engine {
    /// Its name in tables.
    fn name(&self) -> String;

    /// What is loaded of a program for one of these: the ratio of times is that of the compiler's output, not of the
    /// surroundings, so that each has an empty run to compare with.
    ///
    /// # Errors
    /// Why it cannot run that program.
    fn load(&self, built: &Built) -> Result<Box<dyn Loaded>, Error>;

    /// Loads the program that `loaded` runs once more, as far as that is this engine's own work: verifying and compiling,
    /// not reading the object nor creating maps. `None` if it has no such step.
    fn prepare(&self, loaded: &dyn Loaded) -> Option<Result<(), Error>> {
        loaded.prepare()
    }
}

/// A program in an engine.
pub trait Loaded {
    /// Runs it so many times and gives how long that took.
    ///
    /// # Errors
    /// A run failed.
    fn time(&mut self, runs: u64) -> Result<Duration, Error>;

    /// Runs it once on the untouched packet.
    ///
    /// # Errors
    /// The run failed.
    fn answer(&mut self) -> Result<Answer, Error>;

    /// Verifies and compiles the program once more; `None` if the engine has no such step.
    fn prepare(&self) -> Option<Result<(), Error>> {
        None
    }
}

/// What a run gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The lower half of r0.
    pub value: u32,
    /// The packet afterwards.
    pub packet: Vec<u8>,
}

/// An engine, or why it is not here.
pub enum Row {
    /// It is.
    Here(Box<dyn Engine>),
    /// It is not.
    Missing {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
}

/// All engines in the order of the columns. The first is native code.
pub fn all() -> Vec<Row> {
    let mut rows = vec![Row::Here(Box::new(native::Native))];
    // The paranoid mode is there to find mistakes, not to be quick.
    let modes = Mode::ALL.iter().rev().filter(|mode| **mode != Mode::Paranoid);
    rows.extend(modes.map(|mode| Row::Here(Box::new(skep::Skep { mode: *mode }) as Box<dyn Engine>)));
    rows.push(linux::row());
    rows.extend(peers());
    rows
}

#[cfg(target_arch = "x86_64")]
fn peers() -> Vec<Row> {
    vec![Row::Here(Box::new(rbpf::Rbpf)), Row::Here(Box::new(sbpf::Sbpf))]
}

#[cfg(not(target_arch = "x86_64"))]
fn peers() -> Vec<Row> {
    let missing = |name: &str| Row::Missing { name: name.to_owned(), reason: "it compiles for x86-64 only".to_owned() };
    vec![missing("rbpf"), missing("solana-sbpf")]
}

/// Times `runs` calls.
#[inline(always)]
fn time_calls(runs: u64, mut call: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..runs {
        call();
    }
    start.elapsed()
}
