//! What a pointer found in a kernel object is worth: whether what it points to is certainly alive.
//!
//! A *trusted* pointer points to an object that lives as long as the program uses it: because a reference is held, or
//! because whoever called the program holds one. An *RCU* pointer is good until the RCU read section ends. An
//! *untrusted* one may point anywhere: it may be read through, which gives 0 where nothing is, and not be passed on. One
//! with no mark at all is of old rules: helpers take it, kernel functions do not.
//!
//! The kernel says by structs of its own which members stay alive with the object they are in: `task_struct__safe_rcu`
//! has the members of `task_struct` that RCU protects. Source: `check_ptr_to_btf_access` in `kernel/bpf/verifier.c` of
//! Linux 6.18.

use super::btf_walk::Found;
use crate::domain::register::{Kind, PointerFlags, Register};
use crate::domain::state::State;
use crate::verifier::Verifier;
use skep_btf::{Btf, Kind as BtfKind, Type, TypeId};

/// Endings of the structs that list members, and what a pointer in such a member is.
const LISTS: [(&str, PointerFlags); 4] = [
    ("__safe_trusted", PointerFlags::TRUSTED),
    ("__safe_trusted_or_null", PointerFlags::TRUSTED.union(PointerFlags::NULLABLE)),
    ("__safe_rcu", PointerFlags::RCU),
    ("__safe_rcu_or_null", PointerFlags::RCU.union(PointerFlags::NULLABLE)),
];

impl Verifier<'_> {
    /// What a load of `found` through `base` gives, a pointer to a struct `outer`.
    pub(crate) fn found_in_object(
        &mut self,
        state: &State,
        base: &Register,
        outer: TypeId,
        found: Found<'_>,
    ) -> Register {
        match found {
            Found::Number | Found::Struct(_) => Register::UNKNOWN,
            Found::Address => untrusted_memory(),
            Found::Object { id, member, flags } => {
                let flags = self.trust_of_member(state, base, outer, (id, member, flags));
                let pointer = Register::pointer(Kind::Btf(id)).with_flags(flags - PointerFlags::NULLABLE);
                self.maybe_null(pointer, flags.contains(PointerFlags::NULLABLE))
            }
        }
    }

    fn trust_of_member(
        &self,
        state: &State,
        base: &Register,
        outer: TypeId,
        (id, member, tag): (TypeId, &str, PointerFlags),
    ) -> PointerFlags {
        let marks = PointerFlags::TRUSTED | PointerFlags::RCU;
        if base.flags.contains(PointerFlags::UNTRUSTED) {
            return PointerFlags::UNTRUSTED;
        }
        if !base.is_trusted() && !base.flags.contains(PointerFlags::RCU) {
            return tag - marks;
        }
        let Some(btf) = self.options.kernel_btf else { return PointerFlags::UNTRUSTED };
        let listed =
            LISTS.iter().find(|(ending, _)| is_listed(btf, outer, ending, member, id)).map(|(_, flags)| *flags);
        match listed {
            Some(flags) if flags.contains(PointerFlags::TRUSTED) => tag | flags,
            _ if !self.in_rcu_section(state) => PointerFlags::UNTRUSTED,
            Some(flags) if flags.contains(PointerFlags::NULLABLE) => (tag | flags) - PointerFlags::UNTRUSTED,
            Some(flags) => tag | flags,
            None if tag.contains(PointerFlags::RCU) => tag | PointerFlags::NULLABLE,
            None if tag.intersects(PointerFlags::PER_CPU | PointerFlags::USER) => tag,
            None => tag - marks,
        }
    }
}

/// Memory of unknown size at an address that nobody vouches for: to be read only, and giving 0 where nothing is.
pub(crate) fn untrusted_memory() -> Register {
    Register::pointer(Kind::Memory(0)).with_flags(PointerFlags::READ_ONLY | PointerFlags::UNTRUSTED)
}

/// Whether the kernel lists the member of that name and type among those that stay alive.
fn is_listed(btf: &Btf, outer: TypeId, ending: &str, member: &str, pointee: TypeId) -> bool {
    let kind = match btf.ty(outer) {
        Type::Struct(_) => BtfKind::Struct,
        Type::Union(_) => BtfKind::Union,
        _ => return false,
    };
    let Some(list) = btf.find(kind, &format!("{}{ending}", btf.name(outer))) else { return false };
    let (Type::Struct(list) | Type::Union(list)) = btf.ty(list) else { return false };
    list.members.iter().any(|candidate| match btf.ty(candidate.ty) {
        Type::Pointer(target) => btf.skip_modifiers(*target) == pointee && btf.str(candidate.name) == member,
        _ => false,
    })
}
