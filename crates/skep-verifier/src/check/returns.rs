//! What helpers leave in r0.

use super::arguments::CallFacts;
use crate::domain::register::{Kind, PointerFlags, Register};
use crate::domain::scalar::Scalar;
use crate::domain::state::{Reference, State};
use crate::refusal::{Check, EINVAL, Refusal};
use crate::verifier::Verifier;
use skep_abi::helper::{HelperFlags, HelperProto, ReturnKind};
use skep_abi::socket::SocketKind;

impl Verifier<'_> {
    /// The value a helper returns.
    pub(crate) fn returned(&mut self, state: &mut State, helper: &HelperProto, facts: &CallFacts) -> Check<Register> {
        let mut result = match helper.ret {
            ReturnKind::Integer => self.returned_number(helper, facts),
            ReturnKind::Void => Register::UNINITIALISED,
            ReturnKind::MapValueOrNull => self.returned_map_value(facts, true)?,
            ReturnKind::MapValue => self.returned_map_value(facts, false)?,
            ReturnKind::SocketOrNull => self.maybe_null(Register::pointer(Kind::Socket(SocketKind::Full)), true),
            ReturnKind::TcpSockOrNull => self.maybe_null(Register::pointer(Kind::Socket(SocketKind::Tcp)), true),
            ReturnKind::SockCommonOrNull => self.maybe_null(Register::pointer(Kind::Socket(SocketKind::Common)), true),
            ReturnKind::AllocMemOrNull => {
                let bytes = facts.allocation.ok_or_else(|| Refusal::new(EINVAL, "the size is not known"))?;
                let memory = Register::pointer(Kind::Memory(bytes)).with_flags(PointerFlags::RINGBUF);
                self.maybe_null(memory, true)
            }
            ReturnKind::BtfPtr { name, or_null, trusted } => {
                let mut object = self.kernel_object(name)?;
                if trusted {
                    object = object.with_flags(PointerFlags::TRUSTED);
                }
                self.maybe_null(object, or_null)
            }
            ReturnKind::KptrOrNull => {
                let field = facts.exchange.ok_or_else(|| Refusal::new(EINVAL, "the field is not known"))?;
                self.maybe_null(self.exchanged(field), true)
            }
            ReturnKind::PerCpuMem { or_null } => {
                let one = self.one_of_each_cpu(facts.per_cpu.unwrap_or(Register::UNKNOWN))?;
                self.maybe_null(one, or_null)
            }
            ReturnKind::DynptrMemOrNull => {
                let no_dynptr = || Refusal::new(EINVAL, "the helper has no dynptr argument");
                let dynptr = facts.dynptr.ok_or_else(no_dynptr)?;
                let bytes = facts.allocation.ok_or_else(|| Refusal::new(EINVAL, "the size is not known"))?;
                let slice = Register::slice(bytes, &dynptr, PointerFlags::empty());
                self.maybe_null(Register { reference: dynptr.reference, ..slice }, true)
            }
        };
        let from_sockets = facts.map.is_some_and(|(map, _)| {
            crate::tables::values_are_sockets(crate::tables::map_info(self.maps.facts(map).map_type))
        });
        let looks_up = from_sockets && matches!(helper.ret, ReturnKind::MapValueOrNull);
        if helper.flags.contains(HelperFlags::ACQUIRES) || looks_up {
            // One id for both: the NULL check and the release.
            let id = if result.id == 0 { self.new_id() } else { result.id };
            (result.id, result.reference) = (id, id);
            state.references.push(Reference::new(id, state.slot));
        } else if result.is_pointer() && facts.reference != 0 && helper.flags.contains(HelperFlags::CASTS) {
            // A view of the same object: gone when the object is.
            result.reference = facts.reference;
        }
        Ok(result)
    }

    /// A number; the table may say that it is a length, bounded by the size argument.
    fn returned_number(&mut self, helper: &HelperProto, facts: &CallFacts) -> Register {
        const MAX_ERRNO: i64 = 4095;
        if helper.flags.contains(HelperFlags::RETURNS_CPU)
            && let Some(cpus) = self.options.possible_cpus.or_else(|| self.kernel_cpu_limit())
        {
            return Register::scalar(Scalar::unsigned_range(0, u64::from(cpus.max(1)) - 1));
        }
        let limit = facts.size_limit.and_then(|limit| i64::try_from(limit).ok());
        match limit.filter(|_| helper.flags.contains(HelperFlags::RETURN_BOUNDED_BY_SIZE)) {
            Some(limit) if limit <= i64::from(i32::MAX) => Register::scalar(Scalar::signed_range(-MAX_ERRNO, limit)),
            _ => Register::UNKNOWN,
        }
    }

    /// How many CPUs the kernel was built for: as many as its CPU sets have bits.
    fn kernel_cpu_limit(&self) -> Option<u32> {
        let btf = self.options.kernel_btf?;
        let set = btf.find(skep_btf::Kind::Struct, skep_abi::helper::CPU_SET_STRUCT)?;
        u32::try_from(btf.size_of(set)?.checked_mul(8)?).ok()
    }

    fn returned_map_value(&mut self, facts: &CallFacts, nullable: bool) -> Check<Register> {
        let (map, identity) = facts.map.ok_or_else(|| Refusal::new(EINVAL, "the helper has no map argument"))?;
        let about = self.maps.facts(map);
        let always_there = nullable && self.lookup_always_succeeds(map, facts);
        let nullable = nullable && !always_there;
        let mut result = match self.maps.inner(map) {
            Some(inner) => Register::pointer(Kind::Map(inner)),
            None => match crate::tables::socket_of_values(crate::tables::map_info(about.map_type)) {
                Some(kind) => Register::pointer(Kind::Socket(kind)),
                None => Register { map_identity: identity, ..Register::pointer(Kind::MapValue(map)) },
            },
        };
        let locked = self.values_have_lock(map);
        result = self.maybe_null(result, nullable);
        if self.maps.inner(map).is_some_and(|inner| self.calls_functions_later(inner)) {
            // One look-up, one inner map: its fields go with it alone.
            result.map_identity = result.id;
        }
        if locked && result.id == 0 {
            result.id = self.new_id();
        }
        Ok(result)
    }

    /// A constant index inside of an array is always found.
    fn lookup_always_succeeds(&self, map: crate::domain::register::MapRef, facts: &CallFacts) -> bool {
        let about = self.maps.facts(map);
        let info = crate::tables::map_info(about.map_type);
        let array = info.index_key && crate::tables::values_are_data(info);
        array && facts.constant_key.is_some_and(|key| key < u64::from(about.max_entries))
    }
}
