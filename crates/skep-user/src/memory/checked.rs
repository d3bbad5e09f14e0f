//! Access to addresses that may be wrong: the operating system does it for us and reports a bad one as an error.

/// Reads `to.len()` bytes at any address of this process. `false` when one of them is not readable.
pub(crate) fn read_checked(from: u64, to: &mut [u8]) -> bool {
    read_of_process(std::process::id(), from, to)
}

/// Reads `to.len()` bytes at any address of a process. `false` when one of them is not readable, or the process not ours.
pub(crate) fn read_of_process(process: u32, from: u64, to: &mut [u8]) -> bool {
    if to.is_empty() {
        return true;
    }
    let local = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() };
    let remote = libc::iovec { iov_base: from as *mut libc::c_void, iov_len: to.len() };
    // SAFETY: `local` is the exclusive borrow `to`; the system checks `remote` and fails with EFAULT if it is not mapped.
    let copied = unsafe { libc::process_vm_readv(process.cast_signed(), &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(copied).is_ok_and(|n| n == to.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_address_is_an_error_and_a_good_one_is_read() {
        let value = 0x1122_3344_5566_7788u64;
        let mut bytes = [0; 8];
        assert!(read_checked(&raw const value as u64, &mut bytes));
        assert_eq!(u64::from_ne_bytes(bytes), value);
        for bad in [0u64, 1, 4096, 0xffff_8000_0000_0000, u64::MAX] {
            assert!(!read_checked(bad, &mut bytes), "{bad:#x}");
        }
    }
}
