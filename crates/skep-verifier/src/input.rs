//! What the verifier is given.

use crate::modules::ModuleTypes;
use bitflags::bitflags;
use skep_abi::attach_type::AttachType;
use skep_abi::map_type::{MapFlags, MapType};
use skep_abi::program_type::ProgramType;
use skep_btf::{Btf, TypeId};
use skep_isa::Slot;
use std::sync::Arc;

/// A program as it arrives at `PROG_LOAD`, with what the kernel knows about the things it refers to.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    /// Name, for messages.
    pub name: &'a str,
    /// All slots: the main program first, then its subprograms.
    pub insns: &'a [Slot],
    /// Type.
    pub program_type: ProgramType,
    /// Expected attach type.
    pub attach_type: Option<AttachType>,
    /// What a BTF-attached program (fentry, LSM, tp_btf, freplace, iterator, struct_ops) is attached to.
    pub attach_target: Option<AttachTarget>,
    /// The licence is GPL-compatible.
    pub gpl_compatible: bool,
    /// `BPF_F_SLEEPABLE`.
    pub sleepable: bool,
    /// `BPF_F_XDP_HAS_FRAGS`.
    pub xdp_has_frags: bool,
    /// Maps that the instructions name, by file descriptor (or `fd_array` index).
    pub maps: &'a [(i32, MapFacts)],
    /// Types of kernel modules whose functions and variables it names.
    pub modules: &'a [ModuleTypes<'a>],
    /// The program's own BTF, if it has any.
    pub btf: Option<ProgramBtf<'a>>,
}

impl<'a> Program<'a> {
    /// A program that refers to nothing, under a GPL-compatible licence.
    pub fn new(name: &'a str, program_type: ProgramType, insns: &'a [Slot]) -> Self {
        Program {
            name,
            insns,
            program_type,
            attach_type: None,
            attach_target: None,
            gpl_compatible: true,
            sleepable: false,
            xdp_has_frags: false,
            maps: &[],
            modules: &[],
            btf: None,
        }
    }

    /// Whose rules hold for it: an extension obeys those of the program it extends.
    pub(crate) fn rules(&self) -> (ProgramType, Option<AttachType>) {
        let extended = self.attach_target.as_ref().and_then(|target| target.program.as_deref());
        match extended.filter(|_| self.program_type.info().extends_programs) {
            Some(target) => (target.program_type, target.attach_type),
            None => (self.program_type, self.attach_type),
        }
    }
}

/// The BTF that came with a program.
#[derive(Clone, Copy, Debug)]
pub struct ProgramBtf<'a> {
    /// Types.
    pub btf: &'a Btf,
    /// Slot index and `FUNC` type of each function.
    pub functions: &'a [(u32, TypeId)],
    /// Source lines, ordered by slot.
    pub lines: &'a [LineInfo],
}

/// The source line that begins at a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineInfo {
    /// Slot index.
    pub slot: u32,
    /// File name as the compiler wrote it.
    pub file: Arc<str>,
    /// The line's text.
    pub text: Arc<str>,
    /// Line number, from 1.
    pub line: u32,
    /// Column, from 1; 0 if unknown.
    pub column: u32,
}

/// The function, tracepoint, hook or member of an interface a program is attached to by BTF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachTarget {
    /// Its name.
    pub name: String,
    /// `FUNC` (or tracepoint `typedef`, or the type of the member) in the kernel's BTF, or in that of `program`.
    pub id: TypeId,
    /// The kernel struct whose member it is: `tcp_congestion_ops`.
    pub interface: Option<String>,
    /// The program whose function it is.
    pub program: Option<Arc<TargetProgram>>,
}

/// A loaded program, one of whose functions another program replaces (`freplace`) or watches (`fentry`, `fexit`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetProgram {
    /// Type: of an extension, that of the program it extends.
    pub program_type: ProgramType,
    /// Expected attach type, likewise.
    pub attach_type: Option<AttachType>,
    /// It is an extension itself.
    pub is_extension: bool,
    /// It is a tracing program that is attached to a program.
    pub traces_program: bool,
    /// Its BTF, if it has any.
    pub btf: Option<Arc<Btf>>,
    /// Its functions ([`crate::Verified::functions`]).
    pub functions: Vec<FunctionTraits>,
}

/// What others must know of a function of an accepted program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionTraits {
    /// `FUNC` in the program's BTF.
    pub id: TypeId,
    /// It is called as its BTF says.
    pub reliable: bool,
    /// It gets what the program throws.
    pub exception_callback: bool,
    /// It may move packets.
    pub changes_packet: bool,
    /// It may sleep.
    pub might_sleep: bool,
}

/// What the verifier must know of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapFacts {
    /// Name, for messages.
    pub name: String,
    /// Type.
    pub map_type: MapType,
    /// Key size in bytes.
    pub key_size: u32,
    /// Value size in bytes.
    pub value_size: u32,
    /// Number of elements.
    pub max_entries: u32,
    /// Flags of its creation.
    pub flags: MapFlags,
    /// Its BTF with the type of a value, for locks, timers and kptrs.
    pub value_type: Option<(Arc<Btf>, TypeId)>,
    /// The contents of a frozen read-only map: loads from it are constants.
    pub frozen: Option<Arc<[u8]>>,
    /// What the inner maps of a map of maps look like.
    pub inner: Option<Box<MapFacts>>,
}

bitflags! {
    /// What the loader may do.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Capabilities: u8 {
        /// CAP_BPF: bounded loops, subprograms, all helpers that need no more.
        const BPF = 1 << 0;
        /// CAP_PERFMON: pointers may leak, uninitialised stack may be read, no speculation barriers.
        const PERFMON = 1 << 1;
        /// CAP_NET_ADMIN.
        const NET_ADMIN = 1 << 2;
        /// CAP_SYS_ADMIN.
        const SYS_ADMIN = 1 << 3;
    }
}

bitflags! {
    /// `log_level` of `PROG_LOAD`; values are the ABI's.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct LogLevel: u32 {
        /// Instructions of the failing path.
        const INSTRUCTIONS = 1;
        /// Every instruction with every state.
        const STATES = 2;
        /// Statistics.
        const STATISTICS = 4;
    }
}

/// How far exploration may go. The defaults are Linux's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Instructions processed over all paths.
    pub instructions: u32,
    /// Branch states waiting.
    pub pending_states: u32,
    /// Slots in a program.
    pub program_slots: u32,
    /// Bytes of log kept.
    pub log_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { instructions: 1_000_000, pending_states: 8192, program_slots: 1_000_000, log_bytes: 16 << 20 }
    }
}

/// How to verify.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// What the loader may do.
    pub capabilities: Capabilities,
    /// `BPF_F_STRICT_ALIGNMENT`.
    pub strict_alignment: bool,
    /// `BPF_F_ANY_ALIGNMENT`.
    pub any_alignment: bool,
    /// `BPF_F_TEST_STATE_FREQ`: keep a state at every place where states are compared.
    pub test_state_frequency: bool,
    /// End a path only where an explored state covers all of its registers and stack, also what nothing read or
    /// decided by afterwards. Verdicts stay the same while the limits last; more states are explored, and together they
    /// bound every run: see [`crate::observe`].
    pub exact_pruning: bool,
    /// Explain a refusal ([`crate::Explanation`]): takes about as long again as the verification.
    pub explain: bool,
    /// What to log.
    pub log_level: LogLevel,
    /// How far to go.
    pub limits: Limits,
    /// BTF of the kernel the program is meant for.
    pub kernel_btf: Option<&'a Btf>,
    /// CPUs that the machine may have; unknown, as many as the kernel was built for.
    pub possible_cpus: Option<u32>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            capabilities: Capabilities::all(),
            strict_alignment: false,
            any_alignment: false,
            test_state_frequency: false,
            exact_pruning: false,
            explain: false,
            log_level: LogLevel::empty(),
            limits: Limits::default(),
            kernel_btf: None,
            possible_cpus: None,
        }
    }
}
