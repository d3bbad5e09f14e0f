//! Every program on every engine that is here, once: they must agree with native code.

use skep_benches::Error;
use skep_benches::build::{Built, Compiler};
use skep_benches::engines::{self, Engine, Row};
use skep_benches::programs::{EMPTY, PROGRAMS, Program};

/// Engines that are here; the test says which are not.
fn present() -> Vec<Box<dyn Engine>> {
    let here = |row| match row {
        Row::Here(engine) => Some(engine),
        Row::Missing { name, reason } => {
            skep_testing::skip(&format!("{name}: {reason}"));
            None
        }
    };
    engines::all().into_iter().filter_map(here).collect()
}

/// The programs that an engine is known not to take.
fn is_left_out(engine: &str, program: &Program) -> bool {
    engine == "solana-sbpf JIT" && program.maps
}

fn disagreements(built: &Built, engines: &[Box<dyn Engine>]) -> Vec<String> {
    let name = built.program.name;
    let answer = |engine: &dyn Engine| engine.load(built).and_then(|mut loaded| loaded.answer());
    let native = answer(&*engines[0]).unwrap_or_else(|error| panic!("{name}, native: {error}"));
    let others = engines[1..].iter().filter_map(|engine| match answer(&**engine) {
        Ok(other) if other == native => None,
        Ok(other) => Some(format!("{name}, {}: {other:x?} and not {native:x?}", engine.name())),
        Err(_) if is_left_out(&engine.name(), built.program) => None,
        Err(error) => Some(format!("{name}, {}: {error}", engine.name())),
    });
    others.collect()
}

#[test]
fn all_engines_agree_with_native_code() {
    let compiler = match Compiler::find() {
        Err(error @ Error::NoClang) => return skep_testing::skip(&error.to_string()),
        found => found.expect("a compiler"),
    };
    let engines = present();
    let wrong: Vec<String> = PROGRAMS
        .iter()
        .chain([&EMPTY])
        .flat_map(|program| disagreements(&compiler.build(program).unwrap_or_else(|error| panic!("{error}")), &engines))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
