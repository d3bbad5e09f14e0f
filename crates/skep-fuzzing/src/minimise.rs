//! Making a program smaller while it keeps a property.

use skep_isa::{BinaryOp, Insn, Operand, Reg, Slot, Width, decode_program};

/// A program whose jumps and calls name instructions, so that others can be removed between.
#[derive(Clone)]
struct Draft {
    /// Instructions, each with the number of the one it leads to.
    lines: Vec<(Insn, Option<usize>)>,
}

impl Draft {
    /// `None` for what does not decode or jumps out of the program.
    fn of(slots: &[Slot]) -> Option<Draft> {
        let insns = decode_program(slots).ok()?;
        let line = |slot: i64| insns.iter().position(|(at, _)| *at as i64 == slot);
        let lines = insns.iter().map(|(at, insn)| match insn.jump_offset().or(insn.subprogram_offset()) {
            Some(offset) => line(*at as i64 + 1 + i64::from(offset)).map(|to| (*insn, Some(to))),
            None => Some((*insn, None)),
        });
        Some(Draft { lines: lines.collect::<Option<_>>()? })
    }

    fn slots(&self) -> Option<Vec<Slot>> {
        let mut starts = Vec::with_capacity(self.lines.len() + 1);
        let mut at = 0i64;
        for (insn, _) in &self.lines {
            starts.push(at);
            at += insn.slots() as i64;
        }
        let mut out = Vec::new();
        for (index, (insn, target)) in self.lines.iter().enumerate() {
            let insn = match target {
                Some(to) => insn.with_target(i32::try_from(*starts.get(*to)? - starts[index] - 1).ok()?)?,
                None => *insn,
            };
            out.extend(insn.encode().as_slice());
        }
        Some(out)
    }

    /// Without some lines; what led there leads to the next one.
    fn without(&self, range: std::ops::Range<usize>) -> Draft {
        let len = range.len();
        let moved = |to: usize| if to >= range.end { to - len } else { to.min(range.start) };
        let kept = self.lines.iter().enumerate().filter(|(index, _)| !range.contains(index));
        Draft { lines: kept.map(|(_, (insn, to))| (*insn, to.map(moved))).collect() }
    }
}

/// The smallest program found that still is `wanted`, by removing instructions and making others simpler.
pub fn minimise(slots: &[Slot], mut wanted: impl FnMut(&[Slot]) -> bool) -> Vec<Slot> {
    let Some(mut best) = Draft::of(slots) else { return slots.to_vec() };
    let mut accept = |draft: &Draft| draft.slots().is_some_and(|slots| !slots.is_empty() && wanted(&slots));
    if !accept(&best) {
        return slots.to_vec();
    }
    loop {
        let before = best.lines.clone();
        remove(&mut best, &mut accept);
        simplify(&mut best, &mut accept);
        if best.lines == before {
            return best.slots().unwrap_or_else(|| slots.to_vec());
        }
    }
}

/// Removes runs of instructions, long ones first.
fn remove(best: &mut Draft, accept: &mut impl FnMut(&Draft) -> bool) {
    let mut len = best.lines.len() / 2;
    while len > 0 {
        let mut at = 0;
        while at + len <= best.lines.len() {
            let smaller = best.without(at..at + len);
            if accept(&smaller) {
                *best = smaller;
            } else {
                at += len;
            }
        }
        len /= 2;
    }
}

/// Puts simpler instructions in place of others, and smaller numbers.
fn simplify(best: &mut Draft, accept: &mut impl FnMut(&Draft) -> bool) {
    for at in 0..best.lines.len() {
        for simpler in simpler(best.lines[at].0) {
            let mut draft = best.clone();
            let target = best.lines[at].1.filter(|_| simpler.jump_offset().is_some());
            draft.lines[at] = (simpler, target);
            if accept(&draft) {
                *best = draft;
                break;
            }
        }
    }
}

fn simpler(insn: Insn) -> Vec<Insn> {
    let numbers = |imm: i32| [0, 1, imm / 2].into_iter().filter(move |new| new.unsigned_abs() < imm.unsigned_abs());
    let set = |dst: Reg| Insn::Alu { op: BinaryOp::Mov, width: Width::W64, dst, src: Operand::Imm(0) };
    match insn {
        Insn::Alu { op: BinaryOp::Mov, width, dst, src: Operand::Imm(imm) } => {
            let new = move |imm| Insn::Alu { op: BinaryOp::Mov, width, dst, src: Operand::Imm(imm) };
            numbers(imm).map(new).collect()
        }
        Insn::Alu { op, width, dst, src: Operand::Imm(imm) } => {
            numbers(imm).map(|imm| Insn::Alu { op, width, dst, src: Operand::Imm(imm) }).collect()
        }
        Insn::Alu { op, width, dst, .. } if op != BinaryOp::Mov => {
            [1, 8].map(|imm| Insn::Alu { op, width, dst, src: Operand::Imm(imm) }).to_vec()
        }
        Insn::JumpIf { condition, width, dst, src: Operand::Imm(imm), offset } => {
            let new = |imm| Insn::JumpIf { condition, width, dst, src: Operand::Imm(imm), offset };
            numbers(imm).map(new).collect()
        }
        Insn::JumpIf { condition, width, dst, offset, .. } => {
            [0, 1].map(|imm| Insn::JumpIf { condition, width, dst, src: Operand::Imm(imm), offset }).to_vec()
        }
        Insn::Load { dst, .. } | Insn::LoadImm64 { dst, .. } => vec![set(dst)],
        Insn::Store { size, base, offset, src: Operand::Imm(imm) } => {
            numbers(imm).map(|imm| Insn::Store { size, base, offset, src: Operand::Imm(imm) }).collect()
        }
        Insn::Store { size, base, offset, src: Operand::Reg(_) } => {
            vec![Insn::Store { size, base, offset, src: Operand::Imm(0) }]
        }
        Insn::Call(_) => vec![set(Reg::R0)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_isa::text::{Listing, assemble};

    #[test]
    fn what_does_not_matter_goes_away() {
        let program = assemble(
            "r0 = 0\nr1 = 5\nif r1 > 3 goto far\nr2 = 7\nr0 /= 77\nfar:\nr3 = r1\ncall f\nexit\nf:\nr0 = 1\nexit\n",
        )
        .expect("a program");
        let divides = |slots: &[Slot]| {
            let insns = decode_program(slots);
            insns.is_ok_and(|i| i.iter().any(|(_, i)| matches!(i, Insn::Alu { op: BinaryOp::Div, .. })))
        };
        let small = minimise(&program, divides);
        assert_eq!(Listing::new(&small).numbers(false).to_string(), "r0 /= 0\n");
    }

    #[test]
    fn jumps_still_lead_where_they_led() {
        let program = assemble("r0 = 1\nr1 = 2\nif r0 > 5 goto out\nr2 = 3\nr0 = 9\nout:\nexit\n").expect("a program");
        // Whatever jumps over something and ends with an exit.
        let jumps = |slots: &[Slot]| {
            let Ok(insns) = decode_program(slots) else { return false };
            insns.iter().any(|(_, insn)| matches!(insn, Insn::JumpIf { offset: 1.., .. }))
                && matches!(insns.last(), Some((_, Insn::Exit)))
        };
        assert_eq!(decode_program(&minimise(&program, jumps)).expect("it decodes").len(), 3);
    }
}
