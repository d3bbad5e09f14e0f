//! Packet bytes: known to exist only as far as a comparison with the packet's end has shown.
//!
//! Every packet pointer carries an id that changes whenever something of variable size is added to it; a comparison
//! with the end widens the range of all pointers of one id.

use super::memory::{Region, negative};
use crate::domain::register::{Kind, PointerFlags, Register};
use crate::domain::state::State;
use crate::planted::{Fault, is_planted};
use crate::reason::Reason;
use crate::refusal::{Check, EACCES, Refusal, denied};
use crate::verifier::Verifier;
use skep_isa::{Condition, Reg};

/// The largest packet offset that can be proved (Linux: `MAX_PACKET_OFF`).
const MAX_PACKET_OFFSET: u64 = 0xffff;

impl Verifier<'_> {
    pub(crate) fn check_packet_access(
        &mut self,
        reg: Reg,
        base: &Register,
        offset: i32,
        size: u32,
        zero_size: bool,
    ) -> Check {
        let (Kind::Packet { range } | Kind::PacketMeta { range }) = base.kind else {
            return denied("not a packet pointer");
        };
        let number = reg.number();
        if base.value.smin < 0 {
            return Err(negative(number));
        }
        let end = i64::from(offset) + i64::from(size);
        if offset >= 0 && (size > 0 || zero_size) && end <= i64::from(range) {
            return Ok(());
        }
        let line = format!(
            "invalid access to packet, off={offset} size={size}, R{number}(id={},off={offset},r={range})",
            base.id
        );
        let region = Region { name: "packet", bytes: range };
        Err(Refusal::new(EACCES, format!("R{number} offset is outside of the {}", region.name))
            .of(Reason::PacketBound)
            .after(line))
    }

    /// What a comparison of a packet pointer with an end teaches about the pointer, in the branch where the condition
    /// holds (`taken`) and in the other. `false` if this is no such comparison.
    pub(crate) fn learn_packet_range(
        &mut self,
        condition: Condition,
        left: &Register,
        right: &Register,
        taken: &mut State,
        other: &mut State,
    ) -> bool {
        // Put the pointer on the left.
        let (pointer, condition) = match (is_end_for(right, left), is_end_for(left, right)) {
            (true, _) => (left, condition),
            (_, true) => (right, condition.swapped()),
            _ => return false,
        };
        match condition {
            // pointer > end: otherwise the pointer is at most the end.
            Condition::Gt => widen(other, pointer, false),
            Condition::Lt => widen(taken, pointer, true),
            Condition::Ge => widen(other, pointer, true),
            Condition::Le => widen(taken, pointer, false),
            _ => return false,
        }
        true
    }

    /// Packet data may have moved: pointers into it are worth nothing now.
    pub(crate) fn forget_packet_pointers(&self, state: &mut State) {
        let moved =
            |r: &Register| r.is_packet() || r.kind == Kind::PacketEnd || r.flags.contains(PointerFlags::PACKET_SLICE);
        if !is_planted(Fault::PacketPointersStay) {
            state.change_each(moved, Register::forget);
        }
    }
}

/// Whether `end` bounds `pointer`: the packet's end its bytes, the packet's start its metadata.
fn is_end_for(end: &Register, pointer: &Register) -> bool {
    match (pointer.kind, end.kind) {
        (Kind::Packet { .. }, Kind::PacketEnd) => true,
        (Kind::PacketMeta { .. }, Kind::Packet { .. }) => end.offset == 0 && end.value.as_constant() == Some(0),
        _ => false,
    }
}

/// The bytes from the base of `pointer` up to it (and one more where `strictly_below` the end) exist.
fn widen(state: &mut State, pointer: &Register, strictly_below: bool) {
    if pointer.offset < 0 || pointer.offset == 0 && strictly_below {
        return;
    }
    let fixed = pointer.offset as u64;
    if pointer.value.umax > MAX_PACKET_OFFSET || pointer.value.umax + fixed > MAX_PACKET_OFFSET {
        return;
    }
    let beyond = strictly_below || is_planted(Fault::PacketRangeTooFar);
    let proven = pointer.offset as u32 + u32::from(beyond);
    let (id, kind) = (pointer.id, pointer.kind);
    let same = |r: &Register| r.id == id && std::mem::discriminant(&r.kind) == std::mem::discriminant(&kind);
    state.change_each(same, |r| {
        if let Kind::Packet { range } | Kind::PacketMeta { range } = &mut r.kind {
            *range = (*range).max(proven);
        }
    });
}
