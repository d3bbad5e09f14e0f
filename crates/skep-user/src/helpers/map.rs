//! Elements of maps.

use crate::maps::{Kind, NewValue, Side};

use crate::objects::Map;
use crate::run::{Call, HelperResult};
use skep_abi::errno::Errno;
use skep_abi::map_type::MapType;

fn found(call: &mut Call<'_, '_, '_>, map: &Map, address: u64) -> u64 {
    if address == 0 {
        return 0;
    }
    if matches!(map.map_type(), MapType::ArrayOfMaps | MapType::HashOfMaps) {
        // What is found is a map: nothing to read or write, but one to pass on.
        if call.machine.mode().is_checked() {
            call.env.seen_maps.push(address);
        }
        return address;
    }
    call.note_value(map, address);
    call.lend(address, map.definition.value.size)
}

/// `void *bpf_map_lookup_elem(map, key)`
pub(super) fn lookup(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let cpu = call.cpu();
    lookup_on(call, cpu)
}

/// `void *bpf_map_lookup_percpu_elem(map, key, cpu)`
pub(super) fn lookup_of_cpu(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let cpu = call.args[2] as u32;
    if cpu as usize >= call.env.kernel.cpus.count() {
        return Ok(0);
    }
    lookup_on(call, cpu)
}

fn lookup_on(call: &mut Call<'_, '_, '_>, cpu: u32) -> HelperResult {
    let map = call.map(call.args[0])?;
    let key = call.bytes(call.args[1], map.definition.key_size)?;
    let address = map.implementation.lookup(&key, cpu, call.env.run);
    Ok(found(call, map, address))
}

/// `long bpf_map_update_elem(map, key, value, flags)`
pub(super) fn update(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let map = call.map(call.args[0])?;
    let key = call.bytes(call.args[1], map.definition.key_size)?;
    let value = call.bytes(call.args[2], map.definition.value.size)?;
    map.implementation.update(&key, NewValue::Data(&value), call.args[3], Side::Program { cpu: call.cpu() })?;
    Ok(0)
}

/// `long bpf_map_delete_elem(map, key)`
pub(super) fn delete(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let map = call.map(call.args[0])?;
    let key = call.bytes(call.args[1], map.definition.key_size)?;
    map.implementation.delete(&key, Side::Program { cpu: call.cpu() })?;
    Ok(0)
}

/// `long bpf_map_push_elem(map, value, flags)`
pub(super) fn push(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let map = call.map(call.args[0])?;
    let value = call.bytes(call.args[1], map.definition.value.size)?;
    match map.implementation.kind() {
        Kind::Queue(queue) => queue.push(&value, call.args[2])?,
        Kind::Bloom(filter) => filter.push(&value, call.args[2])?,
        _ => return Err(Errno::EOPNOTSUPP.into()),
    }
    Ok(0)
}

/// `long bpf_map_pop_elem(map, value)`
pub(super) fn pop(call: &mut Call<'_, '_, '_>) -> HelperResult {
    take(call, true)
}

/// `long bpf_map_peek_elem(map, value)`
pub(super) fn peek(call: &mut Call<'_, '_, '_>) -> HelperResult {
    take(call, false)
}

fn take(call: &mut Call<'_, '_, '_>, remove: bool) -> HelperResult {
    let map = call.map(call.args[0])?;
    match map.implementation.kind() {
        Kind::Bloom(filter) if !remove => {
            filter.peek(&call.bytes(call.args[1], map.definition.value.size)?)?;
        }
        Kind::Queue(queue) => match queue.next(remove, |value| value.to_vec()) {
            Ok(value) => call.machine.write(call.args[1], &value)?,
            Err(errno) => {
                call.machine.write(call.args[1], &vec![0; map.definition.value.size])?;
                return Err(errno.into());
            }
        },
        _ => return Err(Errno::EOPNOTSUPP.into()),
    }
    Ok(0)
}
