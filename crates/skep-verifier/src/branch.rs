//! Conditional jumps: which way they can go and what each way teaches about the operands.

use crate::domain::arithmetic;
use crate::domain::refine::{outcome, refine, refine_with_itself};
use crate::domain::register::{Kind, PointerFlags, Register};
use crate::domain::state::State;
use crate::planted::{Fault, is_planted};
use crate::reason::Reason;
use crate::refusal::Check;
use crate::verifier::Verifier;
use skep_isa::{Condition, Operand, Reg, Width};

/// A conditional jump.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Branch {
    pub(crate) condition: Condition,
    pub(crate) width: Width,
    pub(crate) left: Reg,
    pub(crate) right: Operand,
}

/// The states after a conditional jump; `None` where no run can go.
pub(crate) struct Ways {
    pub(crate) taken: Option<State>,
    pub(crate) falls_through: bool,
}

impl Verifier<'_> {
    /// Splits a state at a conditional jump: `state` becomes the one that falls through.
    pub(crate) fn branch(&mut self, state: &mut State, branch: Branch) -> Check<Ways> {
        let Branch { condition, width, left, right } = branch;
        let a = *state.register(left);
        let b = match right {
            Operand::Reg(reg) => *state.register(reg),
            Operand::Imm(imm) => Register::constant(i64::from(imm) as u64),
        };
        if let Operand::Reg(reg) = right {
            let packet = |r: &Register| r.is_packet() || r.kind == Kind::PacketEnd;
            if self.is_leak(&b) && !(packet(&a) && packet(&b)) {
                return Reason::PointerLeak.denied(format!("R{} pointer comparison prohibited", reg.number()));
            }
        }
        if let Some(certain) = known_outcome(condition, width, &a, &b) {
            for operand in [&a, &b] {
                if operand.is_scalar() && !is_planted(Fault::BranchNotPrecise) {
                    self.values.mark(operand.origin);
                }
            }
            return Ok(Ways { taken: certain.then(|| state.clone()), falls_through: !certain });
        }
        let mut taken = state.clone();
        if a.is_scalar() && b.is_scalar() {
            self.learn(&mut taken, &branch, &a, &b, true);
            self.learn(state, &branch, &a, &b, false);
        } else {
            self.learn_about_pointers(state, &mut taken, &branch, &a, &b)?;
        }
        Ok(Ways { taken: Some(taken), falls_through: true })
    }

    /// Narrows both operands and everything linked to them.
    fn learn(&mut self, state: &mut State, branch: &Branch, a: &Register, b: &Register, holds: bool) {
        if branch.right == Operand::Reg(branch.left) {
            state.register_mut(branch.left).value = refine_with_itself(branch.condition, branch.width, holds, &a.value);
            self.synchronise_links(state, branch.left);
            return;
        }
        let (x, y) = refine(branch.condition, branch.width, holds, &a.value, &b.value);
        // What is learnt of one operand rests on the other.
        let mut left_origin = a.origin;
        if let Operand::Reg(right) = branch.right {
            left_origin = self.values.derive(a.origin, b.origin);
            let right_origin = self.values.derive(b.origin, a.origin);
            let register = state.register_mut(right);
            (register.value, register.origin) = (y, right_origin);
        }
        let register = state.register_mut(branch.left);
        (register.value, register.origin) = (x, left_origin);
        if let Operand::Reg(right) = branch.right {
            self.synchronise_links(state, right);
        }
        self.synchronise_links(state, branch.left);
    }

    /// Gives what is known of one number to all that are linked to it.
    fn synchronise_links(&mut self, state: &mut State, reg: Reg) {
        let known = *state.register(reg);
        if known.id == 0 || !known.is_scalar() {
            return;
        }
        let id = known.id;
        let linked = |r: &Register| r.is_scalar() && r.id == id && r.link.comparable(known.link);
        if state.each().filter(|r| linked(r)).count() < 2 {
            return;
        }
        // All of them decide together: each stems from all.
        let mut joint = known.origin;
        let origins: Vec<_> = state.each().filter(|r| linked(r)).map(|r| r.origin).collect();
        for origin in origins {
            joint = self.values.derive(joint, origin);
        }
        let values = &mut self.values;
        state.change_each(linked, |r| {
            if !is_planted(Fault::PrecisionStopsAtLinks) {
                r.origin = values.copy(joint);
            }
            let distance = r.link.added() - known.link.added();
            let narrow = r.link.is_narrow() || known.link.is_narrow();
            r.value = if distance == 0 { known.value } else { arithmetic::at_distance(&known.value, distance, narrow) };
        });
    }

    fn learn_about_pointers(
        &mut self,
        state: &mut State,
        taken: &mut State,
        branch: &Branch,
        a: &Register,
        b: &Register,
    ) -> Check {
        let Branch { condition, width, left, right } = *branch;
        let equality = matches!(condition, Condition::Eq | Condition::Ne) && width == Width::W64;
        let (equal, unequal) =
            if condition == Condition::Eq { (&mut *taken, &mut *state) } else { (&mut *state, &mut *taken) };
        if equality && a.is_pointer() && b.is_pointer() && a.is_nullable() != b.is_nullable() {
            // Equal to a pointer that is not NULL.
            let (nullable, other) = if a.is_nullable() { (a, b) } else { (b, a) };
            let typed = |r: &Register| matches!(r.kind, Kind::Btf(_) | Kind::Object(_));
            if !typed(nullable) && !typed(other) {
                self.not_null(equal, nullable.id);
            }
        }
        if equality && right == Operand::Imm(0) && a.is_nullable() {
            self.null(equal, a);
            self.not_null(unequal, a.id);
            return Ok(());
        }
        let packet = width == Width::W64 && a.is_pointer() && b.is_pointer();
        if packet && self.learn_packet_range(condition, a, b, taken, state) {
            return Ok(());
        }
        if self.is_leak(a) {
            return Reason::PointerLeak.denied(format!("R{} pointer comparison prohibited", left.number()));
        }
        Ok(())
    }

    /// All pointers of that id turned out to be NULL.
    fn null(&mut self, state: &mut State, pointer: &Register) {
        let id = pointer.id;
        if pointer.reference == pointer.id {
            // Nothing was acquired after all.
            state.references.retain(|r| r.id != pointer.reference);
        }
        state.change_each(|r| r.id == id && r.is_nullable(), |r| *r = Register::constant(0));
    }

    /// All pointers of that id turned out not to be NULL.
    fn not_null(&mut self, state: &mut State, id: u32) {
        let keeps_id = |r: &Register| self.may_point_to_lock(r);
        state.change_each(
            |r| r.id == id && r.is_nullable(),
            |r| {
                r.flags -= PointerFlags::NULLABLE;
                if !keeps_id(r) {
                    r.id = 0;
                }
            },
        );
    }
}

/// The way a jump certainly goes.
fn known_outcome(condition: Condition, width: Width, a: &Register, b: &Register) -> Option<bool> {
    if a.is_scalar() && b.is_scalar() {
        return outcome(condition, width, &a.value, &b.value);
    }
    // A pointer that cannot be NULL against NULL.
    let never_null = |r: &Register| r.is_pointer() && !r.is_nullable() && is_never_null(r);
    let against_null = never_null(a) && b.is_null() || never_null(b) && a.is_null();
    match condition {
        Condition::Eq if against_null && width == Width::W64 => Some(false),
        Condition::Ne if against_null && width == Width::W64 => Some(true),
        _ => None,
    }
}

fn is_never_null(r: &Register) -> bool {
    match r.kind {
        Kind::Btf(_) | Kind::Object(_) => r.is_trusted(),
        Kind::Memory(_) => !r.flags.contains(PointerFlags::UNTRUSTED),
        Kind::Socket(_) | Kind::MapValue(_) | Kind::MapKey(_) | Kind::Map(_) => true,
        _ => false,
    }
}
