//! A loaded program.

use super::{BtfObject, Map};
use crate::cpus::Cpus;
use crate::statistics::ProgramStatistics;
use skep_abi::attach_type::AttachType;
use skep_abi::command::ObjectName;
use skep_abi::program_type::ProgramType;
use skep_btf::TypeId;
use skep_engine::{Executable, MachineCode};
use skep_isa::Slot;
use skep_verifier::{BufferUse, Claims, FunctionTraits, Subprogram, TargetProgram};
use std::sync::{Arc, Mutex};

/// What a tail call must not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TailCallTraits {
    /// Type.
    pub(crate) program_type: ProgramType,
    /// The expected attach type, of types where it decides about the context.
    pub(crate) attach_type: u32,
    /// `BPF_F_XDP_HAS_FRAGS`.
    pub(crate) xdp_has_frags: bool,
}

/// What is kept of `PROG_LOAD` for information.
#[derive(Debug, Default)]
pub(crate) struct LoadRecord {
    /// Nanoseconds after boot.
    pub(crate) load_time: u64,
    /// Who loaded it.
    pub(crate) uid: u32,
    /// The licence is GPL-compatible.
    pub(crate) gpl_compatible: bool,
    /// Instructions the verifier processed.
    pub(crate) verified_insns: u32,
    /// The instructions as they run.
    pub(crate) insns: Vec<Slot>,
    /// Its functions.
    pub(crate) subprograms: Vec<Subprogram>,
    /// What whoever replaces or watches one of its functions must know.
    pub(crate) functions: Vec<FunctionTraits>,
    /// What whoever attaches it must have for it.
    pub(crate) buffer_use: BufferUse,
    /// `struct bpf_func_info` records of 8 bytes.
    pub(crate) func_info: Vec<u8>,
    /// `struct bpf_line_info` records of 16 bytes.
    pub(crate) line_info: Vec<u8>,
    /// Type of the attach target, in the kernel's BTF or that of `attached_to`.
    pub(crate) attach_btf_id: u32,
    /// The program whose function it replaces or watches.
    pub(crate) attached_to: Option<Arc<Program>>,
}

/// A loaded program.
pub struct Program {
    pub(crate) id: u32,
    pub(crate) name: ObjectName,
    pub(crate) tag: [u8; 8],
    pub(crate) traits: TailCallTraits,
    pub(crate) attach_type: Option<AttachType>,
    /// Name and type of what a BTF-typed program attaches to.
    pub(crate) attach_target: Option<(String, TypeId)>,
    pub(crate) executable: Arc<Executable>,
    /// The maps that the instructions use, in order.
    pub(crate) maps: Vec<Arc<Map>>,
    /// Maps that only live as long as the program (`PROG_BIND_MAP`).
    pub(crate) bound_maps: Mutex<Vec<Arc<Map>>>,
    pub(crate) btf: Option<Arc<BtfObject>>,
    pub(crate) record: LoadRecord,
    pub(crate) statistics: ProgramStatistics,
    /// The kernel it belongs to, by its CPUs.
    pub(crate) cpus: Arc<Cpus>,
}

impl Program {
    /// Its id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What the verifier claims about it; only a kernel whose engine is paranoid knows that.
    pub fn claims(&self) -> Option<&Claims> {
        self.executable.claims()
    }

    /// Its name, at most 15 characters.
    pub fn name(&self) -> String {
        self.name.to_text()
    }

    /// Its type.
    pub fn program_type(&self) -> ProgramType {
        self.traits.program_type
    }

    /// The attach type it was loaded for.
    pub fn attach_type(&self) -> Option<AttachType> {
        self.attach_type
    }

    /// The kernel function, tracepoint or hook that it was loaded for.
    pub fn attach_target(&self) -> Option<&str> {
        self.attach_target.as_ref().map(|(name, _)| name.as_str())
    }

    /// Whether it runs as machine code.
    pub fn is_compiled(&self) -> bool {
        self.executable.is_compiled()
    }

    /// The first eight bytes of the hash of its instructions.
    pub fn tag(&self) -> [u8; 8] {
        self.tag
    }

    /// How often it ran, and how many nanoseconds that took, while statistics were on.
    pub fn run_statistics(&self) -> (u64, u64) {
        self.statistics.read()
    }

    /// What programs that replace or watch one of its functions are verified against.
    pub(crate) fn as_target(&self) -> TargetProgram {
        let is_extension = self.program_type().info().extends_programs;
        let attached_to = self.record.attached_to.as_deref();
        // Extensions of extensions are not loaded: one step leads to the program that is extended.
        let rules = attached_to.filter(|_| is_extension).unwrap_or(self);
        TargetProgram {
            program_type: rules.program_type(),
            attach_type: rules.attach_type,
            is_extension,
            traces_program: attached_to.is_some() && !is_extension,
            btf: self.btf.as_ref().map(|object| object.btf.clone()),
            functions: self.record.functions.clone(),
        }
    }

    /// Its machine code, if it is compiled.
    pub fn machine_code(&self) -> Option<MachineCode<'_>> {
        self.executable.machine_code()
    }

    /// What it shares with programs it may tail-call.
    pub(crate) fn tail_call_traits(&self) -> &TailCallTraits {
        &self.traits
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "program {} {} ({:?})", self.id, self.name(), self.program_type())
    }
}
