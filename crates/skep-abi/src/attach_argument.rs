//! Arguments of attach targets of which the kernel knows more than BTF says.
//!
//! Source: what Linux 6.18 says of every argument of its tracepoints and iterators when a program loads it, and for
//! tracepoints that the kernel asked did not have, `raw_tp_null_args` in `kernel/bpf/btf.c`.

/// What the kernel knows of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentFact {
    /// A pointer to a kernel object.
    Object {
        /// The object lives as long as the program runs.
        trusted: bool,
        /// It may be NULL.
        or_null: bool,
    },
    /// A key or value of the map that an iterator goes over, or NULL; whoever makes the iterator checks its size.
    Buffer {
        /// It may only be read.
        read_only: bool,
    },
}

const OR_NULL: ArgumentFact = ArgumentFact::Object { trusted: false, or_null: true };
const TRUSTED_OR_NULL: ArgumentFact = ArgumentFact::Object { trusted: true, or_null: true };
const BUFFER: ArgumentFact = ArgumentFact::Buffer { read_only: false };
const READ_ONLY_BUFFER: ArgumentFact = ArgumentFact::Buffer { read_only: true };

type Row = (&'static str, &'static [usize]);

/// Tracepoints, by name, and those of their arguments that may be NULL, from 0.
const NULLABLE_ARGUMENTS: &[Row] = &[
    ("afs_flock_ev", &[1]),
    ("afs_make_fs_call", &[1]),
    ("afs_make_fs_call1", &[1]),
    ("afs_make_fs_call2", &[1]),
    ("afs_make_fs_calli", &[1]),
    ("afs_protocol_error", &[0]),
    ("amdgpu_vm_bo_map", &[0]),
    ("amdgpu_vm_bo_unmap", &[0]),
    ("amdtp_packet", &[2]),
    ("binder_transaction", &[2]),
    ("break_lease_block", &[1]),
    ("break_lease_noblock", &[1]),
    ("break_lease_unblock", &[1]),
    ("btree_path_free", &[2]),
    ("cachefiles_io_error", &[0]),
    ("cachefiles_lookup", &[0]),
    ("cachefiles_mark_active", &[0]),
    ("cachefiles_mark_failed", &[0]),
    ("cachefiles_mark_inactive", &[0]),
    ("cachefiles_ondemand_close", &[0]),
    ("cachefiles_ondemand_copen", &[0]),
    ("cachefiles_ondemand_cread", &[0]),
    ("cachefiles_ondemand_fd_release", &[0]),
    ("cachefiles_ondemand_fd_write", &[0]),
    ("cachefiles_ondemand_open", &[0]),
    ("cachefiles_ondemand_read", &[0]),
    ("cachefiles_prep_read", &[0]),
    ("cachefiles_rename", &[0]),
    ("cachefiles_unlink", &[0]),
    ("cachefiles_vfs_error", &[0]),
    ("cfg80211_inform_bss_frame", &[2]),
    ("cfg80211_michael_mic_failure", &[4]),
    ("cfg80211_report_wowlan_wakeup", &[2]),
    ("cfg80211_scan_done", &[0, 1]),
    ("coda_dec_pic_done", &[1]),
    ("coda_dec_pic_run", &[1]),
    ("device_pm_callback_start", &[1]),
    ("dpu_crtc_setup_mixer", &[2]),
    ("ext4_mballoc_discard", &[1]),
    ("ext4_mballoc_free", &[1]),
    ("fcntl_setlk", &[1]),
    ("fib_table_lookup", &[2]),
    ("flock_lock_inode", &[1]),
    ("folio_wait_writeback", &[1]),
    ("generic_delete_lease", &[1]),
    ("hfi1_sdma_progress", &[3]),
    ("hugetlbfs_alloc_inode", &[1]),
    ("iptfs_ingress_postq_event", &[3]),
    ("kfree_skb", &[3]),
    ("kvm_page_fault_enter", &[2]),
    ("locks_remove_posix", &[1]),
    ("mm_collapse_huge_page_isolate", &[0]),
    ("mm_khugepaged_collapse_file", &[1]),
    ("mm_khugepaged_scan_file", &[1]),
    ("mm_khugepaged_scan_pmd", &[1]),
    ("mm_page_alloc", &[0]),
    ("mm_page_alloc_zone_locked", &[0]),
    ("mm_page_pcpu_drain", &[0]),
    ("neigh_update", &[1]),
    ("netfs_failure", &[1]),
    ("netfs_folioq", &[0]),
    ("nfs4_setup_sequence", &[0]),
    ("nfsd_dirent", &[0]),
    ("nfsd_file_acquire", &[0, 3]),
    ("nfsd_file_cons_err", &[0]),
    ("nfsd_file_insert_err", &[0]),
    ("pnfs_mds_fallback_pg_get_mirror_count", &[4]),
    ("pnfs_mds_fallback_pg_init_read", &[4]),
    ("pnfs_mds_fallback_pg_init_write", &[4]),
    ("pnfs_mds_fallback_read_done", &[4]),
    ("pnfs_mds_fallback_read_pagelist", &[4]),
    ("pnfs_mds_fallback_write_done", &[4]),
    ("pnfs_mds_fallback_write_pagelist", &[4]),
    ("pnfs_update_layout", &[4]),
    ("posix_lock_inode", &[1]),
    ("qdisc_dequeue", &[3]),
    ("rdev_set_coalesce", &[1]),
    ("rxrpc_client", &[0]),
    ("rxrpc_recvdata", &[0]),
    ("rxrpc_resend", &[1]),
    ("rxrpc_tq", &[1]),
    ("sched_pi_setprio", &[1]),
    ("sched_stick_numa", &[2]),
    ("sched_swap_numa", &[2]),
    ("spufs_context", &[1]),
    ("tcp_send_reset", &[0, 1]),
    ("tcp_sendmsg_locked", &[2]),
    ("tegra_dma_tx_status", &[2]),
    ("time_out_leases", &[1]),
    ("tmigr_update_events", &[0]),
    ("wiphy_work_cancel", &[1]),
    ("wiphy_work_flush", &[1]),
    ("wiphy_work_queue", &[1]),
    ("wiphy_work_run", &[1]),
    ("writeback_dirty_folio", &[1]),
    ("xchk_metapath_lookup", &[2]),
    ("xchk_nlinks_live_update", &[1]),
    ("xfs_blockgc_flush_all", &[0]),
    ("xfs_blockgc_free_space", &[1]),
    ("xfs_blockgc_start", &[0]),
    ("xfs_blockgc_stop", &[0]),
    ("xfs_blockgc_worker", &[0]),
    ("xfs_btree_overlapped_query_range", &[2]),
    ("xfs_btree_updkeys", &[2]),
    ("xfs_defer_add_item", &[0]),
    ("xfs_defer_cancel_item", &[0]),
    ("xfs_defer_cancel_list", &[0]),
    ("xfs_defer_create_intent", &[0]),
    ("xfs_defer_finish_item", &[0]),
    ("xfs_defer_isolate_paused", &[0]),
    ("xfs_defer_item_pause", &[0]),
    ("xfs_defer_item_unpause", &[0]),
    ("xfs_defer_pending_abort", &[0]),
    ("xfs_defer_pending_finish", &[0]),
    ("xfs_defer_relog_intent", &[0]),
    ("xfs_fs_sync_fs", &[0]),
    ("xfs_inodegc_flush", &[0]),
    ("xfs_inodegc_push", &[0]),
    ("xfs_inodegc_queue", &[0]),
    ("xfs_inodegc_start", &[0]),
    ("xfs_inodegc_stop", &[0]),
    ("xfs_inodegc_throttle", &[0]),
    ("xfs_ioc_free_eofblocks", &[1]),
    ("xfs_iomap_alloc", &[3]),
    ("xfs_iomap_found", &[3]),
    ("xfs_map_blocks_alloc", &[4]),
    ("xfs_map_blocks_found", &[4]),
    ("xprt_get_cong", &[1]),
    ("xprt_put_cong", &[1]),
    ("xprt_release_cong", &[1]),
    ("xprt_reserve_cong", &[1]),
    ("xs_stream_read_data", &[0]),
];

/// Tracepoints, by name, and those of their arguments that may be an error number in the place of an address.
const ERROR_ARGUMENTS: &[Row] = &[
    ("cachefiles_lookup", &[2]),
    ("mr_integ_alloc", &[3]),
    ("nfs4_inode_callback_event", &[2]),
    ("nfs4_inode_stateid_callback_event", &[2]),
];

/// Iterators over kernel objects, by target, and what is known of their arguments: the element is NULL at the end.
const ELEMENT_ARGUMENTS: &[(&str, &[(usize, ArgumentFact)])] = &[
    ("bpf_iter_bpf_link", &[(1, OR_NULL)]),
    ("bpf_iter_bpf_map", &[(1, TRUSTED_OR_NULL)]),
    ("bpf_iter_bpf_map_elem", &[(2, READ_ONLY_BUFFER), (3, BUFFER)]),
    ("bpf_iter_bpf_prog", &[(1, OR_NULL)]),
    ("bpf_iter_bpf_sk_storage_map", &[(2, OR_NULL), (3, BUFFER)]),
    ("bpf_iter_cgroup", &[(1, TRUSTED_OR_NULL)]),
    ("bpf_iter_dmabuf", &[(1, OR_NULL)]),
    ("bpf_iter_ipv6_route", &[(1, OR_NULL)]),
    ("bpf_iter_kmem_cache", &[(1, TRUSTED_OR_NULL)]),
    ("bpf_iter_ksym", &[(1, OR_NULL)]),
    ("bpf_iter_netlink", &[(1, OR_NULL)]),
    ("bpf_iter_sockmap", &[(2, READ_ONLY_BUFFER), (3, OR_NULL)]),
    ("bpf_iter_task", &[(1, TRUSTED_OR_NULL)]),
    ("bpf_iter_task_file", &[(1, OR_NULL), (3, OR_NULL)]),
    ("bpf_iter_task_vma", &[(1, OR_NULL), (2, OR_NULL)]),
    ("bpf_iter_tcp", &[(1, TRUSTED_OR_NULL)]),
    ("bpf_iter_udp", &[(1, TRUSTED_OR_NULL)]),
    ("bpf_iter_unix", &[(1, OR_NULL)]),
];

/// Whether an argument of a tracepoint may be NULL.
pub fn may_be_null(tracepoint: &str, argument: usize) -> bool {
    has(NULLABLE_ARGUMENTS, tracepoint, argument)
}

/// Whether an argument of a tracepoint may be an error number.
pub fn may_be_error(tracepoint: &str, argument: usize) -> bool {
    has(ERROR_ARGUMENTS, tracepoint, argument)
}

fn has(rows: &[Row], tracepoint: &str, argument: usize) -> bool {
    let row = rows.binary_search_by_key(&tracepoint, |(name, _)| name);
    row.is_ok_and(|row| rows[row].1.contains(&argument))
}

/// What is known of an argument of the iterator of that target (`bpf_iter_task`).
pub fn element_argument(target: &str, argument: usize) -> Option<ArgumentFact> {
    let row = ELEMENT_ARGUMENTS.binary_search_by_key(&target, |(name, _)| name).ok()?;
    ELEMENT_ARGUMENTS[row].1.iter().find(|(index, _)| *index == argument).map(|(_, fact)| *fact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order() {
        assert!(NULLABLE_ARGUMENTS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(ERROR_ARGUMENTS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(ELEMENT_ARGUMENTS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn what_is_known() {
        assert!(may_be_null("kfree_skb", 3));
        assert!(!may_be_null("kfree_skb", 0));
        assert!(!may_be_null("sched_switch", 1));
        assert!(may_be_error("mr_integ_alloc", 3));
        assert_eq!(element_argument("bpf_iter_task", 1), Some(TRUSTED_OR_NULL));
        assert_eq!(element_argument("bpf_iter_task", 0), None);
        assert_eq!(element_argument("bpf_iter_nothing", 1), None);
    }
}
