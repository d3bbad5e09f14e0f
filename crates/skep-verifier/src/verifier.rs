//! The verifier's own state, shared by everything that looks at one program.

use crate::cfg::Code;
use crate::check::exception;
use crate::check::kfunc_signature::KfuncTable;
use crate::check::speculation::{Barrier, Masking};
use crate::check::subprogram::Signatures;
use crate::domain::precision::Values;
use crate::reason::Reason;

use crate::domain::register::{Kind, MapRef, PointerFlags};
use crate::effects::Effects;
use crate::explore::Exploration;
use crate::fast_call::FastCalls;
use crate::fixup::call_site::{Agreed, CallKnowledge};
use crate::input::{Capabilities, Options, Program};
use crate::liveness::live_registers;
use crate::loops::components;
use crate::map_table::MapTable;
use crate::object_types::ObjectTypes;
use crate::observe::Observer;
use crate::output::BufferUse;
use crate::prune::calls_back;
use crate::refusal::{Check, EINVAL, Refusal};
use crate::report::{Log, Names};
use crate::stack_depth::is_tail_call;
use crate::tables;
use skep_abi::attach_type::AttachType;
use skep_abi::kfunc::KfuncFlags;
use skep_abi::program_type::{ProgramType, ProgramTypeInfo};
use skep_isa::{CallTarget, Imm64, Insn, RegSet};
use std::cell::Cell;
use std::collections::{BTreeSet, HashSet};

/// What was found out about an instruction on the paths explored.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SlotFacts {
    /// Some path goes through it.
    pub(crate) seen: bool,
    /// What its base register points to, if it accesses memory.
    pub(crate) accesses: Option<(Kind, PointerFlags)>,
    /// If it calls a helper: what all paths agree on.
    pub(crate) call: CallKnowledge,
    /// If it computes: whether the result is an address in the arena.
    pub(crate) in_arena: Agreed<bool>,
    /// A processor that runs ahead must stop before it, or after it.
    pub(crate) barrier: Option<Barrier>,
    /// If it moves a pointer and the loader may not learn addresses: what Linux would mask.
    pub(crate) masking: Option<Masking>,
}

/// One verification.
pub(crate) struct Verifier<'a> {
    pub(crate) program: &'a Program<'a>,
    pub(crate) options: &'a Options<'a>,
    /// The type whose rules hold: of an extension, that of the program it extends.
    pub(crate) program_type: ProgramType,
    /// The attach type that goes with it.
    pub(crate) attach_type: Option<AttachType>,
    pub(crate) info: &'static ProgramTypeInfo,
    pub(crate) code: Code,
    pub(crate) signatures: Signatures,
    pub(crate) maps: MapTable<'a>,
    /// Types of the objects that the program allocates.
    pub(crate) objects: ObjectTypes<'a>,
    pub(crate) kfuncs: KfuncTable,
    pub(crate) effects: Effects,
    /// How much of its buffers the program uses.
    pub(crate) buffer_use: BufferUse,
    /// The subprogram that gets what the program throws.
    pub(crate) exception_callback: Option<usize>,
    /// Arguments that come with a reference, by index.
    pub(crate) counted_arguments: Vec<(usize, u32)>,
    /// Subprograms that helpers call back.
    pub(crate) callbacks: BTreeSet<usize>,
    pub(crate) live: Vec<RegSet>,
    /// The loop that each slot is in.
    pub(crate) components: Vec<u32>,
    pub(crate) values: Values,
    pub(crate) facts: Vec<SlotFacts>,
    pub(crate) exploration: Exploration,
    pub(crate) log: Log<'a>,
    pub(crate) observer: Option<&'a mut (dyn Observer + 'a)>,
    /// Global functions called, to be verified by themselves.
    pub(crate) globals_called: BTreeSet<usize>,
    /// Callbacks that run later and were put aside already.
    pub(crate) later: HashSet<(usize, u16, Option<MapRef>)>,
    /// Deepest stack use of each subprogram, in bytes.
    pub(crate) stack_depth: Vec<u16>,
    /// Stack that only saves registers.
    pub(crate) fast_calls: FastCalls,
    /// Bytes of the deepest call chain.
    pub(crate) deepest_chain: u32,
    /// The subprograms of the frames of the state being looked at.
    pub(crate) frame_owners: Vec<u16>,
    /// Some number added to a pointer is masked by a bound that is no constant.
    pub(crate) masks_variable_offsets: bool,
    /// The program names an arena.
    pub(crate) has_arena: bool,
    /// A path reads stack that nothing was written to.
    pub(crate) reads_unset_stack: Cell<bool>,
    next_id: u32,
}

impl<'a> Verifier<'a> {
    /// Decodes the program, checks its shape and looks up what it refers to.
    pub(crate) fn new(
        program: &'a Program<'a>,
        options: &'a Options<'a>,
        observer: Option<&'a mut (dyn Observer + 'a)>,
    ) -> Check<Self> {
        let (program_type, attach_type) = program.rules();
        let info = tables::program_info(program_type);
        if program.insns.is_empty() || program.insns.len() > options.limits.program_slots as usize {
            return Err(Refusal::new(
                crate::refusal::E2BIG,
                format!(
                    "a program has 1 to {} instructions, not {}",
                    options.limits.program_slots,
                    program.insns.len()
                ),
            )
            .of(Reason::TooComplex));
        }
        let exception_callback = exception::callback_slot(program.btf.as_ref())?;
        let mut code = Code::new(program.insns, exception_callback, options.capabilities.contains(Capabilities::BPF))?;
        if program.btf.as_ref().is_none_or(|btf| btf.functions.is_empty()) {
            check_abnormal_returns(&code)?;
        }
        let kfuncs = KfuncTable::new(&code, options.kernel_btf, program.modules)?;
        for slot in points_of_return(&code, &kfuncs) {
            code.set_prune_point(slot);
        }
        let arguments = |target: &CallTarget| match *target {
            CallTarget::Helper(id) => Some(tables::helper(u32::try_from(id).ok()?)?.args_in(program_type).len()),
            CallTarget::Kfunc { id, btf } => kfuncs.arguments(id, btf),
            CallTarget::Subprogram { .. } => None,
        };
        let callee = |insn: &Insn| kfuncs.callee(insn).or_else(|| tables::callee(insn, program_type));
        let fast_calls = FastCalls::new(&code, &callee);
        let signatures = Signatures::new(program.btf.as_ref(), &code);
        Ok(Verifier {
            live: live_registers(&code, &arguments),
            components: components(&code, &|insn| calls_back(insn, &kfuncs)),
            maps: MapTable::new(program, options.kernel_btf),
            objects: ObjectTypes::default(),
            values: Values::new(),
            facts: vec![SlotFacts::default(); code.len()],
            exploration: Exploration::default(),
            log: Log::new(program, options),
            observer,
            globals_called: BTreeSet::new(),
            later: HashSet::new(),
            stack_depth: vec![0; code.subprograms()],
            fast_calls,
            deepest_chain: 0,
            frame_owners: Vec::new(),
            masks_variable_offsets: false,
            has_arena: false,
            reads_unset_stack: Cell::new(false),
            next_id: 0,
            effects: Effects::new(&code, &kfuncs),
            buffer_use: BufferUse::default(),
            exception_callback: exception_callback.and_then(|slot| code.subprogram_at(slot)),
            counted_arguments: Vec::new(),
            callbacks: BTreeSet::new(),
            signatures,
            kfuncs,
            program,
            options,
            program_type,
            attach_type,
            info,
            code,
        })
    }

    /// An identity never used before.
    pub(crate) fn new_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    /// CAP_BPF: the rules for programs of trusted users.
    pub(crate) fn is_privileged(&self) -> bool {
        self.options.capabilities.contains(Capabilities::BPF)
    }

    /// CAP_PERFMON: addresses are no secret to this user.
    pub(crate) fn may_leak_pointers(&self) -> bool {
        self.options.capabilities.contains(Capabilities::PERFMON)
    }

    /// CAP_PERFMON: stack never written may be read.
    pub(crate) fn may_read_uninitialised(&self) -> bool {
        self.options.capabilities.contains(Capabilities::PERFMON)
    }

    /// The maps that instructions name, in that order.
    pub(crate) fn maps_named(&self) -> impl Iterator<Item = MapRef> {
        let named = self.code.iter().filter_map(|(_, insn)| match *insn {
            Insn::LoadImm64 { imm: Imm64::MapFd(fd) | Imm64::MapIndex(fd), .. } => Some(fd),
            Insn::LoadImm64 { imm: Imm64::MapValue { fd, .. } | Imm64::MapIndexValue { index: fd, .. }, .. } => {
                Some(fd)
            }
            _ => None,
        });
        named.filter_map(|fd| self.maps.by_fd(fd))
    }

    /// Verifies all paths of the main program and of every global function.
    pub(crate) fn run(&mut self) -> Check {
        let names = Names::new(&self.maps, &self.values, self.options);
        self.log.program(&self.code, &self.live, names);
        self.check_attach()?;
        self.check_maps()?;
        let has_arena = self.maps_named().any(|map| tables::is_arena(self.maps.facts(map).map_type));
        self.has_arena = has_arena;
        let entry = if self.is_extension() { self.extension_entry()? } else { self.main_entry() };
        self.explore(entry)?;
        // Whoever calls it is not in the program.
        self.globals_called.extend(self.exception_callback);
        self.log.function_is_safe(None);
        let mut done = BTreeSet::new();
        while let Some(subprogram) = self.globals_called.iter().find(|s| !done.contains(*s)).copied() {
            done.insert(subprogram);
            let name = self.signatures.name(subprogram).unwrap_or("?").to_owned();
            self.log.function(subprogram, &name);
            let entry = self.global_entry(subprogram)?;
            self.explore(entry)?;
            self.log.function_is_safe(Some((subprogram, &name)));
        }
        self.check_stack_depths()
    }
}

/// Packet loads and tail calls leave their function early; in called functions that needs a BTF which says what the
/// function returns.
fn check_abnormal_returns(code: &Code) -> Check {
    for (slot, insn) in (1..code.subprograms()).flat_map(|at| code.range(at)).filter_map(|s| Some((s, code.get(s)?))) {
        let what = match insn {
            Insn::LoadPacket { .. } => "LD_ABS",
            insn if is_tail_call(insn) => "tail_call",
            _ => continue,
        };
        return Err(Refusal::new(EINVAL, format!("{what} is not allowed in subprogs without BTF")).at(slot));
    }
    Ok(())
}

/// Where states must be kept so that loops through the kernel are noticed: at calls that call back, at steps of iterators.
fn points_of_return(code: &Code, kfuncs: &KfuncTable) -> Vec<usize> {
    let calls_back = |insn: &Insn| match insn {
        Insn::Call(CallTarget::Helper(id)) => {
            u32::try_from(*id).ok().and_then(tables::helper).is_some_and(|h| h.callback.is_some())
        }
        insn => kfuncs.calls(insn, KfuncFlags::ITER_NEXT) || kfuncs.takes_callback(insn),
    };
    code.iter().filter(|(_, insn)| calls_back(insn)).map(|(slot, _)| slot).collect()
}
