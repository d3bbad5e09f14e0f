//! The tracing file system: numbers and formats of tracepoints, the trace pipe. Nothing in it is changed.

use rustix::fs::{Mode, OFlags, openat};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use skep_abi::errno::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

/// Where it is mounted by custom.
const MOUNTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
/// Most bytes of a format file.
const FORMAT_LIMIT: u64 = 1 << 20;

/// The root of the tracing file system.
#[derive(Debug)]
pub(crate) struct TraceFiles(OwnedFd);

impl TraceFiles {
    /// Finds it; where it is not mounted, opens it without mounting it anywhere.
    ///
    /// # Errors
    /// `EACCES` and `EPERM` without privilege, `ENODEV` where the kernel has none.
    pub(crate) fn open() -> Result<TraceFiles, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        for mount in MOUNTS {
            let Ok(root) = openat(rustix::fs::CWD, mount, flags, Mode::empty()) else { continue };
            match openat(&root, "events", flags, Mode::empty()) {
                Ok(_) => return Ok(TraceFiles(root)),
                Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => return Err(Errno::EACCES),
                Err(_) => {}
            }
        }
        detached().map(TraceFiles).map_err(|e| Errno(e.raw_os_error()))
    }

    fn file(&self, path: &str) -> Result<File, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let fd = openat(&self.0, path, flags, Mode::empty()).map_err(|e| Errno(e.raw_os_error()))?;
        Ok(File::from(fd))
    }

    fn text(&self, path: &str) -> Result<String, Errno> {
        let mut text = String::new();
        let file = self.file(path)?;
        file.take(FORMAT_LIMIT).read_to_string(&mut text).map_err(|e| Errno(e.raw_os_error().unwrap_or(5)))?;
        Ok(text)
    }

    /// A file of a tracepoint's directory.
    pub(crate) fn event(&self, category: &str, name: &str, file: &str) -> Result<String, Errno> {
        let plain = |part: &str| !part.is_empty() && !part.contains('/') && part != "." && part != "..";
        if !plain(category) || !plain(name) {
            return Err(Errno::EINVAL);
        }
        self.text(&format!("events/{category}/{name}/{file}"))
    }

    /// The pipe with the lines of `bpf_printk`, which reading takes out of it. It does not block.
    pub(crate) fn pipe(&self) -> Result<File, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = openat(&self.0, "trace_pipe", flags, Mode::empty()).map_err(|e| Errno(e.raw_os_error()))?;
        Ok(File::from(fd))
    }
}

/// The file system as a mount that only this descriptor knows.
fn detached() -> rustix::io::Result<OwnedFd> {
    let context = fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_NOEXEC)
}
