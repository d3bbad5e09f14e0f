//! Makes sure that no buffer is shorter than what the kernel reads or writes there.
//!
//! `union bpf_attr` says nothing about the length of keys, values and info structs: Linux trusts the caller to know the
//! map. A safe API cannot, so the sizes are asked for first.

use crate::descriptors::Descriptors;
use crate::system_call::{Checked, execute};
use skep_abi::command::{
    Command, InfoRequest, LinkBuffers, LinkInfo, LinkOptions, MapInfo, MapSizes, ObjGetInfoByFd, ObjectKind, ProgQuery,
    Symbols,
};
use skep_abi::errno::Errno;
use skep_abi::map_type::{MapType, ValueKind};

/// Checks the buffers of a command.
///
/// # Errors
/// `EFAULT` for a buffer that is too short, as Linux says of memory that ends too early; `EBADF` and `EINVAL` for a
/// descriptor of the wrong kind.
pub(crate) fn check<'c, 'a>(
    command: &'c mut Command<'a>,
    descriptors: &Descriptors,
    cpus: u32,
) -> Result<Checked<'c, 'a>, Errno> {
    match command {
        Command::ObjGetInfoByFd(command) => check_info(command)?,
        Command::ProgQuery(command) => check_query(command)?,
        Command::LinkCreate(command) => check_link(&command.options)?,
        Command::ProgLoad(command) => at_least(command.fd_array, product(4, command.fd_array_cnt)?)?,
        _ => check_elements(command, descriptors, cpus)?,
    }
    // SAFETY: the branches above compare every output buffer whose length the attr does not hold. All others (logs,
    // packets, contexts, names, streams) have their length encoded from the slice itself.
    Ok(unsafe { Checked::new(command) })
}

fn at_least(buffer: &[u8], len: usize) -> Result<(), Errno> {
    // An empty buffer is a null pointer, of which the kernel itself says what it thinks.
    if buffer.is_empty() || buffer.len() >= len { Ok(()) } else { Err(Errno::EFAULT) }
}

fn product(size: usize, count: u32) -> Result<usize, Errno> {
    size.checked_mul(count as usize).ok_or(Errno::E2BIG)
}

fn check_elements(command: &Command<'_>, descriptors: &Descriptors, cpus: u32) -> Result<(), Errno> {
    let sizes = |fd| descriptors.map_sizes(fd, || map_sizes(fd, cpus));
    match command {
        Command::MapLookupElem(c) => sizes(c.map_fd).and_then(|s| pair(c.key, s.key, c.value, s.value)),
        Command::MapLookupAndDeleteElem(c) => sizes(c.map_fd).and_then(|s| pair(c.key, s.key, c.value, s.value)),
        Command::MapUpdateElem(c) => sizes(c.map_fd).and_then(|s| pair(c.key, s.key, c.value, s.value)),
        Command::MapDeleteElem(c) => sizes(c.map_fd).and_then(|s| at_least(c.key, s.key)),
        Command::MapGetNextKey(c) => sizes(c.map_fd).and_then(|s| pair(c.key, s.key, c.next_key, s.key)),
        Command::MapLookupBatch(c) => {
            let s = sizes(c.map_fd)?;
            pair(c.in_batch, position(s), c.out_batch, position(s))?;
            pair(c.keys, product(s.key, c.count)?, c.values, product(s.value, c.count)?)
        }
        Command::MapLookupAndDeleteBatch(c) => {
            let s = sizes(c.map_fd)?;
            pair(c.in_batch, position(s), c.out_batch, position(s))?;
            pair(c.keys, product(s.key, c.count)?, c.values, product(s.value, c.count)?)
        }
        Command::MapUpdateBatch(c) => {
            let s = sizes(c.map_fd)?;
            pair(c.keys, product(s.key, c.count)?, c.values, product(s.value, c.count)?)
        }
        Command::MapDeleteBatch(c) => {
            let s = sizes(c.map_fd)?;
            at_least(c.keys, product(s.key, c.count)?)
        }
        _ => Ok(()),
    }
}

fn pair(one: &[u8], one_len: usize, other: &[u8], other_len: usize) -> Result<(), Errno> {
    at_least(one, one_len)?;
    at_least(other, other_len)
}

/// Bytes of a batch position.
fn position(sizes: MapSizes) -> usize {
    sizes.key.max(4)
}

/// Asks for the sizes of a map, as user space sees them.
fn map_sizes(fd: i32, cpus: u32) -> Result<MapSizes, Errno> {
    if kind(fd)? != ObjectKind::Map {
        return Err(Errno::EINVAL);
    }
    let mut info = MapInfo::default();
    let request = InfoRequest::Map { info: &mut info, hash: &mut [] };
    let mut command = Command::ObjGetInfoByFd(ObjGetInfoByFd { bpf_fd: fd, info: request });
    // SAFETY: the struct has its whole size and no buffers, and the descriptor is a map's.
    execute(unsafe { Checked::new(&mut command) })?;
    let value = info.value_size as usize;
    let per_cpu = value.next_multiple_of(8) * cpus as usize;
    let value = match MapType::from_number(info.map_type).map(|t| (t, t.info().value_kind)) {
        Some((_, ValueKind::PerCpu) | (MapType::PerCpuCgroupStorage, _)) => per_cpu,
        Some(_) => value,
        // A type from the future may keep a value per CPU.
        None => per_cpu,
    };
    Ok(MapSizes { key: info.key_size as usize, value })
}

/// What a descriptor of this process stands for.
pub(crate) fn kind(fd: i32) -> Result<ObjectKind, Errno> {
    let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).map_err(|_| Errno::EBADF)?;
    let name = link.to_string_lossy();
    let name = name.strip_prefix("anon_inode:").unwrap_or_default().trim_matches(['[', ']']);
    match name {
        "bpf-map" => Ok(ObjectKind::Map),
        "bpf-prog" => Ok(ObjectKind::Program),
        "btf" => Ok(ObjectKind::Btf),
        "bpf_link" | "bpf_tracing_link" | "bpf-raw-tracepoint" => Ok(ObjectKind::Link),
        "bpf_token" | "bpf-token" => Ok(ObjectKind::Token),
        _ => Err(Errno::EINVAL),
    }
}

fn check_info(command: &ObjGetInfoByFd<'_>) -> Result<(), Errno> {
    if kind(command.bpf_fd)? != command.info.kind() {
        return Err(Errno::EINVAL);
    }
    match &command.info {
        InfoRequest::Link { buffers, .. } if buffers.link_type().is_some() => check_link_info(command.bpf_fd, buffers),
        _ => Ok(()),
    }
}

/// The buffers must be those of the link's type, and of equal length where one count stands for several.
fn check_link_info(fd: i32, buffers: &LinkBuffers<'_>) -> Result<(), Errno> {
    let mut info = LinkInfo::default();
    let request = InfoRequest::Link { info: &mut info, buffers: LinkBuffers::None };
    let mut command = Command::ObjGetInfoByFd(ObjGetInfoByFd { bpf_fd: fd, info: request });
    // SAFETY: the struct has its whole size and no buffers, and the descriptor is a link's.
    execute(unsafe { Checked::new(&mut command) })?;
    if buffers.link_type().map(|t| t.number()) != Some(info.link_type) {
        return Err(Errno::EINVAL);
    }
    match buffers {
        LinkBuffers::None | LinkBuffers::Name(..) => Ok(()),
        LinkBuffers::KprobeMulti { addrs, cookies } => same_count(&[addrs, cookies]),
        LinkBuffers::UprobeMulti { offsets, ref_ctr_offsets, cookies, .. } => {
            same_count(&[offsets, ref_ctr_offsets, cookies])
        }
    }
}

/// Non-empty arrays share one count: they must be equally long.
fn same_count(buffers: &[&[u8]]) -> Result<(), Errno> {
    let mut lens = buffers.iter().map(|b| b.len()).filter(|len| *len > 0);
    let first = lens.next();
    if lens.all(|len| Some(len) == first) { Ok(()) } else { Err(Errno::EFAULT) }
}

fn check_query(command: &ProgQuery<'_>) -> Result<(), Errno> {
    let room = command.prog_ids.len();
    at_least(command.prog_attach_flags, room)?;
    at_least(command.link_ids, room)?;
    at_least(command.link_attach_flags, room)
}

fn check_link(options: &LinkOptions<'_>) -> Result<(), Errno> {
    match options {
        LinkOptions::KprobeMulti { count, symbols, addrs, cookies, .. } => {
            let named = !matches!(symbols, Symbols::None);
            if named && symbols.iter().count() < *count as usize {
                return Err(Errno::EFAULT);
            }
            pair(addrs, product(8, *count)?, cookies, product(8, *count)?)
        }
        LinkOptions::UprobeMulti { offsets, ref_ctr_offsets, cookies, count, .. } => {
            pair(offsets, product(8, *count)?, ref_ctr_offsets, product(8, *count)?)?;
            at_least(cookies, product(8, *count)?)
        }
        _ => Ok(()),
    }
}
