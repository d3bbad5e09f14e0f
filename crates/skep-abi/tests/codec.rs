//! The attr codec: what is encoded decodes to the same, whatever bytes come.

use proptest::prelude::*;
use skep_abi::command::*;
use skep_abi::errno::Errno;
use skep_abi::map_type::MapFlags;
use std::collections::BTreeMap;

/// A client whose memory is what was handed to `Addresses`.
#[derive(Default)]
struct Arena {
    buffers: BTreeMap<u64, Vec<u8>>,
    next: u64,
}

impl Arena {
    fn add(&mut self, bytes: &[u8]) -> u64 {
        let address = 0x10_000 + self.next;
        self.next += (bytes.len() as u64).next_multiple_of(4096) + 8192;
        self.buffers.insert(address, bytes.to_vec());
        address
    }

    fn place(&self, address: u64, len: usize) -> Result<(u64, usize), Errno> {
        let (start, bytes) = self.buffers.range(..=address).next_back().ok_or(Errno::EFAULT)?;
        let offset = usize::try_from(address - start).map_err(|_| Errno::EFAULT)?;
        // Memory is mapped up to the end of the page.
        let mapped = bytes.len().next_multiple_of(4096);
        if offset.checked_add(len).is_some_and(|end| end <= mapped) { Ok((*start, offset)) } else { Err(Errno::EFAULT) }
    }
}

impl Addresses for Arena {
    fn input(&mut self, bytes: &[u8]) -> u64 {
        self.add(bytes)
    }
    fn output(&mut self, bytes: &mut [u8]) -> u64 {
        self.add(bytes)
    }
}

impl Client for Arena {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        let (start, offset) = self.place(address, into.len())?;
        for (i, byte) in into.iter_mut().enumerate() {
            *byte = self.buffers[&start].get(offset + i).copied().unwrap_or(0);
        }
        Ok(())
    }
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        let (start, offset) = self.place(address, bytes.len())?;
        let memory = self.buffers.get_mut(&start).ok_or(Errno::EFAULT)?;
        memory.resize(memory.len().max(offset + bytes.len()), 0);
        memory[offset..offset + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
    fn map_sizes(&self, fd: i32) -> Option<MapSizes> {
        (fd == 3).then_some(MapSizes { key: 4, value: 16 })
    }
    fn object_kind(&self, fd: i32) -> Option<ObjectKind> {
        [ObjectKind::Program, ObjectKind::Map, ObjectKind::Btf, ObjectKind::Link]
            .get(usize::try_from(fd).ok()?)
            .copied()
    }
    fn link_type(&self, _: i32) -> Option<LinkType> {
        Some(LinkType::UprobeMulti)
    }
}

/// Encodes, decodes, encodes again: the attr and every buffer must be the same.
fn there_and_back(mut command: Command<'_>) {
    let (mut attr, mut arena) = (Attr::default(), Arena::default());
    command.encode(&mut attr, &mut arena);
    assert_eq!(attr.len, command.number().attr_len());
    let mut decoded = Decoded::new(command.number().number(), attr.known(), &arena).unwrap();
    let (mut again, mut second) = (Attr::default(), Arena::default());
    decoded.command().encode(&mut again, &mut second);
    assert_eq!(again.bytes, attr.bytes, "{command:?}");
    assert_eq!(second.buffers, arena.buffers, "{command:?}");
}

#[test]
fn commands_survive() {
    let names = [c"one", c"three"];
    let (mut a, mut b, mut c, mut d) = ([0; 64], [0; 64], [0; 64], [0; 64]);
    there_and_back(
        MapCreate {
            map_type: 1,
            key_size: 4,
            map_flags: MapFlags::NO_PREALLOC,
            map_name: "m".into(),
            ..Default::default()
        }
        .into(),
    );
    there_and_back(MapLookupElem { map_fd: 3, key: &[1; 4], value: &mut a[..16], flags: ElementFlags::LOCK }.into());
    there_and_back(MapGetNextKey { map_fd: 3, key: &[], next_key: &mut a[..4] }.into());
    there_and_back(
        MapLookupBatch {
            in_batch: &[],
            out_batch: &mut a[..4],
            keys: &mut b[..8],
            values: &mut c[..32],
            count: 2,
            map_fd: 3,
            ..Default::default()
        }
        .into(),
    );
    let mut load = ProgLoad {
        prog_type: 6,
        insns: &[0x18, 0x51, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0],
        license: Some(c"GPL"),
        func_info_rec_size: 8,
        func_info: &[1; 16],
        line_info_rec_size: 16,
        line_info: &[2; 48],
        core_relo_rec_size: 16,
        core_relos: &[3; 16],
        fd_array: &[7; 12],
        signature: &[9; 5],
        ..Default::default()
    };
    load.log_buf = &mut a;
    there_and_back(load.into());
    there_and_back(ProgQuery { prog_ids: &mut a[..16], link_ids: &mut b[..16], ..Default::default() }.into());
    there_and_back(
        ProgTestRun {
            data_in: &[1; 7],
            data_out: &mut a[..9],
            ctx_in: &[1; 3],
            ctx_out: &mut b[..5],
            ..Default::default()
        }
        .into(),
    );
    there_and_back(ObjPin { pathname: Some(c"/sys/fs/bpf/x"), bpf_fd: 4, ..Default::default() }.into());
    there_and_back(RawTracepointOpen { name: None, prog_fd: 3, cookie: 9 }.into());
    let link = |attach_type: u32, options| LinkCreate { prog_fd: 1, target: 2, attach_type, flags: 0, options };
    there_and_back(link(46, LinkOptions::Anchor { relative: 5, expected_revision: 6 }).into());
    there_and_back(link(24, LinkOptions::Tracing { target_btf_id: 5, cookie: 6 }).into());
    there_and_back(link(28, LinkOptions::Iter { info: &[1; 16] }).into());
    there_and_back(link(41, LinkOptions::PerfEvent { cookie: 5 }).into());
    there_and_back(link(45, LinkOptions::Netfilter { pf: 2, hooknum: 1, priority: -5, flags: 1 }).into());
    let uprobes = LinkOptions::UprobeMulti {
        path: Some(c"/bin/true"),
        offsets: &[1; 16],
        ref_ctr_offsets: &[],
        cookies: &[2; 16],
        count: 2,
        flags: 1,
        pid: 9,
    };
    there_and_back(link(48, uprobes).into());
    let mut info = ProgramInfo::default();
    let buffers = ProgramBuffers { map_ids: &mut c, func_info: &mut d, ..Default::default() };
    there_and_back(ObjGetInfoByFd { bpf_fd: 0, info: InfoRequest::Program { info: &mut info, buffers } }.into());

    // An array of pointers stands between: compared by content.
    let symbols =
        LinkOptions::KprobeMulti { flags: 0, count: 2, symbols: Symbols::Given(&names), addrs: &[], cookies: &[] };
    let (mut attr, mut arena) = (Attr::default(), Arena::default());
    Command::from(link(42, symbols)).encode(&mut attr, &mut arena);
    let mut decoded = Decoded::new(28, attr.known(), &arena).unwrap();
    let Command::LinkCreate(LinkCreate { options: LinkOptions::KprobeMulti { symbols, count: 2, .. }, .. }) =
        decoded.command()
    else {
        panic!("not the command that was encoded")
    };
    assert_eq!(symbols.iter().collect::<Vec<_>>(), names);
}

#[test]
fn linux_s_rule_for_bytes_that_are_not_known() {
    let number = CommandNumber::MapFreeze;
    let mut bytes = vec![0; 300];
    assert!(check_attr(number, &bytes).is_ok());
    assert!(check_attr(number, &bytes[..2]).is_ok());
    bytes[3] = 1;
    assert!(check_attr(number, &bytes).is_ok());
    bytes[4] = 1;
    assert_eq!(check_attr(number, &bytes), Err(Errno::EINVAL));
    bytes[ATTR_SIZE] = 1;
    assert_eq!(check_attr(number, &bytes), Err(Errno::E2BIG));
    assert_eq!(check_attr(number, &[0; 5000]), Err(Errno::E2BIG));
}

#[test]
fn an_answer_reaches_the_client() {
    let (mut attr, mut arena, mut value) = (Attr::default(), Arena::default(), [0; 16]);
    Command::from(MapLookupElem { map_fd: 3, key: &[1; 4], value: &mut value, ..Default::default() })
        .encode(&mut attr, &mut arena);
    let mut decoded = Decoded::new(1, attr.known(), &arena).unwrap();
    let Command::MapLookupElem(lookup) = decoded.command() else { panic!("not the command that was encoded") };
    lookup.value.copy_from_slice(&[0xab; 16]);
    let failed = decoded.answer(Err(Errno::ENOENT.into()), 0, 32, &mut arena);
    assert_eq!((failed, &arena.buffers[&attr.u64_at(16)]), (-2, &vec![0; 16]));
    assert_eq!(decoded.answer(Ok(Reply::Done), 0, 32, &mut arena), 0);
    assert_eq!(arena.buffers[&attr.u64_at(16)], [0xab; 16]);

    let place = arena.add(&[0; 8]);
    let mut next = Decoded::new(12, &[0; 8], &arena).unwrap();
    assert_eq!(next.answer(Ok(Reply::NextId(77)), place, 8, &mut arena), 0);
    assert_eq!(arena.buffers[&place][4..], 77u32.to_ne_bytes());
}

#[test]
fn replies_survive_the_attr() {
    let replies = [
        (CommandNumber::ProgLoad, Reply::Loaded { fd: 5, log_true_size: 9 }),
        (CommandNumber::BtfLoad, Reply::Loaded { fd: 5, log_true_size: 9 }),
        (CommandNumber::MapGetNextId, Reply::NextId(4)),
        (CommandNumber::MapUpdateBatch, Reply::Count(4)),
        (CommandNumber::ProgTestRun, Reply::TestRun { retval: 1, duration_ns: 2, data_size: 3, ctx_size: 4 }),
        (CommandNumber::ProgQuery, Reply::Query { attach_flags: 1, count: 2, revision: 3 }),
        (
            CommandNumber::TaskFdQuery,
            Reply::TaskFd { prog_id: 1, fd_type: 2, name_len: 3, probe_offset: 4, probe_addr: 5 },
        ),
        (CommandNumber::MapCreate, Reply::Fd(3)),
        (CommandNumber::ProgStreamRead, Reply::Read(8)),
        (CommandNumber::MapFreeze, Reply::Done),
    ];
    for (number, reply) in replies {
        let mut attr = [0; ATTR_SIZE];
        reply.write(number, &mut attr);
        assert_eq!(Reply::read(number, Some(reply.returned()), &attr), reply);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_decoded_or_refused(number in 0u32..40, mut bytes in proptest::collection::vec(any::<u8>(), 0..200), fd in 0u32..5) {
        let mut arena = Arena::default();
        let somewhere = arena.add(&[0x41; 5000]);
        // Some pointers and descriptors that exist, or nothing would get far.
        for offset in (0..bytes.len() / 8).map(|i| i * 8) {
            let pointer = somewhere + u64::from(bytes[offset + 1]);
            match bytes[offset] % 4 {
                0 => bytes[offset..offset + 8].copy_from_slice(&pointer.to_ne_bytes()),
                1 => bytes[offset..offset + 8].copy_from_slice(&(u64::from(fd) << 32 | u64::from(fd)).to_ne_bytes()),
                2 => bytes[offset..offset + 8].fill(0),
                _ => {}
            }
        }
        let attr = &bytes[..bytes.len().min(CommandNumber::from_number(number).map_or(200, CommandNumber::attr_len))];
        if let Ok(mut decoded) = Decoded::new(number, attr, &arena) {
            let (mut again, mut second) = (Attr::default(), Arena::default());
            decoded.command().encode(&mut again, &mut second);
            decoded.answer(Ok(Reply::Done), somewhere, attr.len(), &mut arena);
        }
    }

    #[test]
    fn infos_survive(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        prop_assert_eq!(ProgramInfo::from_bytes(&ProgramInfo::from_bytes(&bytes).to_bytes()), ProgramInfo::from_bytes(&bytes));
        prop_assert_eq!(MapInfo::from_bytes(&MapInfo::from_bytes(&bytes).to_bytes()), MapInfo::from_bytes(&bytes));
        prop_assert_eq!(LinkInfo::from_bytes(&LinkInfo::from_bytes(&bytes).to_bytes()), LinkInfo::from_bytes(&bytes));
        for link_type in 0u32..20 {
            let mut typed = bytes.clone();
            if let Some(start) = typed.get_mut(..4) {
                start.copy_from_slice(&link_type.to_ne_bytes());
            }
            let info = LinkInfo::from_bytes(&typed);
            prop_assert_eq!(LinkInfo::from_bytes(&info.to_bytes()), info);
        }
    }
}
