//! What it takes until a program can run: verifying and compiling, without reading the object or creating maps.

use crate::Error;
use crate::build::{Built, Compiler};
use crate::clock::Moment;
use crate::engines::{Engine, Prepare, flat};
use crate::measure::{Plan, Progress};
use crate::programs::Program;
use crate::statistics::median;
use serde::Serialize;
use skep::LoadedObject;
use skep_abi::command::ProgLoad;
use skep_abi::map_type::MapType;
use skep_abi::program_type::ProgramType;
use skep_btf::Btf;
use skep_engine::{Executable, References};
use skep_isa::Slot;
use skep_kernel::calls;
use skep_object::{ExternSpec, KernelObject, MapIndex, MapSpec, ObjectSpec, Resolver};
use skep_verifier::{MapFacts, Options, Verified};
use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

/// The programs that are loaded: a packet program of common size, and a long one.
const LOADED: [&str; 2] = ["load_balancer", "straight_line"];

/// One step, or all of them, for one program.
#[derive(Debug, Serialize)]
pub struct Loading {
    /// What is measured.
    pub what: String,
    /// The program.
    pub program: &'static str,
    /// Its instructions.
    pub instructions: usize,
    /// Nanoseconds, one number per round.
    pub nanoseconds: Vec<f64>,
}

impl Loading {
    /// The median over the rounds.
    pub fn median(&self) -> f64 {
        median(self.nanoseconds.iter().copied()).unwrap_or(f64::NAN)
    }
}

/// Measures all engines in turns, and Skep's verifier and what makes a verified program ready by themselves.
///
/// # Errors
/// A program cannot be loaded.
pub(crate) fn measure(
    compiler: &Compiler,
    engines: &[Box<dyn Engine>],
    plan: Plan,
    progress: &dyn Progress,
) -> Result<Vec<Loading>, Error> {
    let mut all = Vec::new();
    for name in LOADED {
        progress.step(&format!("load {name}, again and again"));
        let program = Program::by_name(name).ok_or_else(|| Error::unfit("no such program"))?;
        let built = compiler.build(program)?;
        let loaded: Vec<_> = engines.iter().map(|engine| (engine.name(), engine.load(&built).ok())).collect();
        let own = OwnSteps::new(&built)?;
        let mut steps: Vec<(String, Prepare<'_>)> = vec![
            ("Skep: verify".to_owned(), Box::new(|| own.verify().map(drop))),
            ("Skep: decode for the interpreter".to_owned(), Box::new(|| own.decode())),
        ];
        if own.compile().is_ok() {
            steps.push(("Skep: decode and compile".to_owned(), Box::new(|| own.compile())));
        }
        for (name, loaded) in &loaded {
            let prepare = loaded.as_ref().map(|loaded| loaded.prepare()).transpose()?.flatten();
            steps.extend(prepare.map(|prepare| (name.clone(), prepare)));
        }
        all.extend(in_turns(&built, steps, plan)?);
    }
    Ok(all)
}

/// Times the steps of one program in rounds, each as often as fills a batch.
fn in_turns(built: &Built, steps: Vec<(String, Prepare<'_>)>, plan: Plan) -> Result<Vec<Loading>, Error> {
    let (program, instructions) = (built.program.name, built.instructions);
    let mut measured = Vec::new();
    for (what, step) in steps {
        measured.push((step, Loading { what, program, instructions, nanoseconds: Vec::new() }));
    }
    for _ in 0..plan.rounds {
        for (step, loading) in &mut measured {
            loading.nanoseconds.push(repeat(step, plan.batch)?);
        }
    }
    Ok(measured.into_iter().map(|(_, loading)| loading).collect())
}

/// Nanoseconds of one step, over as many as take `least` together.
fn repeat(step: &mut Prepare<'_>, least: Duration) -> Result<f64, Error> {
    let (start, mut count) = (Moment::now(), 0_u32);
    loop {
        step()?;
        count += 1;
        let elapsed = start.elapsed();
        if elapsed >= least {
            return Ok(elapsed.as_secs_f64() * 1e9 / f64::from(count));
        }
    }
}

/// The steps of `PROG_LOAD` in Skep's own kernel by themselves.
struct OwnSteps {
    insns: Vec<Slot>,
    maps: Vec<(i32, MapFacts)>,
    verified: Verified,
}

impl OwnSteps {
    fn new(built: &Built) -> Result<OwnSteps, Error> {
        let insns = flat::link_by_index(&built.object)?;
        let spec = ObjectSpec::parse(&built.object).map_err(Error::unfit)?;
        let maps: Vec<_> = (0..).zip(spec.maps.iter().map(facts)).collect();
        let verified = verify_once(&insns, &maps)?;
        Ok(OwnSteps { insns, maps, verified })
    }

    fn verify(&self) -> Result<Verified, Error> {
        verify_once(&self.insns, &self.maps)
    }

    fn decode(&self) -> Result<(), Error> {
        Executable::from_verified(&self.verified, |_| Some(0)).map(drop).map_err(Error::unfit)
    }

    /// Fails where there is no compiler for this processor.
    fn compile(&self) -> Result<(), Error> {
        Executable::compile(&self.verified, &mut References(|_| Some(0))).map(drop).map_err(Error::unfit)
    }
}

fn facts(map: &MapSpec) -> MapFacts {
    MapFacts {
        name: map.name.clone(),
        map_type: MapType::from_number(map.type_number).unwrap_or(MapType::Array),
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries: map.max_entries,
        flags: map.flags,
        value_type: None,
        frozen: None,
        inner: None,
    }
}

fn verify_once(insns: &[Slot], maps: &[(i32, MapFacts)]) -> Result<Verified, Error> {
    let program = skep_verifier::Program {
        gpl_compatible: true,
        maps,
        ..skep_verifier::Program::new("", ProgramType::Xdp, insns)
    };
    skep_verifier::verify(&program, &Options::default()).map_err(|rejection| Error::unfit(rejection.message))
}

/// A program to be loaded again and again.
pub struct Again<'o> {
    object: &'o LoadedObject,
    insns: Vec<u8>,
    license: CString,
    program_type: u32,
}

impl<'o> Again<'o> {
    /// Links the first program of an object.
    ///
    /// # Errors
    /// There is none.
    pub fn new(object: &'o LoadedObject) -> Result<Again<'o>, Error> {
        let spec = object.spec();
        let program = spec.programs.first().ok_or_else(|| Error::unfit("the object has no program"))?;
        let linked = program.link(spec, &Maps(object))?;
        let kind = program.kind.as_ref().ok_or_else(|| Error::unfit("the program has no type"))?;
        Ok(Again {
            object,
            insns: Slot::write_program(&linked.insns),
            license: CString::new(spec.license.as_deref().unwrap_or_default()).unwrap_or_default(),
            program_type: kind.program_type.number(),
        })
    }

    /// Loads it and forgets it.
    ///
    /// # Errors
    /// The kernel refuses it.
    pub fn load(&self) -> Result<(), Error> {
        let command = ProgLoad {
            prog_type: self.program_type,
            insns: &self.insns,
            license: Some(&self.license),
            ..ProgLoad::default()
        };
        calls::prog_load(self.object.kernel(), command).map(drop).map_err(|failure| failure.errno.into())
    }
}

/// Maps by the descriptors they have.
struct Maps<'o>(&'o LoadedObject);

impl Resolver for Maps<'_> {
    fn map_fd(&self, map: MapIndex) -> Option<i32> {
        let name = &self.0.spec().maps.get(map.0)?.name;
        Some(self.0.map(name).ok()?.fd())
    }

    fn kernel_object(&self, _external: &ExternSpec) -> Option<KernelObject> {
        None
    }

    fn kernel_address(&self, _name: &str) -> Option<u64> {
        None
    }

    fn kernel_types(&self) -> &[Arc<Btf>] {
        &[]
    }
}
