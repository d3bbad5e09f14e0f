//! Helpers: what programs call. One function per helper, in files by family; one row here makes it callable.
//!
//! A helper of the ABI's table that has no row can be verified but answers EOPNOTSUPP when it is called: what it is
//! about (sockets, sysctls, hardware counters, …) does not exist in this kernel.
//!
//! A helper gets its arguments as the program left them in r1 to r5. In a verified run they are of the kinds that the
//! helper table names; in the sandbox they are any numbers, and every access to memory is checked by the machine.

mod checksum;
mod dynptr;
mod loops;
mod map;
mod memory;
mod packet;
mod perf;
mod print;
mod printf;
mod redirect;
mod ring;
mod skb;
mod spin_lock;
mod stack;
mod string;
mod tail_call;
mod task;
mod time;
mod xdp;

use crate::kernel::UserKernel;
use crate::maps::Operation::{self, Delete, Lookup, Peek, Pop, Push, RingOutput, RingReserve, Update};
use crate::objects::Map;
use crate::run::{Call, HelperResult};
use Shortcut::{Called, OfKernel, OfMap};
use skep_abi::errno::Errno;
use skep_abi::helper::{self, ReturnKind};
use skep_engine::Direct;
use std::sync::OnceLock;

/// A helper at work.
pub(crate) type Helper = fn(&mut Call<'_, '_, '_>) -> HelperResult;

/// What compiled programs may do in the place of a call. It has the same effects and results as the call, in runs of
/// verified programs.
#[derive(Clone, Copy)]
enum Shortcut {
    /// Nothing: the helper has to see the run.
    Called,
    /// What the map that it works on says of the operation.
    OfMap(Operation),
    /// What the kernel's settings say.
    OfKernel(fn(&UserKernel) -> Direct),
}

/// Rows: the name in the ABI's helper table, the function, what may stand in its place.
const HELPERS: &[(&str, Helper, Shortcut)] = &[
    ("map_lookup_elem", map::lookup, OfMap(Lookup)),
    ("map_update_elem", map::update, OfMap(Update)),
    ("map_delete_elem", map::delete, OfMap(Delete)),
    ("map_push_elem", map::push, OfMap(Push)),
    ("map_pop_elem", map::pop, OfMap(Pop)),
    ("map_peek_elem", map::peek, OfMap(Peek)),
    ("map_lookup_percpu_elem", map::lookup_of_cpu, Called),
    ("for_each_map_elem", loops::for_each_map_elem, Called),
    ("loop", loops::repeat, Called),
    ("probe_read", memory::probe_read_kernel, Called),
    ("probe_read_kernel", memory::probe_read_kernel, Called),
    ("probe_read_user", memory::probe_read_user, Called),
    ("probe_read_str", memory::probe_read_kernel_str, Called),
    ("probe_read_kernel_str", memory::probe_read_kernel_str, Called),
    ("probe_read_user_str", memory::probe_read_user_str, Called),
    ("copy_from_user", memory::probe_read_user, Called),
    ("probe_write_user", memory::probe_write_user, Called),
    ("ktime_get_ns", time::monotonic, OfKernel(time::direct_monotonic)),
    ("ktime_get_boot_ns", time::boot, OfKernel(time::direct_boot)),
    ("ktime_get_coarse_ns", time::coarse, Called),
    ("ktime_get_tai_ns", time::tai, Called),
    ("jiffies64", time::jiffies, Called),
    ("get_current_pid_tgid", task::pid_tgid, OfKernel(task::direct_pid_tgid)),
    ("get_current_uid_gid", task::uid_gid, OfKernel(task::direct_uid_gid)),
    ("get_current_comm", task::comm, Called),
    ("get_current_task", task::task, Called),
    ("get_current_task_btf", task::task, Called),
    ("get_current_cgroup_id", task::cgroup_id, Called),
    ("get_current_ancestor_cgroup_id", task::ancestor_cgroup_id, Called),
    ("get_smp_processor_id", task::cpu, OfKernel(task::direct_cpu)),
    ("get_numa_node_id", task::numa_node, OfKernel(task::direct_numa_node)),
    ("get_prandom_u32", task::random, OfKernel(task::direct_random)),
    ("get_attach_cookie", task::attach_cookie, Called),
    ("get_ns_current_pid_tgid", task::pid_tgid_in_namespace, Called),
    ("get_func_ip", task::function_address, Called),
    ("trace_printk", print::trace_printk, Called),
    ("trace_vprintk", print::trace_vprintk, Called),
    ("snprintf", print::snprintf, Called),
    ("perf_event_output", perf::event_output, Called),
    ("skb_output", perf::event_output, Called),
    ("xdp_output", perf::event_output, Called),
    ("ringbuf_output", ring::output, OfMap(RingOutput)),
    ("ringbuf_reserve", ring::reserve, OfMap(RingReserve)),
    ("ringbuf_submit", ring::submit, OfKernel(ring::direct_submit)),
    ("ringbuf_discard", ring::discard, OfKernel(ring::direct_discard)),
    ("ringbuf_query", ring::query, Called),
    ("ringbuf_reserve_dynptr", dynptr::ringbuf_reserve, Called),
    ("ringbuf_submit_dynptr", dynptr::ringbuf_submit, Called),
    ("ringbuf_discard_dynptr", dynptr::ringbuf_discard, Called),
    ("dynptr_from_mem", dynptr::from_memory, Called),
    ("dynptr_read", dynptr::read, Called),
    ("dynptr_write", dynptr::write, Called),
    ("dynptr_data", dynptr::data, Called),
    ("tail_call", tail_call::tail_call, Called),
    ("redirect", redirect::redirect, Called),
    ("redirect_map", redirect::redirect_map, Called),
    ("redirect_neigh", redirect::redirect_neighbour, Called),
    ("redirect_peer", redirect::redirect_peer, Called),
    ("csum_diff", checksum::difference, OfKernel(checksum::direct_difference)),
    ("csum_update", checksum::update, Called),
    ("csum_level", checksum::level, Called),
    ("l3_csum_replace", checksum::replace_l3, Called),
    ("l4_csum_replace", checksum::replace_l4, Called),
    ("skb_load_bytes", skb::load_bytes, Called),
    ("skb_load_bytes_relative", skb::load_bytes_relative, Called),
    ("skb_store_bytes", skb::store_bytes, Called),
    ("skb_pull_data", skb::pull_data, Called),
    ("skb_change_tail", skb::change_tail, Called),
    ("skb_change_head", skb::change_head, Called),
    ("skb_change_proto", skb::change_protocol, Called),
    ("skb_change_type", skb::change_type, Called),
    ("skb_adjust_room", skb::adjust_room, Called),
    ("skb_vlan_push", skb::vlan_push, Called),
    ("skb_vlan_pop", skb::vlan_pop, Called),
    ("get_hash_recalc", skb::hash, Called),
    ("set_hash", skb::set_hash, Called),
    ("set_hash_invalid", skb::invalidate_hash, Called),
    ("get_socket_cookie", skb::socket_cookie, Called),
    ("get_socket_uid", skb::socket_uid, Called),
    ("xdp_adjust_head", xdp::adjust_head, Called),
    ("xdp_adjust_meta", xdp::adjust_meta, Called),
    ("xdp_adjust_tail", xdp::adjust_tail, Called),
    ("xdp_load_bytes", xdp::load_bytes, Called),
    ("xdp_store_bytes", xdp::store_bytes, Called),
    ("xdp_get_buff_len", xdp::length, Called),
    ("get_stackid", stack::stack_id, Called),
    ("get_stack", stack::stack, Called),
    ("get_task_stack", stack::task_stack, Called),
    ("strncmp", string::compare, Called),
    ("strtol", string::to_signed, Called),
    ("strtoul", string::to_unsigned, Called),
    ("spin_lock", spin_lock::lock, Called),
    ("spin_unlock", spin_lock::unlock, Called),
];

/// What may stand in the place of a call of that helper, whose map is the same on every path where it is given.
pub(crate) fn direct(kernel: &UserKernel, id: u32, map: Option<&Map>) -> Option<Direct> {
    let name = helper::HELPERS.iter().find(|proto| proto.id == id)?.name;
    let (_, _, shortcut) = HELPERS.iter().find(|(known, ..)| *known == name)?;
    match shortcut {
        Called => None,
        OfMap(operation) => map?.implementation.direct(*operation),
        OfKernel(direct) => Some(direct(kernel)),
    }
}

/// The helper of that number. Those of the ABI that have no row answer EOPNOTSUPP, or NULL where they return a pointer.
pub(crate) fn by_id(id: u32) -> Option<Helper> {
    static TABLE: OnceLock<Vec<Option<Helper>>> = OnceLock::new();
    TABLE.get_or_init(table).get(id as usize).copied().flatten()
}

fn table() -> Vec<Option<Helper>> {
    let mut table = vec![None; helper::HELPERS.iter().map(|proto| proto.id as usize + 1).max().unwrap_or(0)];
    for proto in helper::HELPERS {
        let row = HELPERS.iter().find(|(name, ..)| *name == proto.name);
        table[proto.id as usize] = row.map_or_else(|| without_row(proto.ret), |(_, helper, _)| Some(*helper));
    }
    table
}

/// What stands in for a helper: a verified program relies on the kind of its result. `None` where nothing can: the program
/// ends there.
fn without_row(returns: ReturnKind) -> Option<Helper> {
    match returns {
        ReturnKind::Integer | ReturnKind::Void => Some(unsupported),
        ReturnKind::MapValueOrNull
        | ReturnKind::SocketOrNull
        | ReturnKind::TcpSockOrNull
        | ReturnKind::SockCommonOrNull
        | ReturnKind::AllocMemOrNull
        | ReturnKind::DynptrMemOrNull
        | ReturnKind::KptrOrNull
        | ReturnKind::BtfPtr { or_null: true, .. }
        | ReturnKind::PerCpuMem { or_null: true } => Some(nothing),
        ReturnKind::MapValue | ReturnKind::BtfPtr { or_null: false, .. } | ReturnKind::PerCpuMem { or_null: false } => {
            None
        }
    }
}

fn nothing(_call: &mut Call<'_, '_, '_>) -> HelperResult {
    Ok(0)
}

fn unsupported(_call: &mut Call<'_, '_, '_>) -> HelperResult {
    Err(Errno::EOPNOTSUPP.into())
}

/// A signed number as r0.
fn signed(value: i64) -> u64 {
    value.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_names_a_helper_of_the_abi_once() {
        for (index, (name, ..)) in HELPERS.iter().enumerate() {
            assert!(helper::by_name(name).is_some(), "{name} is no helper");
            assert!(!HELPERS[..index].iter().any(|(other, ..)| other == name), "{name} twice");
        }
    }
}
