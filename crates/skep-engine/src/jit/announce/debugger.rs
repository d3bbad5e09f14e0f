//! GDB's JIT interface: a list of symbol files in memory, and a function that is called when it changes, where debuggers
//! have a breakpoint.
//!
//! The names are prescribed. They are *weak* symbols, so that a program that has another compiler with the same interface
//! in it still links: both then share one list, each locking only against itself.

use std::ptr;
use std::sync::Mutex;

/// `struct jit_code_entry`
#[derive(Debug)]
#[repr(C)]
struct CodeEntry {
    next: *mut CodeEntry,
    previous: *mut CodeEntry,
    file: *const u8,
    file_len: u64,
}

/// `struct jit_descriptor`
#[repr(C)]
struct Descriptor {
    version: u32,
    action: u32,
    relevant: *mut CodeEntry,
    first: *mut CodeEntry,
}

const REGISTER: u32 = 1;
const UNREGISTER: u32 = 2;

std::arch::global_asm!(
    ".pushsection .data.__jit_debug_descriptor, \"aw\"",
    ".weak __jit_debug_descriptor",
    ".balign 8",
    "__jit_debug_descriptor:",
    // Version 1, no action, no entry.
    ".4byte 1, 0",
    ".8byte 0, 0",
    ".type __jit_debug_descriptor, %object",
    ".size __jit_debug_descriptor, 24",
    ".popsection",
    ".pushsection .text.__jit_debug_register_code, \"ax\"",
    ".weak __jit_debug_register_code",
    ".type __jit_debug_register_code, %function",
    "__jit_debug_register_code:",
    "ret",
    ".size __jit_debug_register_code, 1",
    ".popsection",
);

unsafe extern "C" {
    static mut __jit_debug_descriptor: Descriptor;
    fn __jit_debug_register_code();
}

static LOCK: Mutex<()> = Mutex::new(());

/// A symbol file that debuggers know, until this is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    entry: *mut CodeEntry,
    _file: Box<[u8]>,
}

// SAFETY: the entry is only touched under the lock.
unsafe impl Send for Entry {}
// SAFETY: as above; shared references give access to nothing.
unsafe impl Sync for Entry {}

/// Adds a symbol file.
pub(super) fn add(file: Vec<u8>) -> Entry {
    let file = file.into_boxed_slice();
    let entry = CodeEntry {
        next: ptr::null_mut(),
        previous: ptr::null_mut(),
        file: file.as_ptr(),
        file_len: file.len() as u64,
    };
    let entry = Box::into_raw(Box::new(entry));
    let _guard = LOCK.lock();
    // SAFETY: the list is only changed under the lock; its entries live until they are taken out.
    unsafe {
        let descriptor = &raw mut __jit_debug_descriptor;
        (*entry).next = (*descriptor).first;
        if let Some(first) = (*entry).next.as_mut() {
            first.previous = entry;
        }
        (*descriptor).first = entry;
        tell(REGISTER, entry);
    }
    Entry { entry, _file: file }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let _guard = LOCK.lock();
        // SAFETY: as in `add`; this entry is in the list, made by `Box`, and nobody else's.
        unsafe {
            let CodeEntry { next, previous, .. } = *self.entry;
            match previous.as_mut() {
                Some(previous) => previous.next = next,
                None => (&raw mut __jit_debug_descriptor.first).write(next),
            }
            if let Some(next) = next.as_mut() {
                next.previous = previous;
            }
            tell(UNREGISTER, self.entry);
            drop(Box::from_raw(self.entry));
        }
    }
}

/// # Safety
/// The lock is held, and the entry lives.
unsafe fn tell(action: u32, entry: *mut CodeEntry) {
    // SAFETY: the caller's.
    unsafe {
        let descriptor = &raw mut __jit_debug_descriptor;
        (&raw mut (*descriptor).action).write_volatile(action);
        (&raw mut (*descriptor).relevant).write_volatile(entry);
        __jit_debug_register_code();
    }
}
