//! `perf_event_open(2)`.

use crate::system_call::last_errno;
use skep_abi::errno::Errno;
use skep_kernel::{PerfEvent, PerfEventKind, PerfSample, SampleRate};
use std::ffi::CString;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes of `struct perf_event_attr` up to `config3`, which is more than is used here.
const ATTR_SIZE: usize = 128;

/// Places in `struct perf_event_attr`.
mod at {
    pub(super) const TYPE: usize = 0;
    pub(super) const SIZE: usize = 4;
    pub(super) const CONFIG: usize = 8;
    pub(super) const SAMPLE: usize = 16;
    pub(super) const SAMPLE_TYPE: usize = 24;
    pub(super) const FLAGS: usize = 40;
    pub(super) const WAKEUP_EVENTS: usize = 48;
    pub(super) const CONFIG1: usize = 56;
    pub(super) const CONFIG2: usize = 64;
}

/// Bits of the word at `FLAGS`.
mod flag {
    pub(super) const DISABLED: u64 = 1 << 0;
    pub(super) const INHERIT: u64 = 1 << 1;
    pub(super) const FREQUENCY: u64 = 1 << 10;
}

const TYPE_HARDWARE: u32 = 0;
const TYPE_SOFTWARE: u32 = 1;
const TYPE_TRACEPOINT: u32 = 2;
const SOFTWARE_CPU_CLOCK: u64 = 0;
const SOFTWARE_BPF_OUTPUT: u64 = 10;
const SAMPLE_RAW: u64 = 1 << 10;
const FLAG_FD_CLOEXEC: u64 = 8;

/// `_IOW('$', 8, u32)` and `_IO('$', 0 and 1)`.
const SET_BPF: libc::Ioctl = 0x4004_2408;
const ENABLE: libc::Ioctl = 0x2400;
const DISABLE: libc::Ioctl = 0x2401;

/// The numbers that say what an event counts.
struct Source {
    event_type: u32,
    config: u64,
    /// A name for the kernel to read: function or path.
    name: Option<CString>,
    offset: u64,
}

impl Source {
    fn plain(event_type: u32, config: u64) -> Source {
        Source { event_type, config, name: None, offset: 0 }
    }

    fn of(kind: &PerfEventKind) -> Result<Source, Errno> {
        let named = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno::EINVAL);
        Ok(match kind {
            PerfEventKind::CpuClock => Source::plain(TYPE_SOFTWARE, SOFTWARE_CPU_CLOCK),
            PerfEventKind::Software(config) => Source::plain(TYPE_SOFTWARE, *config),
            PerfEventKind::Hardware(config) => Source::plain(TYPE_HARDWARE, *config),
            PerfEventKind::Raw { event_type, config } => Source::plain(*event_type, *config),
            PerfEventKind::Tracepoint(id) => Source::plain(TYPE_TRACEPOINT, *id),
            PerfEventKind::BpfOutput => Source::plain(TYPE_SOFTWARE, SOFTWARE_BPF_OUTPUT),
            PerfEventKind::Kprobe { symbol, offset, returns } => {
                let (event_type, return_bit) = dynamic("kprobe")?;
                let config = if *returns { 1 << return_bit } else { 0 };
                Source { event_type, config, name: Some(named(symbol.as_bytes())?), offset: *offset }
            }
            PerfEventKind::Uprobe { path, offset, returns, ref_ctr_offset } => {
                let (event_type, return_bit) = dynamic("uprobe")?;
                // The semaphore's offset stands in the upper half (format/ref_ctr_offset: config:32-63).
                let semaphore = u32::try_from(*ref_ctr_offset).map_err(|_| Errno::EINVAL)?;
                let config = u64::from(semaphore) << 32 | if *returns { 1 << return_bit } else { 0 };
                Source { event_type, config, name: Some(named(path.as_os_str().as_bytes())?), offset: *offset }
            }
            _ => return Err(Errno::EOPNOTSUPP),
        })
    }
}

/// Type number of a dynamic event source, and the bit of `config` that means "at the return".
fn dynamic(source: &str) -> Result<(u32, u32), Errno> {
    let directory = Path::new("/sys/bus/event_source/devices").join(source);
    let read = |file: &str| std::fs::read_to_string(directory.join(file)).map_err(|_| Errno::ENOENT);
    let event_type = read("type")?.trim().parse().map_err(|_| Errno::EINVAL)?;
    let format = read("format/retprobe")?;
    let bit = format.trim().strip_prefix("config:").and_then(|bit| bit.parse().ok()).ok_or(Errno::EINVAL)?;
    Ok((event_type, bit))
}

/// Opens an event, disabled.
pub(crate) fn open(event: &PerfEvent, pid: Option<u32>, cpu: Option<u32>) -> Result<OwnedFd, Errno> {
    let source = Source::of(&event.kind)?;
    let mut attr = [0u8; ATTR_SIZE];
    let mut put32 = |at: usize, value: u32| attr[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    put32(at::TYPE, source.event_type);
    put32(at::SIZE, ATTR_SIZE as u32);
    put32(at::WAKEUP_EVENTS, event.wakeup_events);
    let mut put64 = |at: usize, value: u64| attr[at..at + 8].copy_from_slice(&value.to_ne_bytes());
    let (amount, frequency) = match event.rate {
        SampleRate::Period(period) => (period, 0),
        SampleRate::Frequency(frequency) => (frequency, flag::FREQUENCY),
    };
    put64(at::CONFIG, source.config);
    put64(at::SAMPLE, amount);
    put64(at::SAMPLE_TYPE, if event.sample == PerfSample::Raw { SAMPLE_RAW } else { 0 });
    put64(at::FLAGS, flag::DISABLED | frequency | if event.inherit { flag::INHERIT } else { 0 });
    put64(at::CONFIG1, source.name.as_ref().map_or(0, |name| name.as_ptr().expose_provenance() as u64));
    put64(at::CONFIG2, source.offset);
    let pid = pid.map_or(Ok(-1), i32::try_from).map_err(|_| Errno::ESRCH)?;
    let cpu = cpu.map_or(Ok(-1), i32::try_from).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `attr` has the size it says and its one pointer is to `source.name`, which lives until after the call.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, attr.as_ptr(), pid, cpu, -1, FLAG_FD_CLOEXEC) };
    let fd = i32::try_from(fd).unwrap_or(-1);
    if fd < 0 {
        return Err(last_errno());
    }
    // SAFETY: the kernel just gave this descriptor to us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches a program to an event.
pub(crate) fn attach(event_fd: i32, prog_fd: i32) -> Result<(), Errno> {
    control(event_fd, SET_BPF, prog_fd)
}

/// Starts or stops an event.
pub(crate) fn enable(event_fd: i32, on: bool) -> Result<(), Errno> {
    control(event_fd, if on { ENABLE } else { DISABLE }, 0)
}

fn control(event_fd: i32, request: libc::Ioctl, argument: i32) -> Result<(), Errno> {
    // SAFETY: the argument of these requests is a number; no memory is touched.
    let done = unsafe { libc::ioctl(event_fd, request, argument) };
    if done < 0 { Err(last_errno()) } else { Ok(()) }
}
