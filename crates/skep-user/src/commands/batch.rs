//! Commands on many elements at once.
//!
//! The position between two calls is the last key that was given out, so that a batch goes on where `next_key` would.

use super::element::{lock_flags, read};
use crate::kernel::UserKernel;
use crate::maps::{Side, flags};
use crate::objects::{Map, MapReference};
use skep_abi::command::{Failure, MapDeleteBatch, MapLookupAndDeleteBatch, MapLookupBatch, MapUpdateBatch, Reply};
use skep_abi::errno::Errno;
use skep_abi::map_type::MapOps;

/// The output side of a batch.
struct Output<'a> {
    in_batch: &'a [u8],
    out_batch: &'a mut [u8],
    keys: &'a mut [u8],
    values: &'a mut [u8],
    count: u32,
    flags: u64,
    remove: bool,
}

/// Checks what can be checked before anything is done: the count is then still the client's.
fn check(map: &Map, operation: MapOps, element_flags: u64, count: u32) -> Result<u64, Failure> {
    if !map.map_type().info().ops.contains(operation) {
        return Err(failed(Errno::ENOTSUPP, count));
    }
    lock_flags(map, element_flags, flags::LOCK).map_err(|errno| failed(errno, count))
}

/// Hashes have lookups of their own, which alone look at the flags of the batch.
fn check_batch_flags(map: &Map, batch_flags: u64, count: u32) -> Result<(), Failure> {
    let of_hash = map.map_type().info().ops.contains(MapOps::LOOKUP_AND_DELETE_BATCH);
    if of_hash && batch_flags != 0 { Err(failed(Errno::EINVAL, count)) } else { Ok(()) }
}

fn failed(errno: Errno, count: u32) -> Failure {
    Failure { errno, reply: Reply::Count(count) }
}

/// Piece number `index` of `size` bytes.
fn piece(bytes: &[u8], index: u32, size: usize) -> Result<&[u8], Errno> {
    let start = (index as usize).checked_mul(size).ok_or(Errno::EFAULT)?;
    bytes.get(start..).and_then(|rest| rest.get(..size)).ok_or(Errno::EFAULT)
}

fn piece_mut(bytes: &mut [u8], index: u32, size: usize) -> Result<&mut [u8], Errno> {
    let start = (index as usize).checked_mul(size).ok_or(Errno::EFAULT)?;
    bytes.get_mut(start..).and_then(|rest| rest.get_mut(..size)).ok_or(Errno::EFAULT)
}

impl UserKernel {
    pub(super) fn map_lookup_batch(&self, command: MapLookupBatch<'_>) -> Result<Reply, Failure> {
        let map = self.readable_map(command.map_fd).map_err(|errno| failed(errno, command.count))?;
        let flags = check(&map, MapOps::BATCH, command.elem_flags.bits(), command.count)?;
        check_batch_flags(&map, command.flags, command.count)?;
        let MapLookupBatch { in_batch, out_batch, keys, values, count, .. } = command;
        look_up(&map, Output { in_batch, out_batch, keys, values, count, flags, remove: false })
    }

    pub(super) fn map_take_batch(&self, command: MapLookupAndDeleteBatch<'_>) -> Result<Reply, Failure> {
        let map = self.readable_and_writable(command.map_fd).map_err(|errno| failed(errno, command.count))?;
        let operation = MapOps::LOOKUP_AND_DELETE_BATCH;
        let flags = check(&map, operation, command.elem_flags.bits(), command.count)?;
        check_batch_flags(&map, command.flags, command.count)?;
        let MapLookupAndDeleteBatch { in_batch, out_batch, keys, values, count, .. } = command;
        look_up(&map, Output { in_batch, out_batch, keys, values, count, flags, remove: true })
    }

    fn readable_and_writable(&self, fd: i32) -> Result<MapReference, Errno> {
        self.readable_map(fd)?;
        self.writable_map(fd)
    }

    pub(super) fn map_update_batch(&self, command: &MapUpdateBatch<'_>) -> Result<Reply, Failure> {
        let map = self.writable_map(command.map_fd).map_err(|errno| failed(errno, command.count))?;
        let flags = check(&map, MapOps::BATCH, command.elem_flags.bits(), command.count)?;
        let (key_size, value_size) = (map.definition.key_size, map.implementation.user_value_size());
        for index in 0..command.count {
            let one = || {
                let key = piece(command.keys, index, key_size)?;
                self.write(&map, key, piece(command.values, index, value_size)?, flags)
            };
            one().map_err(|errno| failed(errno, index))?;
        }
        Ok(Reply::Count(command.count))
    }

    pub(super) fn map_delete_batch(&self, command: &MapDeleteBatch<'_>) -> Result<Reply, Failure> {
        let map = self.writable_map(command.map_fd).map_err(|errno| failed(errno, command.count))?;
        check(&map, MapOps::DELETE_BATCH, command.elem_flags.bits(), command.count)?;
        for index in 0..command.count {
            let one = || map.implementation.delete(piece(command.keys, index, map.definition.key_size)?, Side::User);
            one().map_err(|errno| failed(errno, index))?;
        }
        Ok(Reply::Count(command.count))
    }
}

fn look_up(map: &Map, mut output: Output<'_>) -> Result<Reply, Failure> {
    let (key_size, value_size) = (map.definition.key_size, map.implementation.user_value_size());
    let mut done = 0;
    let mut last = match output.in_batch {
        [] => None,
        position => Some(position.get(..key_size).ok_or(Errno::EFAULT)?.to_vec()),
    };
    let mut next = vec![0; key_size];
    if output.count == 0 {
        return Ok(Reply::Count(0));
    }
    // An element that goes away between being found and being read is left out.
    let result = loop {
        if done == output.count {
            break Ok(());
        }
        if let Err(errno) = map.implementation.next_key(last.as_deref(), &mut next) {
            break Err(errno);
        }
        match read(map, &next, output.flags, piece_mut(output.values, done, value_size)?) {
            Ok(()) => {
                piece_mut(output.keys, done, key_size)?.copy_from_slice(&next);
                done += 1;
            }
            Err(Errno::ENOENT) => {}
            Err(errno) => break Err(errno),
        }
        last = Some(next.clone());
    };
    if output.remove {
        // The position is that of an element which is about to go; what follows begins at the front again.
        for index in 0..done {
            let _ = map.implementation.delete(piece(output.keys, index, key_size)?, Side::User);
        }
    }
    store_position(&mut output, last.as_deref());
    match result {
        Ok(()) => Ok(Reply::Count(done)),
        Err(errno) => Err(failed(errno, done)),
    }
}

fn store_position(output: &mut Output<'_>, last: Option<&[u8]>) {
    if let (Some(last), Some(place)) = (last, last.and_then(|last| output.out_batch.get_mut(..last.len()))) {
        place.copy_from_slice(last);
    }
}
