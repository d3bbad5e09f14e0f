//! The current task, CPU and run.

use crate::kernel::UserKernel;
use crate::run::{Call, HelperResult, random};
use skep_abi::errno::Errno;
use skep_engine::{Direct, RunFacts};
use std::mem::offset_of;
use std::sync::atomic::AtomicU64;

/// `u64 bpf_get_current_pid_tgid(void)`
pub(super) fn pid_tgid(call: &mut Call<'_, '_, '_>) -> HelperResult {
    Ok(call.env.facts.pid_tgid)
}

/// `u64 bpf_get_current_uid_gid(void)`
pub(super) fn uid_gid(call: &mut Call<'_, '_, '_>) -> HelperResult {
    Ok(call.env.facts.uid_gid)
}

/// `long bpf_get_current_comm(buffer, size)`
pub(super) fn comm(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [to, size, ..] = call.args;
    let size = call.size(size)?;
    let mut name = call.env.task.comm().to_vec();
    name.resize(size, 0);
    if let Some(last) = name.last_mut() {
        *last = 0;
    }
    call.machine.write(to, &name)?;
    Ok(0)
}

/// `u64 bpf_get_current_task(void)` and `struct task_struct *bpf_get_current_task_btf(void)`
pub(super) fn task(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let (whole, size) = call.env.task.whole_memory();
    call.lend_read_only(whole, size);
    Ok(std::ptr::from_ref(call.env.task.memory()).expose_provenance() as u64)
}

/// `u64 bpf_get_current_cgroup_id(void)`
pub(super) fn cgroup_id(call: &mut Call<'_, '_, '_>) -> HelperResult {
    Ok(call.env.task.spec().cgroup_id)
}

/// `u64 bpf_get_current_ancestor_cgroup_id(level)`: the root is the only ancestor there is.
pub(super) fn ancestor_cgroup_id(call: &mut Call<'_, '_, '_>) -> HelperResult {
    Ok(if call.args[0] as i32 == 0 { 1 } else { 0 })
}

/// `u32 bpf_get_smp_processor_id(void)`
pub(super) fn cpu(call: &mut Call<'_, '_, '_>) -> HelperResult {
    Ok(u64::from(call.cpu()))
}

/// `long bpf_get_numa_node_id(void)`: there is one.
pub(super) fn numa_node(_call: &mut Call<'_, '_, '_>) -> HelperResult {
    Ok(0)
}

/// `u32 bpf_get_prandom_u32(void)`
pub(super) fn random(call: &mut Call<'_, '_, '_>) -> HelperResult {
    Ok(u64::from(random::next(&mut call.env.facts.random, &call.env.kernel.seeds)))
}

pub(super) fn direct_pid_tgid(_kernel: &UserKernel) -> Direct {
    Direct::Fact { offset: offset_of!(RunFacts, pid_tgid) as u32, wide: true }
}

pub(super) fn direct_uid_gid(_kernel: &UserKernel) -> Direct {
    Direct::Fact { offset: offset_of!(RunFacts, uid_gid) as u32, wide: true }
}

pub(super) fn direct_cpu(_kernel: &UserKernel) -> Direct {
    Direct::Fact { offset: offset_of!(RunFacts, cpu) as u32, wide: false }
}

pub(super) fn direct_numa_node(_kernel: &UserKernel) -> Direct {
    Direct::Fact { offset: offset_of!(RunFacts, numa_node) as u32, wide: false }
}

/// The first number of a run takes a seed of the kernel's, which is r1.
pub(super) fn direct_random(kernel: &UserKernel) -> Direct {
    let seeds = std::ptr::from_ref(&kernel.seeds).expose_provenance() as u64;
    Direct::Function { function: direct_prandom, data: Some(seeds) }
}

/// # Safety
/// As [`skep_engine::DirectFunction`] says; r1 is the address of the seeds of the kernel that runs the program.
unsafe extern "C" fn direct_prandom(seeds: u64, _: u64, _: u64, _: u64, _: u64, facts: *mut RunFacts) -> u64 {
    // SAFETY: the contract of this function.
    let (state, seeds) =
        unsafe { (&mut (*facts).random, &*std::ptr::with_exposed_provenance::<AtomicU64>(seeds as usize)) };
    u64::from(random::next(state, seeds))
}

/// `u64 bpf_get_attach_cookie(context)`
pub(super) fn attach_cookie(call: &mut Call<'_, '_, '_>) -> HelperResult {
    Ok(call.env.options.cookie)
}

/// `u64 bpf_get_func_ip(context)`: the innermost frame's address.
pub(super) fn function_address(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let options = call.env.options;
    Ok(options.kernel_stack.first().or(options.user_stack.first()).copied().unwrap_or(0))
}

/// `long bpf_get_ns_current_pid_tgid(dev, ino, struct bpf_pidns_info *to, size)`: there is one namespace, and every device
/// and inode number names it.
pub(super) fn pid_tgid_in_namespace(call: &mut Call<'_, '_, '_>) -> HelperResult {
    let [_, _, to, size, _] = call.args;
    let task = call.env.task.spec();
    if size as u32 != 8 {
        call.machine.write(to, &vec![0; call.size(size)?])?;
        return Err(Errno::EINVAL.into());
    }
    let info = u64::from(task.tgid) << 32 | u64::from(task.pid);
    call.machine.write(to, &info.to_ne_bytes())?;
    Ok(0)
}
