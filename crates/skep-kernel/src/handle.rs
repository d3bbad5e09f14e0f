//! A descriptor with its kernel.

use crate::{Errno, Kernel};
use std::fmt;
use std::sync::Arc;

/// An owned descriptor: closed when dropped.
pub struct Handle {
    kernel: Arc<dyn Kernel>,
    fd: i32,
}

impl Handle {
    /// Takes over a descriptor that `kernel` gave.
    pub fn new(kernel: Arc<dyn Kernel>, fd: i32) -> Handle {
        Handle { kernel, fd }
    }

    /// The descriptor, still owned here.
    pub fn fd(&self) -> i32 {
        self.fd
    }

    /// Whose it is.
    pub fn kernel(&self) -> &Arc<dyn Kernel> {
        &self.kernel
    }

    /// A second descriptor of the same object.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn try_clone(&self) -> Result<Handle, Errno> {
        let fd = self.kernel.duplicate(self.fd)?;
        Ok(Handle::new(Arc::clone(&self.kernel), fd))
    }

    /// Gives the descriptor up without closing it.
    pub fn into_fd(mut self) -> i32 {
        std::mem::replace(&mut self.fd, -1)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.fd >= 0 {
            self.kernel.close(self.fd);
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kernel.name(), self.fd)
    }
}
