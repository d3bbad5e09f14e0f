//! Kfuncs of Linux 6.18 that programs call, by subject.

use super::{Kfunc, KfuncFlags, KfuncRule, KfuncSet};
use crate::Version;

macro_rules! rule {
    () => {
        KfuncRule::Plain
    };
    ($rule:ident) => {
        KfuncRule::$rule
    };
}

macro_rules! kfuncs {
    ($($name:ident ($major:literal, $minor:literal) $set:ident {$($flag:ident)*} $([$rule:ident])? $doc:literal;)*) => {
        /// One row per kfunc.
        pub const KFUNCS: &[Kfunc] = &[$(Kfunc {
            name: stringify!($name),
            set: KfuncSet::$set,
            flags: KfuncFlags::from_bits_retain(0 $(| KfuncFlags::$flag.bits())*),
            rule: rule!($($rule)?),
            since: Version($major, $minor),
            doc: $doc,
        },)*];
    };
}

kfuncs! {
    bpf_obj_new_impl (6, 2) Generic {ACQUIRE RET_NULL} [NewObject] "Allocates an object of a type of the program's own.";
    bpf_obj_drop_impl (6, 2) Generic {RELEASE} [DropObject] "Frees such an object.";
    bpf_percpu_obj_new_impl (6, 7) Generic {ACQUIRE RET_NULL} [NewPerCpuObject] "Allocates an object for each CPU.";
    bpf_percpu_obj_drop_impl (6, 7) Generic {RELEASE} [DropPerCpuObject] "Frees such an object.";
    bpf_refcount_acquire_impl (6, 4) Generic {ACQUIRE RET_NULL RCU ALLOWED_IN_LOCK} [ShareObject] "A second reference to an object that counts them.";
    bpf_list_push_front_impl (6, 4) Generic {ALLOWED_IN_LOCK} [InsertNode] "Puts an object at the front of a list.";
    bpf_list_push_back_impl (6, 4) Generic {ALLOWED_IN_LOCK} [InsertNode] "Puts an object at the back of a list.";
    bpf_list_pop_front (6, 2) Generic {ACQUIRE RET_NULL ALLOWED_IN_LOCK} "Takes the first object out of a list.";
    bpf_list_pop_back (6, 2) Generic {ACQUIRE RET_NULL ALLOWED_IN_LOCK} "Takes the last object out of a list.";
    bpf_list_front (6, 16) Generic {RET_NULL ALLOWED_IN_LOCK} "The first object of a list.";
    bpf_list_back (6, 16) Generic {RET_NULL ALLOWED_IN_LOCK} "The last object of a list.";
    bpf_rbtree_add_impl (6, 4) Generic {ALLOWED_IN_LOCK} [InsertNode] "Puts an object into a tree.";
    bpf_rbtree_remove (6, 3) Generic {ACQUIRE RET_NULL ALLOWED_IN_LOCK} "Takes an object out of a tree.";
    bpf_rbtree_first (6, 3) Generic {RET_NULL ALLOWED_IN_LOCK} "The first object of a tree.";
    bpf_rbtree_root (6, 16) Generic {RET_NULL ALLOWED_IN_LOCK} "The root of a tree.";
    bpf_rbtree_left (6, 16) Generic {RET_NULL ALLOWED_IN_LOCK} "The left child of an object in a tree.";
    bpf_rbtree_right (6, 16) Generic {RET_NULL ALLOWED_IN_LOCK} "The right child of an object in a tree.";

    bpf_task_acquire (6, 2) Generic {ACQUIRE RCU RET_NULL} "A reference to a task.";
    bpf_task_release (6, 2) Generic {RELEASE} "Gives a task back.";
    bpf_task_from_pid (6, 2) Generic {ACQUIRE RET_NULL} "The task of a global thread id.";
    bpf_task_from_vpid (6, 14) Generic {ACQUIRE RET_NULL} "The task of a thread id in the current namespace.";
    bpf_task_under_cgroup (6, 5) Generic {RCU} "Whether a task is below a cgroup.";
    bpf_task_get_cgroup1 (6, 8) Generic {ACQUIRE RCU RET_NULL} "A task's cgroup in a version 1 hierarchy.";
    bpf_send_signal_task (6, 13) Generic {TRUSTED_ARGS} "Sends a signal to a task.";
    bpf_cgroup_acquire (6, 2) Generic {ACQUIRE RCU RET_NULL} "A reference to a cgroup.";
    bpf_cgroup_release (6, 2) Generic {RELEASE} "Gives a cgroup back.";
    bpf_cgroup_ancestor (6, 2) Generic {ACQUIRE RCU RET_NULL} "The ancestor of a cgroup at a level.";
    bpf_cgroup_from_id (6, 4) Generic {ACQUIRE RET_NULL} "The cgroup of an id.";
    bpf_throw (6, 7) Generic {} [Throw] "Ends the program with a value.";

    bpf_cast_to_kern_ctx (6, 2) Common {FASTCALL} [CastToKernelContext] "The kernel's own struct of the context.";
    bpf_rdonly_cast (6, 2) Common {FASTCALL} [ReadOnlyCast] "A pointer as one to a given kernel type, for reading.";
    bpf_rcu_read_lock (6, 2) Common {} [RcuLock] "Begins an RCU read section.";
    bpf_rcu_read_unlock (6, 2) Common {} [RcuUnlock] "Ends an RCU read section.";
    bpf_preempt_disable (6, 10) Common {} [PreemptDisable] "Keeps the task on its CPU, uninterrupted by others.";
    bpf_preempt_enable (6, 10) Common {} [PreemptEnable] "Ends that.";
    bpf_local_irq_save (6, 14) Common {} [InterruptSave] "Holds interrupts off.";
    bpf_local_irq_restore (6, 14) Common {} [InterruptRestore] "Ends that.";
    bpf_res_spin_lock (6, 15) Common {RET_NULL ALLOWED_IN_LOCK} [TakeLock] "Takes a spin lock that finds deadlocks.";
    bpf_res_spin_unlock (6, 15) Common {ALLOWED_IN_LOCK} [GiveLock] "Gives it back.";
    bpf_res_spin_lock_irqsave (6, 15) Common {RET_NULL ALLOWED_IN_LOCK} [TakeLockInterruptsOff] "Takes it with interrupts held off.";
    bpf_res_spin_unlock_irqrestore (6, 15) Common {ALLOWED_IN_LOCK} [GiveLockInterruptsOn] "Gives it back.";

    bpf_dynptr_slice (6, 4) Common {RET_NULL} [DynptrSlice] "A readable part of a dynptr, copied if it is not contiguous.";
    bpf_dynptr_slice_rdwr (6, 4) Common {RET_NULL} [DynptrSliceReadWrite] "A writable part of a dynptr, copied if it is not contiguous.";
    bpf_dynptr_adjust (6, 5) Common {} "Narrows a dynptr.";
    bpf_dynptr_is_null (6, 5) Common {} "Whether a dynptr is null.";
    bpf_dynptr_is_rdonly (6, 5) Common {} "Whether a dynptr is read-only.";
    bpf_dynptr_size (6, 5) Common {} "Bytes of a dynptr.";
    bpf_dynptr_clone (6, 5) Common {} [DynptrClone] "A second dynptr over the same bytes.";
    bpf_dynptr_copy (6, 15) Common {} [DynptrWrite] "Copies from one dynptr to another.";
    bpf_dynptr_memset (6, 17) Common {} [DynptrWrite] "Fills a part of a dynptr.";
    bpf_dynptr_from_skb (6, 4) Packet {TRUSTED_ARGS} [DynptrOverSkb] "A dynptr over a packet.";
    bpf_dynptr_from_skb_meta (6, 18) Packet {TRUSTED_ARGS} [DynptrOverSkbMeta] "A dynptr over the metadata of a packet.";
    bpf_dynptr_from_xdp (6, 4) Xdp {} [DynptrOverXdp] "A dynptr over a frame.";

    bpf_iter_num_new (6, 4) Common {ITER_NEW ALLOWED_IN_LOCK} "Begins to count.";
    bpf_iter_num_next (6, 4) Common {ITER_NEXT RET_NULL ALLOWED_IN_LOCK} "The next number.";
    bpf_iter_num_destroy (6, 4) Common {ITER_DESTROY ALLOWED_IN_LOCK} "Ends counting.";
    bpf_iter_bits_new (6, 11) Common {ITER_NEW} "Begins to go over set bits.";
    bpf_iter_bits_next (6, 11) Common {ITER_NEXT RET_NULL} "The next set bit.";
    bpf_iter_bits_destroy (6, 11) Common {ITER_DESTROY} "Ends it.";
    bpf_iter_task_new (6, 7) Common {ITER_NEW TRUSTED_ARGS RCU_PROTECTED} "Begins to go over tasks.";
    bpf_iter_task_next (6, 7) Common {ITER_NEXT RET_NULL} "The next task.";
    bpf_iter_task_destroy (6, 7) Common {ITER_DESTROY} "Ends it.";
    bpf_iter_task_vma_new (6, 7) Common {ITER_NEW RCU} "Begins to go over the memory areas of a task.";
    bpf_iter_task_vma_next (6, 7) Common {ITER_NEXT RET_NULL} "The next memory area.";
    bpf_iter_task_vma_destroy (6, 7) Common {ITER_DESTROY} "Ends it.";
    bpf_iter_css_new (6, 7) Common {ITER_NEW TRUSTED_ARGS RCU_PROTECTED} "Begins to go over a tree of cgroups.";
    bpf_iter_css_next (6, 7) Common {ITER_NEXT RET_NULL} "The next cgroup.";
    bpf_iter_css_destroy (6, 7) Common {ITER_DESTROY} "Ends it.";
    bpf_iter_css_task_new (6, 7) Common {ITER_NEW TRUSTED_ARGS} [CssTaskIterator] "Begins to go over the tasks of a cgroup.";
    bpf_iter_css_task_next (6, 7) Common {ITER_NEXT RET_NULL} "The next task.";
    bpf_iter_css_task_destroy (6, 7) Common {ITER_DESTROY} "Ends it.";
    bpf_iter_kmem_cache_new (6, 13) Common {ITER_NEW SLEEPABLE} "Begins to go over slab caches.";
    bpf_iter_kmem_cache_next (6, 13) Common {ITER_NEXT RET_NULL SLEEPABLE} "The next slab cache.";
    bpf_iter_kmem_cache_destroy (6, 13) Common {ITER_DESTROY SLEEPABLE} "Ends it.";

    bpf_iter_dmabuf_new (6, 16) Common {ITER_NEW SLEEPABLE} "Begins to go over DMA buffers.";
    bpf_iter_dmabuf_next (6, 16) Common {ITER_NEXT RET_NULL SLEEPABLE} "The next DMA buffer.";
    bpf_iter_dmabuf_destroy (6, 16) Common {ITER_DESTROY SLEEPABLE} "Ends it.";

    bpf_wq_init (6, 10) Common {} "Initialises a work item in a map value.";
    bpf_wq_set_callback_impl (6, 10) Common {} [CallLater] "Sets the function that a work item calls.";
    bpf_wq_start (6, 10) Common {} "Queues a work item.";
    bpf_task_work_schedule_signal_impl (6, 18) Common {TRUSTED_ARGS} [CallInTask] "Has a task call a function when it returns to user space, at once.";
    bpf_task_work_schedule_resume_impl (6, 18) Common {TRUSTED_ARGS} [CallInTask] "Has a task call a function when it next returns to user space.";
    bpf_copy_from_user_str (6, 12) Common {SLEEPABLE} "Copies a string of user space, with page faults.";
    bpf_copy_from_user_task_str (6, 15) Common {SLEEPABLE} "Copies a string of another task, with page faults.";
    bpf_probe_read_user_dynptr (6, 16) Common {} [DynptrWrite] "Copies memory of user space into a dynptr.";
    bpf_probe_read_kernel_dynptr (6, 16) Common {} [DynptrWrite] "Copies memory of the kernel into a dynptr.";
    bpf_copy_from_user_dynptr (6, 16) Common {SLEEPABLE} [DynptrWrite] "Copies memory of user space into a dynptr, with page faults.";
    bpf_probe_read_user_str_dynptr (6, 16) Common {} [DynptrWrite] "Copies a string of user space into a dynptr.";
    bpf_probe_read_kernel_str_dynptr (6, 16) Common {} [DynptrWrite] "Copies a string of the kernel into a dynptr.";
    bpf_copy_from_user_str_dynptr (6, 16) Common {SLEEPABLE} [DynptrWrite] "Copies a string of user space into a dynptr, with page faults.";
    bpf_copy_from_user_task_dynptr (6, 16) Common {SLEEPABLE TRUSTED_ARGS} [DynptrWrite] "Copies memory of another task into a dynptr, with page faults.";
    bpf_copy_from_user_task_str_dynptr (6, 16) Common {SLEEPABLE TRUSTED_ARGS} [DynptrWrite] "Copies a string of another task into a dynptr, with page faults.";
    bpf_stream_vprintk_impl (6, 17) Common {TRUSTED_ARGS} "Prints to a stream of the program.";
    bpf_strcmp (6, 17) Common {} "Compares strings.";
    bpf_strcasecmp (6, 18) Common {} "Compares strings, whatever their case.";
    bpf_strlen (6, 17) Common {} "Bytes of a string.";
    bpf_strnlen (6, 17) Common {} "Bytes of a string, up to a limit.";
    bpf_strchr (6, 17) Common {} "Where a character first stands.";
    bpf_strnchr (6, 17) Common {} "Where a character first stands, up to a limit.";
    bpf_strchrnul (6, 17) Common {} "Where a character or the end first stands.";
    bpf_strrchr (6, 17) Common {} "Where a character last stands.";
    bpf_strspn (6, 17) Common {} "How far a string has only given characters.";
    bpf_strcspn (6, 17) Common {} "How far a string has none of given characters.";
    bpf_strstr (6, 17) Common {} "Where a string first stands in another.";
    bpf_strnstr (6, 17) Common {} "Where a string first stands in another, up to a limit.";
    bpf_get_kmem_cache (6, 13) Common {RCU RET_NULL} [UntrustedResult] "The slab cache of an address.";
    bpf_map_sum_elem_count (6, 6) Common {TRUSTED_ARGS} "How many elements a map has.";
    bpf_arena_alloc_pages (6, 9) Common {TRUSTED_ARGS SLEEPABLE} "Allocates pages of an arena.";
    bpf_arena_free_pages (6, 9) Common {TRUSTED_ARGS SLEEPABLE} "Frees pages of an arena.";
    bpf_arena_reserve_pages (6, 17) Common {TRUSTED_ARGS} "Keeps pages of an arena from being allocated.";

    bpf_cpumask_create (6, 3) Objects {ACQUIRE RET_NULL} "A new CPU mask.";
    bpf_cpumask_release (6, 3) Objects {RELEASE} "Gives a CPU mask back.";
    bpf_cpumask_acquire (6, 3) Objects {ACQUIRE TRUSTED_ARGS} "A second reference to a CPU mask.";
    bpf_cpumask_first (6, 3) Objects {RCU} "First CPU of a mask.";
    bpf_cpumask_first_zero (6, 3) Objects {RCU} "First CPU that is not in a mask.";
    bpf_cpumask_first_and (6, 6) Objects {RCU} "First CPU that is in both masks.";
    bpf_cpumask_set_cpu (6, 3) Objects {RCU} "Puts a CPU into a mask.";
    bpf_cpumask_clear_cpu (6, 3) Objects {RCU} "Takes a CPU out of a mask.";
    bpf_cpumask_test_cpu (6, 3) Objects {RCU} "Whether a CPU is in a mask.";
    bpf_cpumask_test_and_set_cpu (6, 3) Objects {RCU} "Puts a CPU into a mask and says whether it was there.";
    bpf_cpumask_test_and_clear_cpu (6, 3) Objects {RCU} "Takes a CPU out of a mask and says whether it was there.";
    bpf_cpumask_setall (6, 3) Objects {RCU} "Puts all CPUs into a mask.";
    bpf_cpumask_clear (6, 3) Objects {RCU} "Empties a mask.";
    bpf_cpumask_and (6, 3) Objects {RCU} "What is in both masks.";
    bpf_cpumask_or (6, 3) Objects {RCU} "What is in either mask.";
    bpf_cpumask_xor (6, 3) Objects {RCU} "What is in one of two masks.";
    bpf_cpumask_equal (6, 3) Objects {RCU} "Whether masks are equal.";
    bpf_cpumask_intersects (6, 3) Objects {RCU} "Whether masks have a CPU in common.";
    bpf_cpumask_subset (6, 3) Objects {RCU} "Whether a mask lies in another.";
    bpf_cpumask_empty (6, 3) Objects {RCU} "Whether a mask is empty.";
    bpf_cpumask_full (6, 3) Objects {RCU} "Whether a mask is full.";
    bpf_cpumask_copy (6, 3) Objects {RCU} "Copies a mask.";
    bpf_cpumask_any_distribute (6, 3) Objects {RCU} "Some CPU of a mask, another each time.";
    bpf_cpumask_any_and_distribute (6, 3) Objects {RCU} "Some CPU of both masks, another each time.";
    bpf_cpumask_weight (6, 8) Objects {RCU} "How many CPUs a mask has.";
    bpf_cpumask_populate (6, 15) Objects {RCU} "Fills a mask from memory.";

    bpf_get_task_exe_file (6, 12) Lsm {ACQUIRE TRUSTED_ARGS RET_NULL} "The file that a task runs.";
    bpf_put_file (6, 12) Lsm {RELEASE} "Gives a file back.";
    bpf_path_d_path (6, 12) Lsm {TRUSTED_ARGS} "Copies the full path of a kernel path.";
    bpf_get_dentry_xattr (6, 12) Lsm {SLEEPABLE TRUSTED_ARGS} "Copies an extended attribute of a directory entry.";
    bpf_get_file_xattr (6, 8) Lsm {SLEEPABLE TRUSTED_ARGS} "Copies an extended attribute of a file.";
    bpf_cgroup_read_xattr (6, 17) Common {RCU} "Copies an extended attribute of a cgroup.";
    bpf_set_dentry_xattr (6, 15) Lsm {SLEEPABLE TRUSTED_ARGS} "Sets an extended attribute of a directory entry.";
    bpf_remove_dentry_xattr (6, 15) Lsm {SLEEPABLE TRUSTED_ARGS} "Removes an extended attribute of a directory entry.";
    bpf_lookup_user_key (6, 1) Keys {ACQUIRE RET_NULL SLEEPABLE} "A key of the user by its serial number.";
    bpf_lookup_system_key (6, 1) Keys {ACQUIRE RET_NULL} "A keyring of the system.";
    bpf_verify_pkcs7_signature (6, 1) Keys {SLEEPABLE} "Whether a signature of data is by a trusted key.";
    bpf_key_put (6, 1) Keys {RELEASE} "Gives a key back.";

    bpf_crypto_ctx_create (6, 10) Syscall {ACQUIRE RET_NULL SLEEPABLE} "A new crypto context.";
    bpf_crypto_ctx_acquire (6, 10) Syscall {ACQUIRE RCU RET_NULL} "A second reference to a crypto context.";
    bpf_crypto_ctx_release (6, 10) Syscall {RELEASE} "Gives a crypto context back.";
    bpf_crypto_encrypt (6, 10) XdpAndTc {RCU} "Encrypts.";
    bpf_crypto_decrypt (6, 10) XdpAndTc {RCU} "Decrypts.";

    bpf_xdp_ct_alloc (6, 0) Xdp {ACQUIRE RET_NULL} "A new connection-tracking entry.";
    bpf_xdp_ct_lookup (5, 18) Xdp {ACQUIRE RET_NULL} "Finds a connection-tracking entry.";
    bpf_skb_ct_alloc (6, 0) Tc {ACQUIRE RET_NULL} "A new connection-tracking entry.";
    bpf_skb_ct_lookup (5, 18) Tc {ACQUIRE RET_NULL} "Finds a connection-tracking entry.";
    bpf_ct_insert_entry (6, 0) XdpAndTc {ACQUIRE RET_NULL RELEASE} "Puts a new entry into the table.";
    bpf_ct_release (5, 18) XdpAndTc {RELEASE} "Gives an entry back.";
    bpf_ct_set_timeout (6, 0) XdpAndTc {TRUSTED_ARGS} "Sets the life time of a new entry.";
    bpf_ct_change_timeout (6, 0) XdpAndTc {TRUSTED_ARGS} "Changes the life time of an entry.";
    bpf_ct_set_status (6, 0) XdpAndTc {TRUSTED_ARGS} "Sets the status of a new entry.";
    bpf_ct_change_status (6, 0) XdpAndTc {TRUSTED_ARGS} "Changes the status of an entry.";
    bpf_ct_set_nat_info (6, 1) XdpAndTc {TRUSTED_ARGS} "Sets the address translation of a new entry.";
    bpf_xdp_get_xfrm_state (6, 8) Xdp {ACQUIRE RET_NULL} "Finds an IPsec state.";
    bpf_xdp_xfrm_state_release (6, 8) Xdp {RELEASE} "Gives an IPsec state back.";
    bpf_xdp_metadata_rx_timestamp (6, 3) XdpMetadata {TRUSTED_ARGS} [DeviceBound] "When the device received the frame.";
    bpf_xdp_metadata_rx_hash (6, 3) XdpMetadata {TRUSTED_ARGS} [DeviceBound] "The device's hash of the frame.";
    bpf_xdp_metadata_rx_vlan_tag (6, 8) XdpMetadata {TRUSTED_ARGS} [DeviceBound] "The VLAN tag that the device took off.";
    bpf_xdp_pull_data (6, 18) Xdp {} [ChangesPacket] "Makes the first bytes of a frame contiguous.";
    bpf_sk_assign_tcp_reqsk (6, 9) Tc {TRUSTED_ARGS} "Makes a connection request for a checked SYN cookie.";
    bpf_sock_addr_set_sun_path (6, 7) SockAddr {} "Sets the path of a Unix address.";
    bpf_sock_ops_enable_tx_tstamp (6, 15) SockOps {TRUSTED_ARGS} "Asks for time stamps of sent bytes.";
    bpf_sock_destroy (6, 5) Iterator {TRUSTED_ARGS} "Closes a socket; in iterators over them.";
    bpf_session_is_return (6, 10) KprobeSession {} "Whether a session's probe runs at the return.";
    bpf_session_cookie (6, 10) KprobeSession {} [WritableResult] "A number that lasts from entry to return.";

    tcp_reno_ssthresh (5, 13) StructOps {} "The slow-start threshold after a loss, as Reno has it.";
    tcp_reno_cong_avoid (5, 13) StructOps {} "Grows the congestion window as Reno does.";
    tcp_reno_undo_cwnd (5, 13) StructOps {} "The congestion window before a loss that was none.";
    tcp_slow_start (5, 13) StructOps {} "Grows the congestion window in slow start.";
    tcp_cong_avoid_ai (5, 13) StructOps {} "Grows the congestion window additively.";
    cubictcp_init (5, 13) StructOps {} "Begins a connection as CUBIC does.";
    cubictcp_recalc_ssthresh (5, 13) StructOps {} "The slow-start threshold after a loss, as CUBIC has it.";
    cubictcp_cong_avoid (5, 13) StructOps {} "Grows the congestion window as CUBIC does.";
    cubictcp_state (5, 13) StructOps {} "Takes note of a change of state as CUBIC does.";
    cubictcp_cwnd_event (5, 13) StructOps {} "Takes note of an event of the congestion window as CUBIC does.";
    cubictcp_acked (5, 13) StructOps {} "Takes note of an acknowledgement as CUBIC does.";
}
