//! What programs compute here and on Linux.
//!
//! A difference counts where the result depends on the input alone: in programs that the verifier accepts of a user
//! without CAP_PERFMON too. They neither show addresses nor read stack that they never wrote.

use crate::choices::Seeded;
use crate::functions::Functions;
use crate::generate::Candidate;
use crate::loader::Loader;
use crate::setting::{HASH, facts};
use skep_abi::command::ProgTestRun;
use skep_abi::errno::Errno;
use skep_engine::Mode;
use skep_isa::{CallTarget, Imm64, Insn, instructions};
use skep_kernel::{Kernel, calls};
use skep_user::{Config, UserKernel};
use skep_verifier::{Capabilities, MapFacts, Options, Program, ProgramBtf, verify};
use std::sync::Arc;

/// Room for a packet that a program has made longer.
const MOST_DATA: usize = 4096;
/// `bpf_for_each_map_elem`
const FOR_EACH_ELEMENT: i32 = 164;

/// Both kernels.
pub struct Results {
    here: Loader,
    linux: Loader,
    input_alone: InputAlone,
}

/// Tells programs whose results depend on their input alone.
pub struct InputAlone {
    facts: Vec<(i32, MapFacts)>,
    functions: Functions,
}

/// What a run left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    value: u32,
    packet: Vec<u8>,
    maps: Vec<Option<Vec<u8>>>,
}

/// How the runs compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// They were not compared: one kernel refused, or a run took too long.
    NotCompared,
    /// Both computed the same.
    Same,
    /// They did not, but the result may depend on more than the input.
    Unclear,
    /// They did not.
    Different(String),
}

impl Results {
    /// The given Linux, and a kernel of our own with that engine, whose checked engines end runs after so many
    /// instructions.
    ///
    /// # Errors
    /// The maps cannot be created.
    pub fn new(linux: Arc<dyn Kernel>, mode: Mode, budget: u64) -> Result<Results, Errno> {
        let here = UserKernel::new(Config { mode, budget, ..Config::deterministic() });
        let (here, linux) = (Loader::new(here)?, Loader::new(linux)?);
        Ok(Results { here, linux, input_alone: InputAlone::new() })
    }

    /// Runs a program on both with the same packet and the maps of that seed.
    ///
    /// # Errors
    /// The maps cannot be filled.
    pub fn compare(&self, candidate: &Candidate, seed: u64, packet: &[u8]) -> Result<Agreement, Errno> {
        let Some(ours) = run(&self.here, candidate, seed, packet)? else { return Ok(Agreement::NotCompared) };
        let Some(theirs) = run(&self.linux, candidate, seed, packet)? else { return Ok(Agreement::NotCompared) };
        Ok(match ours == theirs {
            true => Agreement::Same,
            false if !iterates_over_hash(candidate) && self.input_alone.decides(candidate) => {
                Agreement::Different(difference(&ours, &theirs))
            }
            false => Agreement::Unclear,
        })
    }
}

/// A hash has no order that kernels agree on.
fn iterates_over_hash(candidate: &Candidate) -> bool {
    let has = |wanted: fn(&Insn) -> bool| instructions(&candidate.slots).flatten().any(|(_, insn)| wanted(&insn));
    has(|insn| matches!(insn, Insn::Call(CallTarget::Helper(FOR_EACH_ELEMENT))))
        && has(|insn| matches!(insn, Insn::LoadImm64 { imm: Imm64::MapFd(HASH), .. }))
}

impl InputAlone {
    /// For programs that use the maps of [`crate::setting`].
    pub fn new() -> InputAlone {
        InputAlone { facts: facts(), functions: Functions::new() }
    }

    /// Whether the input alone decides what the program computes: neither addresses nor unwritten stack show.
    pub fn decides(&self, candidate: &Candidate) -> bool {
        let functions = self.functions.of(&candidate.slots);
        let btf = ProgramBtf { btf: self.functions.btf(), functions: &functions, lines: &[] };
        let program = Program {
            maps: &self.facts,
            btf: (functions.len() > 1).then_some(btf),
            ..Program::new("fuzz", candidate.program_type, &candidate.slots)
        };
        let capabilities = Capabilities::all() - Capabilities::PERFMON;
        verify(&program, &Options { capabilities, ..Options::default() }).is_ok()
    }
}

impl Default for InputAlone {
    fn default() -> Self {
        InputAlone::new()
    }
}

/// `None` where the kernel refuses the program or the run.
fn run(kernel: &Loader, candidate: &Candidate, seed: u64, packet: &[u8]) -> Result<Option<Outcome>, Errno> {
    let Ok(program) = kernel.load(candidate, &mut []) else { return Ok(None) };
    kernel.maps().fill(&mut Seeded::new(seed))?;
    let mut data = vec![0; MOST_DATA];
    let command = ProgTestRun { prog_fd: program.fd(), data_in: packet, data_out: &mut data, ..Default::default() };
    let Ok(run) = calls::prog_test_run(&**kernel.kernel(), command) else { return Ok(None) };
    data.truncate(run.data_size as usize);
    Ok(Some(Outcome { value: run.retval, packet: data, maps: kernel.maps().contents() }))
}

fn difference(ours: &Outcome, theirs: &Outcome) -> String {
    if ours.value != theirs.value {
        return format!("the result is {:#x} here, {:#x} on Linux", ours.value, theirs.value);
    }
    if ours.packet != theirs.packet {
        return format!("the packet is {:x?} here, {:x?} on Linux", ours.packet, theirs.packet);
    }
    let different = ours.maps.iter().zip(&theirs.maps).position(|(ours, theirs)| ours != theirs).unwrap_or(0);
    format!("element {different} is {:x?} here, {:x?} on Linux", ours.maps[different], theirs.maps[different])
}
