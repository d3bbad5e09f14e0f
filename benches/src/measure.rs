//! Rounds in which the engines take turns.
//!
//! The machine is never quite quiet: what disturbs one engine shall disturb its neighbours as well. So the clock is the
//! processor time of this thread, a round times every engine on a program one after the other, ratios are taken
//! inside of a round, and the median over the rounds counts.
//!
//! From every time that of the engine's empty run is subtracted, since entering and leaving is a number of its own. The two
//! are timed in short slices, in turns. Where the difference drowns in its own spread, there is no ratio.

use crate::Error;
use crate::build::{Built, Compiler};
use crate::engines::{Answer, Engine, Loaded, Pace, Row};
use crate::load;
use crate::programs::{EMPTY, Program};
use crate::statistics::median;
use serde::Serialize;
use std::time::Duration;

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many rounds.
    pub rounds: u32,
    /// How long an engine runs a program in a round, at least.
    pub batch: Duration,
}

/// All that was measured.
#[derive(Debug, Serialize)]
pub struct Results {
    /// The engines that were there, native code first.
    pub engines: Vec<String>,
    /// The engines that were not, with the reason.
    pub missing: Vec<(String, String)>,
    /// Nanoseconds of an empty run, by engine, over the rounds.
    pub empty: Vec<Option<Times>>,
    /// The programs.
    pub programs: Vec<Measured>,
    /// What it takes until programs can run.
    pub loading: Vec<load::Loading>,
}

/// A program on all engines.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// It reads headers.
    pub packet: bool,
    /// It uses maps.
    pub maps: bool,
    /// BPF instructions (slots) in the object for kernels.
    pub instructions: usize,
    /// What the native compiler vectorised.
    pub vectorised: Option<String>,
    /// By engine.
    pub cells: Vec<Cell>,
}

/// A program on an engine.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cell {
    /// Times.
    Times(Times),
    /// Why there are none.
    Missing(String),
}

/// Nanoseconds per run, one number per round.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Times {
    /// As measured.
    pub whole: Vec<f64>,
    /// Without the empty run.
    pub net: Vec<f64>,
}

impl Times {
    /// The median of the net times.
    pub fn nanoseconds(&self) -> f64 {
        median(self.net.iter().copied()).unwrap_or(f64::NAN)
    }

    /// Whether the median is more than three times the median deviation from it.
    pub fn is_clear(&self) -> bool {
        let middle = self.nanoseconds();
        let spread = median(self.net.iter().map(|time| (time - middle).abs())).unwrap_or(f64::NAN);
        middle > 3.0 * spread
    }
}

impl Measured {
    /// An engine's times.
    pub fn times(&self, engine: usize) -> Option<&Times> {
        match self.cells.get(engine)? {
            Cell::Times(times) => Some(times),
            Cell::Missing(_) => None,
        }
    }

    /// An engine's time as a multiple of native code's: the median over the rounds. `None` where one of them is not clear.
    pub fn ratio(&self, engine: usize) -> Option<f64> {
        let (own, native) = (self.times(engine)?, self.times(0)?);
        if !own.is_clear() || !native.is_clear() {
            return None;
        }
        median(own.net.iter().zip(&native.net).map(|(own, native)| own / native))
    }
}

/// A program that is loaded into an engine, with as many runs as fill a batch.
struct Bench {
    loaded: Box<dyn Loaded>,
    runs: u64,
    times: Times,
    pace: Pace,
    /// The line of the empty run in the same surroundings.
    empty: usize,
}

/// A program with one bench per engine, or why there is none.
struct Line {
    built: Built,
    benches: Vec<Result<Bench, String>>,
}

/// What says how far it is.
pub trait Progress {
    /// Something begins.
    fn step(&self, what: &str);
}

/// A batch is cut into so many slices, between which the empty run has its own.
const SLICES: u64 = 4;

/// Measures programs on engines.
///
/// # Errors
/// A program does not compile, native code cannot be run, engines do not agree, or a run fails.
pub fn measure(
    compiler: &Compiler,
    programs: &[&'static Program],
    rows: Vec<Row>,
    plan: Plan,
    progress: &dyn Progress,
) -> Result<Results, Error> {
    let (mut engines, mut missing) = (Vec::new(), Vec::new());
    for row in rows {
        match row {
            Row::Here(engine) => engines.push(engine),
            Row::Missing { name, reason } => missing.push((name, reason)),
        }
    }
    let empties = EMPTIES.iter().map(|(program, pace)| (*program, *pace));
    let mut lines = Vec::new();
    for (program, pace) in empties.chain(programs.iter().map(|program| (*program, Pace::Waiting))) {
        progress.step(&format!("load {}", program.name));
        lines.push(line(compiler.build(program)?, &engines, plan, pace)?);
    }
    for round in 1..=plan.rounds {
        let (empties, lines) = lines.split_at_mut(EMPTIES.len());
        for bench in empties[SHOWN].benches.iter_mut().flatten() {
            bench.sample(None)?;
        }
        for line in lines {
            progress.step(&format!("round {round} of {}: {}", plan.rounds, line.built.program.name));
            for (engine, bench) in line.benches.iter_mut().enumerate() {
                let Ok(bench) = bench else { continue };
                bench.sample(empties[bench.empty].benches[engine].as_mut().ok())?;
            }
        }
    }
    let loading = load::measure(compiler, &engines, plan, progress)?;
    Ok(results(&engines, missing, lines, loading))
}

/// The empty program without and with the surroundings of maps, which native code and its like enter only where they are
/// needed, to be subtracted; and to be shown.
static EMPTIES: [(&Program, Pace); 3] =
    [(&EMPTY, Pace::Waiting), (&Program { maps: true, ..EMPTY }, Pace::Waiting), (&EMPTY, Pace::Free)];
const SHOWN: usize = 2;

/// Loads a program into all engines, compares their answers, and finds out how many runs fill a batch.
fn line(built: Built, engines: &[Box<dyn Engine>], plan: Plan, pace: Pace) -> Result<Line, Error> {
    let mut native: Option<Answer> = None;
    let mut benches = Vec::new();
    for engine in engines {
        let loaded = match engine.load(&built) {
            Ok(loaded) => loaded,
            Err(error) if native.is_none() => return Err(error),
            Err(error) => {
                benches.push(Err(error.to_string()));
                continue;
            }
        };
        let mut bench =
            Bench { loaded, runs: 1, times: Times::default(), pace, empty: usize::from(built.program.maps) };
        let answer = bench.loaded.answer()?;
        let native = native.get_or_insert_with(|| answer.clone());
        if answer != *native {
            return Err(Error::Disagreement {
                program: built.program.name,
                engine: engine.name(),
                answer: format!("{answer:x?}"),
                native: format!("{native:x?}"),
            });
        }
        bench.calibrate(plan.batch)?;
        benches.push(Ok(bench));
    }
    Ok(Line { built, benches })
}

impl Bench {
    /// Takes the times of one round.
    fn sample(&mut self, mut empty: Option<&mut Bench>) -> Result<(), Error> {
        let (mut own, mut other) = (0.0, 0.0);
        for _ in 0..SLICES {
            own += self.slice(SLICES)?;
            if let Some(empty) = &mut empty {
                // Shorter: its runs are many.
                other += empty.slice(2 * SLICES)?;
            }
        }
        self.times.whole.push(own / SLICES as f64);
        self.times.net.push((own - other) / SLICES as f64);
        Ok(())
    }

    /// Nanoseconds per run, over one of so many parts of a batch.
    fn slice(&mut self, parts: u64) -> Result<f64, Error> {
        let runs = (self.runs / parts).max(1);
        Ok(self.loaded.time(runs, self.pace)?.as_secs_f64() * 1e9 / runs as f64)
    }

    /// Doubles the number of runs until they take a good part of a batch, which warms everything up as well.
    fn calibrate(&mut self, batch: Duration) -> Result<(), Error> {
        loop {
            let time = self.loaded.time(self.runs, self.pace)?;
            if time >= batch / 4 {
                let factor = batch.as_secs_f64() / time.as_secs_f64();
                self.runs = ((self.runs as f64 * factor).ceil() as u64).max(1);
                return Ok(());
            }
            self.runs *= 2;
        }
    }
}

fn results(
    engines: &[Box<dyn Engine>],
    missing: Vec<(String, String)>,
    mut lines: Vec<Line>,
    loading: Vec<load::Loading>,
) -> Results {
    let programs = lines.split_off(EMPTIES.len());
    let cell = |bench: &Result<Bench, String>| match bench {
        Err(reason) => Cell::Missing(reason.clone()),
        Ok(bench) => Cell::Times(bench.times.clone()),
    };
    let measured = programs.iter().map(|line| Measured {
        name: line.built.program.name,
        title: line.built.program.title,
        packet: line.built.program.packet,
        maps: line.built.program.maps,
        instructions: line.built.instructions,
        vectorised: line.built.vectorised.clone(),
        cells: line.benches.iter().map(cell).collect(),
    });
    let shown = lines[SHOWN].benches.iter().map(|bench| bench.as_ref().ok().map(|bench| bench.times.clone()));
    Results {
        engines: engines.iter().map(|engine| engine.name()).collect(),
        missing,
        empty: shown.collect(),
        programs: measured.collect(),
        loading,
    }
}
