//! `solana-sbpf`'s JIT, as it is configured by default: each access is translated and checked, instructions are counted.
//!
//! Its programs see addresses of its own, which values of our maps do not have: programs with maps are left out.

use super::{Answer, Engine, Loaded, Pace, Prepare, flat, time_calls};
use crate::Error;
use crate::build::Built;
use crate::maps;
use skep_isa::Slot;
use solana_sbpf::aligned_memory::AlignedMemory;
use solana_sbpf::ebpf;
use solana_sbpf::elf::Executable;
use solana_sbpf::memory_region::{MemoryMapping, MemoryRegion};
use solana_sbpf::program::{BuiltinFunctionDefinition, BuiltinProgram, FunctionRegistry, SBPFVersion};
use solana_sbpf::verifier::RequisiteVerifier;
use solana_sbpf::vm::{Config, ContextObject, EbpfVm, ExecutionMode};
use std::sync::Arc;
use std::time::Duration;

/// The engine.
pub(super) struct Sbpf;

/// The version with 32-bit jumps and relative calls, as BPF has them.
const VERSION: SBPFVersion = SBPFVersion::V3;

/// What a machine knows beside its program.
struct Surroundings {
    instructions_left: u64,
    mapping: MemoryMapping,
}

impl ContextObject for Surroundings {
    fn consume(&mut self, amount: u64) {
        self.instructions_left = self.instructions_left.saturating_sub(amount);
    }

    fn get_remaining(&self) -> u64 {
        self.instructions_left
    }

    fn active_mapping_ptr(&mut self) -> std::ptr::NonNull<MemoryMapping> {
        std::ptr::NonNull::from_mut(&mut self.mapping)
    }
}

struct ProcessorId;

const PROCESSOR_ID: &str = "bpf_get_smp_processor_id";

impl BuiltinFunctionDefinition<Surroundings> for ProcessorId {
    type Error = Box<dyn std::error::Error>;

    fn rust(_: &mut Surroundings, _: u64, _: u64, _: u64, _: u64, _: u64) -> Result<u64, Self::Error> {
        Ok(u64::from(maps::processor_id()))
    }
}

struct SbpfProgram {
    executable: Executable<Surroundings>,
    text: Vec<u8>,
    loader: Arc<BuiltinProgram<Surroundings>>,
    /// The context, then the packet.
    input: Vec<u8>,
    packet: Vec<u8>,
}

const CONTEXT_BYTES: usize = 16;

impl Engine for Sbpf {
    fn name(&self) -> String {
        "solana-sbpf JIT".to_owned()
    }

    fn load(&self, built: &Built) -> Result<Box<dyn Loaded>, Error> {
        if built.program.maps {
            return Err(Error::unfit("values of maps are not in its address space"));
        }
        let mut insns = flat::link(&built.flat, std::iter::empty())?;
        insns.iter_mut().for_each(name_helper);
        let mut loader = BuiltinProgram::new_loader(Config::default());
        ProcessorId::register(&mut loader, PROCESSOR_ID).map_err(said)?;
        let loader = Arc::new(loader);
        let text = Slot::write_program(&insns);
        let executable = compile(&text, &loader)?;
        let packet = (built.program.input)();
        let data = ebpf::MM_INPUT_START + CONTEXT_BYTES as u64;
        let context = [data, data + packet.len() as u64].map(u64::to_le_bytes).concat();
        let input = [context, packet.clone()].concat();
        Ok(Box::new(SbpfProgram { executable, text, loader, input, packet }))
    }
}

/// Helpers are called by the hash of their name.
fn name_helper(slot: &mut Slot) {
    const CALL: u8 = 0x85;
    if slot.opcode == CALL && slot.src == 0 && slot.imm == 8 {
        slot.imm = ebpf::hash_symbol_name(PROCESSOR_ID.as_bytes()).cast_signed();
    }
}

fn compile(text: &[u8], loader: &Arc<BuiltinProgram<Surroundings>>) -> Result<Executable<Surroundings>, Error> {
    let executable = Executable::from_text_bytes(text, loader.clone(), VERSION, FunctionRegistry::default());
    let executable = executable.map_err(said)?;
    executable.verify::<RequisiteVerifier>().map_err(said)?;
    executable.jit_compile().map_err(said)?;
    Ok(executable)
}

fn said(error: impl std::fmt::Debug) -> Error {
    Error::unfit(format!("solana-sbpf: {error:?}"))
}

/// Instructions that a run may take: more than any takes here.
const BUDGET: u64 = 1 << 40;

impl SbpfProgram {
    /// Hands `body` something that runs the program once.
    fn with_machine<T>(&mut self, body: impl FnOnce(&mut dyn FnMut() -> Result<u64, Error>) -> T) -> Result<T, Error> {
        let config = self.executable.get_config();
        let mut stack = AlignedMemory::<{ ebpf::HOST_ALIGN }>::zero_filled(config.stack_size());
        let stack_len = stack.len();
        let regions = vec![
            self.executable.get_ro_region(),
            MemoryRegion::new(&mut stack, ebpf::MM_STACK_START),
            MemoryRegion::new(&raw mut *self.input, ebpf::MM_INPUT_START),
        ];
        // SAFETY: the regions outlive the mapping, which ends with this function; any bytes may be written to them.
        let mapping = unsafe { MemoryMapping::new(regions, config, VERSION) }.map_err(said)?;
        let mut surroundings = Surroundings { instructions_left: BUDGET, mapping };
        let mut machine = EbpfVm::new(self.loader.clone(), VERSION, &mut surroundings, stack_len);
        machine.registers[1] = ebpf::MM_INPUT_START;
        let registers = machine.registers;
        let executable = &self.executable;
        Ok(body(&mut || {
            machine.registers = registers;
            machine.context().instructions_left = BUDGET;
            let (_, result) = machine.execute_program(executable, &mut ExecutionMode::Jit, &mut []);
            Result::from(result).map_err(said)
        }))
    }
}

impl Loaded for SbpfProgram {
    fn time(&mut self, runs: u64, pace: Pace) -> Result<Duration, Error> {
        let mut failure = None;
        let time = self.with_machine(|run| {
            time_calls(runs, pace, || {
                run().unwrap_or_else(|error| {
                    failure = Some(error);
                    0
                })
            })
        });
        failure.map_or(time, Err)
    }

    fn answer(&mut self) -> Result<Answer, Error> {
        self.input[CONTEXT_BYTES..].copy_from_slice(&self.packet);
        let value = self.with_machine(|run| run())??;
        Ok(Answer { value: value as u32, packet: self.input[CONTEXT_BYTES..].to_vec() })
    }

    fn prepare(&self) -> Result<Option<Prepare<'_>>, Error> {
        Ok(Some(Box::new(|| compile(&self.text, &self.loader).map(drop))))
    }
}
