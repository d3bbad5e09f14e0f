//! Perf events: tracepoints, kprobes, samples.

use crate::error::Error;
use crate::link::Link;
use crate::program::Program;
use skep_abi::attach_type::AttachType;
use skep_abi::command::{LinkCreate, LinkOptions};
use skep_kernel::{Errno, Handle, PerfEvent, PerfEventKind, calls};
use std::sync::Arc;

impl Program {
    /// Attaches to a tracepoint: `attach_tracepoint("sched", "sched_switch")`.
    ///
    /// ```no_run
    /// # fn f(program: &skep::Program) -> Result<(), skep::Error> {
    /// let link = program.attach_tracepoint("syscalls", "sys_enter_openat")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `ENOENT` when there is no such tracepoint, `EACCES` without privilege.
    pub fn attach_tracepoint(&self, category: &str, name: &str) -> Result<Link, Error> {
        let place = format!("tracepoint {category}/{name}");
        let id = self
            .kernel()
            .tracepoint_id(category, name)
            .map_err(|errno| self.failed("PERF_EVENT_OPEN", &format!("find {place} for"), errno))?;
        // One event on one CPU sees the tracepoint on all of them, once it has a program.
        self.attach_event(&PerfEvent::every(PerfEventKind::Tracepoint(id)), None, Some(0), &place)
    }

    /// Attaches to the entry of a kernel function, or to its return.
    ///
    /// ```no_run
    /// # fn f(program: &skep::Program) -> Result<(), skep::Error> {
    /// let link = program.attach_kprobe("do_unlinkat", 0, false)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `ENOENT` when there is no such function or the kernel has no kprobes.
    pub fn attach_kprobe(&self, symbol: &str, offset: u64, returns: bool) -> Result<Link, Error> {
        let kind = PerfEventKind::Kprobe { symbol: symbol.to_owned(), offset, returns };
        self.attach_event(&PerfEvent::every(kind), None, Some(0), &format!("kprobe {symbol}+{offset}"))
    }

    /// Runs the program at each occurrence of a perf event, on every CPU, for one task or for all.
    ///
    /// ```no_run
    /// # fn f(program: &skep::Program) -> Result<(), skep::Error> {
    /// use skep::{PerfEvent, PerfEventKind, SampleRate};
    /// let event = PerfEvent { rate: SampleRate::Frequency(99), ..PerfEvent::every(PerfEventKind::CpuClock) };
    /// let link = program.attach_perf_event(&event, None)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `EACCES` without privilege, `ENOENT` for events that the machine does not have.
    pub fn attach_perf_event(&self, event: &PerfEvent, pid: Option<u32>) -> Result<Link, Error> {
        if pid.is_some() {
            // The event follows the task over all CPUs.
            return self.attach_event(event, pid, None, "the perf event");
        }
        let mut links = Vec::new();
        for cpu in 0..self.kernel().possible_cpus() {
            match self.attach_event(event, None, Some(cpu), &format!("the perf event on CPU {cpu}")) {
                Ok(link) => links.push(link),
                // Possible, but not there now.
                Err(Error::Kernel(error)) if error.errno == Errno::ENODEV => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Link::join(links))
    }

    pub(super) fn attach_event(
        &self,
        event: &PerfEvent,
        pid: Option<u32>,
        cpu: Option<u32>,
        place: &str,
    ) -> Result<Link, Error> {
        let failed = |action: &str, errno| self.failed("PERF_EVENT_OPEN", &format!("{action} {place} for"), errno);
        let fd = self.kernel().perf_event_open(event, pid, cpu).map_err(|errno| failed("open", errno))?;
        let event = Handle::new(Arc::clone(self.kernel()), fd);
        let command = LinkCreate {
            prog_fd: self.fd(),
            target: event.fd().cast_unsigned(),
            attach_type: AttachType::PerfEvent.number(),
            flags: 0,
            options: LinkOptions::PerfEvent { cookie: 0 },
        };
        let link = match calls::link_create(self.kernel(), command) {
            Ok(link) => Some(link),
            // Before Linux 5.15 there were no links of this kind.
            Err(Errno::EINVAL) => {
                self.kernel().perf_event_attach(event.fd(), self.fd()).map_err(|errno| failed("attach to", errno))?;
                None
            }
            Err(errno) => return Err(failed("attach to", errno)),
        };
        self.kernel().perf_event_enable(event.fd(), true).map_err(|errno| failed("start", errno))?;
        Ok(Link::from_event(link, event))
    }
}
