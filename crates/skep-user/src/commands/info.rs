//! `BPF_OBJ_GET_INFO_BY_FD`.

use crate::kernel::UserKernel;
use crate::objects::{BtfObject, LoadRecord, Map, Object, Program};
use skep_abi::command::{
    BtfInfo, Failure, InfoRequest, LinkBuffers, LinkInfo, MapInfo, ObjGetInfoByFd, ProgramBuffers, ProgramInfo, Reply,
};
use skep_abi::errno::Errno;
use skep_isa::Slot;

impl UserKernel {
    pub(super) fn info(&self, command: ObjGetInfoByFd<'_>) -> Result<Reply, Failure> {
        let object = self.descriptors.get(command.bpf_fd)?.object;
        let len = match (object, command.info) {
            (Object::Program(program), InfoRequest::Program { info, buffers }) => {
                *info = program_info(&program);
                fill_program_buffers(&program, buffers);
                ProgramInfo::SIZE
            }
            (Object::Map(map), InfoRequest::Map { info, .. }) => {
                *info = map_info(&map);
                MapInfo::SIZE
            }
            (Object::Btf(object), InfoRequest::Btf { info, btf, name }) => {
                *info = btf_info(&object);
                copy(&object.bytes, btf);
                copy_text(object.name, name)?;
                BtfInfo::SIZE
            }
            (Object::Link(link), InfoRequest::Link { info, buffers }) => {
                *info = link.info();
                if let LinkBuffers::Name(link_type, buffer) = buffers
                    && link_type == link.link_type
                {
                    copy_text(&link.name(), buffer)?;
                }
                LinkInfo::SIZE
            }
            (Object::Program(_) | Object::Map(_) | Object::Btf(_) | Object::Link(_), _) => {
                return Err(Errno::EINVAL.into());
            }
            // Not a BPF descriptor, or of a kind without information.
            _ => return Err(Errno::EINVAL.into()),
        };
        Ok(Reply::Info { len: len as u32 })
    }
}

/// Copies as much as there is room for.
fn copy(from: &[u8], to: &mut [u8]) {
    let len = from.len().min(to.len());
    to[..len].copy_from_slice(&from[..len]);
}

/// Copies a name and its NUL; ENOSPC if it had to be cut.
fn copy_text(text: &str, to: &mut [u8]) -> Result<(), Errno> {
    let Some(room) = to.len().checked_sub(1) else { return Ok(()) };
    let kept = text.len().min(room);
    to[..kept].copy_from_slice(&text.as_bytes()[..kept]);
    to[kept] = 0;
    if kept < text.len() { Err(Errno::ENOSPC) } else { Ok(()) }
}

fn map_info(map: &Map) -> MapInfo {
    let definition = &map.definition;
    let mut info = MapInfo {
        map_type: definition.map_type.number(),
        id: map.id,
        key_size: definition.key_size as u32,
        value_size: definition.value.size as u32,
        max_entries: definition.max_entries,
        map_flags: definition.flags.bits(),
        name: map.name,
        map_extra: definition.extra,
        ..MapInfo::default()
    };
    if let Some(types) = &map.types {
        info.btf_id = types.btf.id;
        info.btf_key_type_id = types.key.0;
        info.btf_value_type_id = types.value.0;
    }
    info
}

fn btf_info(object: &BtfObject) -> BtfInfo {
    BtfInfo {
        btf_size: object.bytes.len() as u32,
        id: object.id,
        name_len: object.name.len() as u32,
        kernel_btf: u32::from(object.is_kernel()),
    }
}

fn program_info(program: &Program) -> ProgramInfo {
    let record = &program.record;
    let (run_cnt, run_time_ns) = program.run_statistics();
    ProgramInfo {
        program_type: program.program_type().number(),
        id: program.id,
        tag: program.tag,
        xlated_prog_len: (record.insns.len() * Slot::SIZE) as u32,
        load_time: record.load_time,
        created_by_uid: record.uid,
        nr_map_ids: map_ids(program).len() as u32,
        name: program.name,
        gpl_compatible: u32::from(record.gpl_compatible),
        btf_id: program.btf.as_ref().map_or(0, |btf| btf.id),
        func_info_rec_size: 8,
        nr_func_info: (record.func_info.len() / 8) as u32,
        nr_line_info: (record.line_info.len() / 16) as u32,
        line_info_rec_size: 16,
        nr_prog_tags: record.subprograms.len().max(1) as u32,
        run_time_ns,
        run_cnt,
        verified_insns: record.verified_insns,
        attach_btf_obj_id: attach_btf(record),
        attach_btf_id: record.attach_btf_id,
        ..ProgramInfo::default()
    }
}

fn map_ids(program: &Program) -> Vec<u32> {
    let bound = crate::sync::lock(&program.bound_maps);
    program.maps.iter().chain(bound.iter()).map(|map| map.id()).collect()
}

fn fill_program_buffers(program: &Program, buffers: ProgramBuffers<'_>) {
    let record = &program.record;
    copy(&Slot::write_program(&record.insns), buffers.xlated_prog_insns);
    let ids: Vec<u8> = map_ids(program).iter().flat_map(|id| id.to_ne_bytes()).collect();
    copy(&ids, buffers.map_ids);
    copy(&record.func_info, buffers.func_info);
    copy(&record.line_info, buffers.line_info);
    let functions = record.subprograms.len().max(1);
    let tags: Vec<u8> = std::iter::repeat_n(program.tag, functions).flatten().collect();
    copy(&tags, buffers.prog_tags);
}

/// The BTF in which the attach target stands.
fn attach_btf(record: &LoadRecord) -> u32 {
    match &record.attached_to {
        _ if record.attach_btf_id == 0 => 0,
        Some(program) => program.btf.as_ref().map_or(0, |btf| btf.id),
        None => crate::kernel::KERNEL_BTF_ID,
    }
}
