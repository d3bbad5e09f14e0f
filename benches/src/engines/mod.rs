//! The engines: one file each.
//!
//! A new engine is a row in [`all`]; an engine that this machine lacks says why instead of being there.

mod fence;
pub(crate) mod flat;
mod linux;
mod native;
mod skep;

#[cfg(target_arch = "x86_64")]
mod rbpf;
#[cfg(target_arch = "x86_64")]
mod sbpf;

use crate::Error;
use crate::build::Built;
use crate::clock::Moment;
use skep_engine::Mode;
use std::hint::black_box;
use std::time::Duration;

/// Something that runs BPF programs.
pub trait Engine {
    /// Its name in tables.
    fn name(&self) -> String;

    /// Takes a program, with maps of its own.
    ///
    /// # Errors
    /// Why it cannot run that program.
    fn load(&self, built: &Built) -> Result<Box<dyn Loaded>, Error>;
}

/// A program in an engine.
pub trait Loaded {
    /// Runs it so many times and gives how long that took.
    ///
    /// # Errors
    /// A run failed.
    fn time(&mut self, runs: u64, pace: Pace) -> Result<Duration, Error>;

    /// Runs it once on the untouched packet.
    ///
    /// # Errors
    /// The run failed.
    fn answer(&mut self) -> Result<Answer, Error>;

    /// The same program made ready once more, as far as that is the engine's own work: verifying and compiling, but not
    /// reading the object or creating maps. `None` if the engine has no such step.
    ///
    /// # Errors
    /// The program cannot be linked.
    fn prepare(&self) -> Result<Option<Prepare<'_>>, Error> {
        Ok(None)
    }
}

/// Makes a program ready and forgets it.
pub type Prepare<'a> = Box<dyn FnMut() -> Result<(), Error> + 'a>;

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
    let mut modes: Vec<Mode> = Mode::ALL.iter().copied().filter(|mode| *mode != Mode::Paranoid).collect();
    modes.sort_by_key(|mode| (mode.is_checked(), *mode == Mode::Interpreter));
    rows.extend(modes.into_iter().map(|mode| Row::Here(Box::new(skep::Skep::new(mode)) as Box<dyn Engine>)));
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

/// How runs follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Each waits for the one before. The processor would otherwise begin the next runs of a short program before the last
    /// one is done, and its time beyond that of an empty run would be next to nothing.
    Waiting,
    /// As fast as they go.
    Free,
}

/// Times `runs` calls.
#[inline(always)]
fn time_calls<T>(runs: u64, pace: Pace, mut call: impl FnMut() -> T) -> Duration {
    let start = Moment::now();
    match pace {
        Pace::Waiting => {
            for _ in 0..runs {
                black_box(call());
                fence::finish();
            }
        }
        Pace::Free => {
            for _ in 0..runs {
                black_box(call());
            }
        }
    }
    start.elapsed()
}
