//! What becomes of the accepted programs of `tests/verifier`, beside what Linux makes of them (`xlated`): the same
//! instructions are left, jumps lead to the same places, and every upper half that Linux extends is in our list.
//!
//! Linux puts sequences of its own in the place of some instructions (divisions, calls, loads from the context): these
//! are skipped up to where both agree again.

mod common;

use common::linux::{create_maps, kernel, load};
use common::{Case, files, kernel_types};
use libtest_mimic::{Arguments, Failed, Trial};
use skep_abi::command::{ProgramBuffers, ProgramFlags};
use skep_isa::{BinaryOp, Insn, Operand, Reg, Slot};
use skep_kernel::{Handle, Kernel, calls};
use skep_verifier::{LogLevel, Verified};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

fn main() {
    let arguments = Arguments::from_args();
    let Some(kernel) = kernel() else { return };
    let mut trials = Vec::new();
    for (path, cases) in files() {
        let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for case in cases.into_iter().filter(|case| case.expected.verdict == "accept") {
            let kernel = Arc::clone(&kernel);
            let ignored = case.get("capabilities").is_some() || case.is_withheld(&kernel);
            let name = format!("{file}::{}", case.name);
            trials.push(Trial::test(name, move || check(&kernel, &case)).with_ignored_flag(ignored));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn check(kernel: &Arc<dyn Kernel>, case: &Case) -> Result<(), Failed> {
    let declared = case.types_in(kernel)?;
    let maps = create_maps(kernel, case, declared.as_ref())?;
    let names: Vec<(String, i32)> = maps.iter().map(|(name, handle)| (name.clone(), handle.fd())).collect();
    let types = kernel_types::LINUX.as_ref().ok_or("Linux has no BTF at /sys/kernel/btf/vmlinux")?;
    let insns = case.assemble(&names, types)?;
    let verified = case.run(LogLevel::empty())?.map_err(|rejection| rejection.message)?;
    let ours = Code::new(verified.insns());
    let linux = |flags| match load(kernel, case, declared.as_ref(), &insns, flags)? {
        Ok(program) => {
            let code = Code::new(&xlated(&**kernel, &program)?);
            Ok::<_, Failed>(if ours.has_may_goto() { code.without_prologue() } else { code })
        }
        Err((errno, log)) => Err(format!("{errno}:\n{log}").into()),
    };
    let theirs = linux(ProgramFlags::empty())?;
    let places = align(&ours, &theirs).ok_or_else(|| format!("ours:\n{ours}\nLinux's:\n{theirs}"))?;
    check_jumps(&ours, &theirs, &places)?;
    let (marked, random) = linux(ProgramFlags::TEST_RND_HI32)?.without_random_halves();
    let places = align(&ours, &marked).ok_or_else(|| format!("ours:\n{ours}\nLinux's:\n{marked}"))?;
    check_zero_extensions(&verified, &ours, &places, &random)
}

/// A program as Linux runs it.
fn xlated(kernel: &dyn Kernel, program: &Handle) -> Result<Vec<Slot>, String> {
    let info = calls::prog_info(kernel, program.fd()).map_err(|errno| errno.to_string())?;
    let mut bytes = vec![0; info.xlated_prog_len as usize];
    let buffers = ProgramBuffers { xlated_prog_insns: &mut bytes, ..ProgramBuffers::default() };
    calls::prog_info_with(kernel, program.fd(), buffers).map_err(|errno| errno.to_string())?;
    let mut slots = Slot::read_program(&bytes).map_err(|bytes| format!("{bytes} bytes are no program"))?;
    for slot in &mut slots {
        // Linux's own opcodes for atomic operations in arenas; it shows other accesses there as what they were.
        slot.opcode = match slot.opcode {
            0xe3 => 0xc3,
            0xfb => 0xdb,
            opcode => opcode,
        };
    }
    Ok(slots)
}

/// Instructions by their first slots. Those of Linux need not decode: it uses a register and opcodes of its own.
struct Code {
    slots: Vec<Slot>,
    /// First slot of each instruction.
    starts: Vec<usize>,
}

/// Opcode of the one instruction of two slots.
const LOAD_IMM64: u8 = 0x18;
/// Linux's own eleventh register.
const AUXILIARY: u8 = 11;

impl Code {
    fn new(slots: &[Slot]) -> Code {
        let mut starts = Vec::new();
        let mut at = 0;
        while at < slots.len() {
            starts.push(at);
            at += if slots[at].opcode == LOAD_IMM64 { 2 } else { 1 };
        }
        Code { slots: slots.to_vec(), starts }
    }

    fn len(&self) -> usize {
        self.starts.len()
    }

    fn slot(&self, index: usize) -> &Slot {
        &self.slots[self.starts[index]]
    }

    fn insn(&self, index: usize) -> Option<Insn> {
        Insn::decode(&self.slots, self.starts[index]).ok()
    }

    fn has_may_goto(&self) -> bool {
        (0..self.len()).any(|at| matches!(self.insn(at), Some(Insn::MayGoto { .. })))
    }

    /// The code without what Linux puts in front: what it keeps on the stack for itself must begin with something.
    fn without_prologue(self) -> Code {
        let prologue =
            |&at: &usize| matches!(self.insn(at), Some(Insn::Store { base: Reg::R10, src: Operand::Imm(_), .. }));
        let length = (0..self.len()).take_while(prologue).count();
        Code::new(&self.slots[self.starts[length]..])
    }

    /// The instruction that a jump leads to.
    fn target(&self, index: usize) -> Option<usize> {
        let offset = self.insn(index)?.jump_offset()?;
        let slot = usize::try_from(self.starts[index] as i64 + 1 + i64::from(offset)).ok()?;
        self.starts.binary_search(&slot).ok()
    }

    /// The code without the instructions that put something random into upper halves, and which instructions they
    /// followed. Jumps lead astray afterwards.
    fn without_random_halves(self) -> (Code, HashSet<usize>) {
        let mut kept = Vec::new();
        let mut random = HashSet::new();
        let mut index = 0;
        while index < self.len() {
            if self.slot(index).opcode == 0xb7 && self.slot(index).dst == AUXILIARY {
                random.insert(kept.len() - 1);
                index += 3;
                continue;
            }
            kept.push(index);
            index += 1;
        }
        let slots = kept.iter().flat_map(|&index| {
            let start = self.starts[index];
            let end = self.starts.get(index + 1).copied().unwrap_or(self.slots.len());
            self.slots[start..end].to_vec()
        });
        (Code::new(&slots.collect::<Vec<_>>()), random)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for index in 0..self.len() {
            match self.insn(index) {
                Some(insn) => writeln!(f, "{:4}: {insn}", self.starts[index])?,
                None => writeln!(f, "{:4}: {:?}", self.starts[index], self.slot(index))?,
            }
        }
        Ok(())
    }
}

/// Most instructions that Linux puts in the place of one.
const LONGEST_SEQUENCE: usize = 64;

/// For each instruction of ours, the place where Linux's begin that do the same.
fn align(ours: &Code, theirs: &Code) -> Option<Vec<usize>> {
    let mut places = Vec::new();
    let mut hopeless = HashSet::new();
    align_from(ours, theirs, 0, 0, &mut places, &mut hopeless).then_some(places)
}

fn align_from(
    ours: &Code,
    theirs: &Code,
    at: usize,
    there: usize,
    places: &mut Vec<usize>,
    hopeless: &mut HashSet<(usize, usize)>,
) -> bool {
    if at == ours.len() || there >= theirs.len() {
        return at == ours.len() && there == theirs.len();
    }
    if hopeless.contains(&(at, there)) {
        return false;
    }
    places.push(there);
    let lengths = match (same(ours, at, theirs, there), ours.insn(at).is_some_and(|insn| may_become_more(&insn))) {
        (true, true) => 1..=LONGEST_SEQUENCE,
        (true, false) => 1..=1,
        (false, true) => 1..=LONGEST_SEQUENCE,
        (false, false) => 0..=0,
    };
    // The longest first: a sequence may end like what follows it.
    for length in lengths.rev().filter(|length| *length > 0) {
        if align_from(ours, theirs, at + 1, there + length, places, hopeless) {
            return true;
        }
    }
    places.pop();
    hopeless.insert((at, there));
    false
}

/// Whether two instructions are the same, but for how far they jump and which map or function they name.
fn same(ours: &Code, at: usize, theirs: &Code, there: usize) -> bool {
    let (our, their) = (ours.slot(at), theirs.slot(there));
    let decoded = ours.insn(at);
    let jumps = decoded.is_some_and(|insn| insn.jump_offset().is_some());
    let named = matches!(decoded, Some(Insn::Call(_) | Insn::LoadImm64 { .. }));
    our.opcode == their.opcode
        && our.dst == their.dst
        && (named || our.src == their.src)
        && (jumps || named || our.imm == their.imm)
        && (jumps || named || our.offset == their.offset)
}

/// Whether Linux may put other instructions in its place.
fn may_become_more(insn: &Insn) -> bool {
    match insn {
        Insn::Alu { op: BinaryOp::Div | BinaryOp::Mod | BinaryOp::SDiv | BinaryOp::SMod, src, .. } => {
            matches!(src, Operand::Reg(_) | Operand::Imm(-1))
        }
        Insn::Call(_) | Insn::Load { .. } | Insn::Store { .. } | Insn::LoadPacket { .. } | Insn::MayGoto { .. } => true,
        _ => false,
    }
}

fn check_jumps(ours: &Code, theirs: &Code, places: &[usize]) -> Result<(), Failed> {
    for at in 0..ours.len() {
        // Where Linux replaces the jump, its way out stands somewhere in the sequence.
        let replaced = !same(ours, at, theirs, places[at]);
        let Some(target) = ours.target(at).filter(|_| !replaced) else { continue };
        if theirs.target(places[at]) != Some(places[target]) {
            return Err(format!("the jump at {at} leads elsewhere\nours:\n{ours}\nLinux's:\n{theirs}").into());
        }
    }
    Ok(())
}

/// What Linux extends we must list. We may list more: it looks at each path, we at all at once.
fn check_zero_extensions(
    verified: &Verified,
    ours: &Code,
    places: &[usize],
    random: &HashSet<usize>,
) -> Result<(), Failed> {
    let listed: BTreeSet<usize> = verified.zero_extensions().iter().map(|slot| *slot as usize).collect();
    for (at, place) in places.iter().enumerate() {
        let alone = places.get(at + 1).is_none_or(|next| *next == place + 1);
        let narrow = matches!(ours.insn(at), Some(Insn::Alu { width: skep_isa::Width::W32, .. }));
        let slot = ours.starts[at];
        if alone && narrow && !random.contains(place) && !listed.contains(&slot) {
            return Err(format!("Linux extends the result at {slot}, we do not:\n{ours}").into());
        }
    }
    Ok(())
}
