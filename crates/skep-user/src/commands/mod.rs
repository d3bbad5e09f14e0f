//! The commands of `bpf(2)`, one file per group.
//!
//! Each command is a method of [`UserKernel`] that takes the command's struct. What a command checks, it checks in
//! Linux's order where a client can see the difference.

mod batch;
mod btf;
mod element;
mod info;
mod link;
mod linker;
mod map_create;
mod map_facts;
mod object;
mod program_attach;
mod program_load;
mod program_log;
mod test_run;

use crate::kernel::UserKernel;
use skep_abi::command::{Command, Failure, ObjectName, Reply};
use skep_abi::errno::Errno;

impl UserKernel {
    /// Carries a command out.
    pub(crate) fn command(&self, command: Command<'_>) -> Result<Reply, Failure> {
        match command {
            Command::MapCreate(command) => self.map_create(&command),
            Command::MapLookupElem(command) => self.map_lookup(command),
            Command::MapUpdateElem(command) => self.map_update(&command),
            Command::MapDeleteElem(command) => self.map_delete(&command),
            Command::MapGetNextKey(command) => self.map_next_key(command),
            Command::MapLookupAndDeleteElem(command) => self.map_take(command),
            Command::MapFreeze(command) => self.map_freeze(&command),
            Command::MapLookupBatch(command) => self.map_lookup_batch(command),
            Command::MapLookupAndDeleteBatch(command) => self.map_take_batch(command),
            Command::MapUpdateBatch(command) => self.map_update_batch(&command),
            Command::MapDeleteBatch(command) => self.map_delete_batch(&command),
            Command::ProgLoad(command) => self.program_load(command),
            Command::ProgAttach(command) => self.program_attach(&command),
            Command::ProgDetach(command) => self.program_detach(&command),
            Command::ProgTestRun(command) => self.test_run(command),
            Command::ProgQuery(command) => self.program_query(command),
            Command::ProgBindMap(command) => self.program_bind_map(&command),
            Command::ObjPin(command) => self.pin(&command),
            Command::ObjGet(command) => self.get_pinned(&command),
            Command::ObjGetInfoByFd(command) => self.info(command),
            Command::MapGetNextId(command) => next(self.maps.next(command.start_id)),
            Command::ProgGetNextId(command) => next(self.programs.next(command.start_id)),
            Command::BtfGetNextId(command) => next(self.btfs.next(command.start_id)),
            Command::LinkGetNextId(command) => next(self.links.next(command.start_id)),
            Command::MapGetFdById(command) => self.map_by_id(&command),
            Command::ProgGetFdById(command) => self.program_by_id(&command),
            Command::BtfGetFdById(command) => self.btf_by_id(&command),
            Command::LinkGetFdById(command) => self.link_by_id(&command),
            Command::LinkCreate(command) => self.link_create(&command),
            Command::LinkUpdate(command) => self.link_update(&command),
            Command::LinkDetach(command) => self.link_detach(&command),
            Command::RawTracepointOpen(command) => self.raw_tracepoint_open(&command),
            Command::BtfLoad(command) => self.btf_load(command),
            Command::EnableStats(command) => self.enable_stats(&command),
            // Iterators, tokens, program streams and descriptors of other tasks do not exist here: what Linux answers for
            // a command that it does not have.
            _ => Err(Errno::EINVAL.into()),
        }
    }
}

fn next(id: Result<u32, Errno>) -> Result<Reply, Failure> {
    Ok(Reply::NextId(id?))
}

/// A name, if it is one: letters (of Latin-1, as in Linux), digits, `_` and `.` before a NUL. What is behind it is dropped.
pub(crate) fn check_name(name: ObjectName) -> Result<ObjectName, Errno> {
    let (text, rest) = name.0.split_at(name.as_bytes().len());
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || (byte >= 0xc0 && !matches!(byte, 0xd7 | 0xf7));
    let good = text.iter().all(|byte| is_letter(*byte) || byte.is_ascii_digit() || matches!(byte, b'_' | b'.'));
    if !good || rest.is_empty() {
        return Err(Errno::EINVAL);
    }
    let mut kept = [0; 16];
    kept[..text.len()].copy_from_slice(text);
    Ok(ObjectName(kept))
}
