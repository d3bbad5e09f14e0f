//! The commands as typed functions. Each makes one call of [`Kernel::bpf`].

use crate::{Handle, Kernel};
use skep_abi::attach_type::AttachType;
use skep_abi::command::{
    AttachFlags, BtfGetFdById, BtfGetNextId, BtfInfo, BtfLoad, Command, ElementFlags, EnableStats, Failure, FileFlags,
    InfoRequest, IterCreate, LinkBuffers, LinkCreate, LinkDetach, LinkGetFdById, LinkGetNextId, LinkInfo, LinkUpdate,
    MapCreate, MapDeleteElem, MapFreeze, MapGetFdById, MapGetNextId, MapGetNextKey, MapInfo, MapLookupAndDeleteElem,
    MapLookupElem, MapUpdateElem, ObjGet, ObjGetInfoByFd, ObjPin, ProgAttach, ProgBindMap, ProgDetach, ProgGetFdById,
    ProgGetNextId, ProgLoad, ProgQuery, ProgTestRun, ProgramBuffers, ProgramInfo, QueryFlags, RawTracepointOpen, Reply,
};
use skep_abi::errno::Errno;
use std::ffi::CStr;
use std::sync::Arc;

fn done<'a>(kernel: &dyn Kernel, command: impl Into<Command<'a>>) -> Result<(), Errno> {
    kernel.bpf(command.into())?;
    Ok(())
}

/// A reply that does not belong to the command is the kernel's mistake.
fn handle<'a>(kernel: &Arc<dyn Kernel>, command: impl Into<Command<'a>>) -> Result<Handle, Failure> {
    let fd = kernel.bpf(command.into())?.fd().ok_or(Errno::EPROTO)?;
    Ok(Handle::new(Arc::clone(kernel), fd))
}

/// Makes a map.
///
/// # Errors
/// `EINVAL` for sizes or flags the type does not take, `EPERM`, `E2BIG`, `ENOMEM`.
pub fn map_create(kernel: &Arc<dyn Kernel>, command: MapCreate<'_>) -> Result<Handle, Errno> {
    Ok(handle(kernel, command)?)
}

/// Copies the value of a key into `value`, which must have the size that user space sees.
///
/// # Errors
/// `ENOENT`; `EFAULT` when `key` or `value` is too short.
pub fn map_lookup_elem(
    kernel: &dyn Kernel,
    map_fd: i32,
    key: &[u8],
    value: &mut [u8],
    flags: ElementFlags,
) -> Result<(), Errno> {
    done(kernel, MapLookupElem { map_fd, key, value, flags })
}

/// Creates or changes an element.
///
/// # Errors
/// `EEXIST`, `ENOENT` as the flags ask, `E2BIG` when the map is full, `EPERM` when it is frozen.
pub fn map_update_elem(
    kernel: &dyn Kernel,
    map_fd: i32,
    key: &[u8],
    value: &[u8],
    flags: ElementFlags,
) -> Result<(), Errno> {
    done(kernel, MapUpdateElem { map_fd, key, value, flags })
}

/// Removes an element.
///
/// # Errors
/// `ENOENT`; `EINVAL` for types that cannot.
pub fn map_delete_elem(kernel: &dyn Kernel, map_fd: i32, key: &[u8]) -> Result<(), Errno> {
    done(kernel, MapDeleteElem { map_fd, key })
}

/// Takes an element out.
///
/// # Errors
/// `ENOENT`; `EOPNOTSUPP` for types that cannot.
pub fn map_lookup_and_delete_elem(
    kernel: &dyn Kernel,
    map_fd: i32,
    key: &[u8],
    value: &mut [u8],
    flags: ElementFlags,
) -> Result<(), Errno> {
    done(kernel, MapLookupAndDeleteElem { map_fd, key, value, flags })
}

/// The key after `key`, or the first one. False after the last.
///
/// # Errors
/// `EOPNOTSUPP` for types without keys.
pub fn map_next_key(kernel: &dyn Kernel, map_fd: i32, key: Option<&[u8]>, next_key: &mut [u8]) -> Result<bool, Errno> {
    match done(kernel, MapGetNextKey { map_fd, key: key.unwrap_or(&[]), next_key }) {
        Ok(()) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// No more writes from user space.
///
/// # Errors
/// `EBUSY` while it is frozen or mapped writable.
pub fn map_freeze(kernel: &dyn Kernel, map_fd: i32) -> Result<(), Errno> {
    done(kernel, MapFreeze { map_fd })
}

/// Loads a program. The log length is that of the whole log, with its NUL.
///
/// # Errors
/// The failure carries the log length too. `EINVAL` and `EACCES` from the verifier, `ENOSPC` for a log buffer that is
/// too short, `EPERM`.
pub fn prog_load(kernel: &Arc<dyn Kernel>, command: ProgLoad<'_>) -> Result<(Handle, u32), Failure> {
    match kernel.bpf(command.into())? {
        Reply::Loaded { fd, log_true_size } => Ok((Handle::new(Arc::clone(kernel), fd), log_true_size)),
        _ => Err(Errno::EPROTO.into()),
    }
}

/// Loads BTF. The log length is that of the whole log, with its NUL.
///
/// # Errors
/// The failure carries the log length too. `EINVAL` for bad BTF, `ENOSPC`, `EPERM`.
pub fn btf_load(kernel: &Arc<dyn Kernel>, command: BtfLoad<'_>) -> Result<(Handle, u32), Failure> {
    match kernel.bpf(command.into())? {
        Reply::Loaded { fd, log_true_size } => Ok((Handle::new(Arc::clone(kernel), fd), log_true_size)),
        _ => Err(Errno::EPROTO.into()),
    }
}

/// What a test run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestRun {
    /// What the program returned.
    pub retval: u32,
    /// Average run time in nanoseconds.
    pub duration_ns: u32,
    /// Bytes of the packet afterwards.
    pub data_size: u32,
    /// Bytes of the context afterwards.
    pub ctx_size: u32,
}

/// Runs a program on given data.
///
/// # Errors
/// `EINVAL` for data the type does not take, `ENOSPC` when an output buffer is too short (the failure says how long it
/// should be), `ENOTSUPP` for types that cannot be run.
pub fn prog_test_run(kernel: &dyn Kernel, command: ProgTestRun<'_>) -> Result<TestRun, Failure> {
    match kernel.bpf(command.into())? {
        Reply::TestRun { retval, duration_ns, data_size, ctx_size } => {
            Ok(TestRun { retval, duration_ns, data_size, ctx_size })
        }
        _ => Err(Errno::EPROTO.into()),
    }
}

/// Attaches a program without a link.
///
/// # Errors
/// `EINVAL`, `EPERM`, `EEXIST`.
pub fn prog_attach(
    kernel: &dyn Kernel,
    prog_fd: i32,
    target: u32,
    attach_type: AttachType,
    attach_flags: AttachFlags,
) -> Result<(), Errno> {
    let attach_type = attach_type.number();
    done(kernel, ProgAttach { target, attach_bpf_fd: prog_fd, attach_type, attach_flags, ..ProgAttach::default() })
}

/// Takes a program off.
///
/// # Errors
/// `ENOENT`, `EINVAL`, `EPERM`.
pub fn prog_detach(kernel: &dyn Kernel, prog_fd: i32, target: u32, attach_type: AttachType) -> Result<(), Errno> {
    let attach_type = attach_type.number();
    done(kernel, ProgDetach { target, attach_bpf_fd: prog_fd, attach_type, ..ProgDetach::default() })
}

/// Ids of the programs attached to a target.
///
/// # Errors
/// `EINVAL`, `EPERM`, `EBADF`.
pub fn prog_query(
    kernel: &dyn Kernel,
    target: u32,
    attach_type: AttachType,
    query_flags: QueryFlags,
) -> Result<Vec<u32>, Errno> {
    let mut room = 64usize;
    loop {
        let mut ids = vec![0; room * 4];
        let command = ProgQuery {
            target,
            attach_type: attach_type.number(),
            query_flags,
            prog_ids: &mut ids,
            ..ProgQuery::default()
        };
        let (outcome, count) = match kernel.bpf(command.into()) {
            Ok(Reply::Query { count, .. }) => (Ok(()), count),
            Err(Failure { errno: Errno::ENOSPC, reply: Reply::Query { count, .. } }) => (Err(()), count),
            Err(failure) => return Err(failure.errno),
            Ok(_) => return Err(Errno::EPROTO),
        };
        let count = count as usize;
        if outcome.is_ok() {
            return Ok(numbers(&ids).take(count).collect());
        }
        if count <= room {
            return Err(Errno::ENOSPC);
        }
        room = count;
    }
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|b| u32::from_ne_bytes(*b))
}

/// The program keeps the map alive.
///
/// # Errors
/// `EBADF`, `EINVAL`.
pub fn prog_bind_map(kernel: &dyn Kernel, prog_fd: i32, map_fd: i32) -> Result<(), Errno> {
    done(kernel, ProgBindMap { prog_fd, map_fd, flags: 0 })
}

/// Attaches a program by a link.
///
/// # Errors
/// `EINVAL`, `EPERM`, `EBUSY`, `EEXIST`, `ENODEV`.
pub fn link_create(kernel: &Arc<dyn Kernel>, command: LinkCreate<'_>) -> Result<Handle, Errno> {
    Ok(handle(kernel, command)?)
}

/// Puts another program into a link; only if `old_prog_fd` is there now, when given.
///
/// # Errors
/// `EINVAL`, `EPERM` when another program is there.
pub fn link_update(kernel: &dyn Kernel, link_fd: i32, new_prog_fd: i32, old_prog_fd: Option<i32>) -> Result<(), Errno> {
    let flags = if old_prog_fd.is_some() { AttachFlags::REPLACE.bits() } else { 0 };
    done(kernel, LinkUpdate { link_fd, new_fd: new_prog_fd, flags, old_fd: old_prog_fd.unwrap_or(0) })
}

/// Detaches a link whose descriptors stay.
///
/// # Errors
/// `EOPNOTSUPP` for types that cannot.
pub fn link_detach(kernel: &dyn Kernel, link_fd: i32) -> Result<(), Errno> {
    done(kernel, LinkDetach { link_fd })
}

/// Attaches to a raw tracepoint; `name` is `None` for programs that know their target from loading.
///
/// # Errors
/// `ENOENT` for an unknown tracepoint, `EINVAL`, `EPERM`.
pub fn raw_tracepoint_open(
    kernel: &Arc<dyn Kernel>,
    name: Option<&CStr>,
    prog_fd: i32,
    cookie: u64,
) -> Result<Handle, Errno> {
    Ok(handle(kernel, RawTracepointOpen { name, prog_fd, cookie })?)
}

/// A descriptor whose reading runs an iterator.
///
/// # Errors
/// `EINVAL` when the link is no iterator.
pub fn iter_create(kernel: &Arc<dyn Kernel>, link_fd: i32) -> Result<Handle, Errno> {
    Ok(handle(kernel, IterCreate { link_fd, flags: 0 })?)
}

/// Counts run time of all programs while the handle lives.
///
/// # Errors
/// `EPERM`.
pub fn enable_stats(kernel: &Arc<dyn Kernel>) -> Result<Handle, Errno> {
    Ok(handle(kernel, EnableStats { stats_type: 0 })?)
}

/// Gives an object a name in the BPF file system.
///
/// # Errors
/// `EEXIST`, `ENOENT`, `EPERM` outside of such a file system.
pub fn obj_pin(kernel: &dyn Kernel, fd: i32, path: &CStr) -> Result<(), Errno> {
    done(kernel, ObjPin { pathname: Some(path), bpf_fd: fd, ..ObjPin::default() })
}

/// Opens a pinned object.
///
/// # Errors
/// `ENOENT`, `EACCES`, `EPERM`.
pub fn obj_get(kernel: &Arc<dyn Kernel>, path: &CStr, file_flags: FileFlags) -> Result<Handle, Errno> {
    Ok(handle(kernel, ObjGet { pathname: Some(path), file_flags, ..ObjGet::default() })?)
}

macro_rules! by_id {
    ($what:literal, $next:ident, $ids:ident, $open:ident, $next_command:ident, $open_command:expr) => {
        #[doc = concat!("The smallest id of a ", $what, " above the given one; `None` after the last.")]
        ///
        /// # Errors
        /// `EPERM`.
        pub fn $next(kernel: &dyn Kernel, start_id: u32) -> Result<Option<u32>, Errno> {
            match kernel.bpf($next_command { start_id }.into()) {
                Ok(Reply::NextId(id)) => Ok(Some(id)),
                Ok(_) => Err(Errno::EPROTO),
                Err(Failure { errno: Errno::ENOENT, .. }) => Ok(None),
                Err(failure) => Err(failure.errno),
            }
        }

        #[doc = concat!("Ids of every ", $what, ", in order. Ends after the first error.")]
        pub fn $ids(kernel: &dyn Kernel) -> impl Iterator<Item = Result<u32, Errno>> {
            let mut last = Some(0);
            std::iter::from_fn(move || {
                let next = $next(kernel, last?).transpose();
                last = next.and_then(Result::ok);
                next
            })
        }

        #[doc = concat!("A descriptor of the ", $what, " of that id.")]
        ///
        /// # Errors
        /// `ENOENT`, `EPERM`.
        pub fn $open(kernel: &Arc<dyn Kernel>, id: u32) -> Result<Handle, Errno> {
            Ok(handle(kernel, $open_command(id))?)
        }
    };
}

by_id!("program", prog_next_id, prog_ids, prog_by_id, ProgGetNextId, |prog_id| ProgGetFdById { prog_id });
by_id!("map", map_next_id, map_ids, map_by_id, MapGetNextId, |map_id| MapGetFdById {
    map_id,
    ..MapGetFdById::default()
});
by_id!("link", link_next_id, link_ids, link_by_id, LinkGetNextId, |link_id| LinkGetFdById { link_id });
by_id!("BTF", btf_next_id, btf_ids, btf_by_id, BtfGetNextId, |btf_id| BtfGetFdById {
    btf_id,
    ..BtfGetFdById::default()
});

/// Describes a program.
///
/// # Errors
/// `EBADF`; `EINVAL` when it is no program.
pub fn prog_info(kernel: &dyn Kernel, prog_fd: i32) -> Result<ProgramInfo, Errno> {
    prog_info_with(kernel, prog_fd, ProgramBuffers::default())
}

/// Describes a program and fills buffers.
///
/// # Errors
/// `EBADF`; `EINVAL` when it is no program; `EPERM` for instructions that the caller may not see.
pub fn prog_info_with(kernel: &dyn Kernel, prog_fd: i32, buffers: ProgramBuffers<'_>) -> Result<ProgramInfo, Errno> {
    let mut info = ProgramInfo::default();
    let request = InfoRequest::Program { info: &mut info, buffers };
    done(kernel, ObjGetInfoByFd { bpf_fd: prog_fd, info: request })?;
    Ok(info)
}

/// Ids of a program's maps.
///
/// # Errors
/// As [`prog_info`].
pub fn prog_map_ids(kernel: &dyn Kernel, prog_fd: i32) -> Result<Vec<u32>, Errno> {
    let count = prog_info(kernel, prog_fd)?.nr_map_ids as usize;
    let mut ids = vec![0; count.saturating_mul(4)];
    prog_info_with(kernel, prog_fd, ProgramBuffers { map_ids: &mut ids, ..ProgramBuffers::default() })?;
    Ok(numbers(&ids).collect())
}

/// Describes a map.
///
/// # Errors
/// `EBADF`; `EINVAL` when it is no map.
pub fn map_info(kernel: &dyn Kernel, map_fd: i32) -> Result<MapInfo, Errno> {
    let mut info = MapInfo::default();
    done(kernel, ObjGetInfoByFd { bpf_fd: map_fd, info: InfoRequest::Map { info: &mut info, hash: &mut [] } })?;
    Ok(info)
}

/// Describes a link.
///
/// # Errors
/// `EBADF`; `EINVAL` when it is no link.
pub fn link_info(kernel: &dyn Kernel, link_fd: i32) -> Result<LinkInfo, Errno> {
    let mut info = LinkInfo::default();
    let request = InfoRequest::Link { info: &mut info, buffers: LinkBuffers::None };
    done(kernel, ObjGetInfoByFd { bpf_fd: link_fd, info: request })?;
    Ok(info)
}

/// Describes BTF.
///
/// # Errors
/// `EBADF`; `EINVAL` when it is no BTF.
pub fn btf_info(kernel: &dyn Kernel, btf_fd: i32) -> Result<BtfInfo, Errno> {
    btf_info_with(kernel, btf_fd, &mut [], &mut [])
}

/// Describes BTF and copies its bytes and its name.
///
/// # Errors
/// As [`btf_info`].
pub fn btf_info_with(kernel: &dyn Kernel, btf_fd: i32, btf: &mut [u8], name: &mut [u8]) -> Result<BtfInfo, Errno> {
    let mut info = BtfInfo::default();
    done(kernel, ObjGetInfoByFd { bpf_fd: btf_fd, info: InfoRequest::Btf { info: &mut info, btf, name } })?;
    Ok(info)
}

/// The bytes of a loaded BTF.
///
/// # Errors
/// As [`btf_info`].
pub fn btf_bytes(kernel: &dyn Kernel, btf_fd: i32) -> Result<Vec<u8>, Errno> {
    let size = btf_info(kernel, btf_fd)?.btf_size as usize;
    let mut bytes = vec![0; size];
    btf_info_with(kernel, btf_fd, &mut bytes, &mut [])?;
    Ok(bytes)
}
