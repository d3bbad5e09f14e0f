//! `BPF_BTF_LOAD`, and BTF by id.

use crate::kernel::UserKernel;
use crate::objects::{Access, BtfObject, Object};
use skep_abi::command::{BtfGetFdById, BtfLoad, Failure, FileFlags, Reply};
use skep_abi::errno::Errno;
use skep_btf::Btf;
use std::sync::Arc;

/// Largest BTF (`BTF_MAX_SIZE`).
const LARGEST: usize = 16 << 20;

impl UserKernel {
    pub(super) fn btf_load(&self, command: BtfLoad<'_>) -> Result<Reply, Failure> {
        if command.btf_flags.contains(FileFlags::TOKEN_FD) || !(command.btf_flags - FileFlags::TOKEN_FD).is_empty() {
            return Err(Errno::EINVAL.into());
        }
        if command.btf.len() > LARGEST {
            return Err(Errno::E2BIG.into());
        }
        match self.parse_btf(command.btf) {
            Ok(btf) => {
                let bytes = command.btf.into();
                let object = self.btfs.assign(|id| BtfObject { id, bytes, btf: Arc::new(btf), name: "" });
                let fd = self.descriptors.open(Object::Btf(object), Access::FULL)?;
                Ok(Reply::Loaded { fd, log_true_size: 0 })
            }
            Err((message, errno)) => {
                let log = format!("{message}\n");
                let log_true_size =
                    super::program_log::fill(command.btf_log_buf, command.btf_log_level, &log).unwrap_or(0);
                Err(Failure { errno, reply: Reply::Log { log_true_size } })
            }
        }
    }

    /// BTF whose form is right and whose objects make sense; else why not.
    fn parse_btf(&self, bytes: &[u8]) -> Result<Btf, (String, Errno)> {
        let btf = Btf::parse(bytes).and_then(|btf| btf.validate().map(|()| btf));
        let btf = btf.map_err(|error| (error.to_string(), Errno::EINVAL))?;
        let checked = skep_verifier::check_object_types(&btf, Some(&self.kernel_btf.btf));
        checked.map_err(|problem| (problem.message, Errno(problem.errno)))?;
        Ok(btf)
    }

    pub(super) fn btf_by_id(&self, command: &BtfGetFdById) -> Result<Reply, Failure> {
        let btf = self.btfs.get(command.btf_id).ok_or(Errno::ENOENT)?;
        Ok(Reply::Fd(self.descriptors.open(Object::Btf(btf), Access::FULL)?))
    }
}
