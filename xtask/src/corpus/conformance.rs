//! The vectors of the public bpf_conformance suite, on every engine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use skep_engine::conformance::{self, ConformanceError};
use skep_engine::{CompileOptions, Mode};

use super::emulated::{self, Emulated, Engines};
use crate::process::Error;

/// The engines by the names `skep run --engine` knows them by.
const ENGINES: &[(&str, Mode)] =
    &[("jit", Mode::Jit), (BLINDED, Mode::Jit), ("interpreter", Mode::Interpreter), ("sandbox", Mode::Sandbox)];

/// The compiler, with constant blinding.
const BLINDED: &str = "jit, blinded";

/// One vector.
struct Vector {
    suite: String,
    name: String,
    program: Vec<u8>,
    memory: Vec<u8>,
    expected: Expected,
}

/// What must come of it.
#[derive(PartialEq, Eq)]
enum Expected {
    /// It runs and returns this.
    Returns(u64),
    /// It is refused.
    Refused,
}

impl Vector {
    fn read(value: &Value) -> Option<Vector> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let bytes = |key: &str| conformance::parse_hex(text(key).unwrap_or_default()).ok();
        let expected = match text("expected_r0") {
            Some(r0) => Expected::Returns(u64::from_str_radix(r0.trim_start_matches("0x"), 16).ok()?),
            None => text("expected_error").map(|_| Expected::Refused)?,
        };
        let (suite, name) = (text("suite")?.to_owned(), text("name")?.to_owned());
        text("bytecode_hex")?;
        Some(Vector { suite, name, program: bytes("bytecode_hex")?, memory: bytes("memory_hex")?, expected })
    }

    /// Runs it in the emulator. There, nobody tells refusals from faults.
    fn run_emulated(&self, engine: &Emulated) -> Result<(), String> {
        let answer = engine.run(&hex(&self.program), &hex(&self.memory)).map_err(|error| error.to_string())?;
        match (&self.expected, answer) {
            (Expected::Returns(expected), Ok(r0)) if r0 == *expected => Ok(()),
            (Expected::Returns(expected), Ok(r0)) => Err(format!("returned {r0:#x}, not {expected:#x}")),
            (Expected::Returns(_), Err(error)) => Err(error),
            (Expected::Refused, Err(_)) => Ok(()),
            (Expected::Refused, Ok(r0)) => Err(format!("accepted, returned {r0:#x}")),
        }
    }

    /// Runs it. `Err` says what came instead of what must come.
    fn run(&self, mode: Mode, options: &CompileOptions) -> Result<(), String> {
        let mut memory = self.memory.clone();
        let answer = conformance::run_with(mode, options, &self.program, &mut memory);
        match (&self.expected, answer) {
            (Expected::Returns(expected), Ok(r0)) if r0 == *expected => Ok(()),
            (Expected::Returns(expected), Ok(r0)) => Err(format!("returned {r0:#x}, not {expected:#x}")),
            (Expected::Returns(_), Err(error)) => Err(error.to_string()),
            (Expected::Refused, Err(ConformanceError::Refused(_))) => Ok(()),
            (Expected::Refused, Err(error)) => Err(format!("not refused, but: {error}")),
            (Expected::Refused, Ok(r0)) => Err(format!("accepted, returned {r0:#x}")),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How many of how many went as they must.
#[derive(Default)]
struct Score {
    right: usize,
    all: usize,
}

/// Runs every vector on every engine and prints the scores.
///
/// # Errors
/// The file cannot be read, or a vector went otherwise than it must.
pub(crate) fn run(file: &Path) -> Result<(), Error> {
    let vectors = read(file)?;
    let emulated = emulated::build()?;
    println!("{:14} {:34} {:>6} {:>6}", "engine", "suite", "right", "all");
    let mut failures = Vec::new();
    for (engine, mode) in ENGINES {
        let options = CompileOptions { blind: *engine == BLINDED, ..CompileOptions::default() };
        failures.extend(score(engine, &vectors, |vector| vector.run(*mode, &options)));
    }
    match &emulated {
        Engines::Built(engines) => {
            for (engine, emulated) in engines {
                failures.extend(score(engine, &vectors, |vector| vector.run_emulated(emulated)));
            }
        }
        Engines::Missing(missing) => println!("jit-aarch64    not run: {missing}"),
    }
    for failure in &failures {
        println!("{failure}");
    }
    if failures.is_empty() { Ok(()) } else { Err(Error::other(format!("{} vectors went wrong", failures.len()))) }
}

/// Runs every vector on one engine and prints the scores. Gives what went wrong.
fn score(engine: &str, vectors: &[Vector], run: impl Fn(&Vector) -> Result<(), String>) -> Vec<String> {
    let mut failures = Vec::new();
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    for vector in vectors {
        let score = scores.entry(&vector.suite).or_default();
        score.all += 1;
        match run(vector) {
            Ok(()) => score.right += 1,
            Err(what) => failures.push(format!("{engine}: {}: {what}", vector.name)),
        }
    }
    for (suite, score) in scores {
        println!("{engine:14} {suite:34} {:6} {:6}", score.right, score.all);
    }
    failures
}

fn read(file: &Path) -> Result<Vec<Vector>, Error> {
    let text = fs::read_to_string(file).map_err(Error::file(file))?;
    let bad = |what: String| Error::other(format!("{}: {what}", file.display()));
    let value: Value = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let entries = value.as_array().ok_or_else(|| bad("not a list of vectors".into()))?;
    let vectors = entries.iter().enumerate();
    vectors
        .map(|(index, entry)| Vector::read(entry).ok_or_else(|| bad(format!("vector {index} is malformed"))))
        .collect()
}
