//! Descriptors from ids and pins; statistics.

use crate::kernel::UserKernel;
use crate::objects::{Access, Descriptor, MapReference, Object};
use skep_abi::command::{
    EnableStats, Failure, FileFlags, LinkGetFdById, MapGetFdById, ObjGet, ObjPin, ProgBindMap, ProgGetFdById, Reply,
};
use skep_abi::errno::Errno;
use std::sync::Arc;

fn access(flags: FileFlags, allowed: FileFlags) -> Result<Access, Errno> {
    if !allowed.contains(flags) {
        return Err(Errno::EINVAL);
    }
    Access::from_bits(flags.contains(FileFlags::RDONLY), flags.contains(FileFlags::WRONLY))
}

const ACCESS: FileFlags = FileFlags::RDONLY.union(FileFlags::WRONLY);

impl UserKernel {
    pub(super) fn map_by_id(&self, command: &MapGetFdById) -> Result<Reply, Failure> {
        let access = access(command.open_flags, ACCESS)?;
        let map = self.maps.get(command.map_id).ok_or(Errno::ENOENT)?;
        Ok(Reply::Fd(self.descriptors.open(Object::Map(MapReference::new(map)), access)?))
    }

    pub(super) fn program_by_id(&self, command: &ProgGetFdById) -> Result<Reply, Failure> {
        let program = self.programs.get(command.prog_id).ok_or(Errno::ENOENT)?;
        Ok(Reply::Fd(self.descriptors.open(Object::Program(program), Access::FULL)?))
    }

    pub(super) fn link_by_id(&self, command: &LinkGetFdById) -> Result<Reply, Failure> {
        let link = self.links.get(command.link_id).ok_or(Errno::ENOENT)?;
        Ok(Reply::Fd(self.descriptors.open(Object::Link(link), Access::FULL)?))
    }

    pub(super) fn pin(&self, command: &ObjPin<'_>) -> Result<Reply, Failure> {
        if !(command.file_flags - FileFlags::PATH_FD).is_empty() {
            return Err(Errno::EINVAL.into());
        }
        let path = command.pathname.ok_or(Errno::EFAULT)?;
        let Descriptor { object, .. } = self.descriptors.get(command.bpf_fd)?;
        self.pins.pin(path, object)?;
        Ok(Reply::Done)
    }

    pub(super) fn get_pinned(&self, command: &ObjGet<'_>) -> Result<Reply, Failure> {
        let access = access(command.file_flags - FileFlags::PATH_FD, ACCESS)?;
        if command.bpf_fd != 0 {
            return Err(Errno::EINVAL.into());
        }
        let object = self.pins.get(command.pathname.ok_or(Errno::EFAULT)?)?;
        // Only maps can be opened for less than everything.
        if !matches!(object, Object::Map(_)) && access != Access::FULL {
            return Err(Errno::EINVAL.into());
        }
        Ok(Reply::Fd(self.descriptors.open(object, access)?))
    }

    pub(super) fn program_bind_map(&self, command: &ProgBindMap) -> Result<Reply, Failure> {
        if command.flags != 0 {
            return Err(Errno::EINVAL.into());
        }
        let program = self.descriptors.program(command.prog_fd)?;
        let (map, _) = self.descriptors.map(command.map_fd)?;
        let mut bound = crate::sync::lock(&program.bound_maps);
        let known = program.maps.iter().chain(bound.iter()).any(|other| Arc::ptr_eq(other, map.map()));
        if !known {
            bound.push(map.map().clone());
        }
        Ok(Reply::Done)
    }

    pub(super) fn enable_stats(&self, command: &EnableStats) -> Result<Reply, Failure> {
        if command.stats_type != 0 {
            return Err(Errno::EINVAL.into());
        }
        let guard = Arc::new(self.statistics.enable());
        Ok(Reply::Fd(self.descriptors.open(Object::Statistics(guard), Access::FULL)?))
    }
}
