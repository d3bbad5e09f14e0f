//! What programs find out about the task, the clock and the machine; and what they print.

mod support;

use skep_abi::command::{ProgLoad, ProgTestRun, Reply};
use skep_abi::helper;
use skep_abi::program_type::ProgramType;
use skep_btf::{Btf, Kind};
use skep_engine::Mode;
use skep_isa::Slot;
use skep_isa::text::{Names, assemble_with};
use skep_kernel::{Kernel, calls};
use skep_user::{Clock, Config, TaskSpec, UserKernel};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::linux;

struct Helpers;

impl Names for Helpers {
    fn helper(&self, name: &str) -> Option<i32> {
        helper::by_name(name).map(|helper| helper.id as i32)
    }
}

fn task() -> TaskSpec {
    TaskSpec {
        pid: 77,
        tgid: 70,
        uid: 1000,
        gid: 100,
        comm: "reader".to_owned(),
        parent: 7,
        cgroup_id: 5,
        ..TaskSpec::default()
    }
}

fn kernels() -> [Arc<UserKernel>; 3] {
    [Mode::Jit, Mode::Interpreter, Mode::Sandbox]
        .map(|mode| UserKernel::new(Config { mode, task: task(), ..Config::deterministic() }))
}

/// Runs a raw tracepoint program; gives what it returned.
fn run(user: &Arc<UserKernel>, text: &str) -> u32 {
    let kernel: Arc<dyn Kernel> = user.clone();
    run_on(&kernel, text)
}

fn run_on(kernel: &Arc<dyn Kernel>, text: &str) -> u32 {
    let insns = Slot::write_program(&assemble_with(text, &Helpers).expect("the text assembles").slots);
    let mut log = vec![0; 1 << 16];
    let command = ProgLoad {
        prog_type: ProgramType::RawTracepoint.number(),
        insns: &insns,
        license: Some(c"GPL"),
        log_level: 1,
        log_buf: &mut log,
        ..Default::default()
    };
    let loaded = calls::prog_load(kernel, command);
    let (program, _) = loaded.unwrap_or_else(|failure| {
        let end = log.iter().position(|byte| *byte == 0).unwrap_or(0);
        panic!("{failure}: {}", String::from_utf8_lossy(&log[..end]))
    });
    match kernel.bpf(ProgTestRun { prog_fd: program.fd(), ..Default::default() }.into()) {
        Ok(Reply::TestRun { retval, .. }) => retval,
        other => panic!("{other:?}"),
    }
}

/// Offset of a field in a struct of the kernel's own BTF.
fn offset(kernel: &UserKernel, structure: &str, field: &str) -> u64 {
    offset_in(&kernel.btf().expect("BTF"), structure, field)
}

fn offset_in(btf: &Btf, structure: &str, field: &str) -> u64 {
    let id = btf.find(Kind::Struct, structure).expect("the struct");
    btf.find_member(id, field).expect("the field").byte_offset()
}

#[test]
fn the_current_task() {
    for kernel in kernels() {
        assert_eq!(run(&kernel, "call get_current_pid_tgid\nexit"), 77);
        assert_eq!(run(&kernel, "call get_current_pid_tgid\nr0 >>= 32\nexit"), 70);
        assert_eq!(run(&kernel, "call get_current_uid_gid\nexit"), 1000);
        assert_eq!(run(&kernel, "call get_current_uid_gid\nr0 >>= 32\nexit"), 100);
        assert_eq!(run(&kernel, "call get_current_cgroup_id\nexit"), 5);
        assert_eq!(run(&kernel, "call get_smp_processor_id\nexit"), 0);
        let comm = "r1 = r10\nr1 += -16\nr2 = 16\ncall get_current_comm\nr0 = *(u32 *)(r10 - 16)\nexit";
        assert_eq!(run(&kernel, comm), u32::from_le_bytes(*b"read"));
    }
}

#[test]
fn typed_pointers_of_the_task_can_be_followed() {
    for kernel in kernels() {
        let field = |structure, field| offset(&kernel, structure, field);
        let (pid, tgid) = (field("task_struct", "pid"), field("task_struct", "tgid"));
        let parent = field("task_struct", "real_parent");
        let (cred, uid) = (field("task_struct", "cred"), field("cred", "uid"));
        assert_eq!(run(&kernel, &format!("call get_current_task_btf\nr0 = *(u32 *)(r0 + {pid})\nexit")), 77);
        let text = format!("call get_current_task_btf\nr0 = *(u64 *)(r0 + {parent})\nr0 = *(u32 *)(r0 + {tgid})\nexit");
        assert_eq!(run(&kernel, &text), 7);
        let text = format!("call get_current_task_btf\nr0 = *(u64 *)(r0 + {cred})\nr0 = *(u32 *)(r0 + {uid})\nexit");
        assert_eq!(run(&kernel, &text), 1000);
    }
}

/// On Linux such loads give 0 where they fault; a kernel's address space holds nothing at the fields of NULL.
#[test]
fn typed_pointers_that_are_null_give_zero() {
    for kernel in kernels() {
        let field = |structure, field| offset(&kernel, structure, field);
        let parent = field("task_struct", "real_parent");
        let (mm, file) = (field("task_struct", "mm"), field("mm_struct", "exe_file"));
        let (inode, number, size) = (field("file", "f_inode"), field("inode", "i_ino"), field("inode", "i_size"));
        // The parent's memory is not known, so every step from there on is through NULL.
        let walk = format!(
            "call get_current_task_btf
             r0 = *(u64 *)(r0 + {parent})
             r0 = *(u64 *)(r0 + {mm})
             r0 = *(u64 *)(r0 + {file})
             r1 = *(u64 *)(r0 + {inode})"
        );
        assert_eq!(run(&kernel, &format!("{walk}\nr0 = *(u64 *)(r1 + {number})\nexit")), 0);
        assert_eq!(run(&kernel, &format!("{walk}\nr0 = *(s32 *)(r1 + {size})\nr0 += 5\nexit")), 5);
        let own = format!(
            "call get_current_task_btf\nr0 = *(u64 *)(r0 + {mm})\nr0 = *(u64 *)(r0 + {file})\nif r0 == 0 goto +1\nr0 = 1\nexit"
        );
        assert_eq!(run(&kernel, &own), 1, "the task's own memory is known");
    }
}

/// From any task over its ancestors to the first one, which has no memory: the inode number of its executable.
fn walk_to_the_first_task(btf: &Btf) -> String {
    let field = |structure, field| offset_in(btf, structure, field);
    let parents = format!("r0 = *(u64 *)(r0 + {})\n", field("task_struct", "real_parent")).repeat(40);
    let chain = [("task_struct", "mm"), ("mm_struct", "exe_file"), ("file", "f_inode"), ("inode", "i_ino")];
    let steps: String = chain.iter().map(|(s, f)| format!("r0 = *(u64 *)(r0 + {})\n", field(s, f))).collect();
    format!("call get_current_task_btf\n{parents}{steps}r0 += 3\nexit")
}

#[test]
fn walks_through_null_are_accepted_and_give_zero_as_on_linux() {
    for kernel in kernels() {
        assert_eq!(run(&kernel, &walk_to_the_first_task(&kernel.btf().expect("BTF"))), 3);
    }
    let Some(linux) = linux("a walk through NULL") else { return };
    let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
        return skep_testing::skip("the kernel shows no BTF");
    };
    let btf = Btf::parse(&bytes).expect("the kernel's BTF");
    assert_eq!(run_on(&linux, &walk_to_the_first_task(&btf)), 3);
}

#[test]
fn probing_reads_what_is_there_and_survives_what_is_not() {
    for kernel in kernels() {
        let tgid = offset(&kernel, "task_struct", "tgid");
        let text = format!(
            "call get_current_task
             r3 = r0
             r3 += {tgid}
             r1 = r10
             r1 += -8
             r2 = 4
             call probe_read_kernel
             r0 = *(u32 *)(r10 - 8)
             exit"
        );
        assert_eq!(run(&kernel, &text), 70);
        let bad = "r1 = r10\nr1 += -8\nr2 = 8\nr3 = 64\ncall probe_read_kernel\nexit";
        assert_eq!(run(&kernel, bad).cast_signed(), -14);
        let bad = "r1 = r10\nr1 += -8\nr2 = 8\nr3 = 64\ncall probe_read_user_str\nexit";
        assert_eq!(run(&kernel, bad).cast_signed(), -14);
    }
}

#[test]
fn a_virtual_clock_and_a_seed_make_runs_repeatable() {
    let clock = Arc::new(AtomicU64::new(5_000));
    let config = || Config { clock: Clock::Virtual(clock.clone()), ..Config::deterministic() };
    let (one, other) = (UserKernel::new(config()), UserKernel::new(config()));
    assert_eq!(run(&one, "call ktime_get_ns\nexit"), 5_000);
    clock.store(6_000, Ordering::SeqCst);
    assert_eq!(run(&one, "call ktime_get_boot_ns\nexit"), 6_000);
    let random = "call get_prandom_u32\nexit";
    // The other kernel has not made its first two runs yet.
    run(&other, "call ktime_get_ns\nexit");
    run(&other, "call ktime_get_ns\nexit");
    let numbers: Vec<u32> = (0..4).map(|_| run(&one, random)).collect();
    assert_eq!(numbers, (0..4).map(|_| run(&other, random)).collect::<Vec<_>>());
    assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "{numbers:?}");
}

#[test]
fn printed_lines_carry_task_and_time() {
    for kernel in kernels() {
        let text = "
            r1 = 0x000a6425203d2078 ll
            *(u64 *)(r10 - 8) = r1
            r1 = r10
            r1 += -8
            r2 = 8
            r3 = 42
            call trace_printk
            exit";
        assert_eq!(run(&kernel, text), 7);
        let lines = kernel.take_trace();
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].text.as_str(), lines[0].comm.as_str(), lines[0].pid), ("x = 42", "reader", 77));
        let shown = lines[0].to_string();
        assert!(shown.contains("reader-77") && shown.ends_with("bpf_trace_printk: x = 42"), "{shown}");
        assert!(kernel.take_trace().is_empty());
    }
}

#[test]
fn the_kernel_describes_its_own_structs() {
    let [kernel, ..] = kernels();
    let btf = kernel.btf().expect("BTF");
    btf.validate().expect("what we publish is valid");
    for name in ["task_struct", "file", "cred", "sk_buff", "sock", "path", "dentry", "inode", "pt_regs", "mm_struct"] {
        let id = btf.find(Kind::Struct, name).unwrap_or_else(|| panic!("no struct {name}"));
        let size = btf.size_of(id).expect("a size");
        let last = btf.members(id).map(|field| field.byte_offset() + btf.size_of(field.ty).unwrap_or(0)).max();
        assert!(last.is_some_and(|end| end <= size), "{name}: {last:?} of {size}");
    }
    assert!(btf.find(Kind::Function, "bpf_lsm_file_open").is_some());
    assert!(btf.find(Kind::Typedef, "btf_trace_sched_switch").is_some());
}
