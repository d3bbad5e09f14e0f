//! Arenas: memory that a program and user space share and find their way in by plain numbers.
//!
//! A number cast to the program's address space becomes [`Kind::Arena`]. Only its low 32 bits count, every one of the
//! addresses they give lies inside the arena's reserved range, and an access to a page that is not there is harmless:
//! so nothing about the number matters, and any arithmetic is allowed.

use crate::domain::register::{Kind, Register};
use crate::domain::state::State;
use crate::input::{Capabilities, MapFacts};
use crate::reason::Reason;
use crate::refusal::{Check, EBUSY, EPERM, Refusal, invalid};
use crate::tables;
use crate::verifier::Verifier;
use skep_abi::map_type::MapFlags;
use skep_isa::{AtomicOp, BinaryOp, Insn, Operand, Reg, Width};

/// The address space of plain numbers.
const USER_SPACE: u16 = 1;

impl Verifier<'_> {
    /// The rules for a map that the program names; `arena` is the arena that it named before, if it did.
    pub(crate) fn check_arena(&self, map: &MapFacts, arena: Option<&MapFacts>) -> Check {
        if !tables::is_arena(map.map_type) {
            return Ok(());
        }
        if arena.is_some_and(|other| !std::ptr::eq(other, map)) {
            return Err(Refusal::new(EBUSY, "Only one arena per program"));
        }
        if !self.options.capabilities.contains(Capabilities::BPF | Capabilities::PERFMON) {
            return Err(Refusal::new(EPERM, "CAP_BPF and CAP_PERFMON are required to use arena"));
        }
        Ok(())
    }

    /// `dst = addr_space_cast(src, to, from)`
    pub(crate) fn cast_address_space(&mut self, state: &mut State, dst: Reg, to: u16, from: u16) -> Check {
        if to == from || to.max(from) > USER_SPACE {
            return invalid("addr_space_cast insn can only convert between address space 1 and 0");
        }
        if !self.has_arena {
            return Err(Refusal::new(
                crate::refusal::EINVAL,
                "addr_space_cast insn can only be used in a program that has an associated arena",
            )
            .hint("name the arena's map in the program, for example by passing it to a function"));
        }
        let cast = if from == USER_SPACE { Register::pointer(Kind::Arena) } else { Register::UNKNOWN };
        state.set(dst, cast);
        Ok(())
    }

    /// Says whether the instruction looked at computes an address in the arena.
    pub(crate) fn note_arena_arithmetic(&mut self, in_arena: bool) {
        if let Some(slot) = self.exploration.current {
            self.facts[slot].in_arena.add(Some(in_arena));
        }
    }

    /// What remains of an instruction once addresses in the arena are what they are: 32 bits. A cast to user space adds
    /// the upper half that the arena has there, unless the arena was made without.
    pub(crate) fn without_address_spaces(&self, slot: usize, insn: Insn) -> Insn {
        // Looked for where it counts only: that takes a look at the whole program.
        let plain_addresses =
            || self.maps_named().any(|map| self.maps.facts(map).flags.contains(MapFlags::NO_USER_CONV));
        match insn {
            Insn::AddrSpaceCast { dst, src, from, .. } if from == USER_SPACE || plain_addresses() => {
                Insn::Alu { op: BinaryOp::Mov, width: Width::W32, dst, src: Operand::Reg(src) }
            }
            Insn::Alu { op, dst, src, .. } if self.facts[slot].in_arena.get() == Some(true) => {
                Insn::Alu { op, width: Width::W32, dst, src }
            }
            insn => insn,
        }
    }

    /// Only atomic operations of one machine instruction can be carried out on memory that may not be there.
    pub(crate) fn check_arena_atomic(&self, state: &State, base: Reg, op: AtomicOp) -> Check {
        let loops =
            matches!(op, AtomicOp::And { fetch: true } | AtomicOp::Or { fetch: true } | AtomicOp::Xor { fetch: true });
        if loops && state.register(base).kind == Kind::Arena {
            return Reason::Context.denied(format!("BPF_ATOMIC stores into R{} arena is not allowed", base.number()));
        }
        Ok(())
    }
}
