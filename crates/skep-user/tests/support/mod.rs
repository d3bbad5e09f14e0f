//! Linux's own `bpf(2)` as a [`Kernel`], to compare with. Raw, so that the comparison shares nothing but the codec.

use skep_abi::command::{Attr, Command, Failure, OwnAddresses, Reply};
use skep_abi::errno::Errno;
use skep_kernel::Kernel;
use std::sync::Arc;

struct RawLinux;

impl Kernel for RawLinux {
    fn name(&self) -> &'static str {
        "linux"
    }

    fn bpf(&self, mut command: Command<'_>) -> Result<Reply, Failure> {
        let mut attr = Attr::default();
        let number = command.number();
        command.encode(&mut attr, &mut OwnAddresses);
        let size = attr.len;
        // SAFETY: the addresses in the attr are those of the command's buffers with their lengths, and of `attr`, all of
        // which live until the call returns.
        let returned = unsafe { libc::syscall(libc::SYS_bpf, number.number(), attr.bytes.as_mut_ptr(), size) };
        if returned < 0 {
            let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
            return Err(Failure { errno: Errno(errno), reply: command.finish(None, &attr) });
        }
        Ok(command.finish(Some(returned as i32), &attr))
    }

    fn close(&self, fd: i32) {
        // SAFETY: closes a descriptor that this kernel gave and its owner gives up.
        unsafe { libc::close(fd) };
    }

    fn duplicate(&self, fd: i32) -> Result<i32, Errno> {
        // SAFETY: makes a new descriptor.
        let new = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
        if new < 0 { Err(Errno::EBADF) } else { Ok(new) }
    }

    fn possible_cpus(&self) -> u32 {
        let text = std::fs::read_to_string("/sys/devices/system/cpu/possible").expect("sysfs");
        let last = text.trim().rsplit(['-', ',']).next().and_then(|n| n.parse::<u32>().ok());
        last.expect("a list of CPUs") + 1
    }

    fn version_code(&self) -> u32 {
        0
    }
}

/// Linux, where this process may use its BPF; else says that the comparison is skipped.
pub(crate) fn linux(test: &str) -> Option<Arc<dyn Kernel>> {
    let kernel: Arc<dyn Kernel> = Arc::new(RawLinux);
    let probe =
        skep_abi::command::MapCreate { map_type: 2, key_size: 4, value_size: 4, max_entries: 1, ..Default::default() };
    match skep_kernel::calls::map_create(&kernel, probe) {
        Ok(_) => Some(kernel),
        Err(errno) => {
            assert!(std::env::var_os("SKEP_REQUIRE_ALL").is_none(), "{test}: bpf(2) cannot be used: {errno}");
            eprintln!("SKIPPED: {test}: not compared with Linux, bpf(2) cannot be used: {errno}");
            None
        }
    }
}
