//! The object's own types.

use crate::error::{Error, KernelError};
use skep_abi::command::BtfLoad;
use skep_btf::Endian;
use skep_kernel::{Errno, Handle, Kernel, calls};
use skep_object::ObjectSpec;
use std::sync::Arc;

/// Loads the object's BTF. A kernel without BTF does without: programs run, their maps print as bytes.
pub(super) fn load(spec: &ObjectSpec, kernel: &Arc<dyn Kernel>) -> Result<Option<Handle>, Error> {
    let Some(btf) = &spec.btf else { return Ok(None) };
    let bytes =
        btf.to_bytes(Endian::Little).map_err(|e| Error::Unfit(format!("the object's BTF cannot be written: {e}")))?;
    match calls::btf_load(kernel, BtfLoad { btf: &bytes, ..BtfLoad::default() }) {
        Ok((handle, _)) => Ok(Some(handle)),
        // Only privileged users may load types. Whether they may go on without, the kernel says.
        Err(failure) if failure.errno == Errno::EPERM => Ok(None),
        Err(failure) => {
            let mut log = vec![0; 1 << 16];
            let again = BtfLoad { btf: &bytes, btf_log_buf: &mut log, btf_log_level: 1, ..BtfLoad::default() };
            // Only the log of this attempt is wanted; should it succeed after all, so much the better.
            if let Ok((handle, _)) = calls::btf_load(kernel, again) {
                return Ok(Some(handle));
            }
            let text = crate::program::log_text(&log);
            let last = text.lines().rev().find(|line| !line.trim().is_empty()).map(|line| format!(" ({line})"));
            let action = format!("load the object's BTF{}", last.unwrap_or_default());
            Err(KernelError::new(&**kernel, "BTF_LOAD", action, failure.errno).into())
        }
    }
}
