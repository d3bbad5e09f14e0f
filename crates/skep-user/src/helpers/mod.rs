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

use crate::run::{Call, HelperResult};
use skep_abi::errno::Errno;
use skep_abi::helper::{self, ReturnKind};
use std::sync::OnceLock;

/// A helper at work.
pub(crate) type Helper = fn(&mut Call<'_, '_, '_>) -> HelperResult;

/// Rows: the name in the ABI's helper table, the function.
const HELPERS: &[(&str, Helper)] = &[
    ("map_lookup_elem", map::lookup),
    ("map_update_elem", map::update),
    ("map_delete_elem", map::delete),
    ("map_push_elem", map::push),
    ("map_pop_elem", map::pop),
    ("map_peek_elem", map::peek),
    ("map_lookup_percpu_elem", map::lookup_of_cpu),
    ("for_each_map_elem", loops::for_each_map_elem),
    ("loop", loops::repeat),
    ("probe_read", memory::probe_read_kernel),
    ("probe_read_kernel", memory::probe_read_kernel),
    ("probe_read_user", memory::probe_read_user),
    ("probe_read_str", memory::probe_read_kernel_str),
    ("probe_read_kernel_str", memory::probe_read_kernel_str),
    ("probe_read_user_str", memory::probe_read_user_str),
    ("copy_from_user", memory::probe_read_user),
    ("probe_write_user", memory::probe_write_user),
    ("ktime_get_ns", time::monotonic),
    ("ktime_get_boot_ns", time::boot),
    ("ktime_get_coarse_ns", time::coarse),
    ("ktime_get_tai_ns", time::tai),
    ("jiffies64", time::jiffies),
    ("get_current_pid_tgid", task::pid_tgid),
    ("get_current_uid_gid", task::uid_gid),
    ("get_current_comm", task::comm),
    ("get_current_task", task::task),
    ("get_current_task_btf", task::task),
    ("get_current_cgroup_id", task::cgroup_id),
    ("get_current_ancestor_cgroup_id", task::ancestor_cgroup_id),
    ("get_smp_processor_id", task::cpu),
    ("get_numa_node_id", task::numa_node),
    ("get_prandom_u32", task::random),
    ("get_attach_cookie", task::attach_cookie),
    ("get_ns_current_pid_tgid", task::pid_tgid_in_namespace),
    ("get_func_ip", task::function_address),
    ("trace_printk", print::trace_printk),
    ("trace_vprintk", print::trace_vprintk),
    ("snprintf", print::snprintf),
    ("perf_event_output", perf::event_output),
    ("skb_output", perf::event_output),
    ("xdp_output", perf::event_output),
    ("ringbuf_output", ring::output),
    ("ringbuf_reserve", ring::reserve),
    ("ringbuf_submit", ring::submit),
    ("ringbuf_discard", ring::discard),
    ("ringbuf_query", ring::query),
    ("ringbuf_reserve_dynptr", dynptr::ringbuf_reserve),
    ("ringbuf_submit_dynptr", dynptr::ringbuf_submit),
    ("ringbuf_discard_dynptr", dynptr::ringbuf_discard),
    ("dynptr_from_mem", dynptr::from_memory),
    ("dynptr_read", dynptr::read),
    ("dynptr_write", dynptr::write),
    ("dynptr_data", dynptr::data),
    ("tail_call", tail_call::tail_call),
    ("redirect", redirect::redirect),
    ("redirect_map", redirect::redirect_map),
    ("redirect_neigh", redirect::redirect_neighbour),
    ("redirect_peer", redirect::redirect_peer),
    ("csum_diff", checksum::difference),
    ("csum_update", checksum::update),
    ("csum_level", checksum::level),
    ("l3_csum_replace", checksum::replace_l3),
    ("l4_csum_replace", checksum::replace_l4),
    ("skb_load_bytes", skb::load_bytes),
    ("skb_load_bytes_relative", skb::load_bytes_relative),
    ("skb_store_bytes", skb::store_bytes),
    ("skb_pull_data", skb::pull_data),
    ("skb_change_tail", skb::change_tail),
    ("skb_change_head", skb::change_head),
    ("skb_change_proto", skb::change_protocol),
    ("skb_change_type", skb::change_type),
    ("skb_adjust_room", skb::adjust_room),
    ("skb_vlan_push", skb::vlan_push),
    ("skb_vlan_pop", skb::vlan_pop),
    ("get_hash_recalc", skb::hash),
    ("set_hash", skb::set_hash),
    ("set_hash_invalid", skb::invalidate_hash),
    ("get_socket_cookie", skb::socket_cookie),
    ("get_socket_uid", skb::socket_uid),
    ("xdp_adjust_head", xdp::adjust_head),
    ("xdp_adjust_meta", xdp::adjust_meta),
    ("xdp_adjust_tail", xdp::adjust_tail),
    ("xdp_load_bytes", xdp::load_bytes),
    ("xdp_store_bytes", xdp::store_bytes),
    ("xdp_get_buff_len", xdp::length),
    ("get_stackid", stack::stack_id),
    ("get_stack", stack::stack),
    ("get_task_stack", stack::task_stack),
    ("strncmp", string::compare),
    ("strtol", string::to_signed),
    ("strtoul", string::to_unsigned),
    ("spin_lock", spin_lock::lock),
    ("spin_unlock", spin_lock::unlock),
];

/// The helper of that number. Those of the ABI that have no row answer EOPNOTSUPP, or NULL where they return a pointer.
pub(crate) fn by_id(id: u32) -> Option<Helper> {
    static TABLE: OnceLock<Vec<Option<Helper>>> = OnceLock::new();
    TABLE.get_or_init(table).get(id as usize).copied().flatten()
}

fn table() -> Vec<Option<Helper>> {
    let mut table = vec![None; helper::HELPERS.iter().map(|proto| proto.id as usize + 1).max().unwrap_or(0)];
    for proto in helper::HELPERS {
        let row = HELPERS.iter().find(|(name, _)| *name == proto.name);
        table[proto.id as usize] = row.map_or_else(|| without_row(proto.ret), |(_, helper)| Some(*helper));
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
        for (index, (name, _)) in HELPERS.iter().enumerate() {
            assert!(helper::by_name(name).is_some(), "{name} is no helper");
            assert!(!HELPERS[..index].iter().any(|(other, _)| other == name), "{name} twice");
        }
    }
}
