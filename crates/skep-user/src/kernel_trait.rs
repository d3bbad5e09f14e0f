//! The door: [`UserKernel`] as a [`Kernel`].

use crate::kernel::UserKernel;
use crate::maps::Kind;
use crate::memory::PAGE;
use crate::objects::{Access, Object};
use crate::perf::PerfEvent;
use crate::shared_memory::{Mapping, Owner};
use crate::sync::lock;
use skep_abi::command::{Command, Failure, Reply};
use skep_abi::errno::Errno;
use skep_abi::map_type::MapFlags;
use skep_btf::Btf;
use skep_kernel::{Kernel, PerfEventKind, SharedMemory};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The release whose behaviour this kernel has.
const RELEASE: (u32, u32, u32) = (6, 18, 0);

/// Build options, as far as programs ask for them.
const CONFIG: &[(&str, &str)] = &[("CONFIG_HZ", "250"), ("CONFIG_BPF", "y"), ("CONFIG_BPF_SYSCALL", "y")];

impl Kernel for UserKernel {
    fn name(&self) -> &'static str {
        "user"
    }

    fn bpf(&self, command: Command<'_>) -> Result<Reply, Failure> {
        self.command(command)
    }

    fn close(&self, fd: i32) {
        self.descriptors.close(fd);
    }

    fn duplicate(&self, fd: i32) -> Result<i32, Errno> {
        self.descriptors.duplicate(fd)
    }

    fn possible_cpus(&self) -> u32 {
        self.cpus.count() as u32
    }

    fn btf(&self) -> Result<Arc<Btf>, Errno> {
        Ok(self.kernel_btf.btf.clone())
    }

    fn map_memory(&self, fd: i32, offset: u64, len: usize, writable: bool) -> Result<Box<dyn SharedMemory>, Errno> {
        let (map, access) = self.descriptors.map(fd)?;
        if !access.read || (writable && !access.write) {
            return Err(Errno::EPERM);
        }
        let refused = match map.implementation.kind() {
            // User space writes only the page of the consumer.
            Kind::Ring(_) => writable && (offset != 0 || len > PAGE),
            _ => writable && map.definition.flags.contains(MapFlags::RDONLY),
        };
        if refused {
            return Err(Errno::EPERM);
        }
        if !map.definition.value.kernel_fields.is_empty() {
            return Err(Errno::ENOTSUPP);
        }
        Ok(Box::new(Mapping::new(Owner::Map(map), offset, len, writable)?))
    }

    fn wait_readable(&self, fds: &[i32], timeout: Option<Duration>) -> Result<Vec<bool>, Errno> {
        let objects: Vec<Object> =
            fds.iter().map(|fd| Ok(self.descriptors.get(*fd)?.object)).collect::<Result<_, Errno>>()?;
        let is_readable = |object: &Object| match object {
            Object::Map(map) => match map.implementation.kind() {
                Kind::Ring(ring) => ring.is_readable(),
                _ => false,
            },
            Object::PerfEvent(event) => event.is_readable(),
            _ => false,
        };
        self.signal.wait_until(timeout, || objects.iter().any(is_readable));
        Ok(objects.iter().map(is_readable).collect())
    }

    fn perf_event_open(
        &self,
        event: &skep_kernel::PerfEvent,
        _pid: Option<u32>,
        cpu: Option<u32>,
    ) -> Result<i32, Errno> {
        if cpu.is_some_and(|cpu| cpu as usize >= self.cpus.count()) {
            return Err(Errno::ENODEV);
        }
        if let PerfEventKind::Tracepoint(id) = event.kind {
            self.tracepoint_name(id).ok_or(Errno::ENOENT)?;
        }
        let event = PerfEvent::new(self.next_perf_event(), event.kind.clone(), cpu, self.signal.clone());
        self.descriptors.open(Object::PerfEvent(Arc::new(event)), Access::FULL)
    }

    fn perf_event_attach(&self, event_fd: i32, prog_fd: i32) -> Result<(), Errno> {
        let event = self.descriptors.perf_event(event_fd)?;
        let program = self.descriptors.program(prog_fd)?;
        let point = self.event_point(&program, &event)?;
        event.attach(program, point, &self.attachments)
    }

    fn perf_event_enable(&self, event_fd: i32, on: bool) -> Result<(), Errno> {
        self.descriptors.perf_event(event_fd)?.enabled.store(on, Relaxed);
        Ok(())
    }

    fn perf_event_memory(&self, event_fd: i32, pages: usize) -> Result<Box<dyn SharedMemory>, Errno> {
        let event = self.descriptors.perf_event(event_fd)?;
        event.make_ring(pages)?;
        let len = event.memory().map_or(0, |memory| memory.len());
        Ok(Box::new(Mapping::new(Owner::PerfEvent(event), 0, len, true)?))
    }

    fn open_cgroup(&self, path: &Path) -> Result<i32, Errno> {
        let id = self.cgroup_id(path);
        self.descriptors.open(Object::Cgroup(id), Access::FULL)
    }

    fn tracepoint_id(&self, category: &str, name: &str) -> Result<u64, Errno> {
        let mut names = lock(&self.tracepoints);
        let name = format!("{category}/{name}");
        let index = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        Ok(index as u64 + 1)
    }

    fn config(&self, option: &str) -> Result<Option<String>, Errno> {
        Ok(CONFIG.iter().find(|(name, _)| *name == option).map(|(_, value)| (*value).to_owned()))
    }

    fn version_code(&self) -> u32 {
        RELEASE.0 << 16 | RELEASE.1 << 8 | RELEASE.2
    }

    fn drain_printk(&self, sink: &mut dyn FnMut(&str)) -> Result<usize, Errno> {
        let lines = self.take_trace();
        lines.iter().for_each(|line| sink(&line.to_string()));
        Ok(lines.len())
    }
}
