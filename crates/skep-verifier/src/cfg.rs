//! The shape of a program: decoding, subprograms, jumps, reachability, and where states are compared.
//!
//! After [`Code::new`] succeeds: every jump and call lands on the first slot of an instruction, jumps stay inside their
//! subprogram, no subprogram runs into the next one, and every instruction can be reached.

use crate::reason::Reason;
use crate::refusal::{Check, EINVAL, EPERM, Refusal, invalid};
use skep_isa::{CallTarget, DecodeErrorReason, Imm64, Insn, Slot};

/// What the instructions of a program look like to the explorer.
#[derive(Debug)]
pub(crate) struct Code {
    insns: Vec<Option<Insn>>,
    /// First slot of each subprogram, ascending; the first is 0.
    starts: Vec<usize>,
    /// Where states are kept and compared.
    prune_points: Vec<bool>,
}

/// Where control may go after an instruction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Successors {
    /// The next instruction.
    pub(crate) next: Option<i64>,
    /// A jump's target.
    pub(crate) jump: Option<i64>,
    /// A subprogram called, or whose address is taken.
    pub(crate) callee: Option<i64>,
}

impl Code {
    /// Decodes a program and checks its shape.
    ///
    /// `exception_callback` is the start of a function that nothing in the program calls.
    pub(crate) fn new(slots: &[Slot], exception_callback: Option<usize>, privileged: bool) -> Check<Code> {
        let insns = decode(slots)?;
        let starts = subprogram_starts(&insns, exception_callback, privileged)?;
        let mut code = Code { prune_points: vec![false; insns.len()], insns, starts };
        code.check_jumps()?;
        code.check_reachable(exception_callback, privileged)?;
        code.find_prune_points();
        Ok(code)
    }

    /// Number of slots.
    pub(crate) fn len(&self) -> usize {
        self.insns.len()
    }

    /// The instruction whose first slot this is.
    pub(crate) fn get(&self, slot: usize) -> Option<&Insn> {
        self.insns.get(slot)?.as_ref()
    }

    /// All instructions with their first slots.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, &Insn)> {
        self.insns.iter().enumerate().filter_map(|(slot, insn)| Some((slot, insn.as_ref()?)))
    }

    /// How many subprograms there are, the main program included.
    pub(crate) fn subprograms(&self) -> usize {
        self.starts.len()
    }

    /// The slots of a subprogram.
    pub(crate) fn range(&self, subprogram: usize) -> std::ops::Range<usize> {
        let start = self.starts.get(subprogram).copied().unwrap_or(self.len());
        start..self.starts.get(subprogram + 1).copied().unwrap_or(self.len())
    }

    /// The subprogram that begins at a slot.
    pub(crate) fn subprogram_at(&self, slot: usize) -> Option<usize> {
        self.starts.binary_search(&slot).ok()
    }

    /// Whether states are compared before this instruction.
    pub(crate) fn is_prune_point(&self, slot: usize) -> bool {
        self.prune_points.get(slot).copied().unwrap_or(false)
    }

    /// Makes states be compared before this instruction.
    pub(crate) fn set_prune_point(&mut self, slot: usize) {
        if let Some(point) = self.prune_points.get_mut(slot) {
            *point = true;
        }
    }

    fn check_jumps(&self) -> Check {
        for subprogram in 0..self.subprograms() {
            let range = self.range(subprogram);
            let mut last = None;
            for slot in range.clone() {
                let Some(insn) = self.get(slot) else { continue };
                last = Some(*insn);
                let Some(target) = successors(slot, insn).jump else { continue };
                if target < range.start as i64 || target >= range.end as i64 {
                    return Err(Refusal::new(EINVAL, format!("jump out of range from insn {slot} to {target}"))
                        .of(Reason::ControlFlow)
                        .hint("a jump must stay inside its function")
                        .at(slot));
                }
            }
            // Judged by the slot, as Linux does: the second half of a `lddw` ends no function either.
            if !matches!(last, Some(Insn::Exit | Insn::Jump { .. })) {
                return Err(Refusal::new(EINVAL, "last insn is not an exit or jmp")
                    .of(Reason::ControlFlow)
                    .hint("a function must not run into what stands after it: end it with exit or a jump back")
                    .at(range.end.saturating_sub(1)));
            }
        }
        Ok(())
    }

    /// Depth-first from the first instruction, calls included. Finds what is not reached, and for programs of
    /// unprivileged users any way back.
    fn check_reachable(&self, exception_callback: Option<usize>, privileged: bool) -> Check {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; self.len()];
        let mut stack: Vec<(usize, [Option<i64>; 3], usize)> = Vec::new();
        let edges = |slot: usize, insn: &Insn| {
            let s = successors(slot, insn);
            [s.next, s.callee, s.jump]
        };
        for root in std::iter::once(0).chain(exception_callback) {
            let Some(first) = self.get(root) else { return invalid("a function has no instructions") };
            if marks[root] != Mark::New {
                continue;
            }
            marks[root] = Mark::Open;
            stack.push((root, edges(root, first), 0));
            while let Some((slot, targets, at)) = stack.last_mut() {
                let from = *slot;
                let Some(target) = targets.get(*at) else {
                    marks[from] = Mark::Done;
                    stack.pop();
                    continue;
                };
                let is_call = *at == 1;
                *at += 1;
                let Some(target) = *target else { continue };
                let to = usize::try_from(target).ok().filter(|t| *t < self.len());
                let Some(to) = to else {
                    return Err(Refusal::new(EINVAL, format!("jump out of range from insn {from} to {target}"))
                        .of(Reason::ControlFlow)
                        .at(from));
                };
                let Some(insn) = self.get(to) else {
                    return Err(Refusal::new(EINVAL, format!("jump into the middle of ldimm64 insn {}", to - 1))
                        .of(Reason::ControlFlow)
                        .at(from));
                };
                match marks[to] {
                    Mark::Done => {}
                    Mark::Open if privileged || is_call => {}
                    Mark::Open => {
                        return Err(Refusal::new(EINVAL, format!("back-edge from insn {from} to {to}"))
                            .of(Reason::ControlFlow)
                            .hint("loops need CAP_BPF")
                            .at(from));
                    }
                    Mark::New => {
                        marks[to] = Mark::Open;
                        stack.push((to, edges(to, insn), 0));
                    }
                }
            }
        }
        match self.iter().find(|(slot, _)| marks[*slot] == Mark::New) {
            Some((slot, _)) => Err(Refusal::new(EINVAL, format!("unreachable insn {slot}"))
                .of(Reason::ControlFlow)
                .hint("no path leads here: remove the code or mend the jump over it")
                .at(slot)),
            None => Ok(()),
        }
    }

    fn find_prune_points(&mut self) {
        let mut points = Vec::new();
        for (slot, insn) in self.iter() {
            match insn {
                Insn::JumpIf { .. } | Insn::MayGoto { .. } => {
                    points.push(slot as i64);
                    points.extend(successors(slot, insn).jump);
                }
                Insn::Jump { .. } => points.extend(successors(slot, insn).jump),
                Insn::Call(CallTarget::Subprogram { .. }) | Insn::LoadImm64 { imm: Imm64::Function { .. }, .. } => {
                    let successors = successors(slot, insn);
                    points.extend([Some(slot as i64), successors.next, successors.callee].into_iter().flatten());
                }
                Insn::Call(_) => points.push(slot as i64 + 1),
                _ => {}
            }
        }
        for point in points {
            self.set_prune_point(point as usize);
        }
    }
}

/// Where control may go after the instruction at `slot`.
pub(crate) fn successors(slot: usize, insn: &Insn) -> Successors {
    let next = slot as i64 + insn.slots() as i64;
    let falls = Successors { next: Some(next), ..Successors::default() };
    match insn {
        Insn::Exit => Successors::default(),
        Insn::Jump { offset, .. } => Successors { jump: Some(next + i64::from(*offset)), ..Successors::default() },
        Insn::JumpIf { offset, .. } | Insn::MayGoto { offset } => {
            Successors { jump: Some(next + i64::from(*offset)), ..falls }
        }
        Insn::Call(CallTarget::Subprogram { offset }) => {
            Successors { callee: Some(next + i64::from(*offset)), ..falls }
        }
        // Relative to the slot after this instruction's first.
        Insn::LoadImm64 { imm: Imm64::Function { offset }, .. } => {
            Successors { callee: Some(slot as i64 + 1 + i64::from(*offset)), ..falls }
        }
        _ => falls,
    }
}

fn decode(slots: &[Slot]) -> Check<Vec<Option<Insn>>> {
    let mut insns = vec![None; slots.len()];
    let mut at = 0;
    while at < slots.len() {
        let insn = Insn::decode(slots, at).map_err(|error| {
            let message = match error.reason {
                DecodeErrorReason::UnknownOpcode(opcode) => format!("unknown opcode {opcode:02x}"),
                DecodeErrorReason::SecondSlot { .. } => "invalid bpf_ld_imm64 insn".to_owned(),
                DecodeErrorReason::SecondSlotMissing => "last insn is not an exit or jmp".to_owned(),
                DecodeErrorReason::Register { number, .. } => {
                    format!("R{number} is invalid")
                }
                reason => reason.to_string(),
            };
            Refusal::new(EINVAL, message).at(at)
        })?;
        insns[at] = Some(insn);
        at += insn.slots();
    }
    Ok(insns)
}

fn subprogram_starts(insns: &[Option<Insn>], exception_callback: Option<usize>, privileged: bool) -> Check<Vec<usize>> {
    let mut starts = vec![0];
    for (slot, insn) in insns.iter().enumerate() {
        let Some(insn) = insn else { continue };
        let Some(target) = successors(slot, insn).callee else { continue };
        if !privileged {
            let message = "loading/calling other bpf or kernel functions are allowed for CAP_BPF and CAP_SYS_ADMIN";
            return Err(Refusal::new(EPERM, message).at(slot));
        }
        let to = usize::try_from(target).ok().filter(|t| *t < insns.len());
        let Some(to) = to else {
            return Err(Refusal::new(EINVAL, "call to invalid destination").of(Reason::ControlFlow).at(slot));
        };
        if let Err(place) = starts.binary_search(&to) {
            starts.insert(place, to);
        }
        if starts.len() > 256 {
            return Err(Refusal::new(crate::refusal::E2BIG, "too many subprograms").at(slot));
        }
    }
    if let Some(slot) = exception_callback
        && let Err(place) = starts.binary_search(&slot)
    {
        starts.insert(place, slot);
    }
    Ok(starts)
}
