//! From a client's `union bpf_attr` to a [`Command`], and back into the client's memory.

use super::info::{BtfInfo, InfoPointer, MapInfo, ProgramInfo, TokenInfo};
use super::info_request::{
    BTF_POINTERS, InfoRequest, LinkBuffers, MAP_POINTERS, ObjGetInfoByFd, ObjectKind, PROGRAM_POINTERS, ProgramBuffers,
};
use super::layout::{ClientBuffer, array_at, put, u32_at, u64_at};
use super::link_info::{LinkInfo, LinkType};
use super::links::Shape;
use super::{ATTR_SIZE, Command, CommandNumber, Failure, FieldKind, FieldSpec, Length, Reply};
use crate::errno::Errno;

/// Largest `union bpf_attr` that is read at all (Linux: one page).
const ATTR_LIMIT: usize = 4096;
/// Most bytes that one call may bring or ask for.
const BUFFER_LIMIT: usize = 64 << 20;

/// Bytes of one key and one value as user space sees them (per-CPU values: one for each possible CPU).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MapSizes {
    /// Key.
    pub key: usize,
    /// Value.
    pub value: usize,
}

/// The process that makes a call: its memory, and what its descriptors are.
pub trait Client {
    /// Fills `into` from the client's memory.
    ///
    /// # Errors
    /// `EFAULT` where nothing is mapped.
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Errno>;

    /// Writes to the client's memory.
    ///
    /// # Errors
    /// `EFAULT` where nothing is mapped.
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno>;

    /// Sizes of the map behind a descriptor.
    fn map_sizes(&self, fd: i32) -> Option<MapSizes>;

    /// What kind of object is behind a descriptor.
    fn object_kind(&self, fd: i32) -> Option<ObjectKind>;

    /// Type of the link behind a descriptor.
    fn link_type(&self, fd: i32) -> Option<LinkType>;
}

/// Linux's rule for the size of an attr: bytes beyond what the kernel knows must be zero (`E2BIG`), and so must be
/// those beyond the command's last field (`EINVAL`). Gives the attr with missing bytes as zeros.
///
/// # Errors
/// Those two, and `E2BIG` for more than a page.
pub fn check_attr(number: CommandNumber, bytes: &[u8]) -> Result<[u8; ATTR_SIZE], Errno> {
    let beyond = bytes.get(ATTR_SIZE..).unwrap_or(&[]);
    if bytes.len() > ATTR_LIMIT || beyond.iter().any(|b| *b != 0) {
        return Err(Errno::E2BIG);
    }
    let attr: [u8; ATTR_SIZE] = array_at(bytes, 0);
    if attr[number.attr_len()..].iter().any(|b| *b != 0) {
        return Err(Errno::EINVAL);
    }
    Ok(attr)
}

/// A command decoded to owned form.
#[derive(Debug)]
pub struct Decoded {
    number: CommandNumber,
    attr: [u8; ATTR_SIZE],
    buffers: Vec<ClientBuffer>,
    info: Option<Info>,
}

/// The info struct that `OBJ_GET_INFO_BY_FD` is to fill.
#[derive(Debug)]
struct Info {
    value: InfoValue,
    /// As the client gave it: its pointers are needed for the answer.
    client: Vec<u8>,
    rows: &'static [InfoPointer],
    buffers: Vec<Vec<u8>>,
    link_type: Option<LinkType>,
}

#[derive(Debug)]
enum InfoValue {
    Program(Box<ProgramInfo>),
    Map(MapInfo),
    Btf(BtfInfo),
    Link(LinkInfo),
    Token(TokenInfo),
}

impl Decoded {
    /// Decodes a call.
    ///
    /// # Errors
    /// `EINVAL` for an unknown command or bytes set beyond its last field, `E2BIG` as [`check_attr`], `EFAULT` for
    /// memory that cannot be read, `ENOMEM` for buffers beyond 64 MiB, `EBADF` where a descriptor decides the layout
    /// and there is none.
    pub fn new(number: u32, attr: &[u8], client: &dyn Client) -> Result<Decoded, Errno> {
        let number = CommandNumber::from_number(number).ok_or(Errno::EINVAL)?;
        let attr = check_attr(number, attr)?;
        let mut decoded = Decoded { number, attr, buffers: Vec::new(), info: None };
        if number == CommandNumber::ObjGetInfoByFd {
            decoded.info = Some(decode_info(&attr, client)?);
            return Ok(decoded);
        }
        let options = match number {
            CommandNumber::LinkCreate => Shape::of(u32_at(&attr, 8)).fields(),
            _ => &[],
        };
        for spec in number.fields().iter().chain(options) {
            if let Some(buffer) = take_buffer(spec, &attr, &decoded.buffers, client)? {
                decoded.buffers.push(buffer);
            }
        }
        Ok(decoded)
    }

    /// Which command it is.
    pub fn number(&self) -> CommandNumber {
        self.number
    }

    /// The command, over the buffers kept here.
    pub fn command(&mut self) -> Command<'_> {
        match &mut self.info {
            Some(info) => Command::ObjGetInfoByFd(ObjGetInfoByFd {
                bpf_fd: u32_at(&self.attr, 0).cast_signed(),
                info: info.request(),
            }),
            None => Command::decode_fields(self.number, &self.attr, &mut self.buffers.iter_mut())
                .unwrap_or_else(|| unreachable!("a decoded info command has its info")),
        }
    }

    /// Puts the outcome into the client's memory: its buffers here, its attr at `attr_address` (of `attr_len` bytes).
    /// Gives what the system call returns: a value, or a negative errno.
    pub fn answer(
        &mut self,
        outcome: Result<Reply, Failure>,
        attr_address: u64,
        attr_len: usize,
        client: &mut dyn Client,
    ) -> i32 {
        match self.try_answer(&outcome, attr_address, attr_len, client) {
            Ok(()) => match outcome {
                Ok(reply) => reply.returned(),
                Err(failure) => -failure.errno.0,
            },
            Err(errno) => -errno.0,
        }
    }

    fn try_answer(
        &mut self,
        outcome: &Result<Reply, Failure>,
        attr_address: u64,
        attr_len: usize,
        client: &mut dyn Client,
    ) -> Result<(), Errno> {
        let reply = match outcome {
            Ok(reply) => *reply,
            Err(failure) => failure.reply,
        };
        for buffer in &self.buffers {
            let len = written(buffer, reply, outcome.is_ok(), &self.attr);
            if len > 0 {
                client.write(buffer.address, &buffer.bytes[..len])?;
            }
        }
        if let (Some(info), Reply::Info { .. }) = (&mut self.info, reply) {
            info.answer(u64_at(&self.attr, 8), client)?;
        }
        let before = self.attr;
        reply.write(self.number, &mut self.attr);
        if before != self.attr {
            let end = attr_len.min(ATTR_SIZE);
            client.write(attr_address, &self.attr[..end])?;
        }
        Ok(())
    }
}

/// How many bytes of an output buffer a command wrote.
fn written(buffer: &ClientBuffer, reply: Reply, done: bool, attr: &[u8; ATTR_SIZE]) -> usize {
    let FieldKind::Output(length) = buffer.spec.kind else { return 0 };
    let all = buffer.bytes.len();
    let some = |n: u32| all.min(n as usize);
    match reply {
        Reply::Loaded { log_true_size, .. } | Reply::Log { log_true_size } => some(log_true_size),
        Reply::TestRun { data_size, ctx_size, .. } => {
            some(if buffer.spec.name == "test.data_out" { data_size } else { ctx_size })
        }
        Reply::Count(count) => match length {
            Length::Keys { .. } | Length::Values { .. } => {
                (all / u32_at(attr, 32).max(1) as usize).saturating_mul(count as usize).min(all)
            }
            _ => all,
        },
        Reply::Query { count, .. } => all.min(4 * count as usize),
        Reply::TaskFd { name_len, .. } => some(name_len.saturating_add(1)),
        Reply::Read(bytes) => some(bytes),
        _ if done => all,
        _ => 0,
    }
}

/// Takes the buffer of a pointer field out of the client's memory; `None` for fields that are no pointers.
fn take_buffer(
    spec: &FieldSpec,
    attr: &[u8; ATTR_SIZE],
    before: &[ClientBuffer],
    client: &dyn Client,
) -> Result<Option<ClientBuffer>, Errno> {
    let address = u64_at(attr, spec.offset);
    let bytes = match spec.kind {
        FieldKind::Scalar(_) | FieldKind::Reply(_) => return Ok(None),
        _ if address == 0 => Vec::new(),
        FieldKind::Text(limit) => read_text(address, limit, client)?,
        FieldKind::Input(Length::Symbols { count }) => read_symbols(address, u32_at(attr, count), client)?,
        FieldKind::Input(length) => {
            let mut bytes = vec![0; buffer_len(length, attr, before, client)?];
            client.read(address, &mut bytes)?;
            bytes
        }
        FieldKind::Output(length) => vec![0; buffer_len(length, attr, before, client)?],
    };
    Ok(Some(ClientBuffer { spec: *spec, address, bytes }))
}

fn limited(count: usize, record: usize) -> Result<usize, Errno> {
    count.checked_mul(record).filter(|len| *len <= BUFFER_LIMIT).ok_or(Errno::ENOMEM)
}

fn buffer_len(
    length: Length,
    attr: &[u8; ATTR_SIZE],
    before: &[ClientBuffer],
    client: &dyn Client,
) -> Result<usize, Errno> {
    let number = |offset| u32_at(attr, offset) as usize;
    let sizes = |map_fd| client.map_sizes(u32_at(attr, map_fd).cast_signed()).ok_or(Errno::EBADF);
    match length {
        Length::Records { count, record } | Length::SameCount { count, record } => limited(number(count), record),
        Length::RecordsOf { count, record } => limited(number(count), number(record)),
        Length::Sparse { count } if number(count) > 0 => limited(number(count), 4),
        Length::Sparse { .. } => limited(before.first().map_or(0, |insns| fd_array_len(&insns.bytes)), 4),
        Length::Symbols { count } => limited(number(count), 8),
        Length::Key { map_fd } => limited(sizes(map_fd)?.key, 1),
        Length::Value { map_fd } => limited(sizes(map_fd)?.value, 1),
        Length::Keys { map_fd, count } => limited(sizes(map_fd)?.key, number(count)),
        Length::Values { map_fd, count } => limited(sizes(map_fd)?.value, number(count)),
        Length::BatchPosition { map_fd } => limited(sizes(map_fd)?.key.max(4), 1),
    }
}

/// How many entries of `fd_array` the instructions index: `lddw` with source 5 or 6, kfunc calls with an offset.
fn fd_array_len(insns: &[u8]) -> usize {
    let (slots, _) = insns.as_chunks::<8>();
    let index = |slot: &[u8; 8]| {
        let source = if cfg!(target_endian = "little") { slot[1] >> 4 } else { slot[1] & 0xf };
        let offset = i16::from_ne_bytes([slot[2], slot[3]]);
        let imm = i32::from_ne_bytes([slot[4], slot[5], slot[6], slot[7]]);
        match (slot[0], source) {
            (0x18, 5 | 6) => usize::try_from(imm).ok(),
            (0x85, 2) if offset > 0 => usize::try_from(offset).ok(),
            _ => None,
        }
    };
    slots.iter().filter_map(index).max().map_or(0, |last| last + 1)
}

/// Reads a NUL-terminated string with its NUL, page by page so as not to run into an unmapped one.
fn read_text(address: u64, limit: usize, client: &dyn Client) -> Result<Vec<u8>, Errno> {
    const PAGE: u64 = 4096;
    let mut text = Vec::new();
    while text.len() < limit {
        let at = address.checked_add(text.len() as u64).ok_or(Errno::EFAULT)?;
        let room = usize::try_from(PAGE - at % PAGE).unwrap_or(1);
        let mut chunk = vec![0; room.min(limit - text.len())];
        client.read(at, &mut chunk)?;
        if let Some(end) = chunk.iter().position(|b| *b == 0) {
            text.extend_from_slice(&chunk[..=end]);
            return Ok(text);
        }
        text.append(&mut chunk);
    }
    // Linux cuts a licence or tracepoint name that is too long, and refuses a path.
    if limit >= 4096 {
        return Err(Errno::ENAMETOOLONG);
    }
    if let Some(last) = text.last_mut() {
        *last = 0;
    }
    Ok(text)
}

/// Reads an array of strings into one run of NUL-terminated ones.
fn read_symbols(address: u64, count: u32, client: &dyn Client) -> Result<Vec<u8>, Errno> {
    const SYMBOL_LIMIT: usize = 512;
    let mut pointers = vec![0; limited(count as usize, 8)?];
    client.read(address, &mut pointers)?;
    let mut names = Vec::new();
    for pointer in pointers.as_chunks::<8>().0 {
        names.extend(read_text(u64::from_ne_bytes(*pointer), SYMBOL_LIMIT, client)?);
        limited(names.len(), 1)?;
    }
    Ok(names)
}

fn decode_info(attr: &[u8; ATTR_SIZE], client: &dyn Client) -> Result<Info, Errno> {
    let fd = u32_at(attr, 0).cast_signed();
    let (value, size, rows, link_type) = match client.object_kind(fd).ok_or(Errno::EBADF)? {
        ObjectKind::Program => (InfoValue::Program(Box::default()), ProgramInfo::SIZE, PROGRAM_POINTERS, None),
        ObjectKind::Map => (InfoValue::Map(MapInfo::default()), MapInfo::SIZE, MAP_POINTERS, None),
        ObjectKind::Btf => (InfoValue::Btf(BtfInfo::default()), BtfInfo::SIZE, BTF_POINTERS, None),
        ObjectKind::Link => {
            let link_type = client.link_type(fd);
            let rows = link_type.map_or(&[][..], LinkType::pointers);
            (InfoValue::Link(LinkInfo::default()), LinkInfo::SIZE, rows, link_type)
        }
        ObjectKind::Token => (InfoValue::Token(TokenInfo::default()), TokenInfo::SIZE, &[][..], None),
    };
    let given = u32_at(attr, 4) as usize;
    if given > ATTR_LIMIT {
        return Err(Errno::E2BIG);
    }
    let mut bytes = vec![0; given];
    client.read(u64_at(attr, 8), &mut bytes)?;
    if bytes.get(size..).unwrap_or(&[]).iter().any(|b| *b != 0) {
        return Err(Errno::E2BIG);
    }
    bytes.truncate(size);
    let buffers = rows
        .iter()
        .map(|row| match u64_at(&bytes, row.offset) {
            0 => Ok(Vec::new()),
            _ => limited(u32_at(&bytes, row.count) as usize, row.record).map(|len| vec![0; len]),
        })
        .collect::<Result<_, _>>()?;
    Ok(Info { value, client: bytes, rows, buffers, link_type })
}

impl Info {
    fn request(&mut self) -> InfoRequest<'_> {
        let mut buffers = self.buffers.iter_mut();
        let mut next = || buffers.next().map_or(&mut [][..], Vec::as_mut_slice);
        match &mut self.value {
            InfoValue::Program(info) => InfoRequest::Program {
                info,
                buffers: ProgramBuffers {
                    jited_prog_insns: next(),
                    xlated_prog_insns: next(),
                    map_ids: next(),
                    jited_ksyms: next(),
                    jited_func_lens: next(),
                    func_info: next(),
                    line_info: next(),
                    jited_line_info: next(),
                    prog_tags: next(),
                },
            },
            InfoValue::Map(info) => InfoRequest::Map { info, hash: next() },
            InfoValue::Btf(info) => InfoRequest::Btf { info, btf: next(), name: next() },
            InfoValue::Link(info) => InfoRequest::Link {
                info,
                buffers: match self.link_type {
                    Some(LinkType::KprobeMulti) => LinkBuffers::KprobeMulti { addrs: next(), cookies: next() },
                    Some(LinkType::UprobeMulti) => LinkBuffers::UprobeMulti {
                        path: next(),
                        offsets: next(),
                        ref_ctr_offsets: next(),
                        cookies: next(),
                    },
                    Some(link_type) if !link_type.pointers().is_empty() => LinkBuffers::Name(link_type, next()),
                    _ => LinkBuffers::None,
                },
            },
            InfoValue::Token(info) => InfoRequest::Token { info },
        }
    }

    /// Writes the struct, with the client's own pointers in it, and what they point to.
    fn answer(&mut self, address: u64, client: &mut dyn Client) -> Result<(), Errno> {
        let mut bytes = self.request().to_bytes();
        for (row, buffer) in self.rows.iter().zip(&self.buffers) {
            let pointer = u64_at(&self.client, row.offset);
            put(&mut bytes, row.offset, &pointer.to_ne_bytes());
            let there = (u32_at(&bytes, row.count) as usize).saturating_mul(row.record);
            let len = there.min(buffer.len());
            if len > 0 {
                client.write(pointer, &buffer[..len])?;
            }
        }
        bytes.truncate(self.client.len());
        client.write(address, &bytes)
    }
}
