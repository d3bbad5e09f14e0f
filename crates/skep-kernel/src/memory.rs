//! Memory that programs or the kernel change while user space looks at it.

use crate::Errno;

/// Memory shared with a kernel. Its bytes change at any time, so it gives copies, never references.
///
/// Offsets are in bytes. An access that does not lie inside is `EFAULT`; one of the atomic accesses that is not
/// aligned to its size is `EINVAL`.
#[allow(clippy::len_without_is_empty, reason = "memory is never empty")]
pub trait SharedMemory: Send + Sync {
    /// Bytes.
    fn len(&self) -> usize;

    /// Copies bytes out. Bytes that change meanwhile may be old or new.
    ///
    /// # Errors
    /// `EFAULT`.
    fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), Errno>;

    /// Copies bytes in.
    ///
    /// # Errors
    /// `EFAULT`; `EACCES` where the memory is read-only.
    fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), Errno>;

    /// Loads with acquire order.
    ///
    /// # Errors
    /// `EFAULT`, `EINVAL`.
    fn load_acquire_u64(&self, offset: usize) -> Result<u64, Errno>;

    /// Stores with release order.
    ///
    /// # Errors
    /// `EFAULT`, `EINVAL`; `EACCES` where the memory is read-only.
    fn store_release_u64(&self, offset: usize, value: u64) -> Result<(), Errno>;

    /// Loads with acquire order: the length word of a ring-buffer record.
    ///
    /// # Errors
    /// `EFAULT`, `EINVAL`.
    fn load_acquire_u32(&self, offset: usize) -> Result<u32, Errno>;

    /// Stores with release order: the length word of a record in a user ring buffer.
    ///
    /// # Errors
    /// `EFAULT`, `EINVAL`; `EACCES` where the memory is read-only.
    fn store_release_u32(&self, offset: usize, value: u32) -> Result<(), Errno>;
}
