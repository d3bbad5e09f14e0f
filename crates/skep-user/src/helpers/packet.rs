//! What the packet families share.

use crate::memory::Shared;
use crate::run::{Call, HelperError, Packet};
use skep_abi::errno::Errno;

/// The packet of the run.
pub(super) fn packet<'c>(call: &'c mut Call<'_, '_, '_>) -> Result<&'c mut Packet, HelperError> {
    call.env.context.packet().ok_or(HelperError::Errno(Errno::EINVAL))
}

/// `len` bytes of it at `offset`, or `errno`.
pub(super) fn part<'c>(
    call: &'c mut Call<'_, '_, '_>,
    offset: u64,
    len: u64,
    errno: Errno,
) -> Result<Shared<'c>, HelperError> {
    packet(call)?.part(offset, len).ok_or(HelperError::Errno(errno))
}

/// Brings the context up to date after the packet was moved or resized; `EINVAL`-style answer where it was not.
pub(super) fn moved(call: &mut Call<'_, '_, '_>, done: bool, errno: Errno) -> Result<u64, HelperError> {
    if !done {
        return Err(errno.into());
    }
    call.env.context.refresh();
    call.lend_context();
    Ok(0)
}
