//! Pins: names in the BPF file system.

use crate::error::{Error, KernelError};
use skep_abi::command::FileFlags;
use skep_kernel::{Errno, Handle, Kernel, calls};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

fn c_path(path: &Path) -> Result<CString, Error> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::Unfit(format!("the path {} contains a NUL byte", path.display())))
}

/// Gives a descriptor's object a name.
pub(crate) fn pin(kernel: &dyn Kernel, fd: i32, path: &Path) -> Result<(), Error> {
    calls::obj_pin(kernel, fd, &c_path(path)?)
        .map_err(|errno| KernelError::new(kernel, "OBJ_PIN", format!("pin at {}", path.display()), errno).into())
}

/// Opens what is pinned at `path`; `None` when nothing is.
pub(crate) fn open(kernel: &Arc<dyn Kernel>, path: &Path) -> Result<Option<Handle>, Error> {
    match calls::obj_get(kernel, &c_path(path)?, FileFlags::empty()) {
        Ok(handle) => Ok(Some(handle)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => {
            let action = format!("open the pin {}", path.display());
            Err(KernelError::new(&**kernel, "OBJ_GET", action, errno).into())
        }
    }
}
