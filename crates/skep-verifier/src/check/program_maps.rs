//! Which maps a program may name, before any path is looked at.

use crate::domain::register::MapRef;
use crate::input::MapFacts;
use crate::reason::Reason;
use crate::refusal::{Check, E2BIG, EBUSY, EINVAL, Refusal, invalid};
use crate::tables;
use crate::verifier::Verifier;
use skep_abi::special_field::SPECIAL_STRUCTS;
use skep_isa::{Imm64, Insn};

/// Different maps that a program may name.
const MAX_MAPS: usize = 64;

impl Verifier<'_> {
    /// Checks each map that instructions name, in that order.
    pub(crate) fn check_maps(&self) -> Check {
        let mut seen: Vec<MapRef> = Vec::new();
        for map in self.maps_named() {
            if seen.contains(&map) {
                continue;
            }
            if seen.len() == MAX_MAPS {
                let message = format!("The total number of maps per program has reached the limit of {MAX_MAPS}");
                return Err(
                    Refusal::new(E2BIG, message).hint("one map with more keys, or a map of maps, counts as one")
                );
            }
            let facts = self.maps.facts(map);
            let arena = seen.iter().map(|other| self.maps.facts(*other)).find(|f| tables::is_arena(f.map_type));
            self.check_special_fields(map)?;
            self.check_map_type(facts, &seen)?;
            self.check_arena(facts, arena)?;
            seen.push(map);
        }
        self.check_direct_values()
    }

    /// Checks the addresses of map values that instructions hold, on whatever path they are.
    fn check_direct_values(&self) -> Check {
        let addresses = self.code.iter().filter_map(|(slot, insn)| match *insn {
            Insn::LoadImm64 {
                imm: Imm64::MapValue { fd, offset } | Imm64::MapIndexValue { index: fd, offset },
                ..
            } => Some((slot, self.maps.by_fd(fd)?, offset)),
            _ => None,
        });
        for (slot, map, offset) in addresses {
            self.check_direct_value(self.maps.facts(map), offset).map_err(|refusal| refusal.at(slot))?;
        }
        Ok(())
    }

    fn check_direct_value(&self, map: &MapFacts, offset: u32) -> Check {
        if tables::is_arena(map.map_type) {
            return Ok(());
        }
        if !tables::map_info(map.map_type).direct_value || map.max_entries != 1 {
            let number = map.map_type.number();
            return invalid(format!("direct value access on map of type {number} is not possible"));
        }
        if offset >= map.value_size {
            return Reason::OutOfBounds
                .invalid(format!("invalid access to map value pointer, value_size={} off={offset}", map.value_size));
        }
        Ok(())
    }

    /// Whether programs of this type may use a map with such fields.
    fn check_special_fields(&self, map: MapRef) -> Check {
        let record = self.maps.special_fields(map);
        if record.lock().is_some() && !self.info.locks {
            let name = self.info.name.replace('_', " ");
            return Reason::SpecialField.invalid(format!("{name} progs cannot use bpf_spin_lock yet"));
        }
        let rows = SPECIAL_STRUCTS.iter().filter(|row| record.of_kind(row.kind).is_some());
        if let Some(name) = rows.filter_map(|row| row.needs_known_context).find(|_| self.info.any_context) {
            return Err(Refusal::new(EINVAL, format!("tracing progs cannot use {name} yet"))
                .of(Reason::SpecialField)
                .hint("such programs interrupt anything, even whoever holds the lock"));
        }
        Ok(())
    }

    /// What the type of a map says about programs; `seen` are the maps named before.
    fn check_map_type(&self, map: &MapFacts, seen: &[MapRef]) -> Check {
        let info = tables::map_info(map.map_type);
        if !info.programs {
            return invalid(format!("bpf_{} map cannot be used in prog", info.name));
        }
        if self.program.sleepable && !info.sleepable {
            return invalid("Sleepable programs can only use array, hash, ringbuf and local storage maps");
        }
        let another = seen.iter().any(|other| self.maps.facts(*other).map_type == map.map_type);
        if info.one_per_program && another {
            return Err(Refusal::new(EBUSY, "only one cgroup storage of each type is allowed"));
        }
        Ok(())
    }
}
