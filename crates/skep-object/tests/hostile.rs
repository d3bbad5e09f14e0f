//! Damaged objects: an error or a result, never a panic, and never more memory than the file warrants.

mod common;

use proptest::prelude::*;
use skep_object::{ErrorKind, ExternSpec, KernelObject, MapIndex, ObjectError, ObjectSpec, Resolver};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::{Arc, OnceLock};

/// Counts what each thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes of memory that reading may take: for each byte of the file, and for any file.
const PER_BYTE: usize = 256;
const ANY: usize = 1 << 20;

/// A kernel that has everything.
struct Anything(Vec<Arc<skep_btf::Btf>>);

impl Resolver for Anything {
    fn map_fd(&self, map: MapIndex) -> Option<i32> {
        Some(map.0 as i32)
    }

    fn kernel_object(&self, _: &ExternSpec) -> Option<KernelObject> {
        Some(KernelObject { id: skep_btf::TypeId(1), btf_fd: 0, fd_array_index: 0 })
    }

    fn kernel_address(&self, _: &str) -> Option<u64> {
        Some(u64::MAX)
    }

    fn kernel_types(&self) -> &[Arc<skep_btf::Btf>] {
        &self.0
    }
}

/// Reads an object, alone and linked with another one, and links every program of it.
fn exercise(bytes: &[u8]) {
    examine(bytes.len(), || ObjectSpec::parse(bytes));
    if let Some(other) = objects().get(1) {
        examine(bytes.len() + other.len(), || ObjectSpec::parse_linked(&[("damaged", bytes), ("other", other)]));
    }
}

fn examine(len: usize, read: impl FnOnce() -> Result<ObjectSpec, ObjectError>) {
    HELD.set(0);
    MOST.set(0);
    let parsed = read();
    let most = MOST.get() as usize;
    assert!(most <= len * PER_BYTE + ANY, "{most} bytes of memory for a file of {len}");
    match parsed {
        Ok(object) => {
            let kernel = Anything(object.btf.iter().cloned().collect());
            for program in &object.programs {
                check(program);
                let _ = program.link(&object, &kernel);
            }
            for g in &object.globals {
                let contents = object.maps[g.map.0].contents.as_ref().unwrap();
                assert!(contents.read(g.offset, g.size).is_some(), "{g:?}");
            }
        }
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}

/// The invariants that users of a program rely on.
fn check(program: &skep_object::ProgramSpec) {
    let len = program.insns.len() as u32;
    let mut end = 0;
    for f in &program.functions {
        assert_eq!(f.start, end);
        end += f.len;
    }
    assert_eq!(end, len);
    assert!(program.relocations.iter().all(|r| r.slot < len));
    assert!(program.core_relocations.iter().all(|r| r.slot < len));
    assert!(program.lines.iter().all(|l| l.slot < len));
}

/// Objects to damage: compiled ones where there is a clang.
fn objects() -> &'static [Vec<u8>] {
    static OBJECTS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    OBJECTS.get_or_init(|| {
        let names = ["maps", "globals", "externs", "subprograms", "core", "struct-ops", "legacy-maps", "arena"];
        names.iter().filter_map(|n| common::compile(&format!("{n}.bpf.c"))).collect()
    })
}

#[test]
fn the_objects_themselves_pass() {
    objects().iter().for_each(|o| {
        exercise(o);
        assert!(ObjectSpec::parse(o).is_ok());
    });
}

#[test]
fn every_truncation_is_an_error() {
    for object in objects() {
        for len in (0..object.len()).step_by(7) {
            exercise(&object[..len]);
            // The section table comes last: without its end there is no object.
            let error = ObjectSpec::parse(&object[..len]).unwrap_err();
            assert!(matches!(error.kind, ErrorKind::Truncated | ErrorKind::NotBpf | ErrorKind::Malformed), "{error}");
        }
    }
}

#[test]
fn other_files_are_named() {
    let message = |bytes: &[u8]| ObjectSpec::parse(bytes).unwrap_err().to_string();
    assert_eq!(
        message(b""),
        "file offset 0x0: not a BPF object: the file is empty; compile with clang --target=bpf -c"
    );
    assert_eq!(
        message(b"int main"),
        "file offset 0x0: not a BPF object: it does not begin with the ELF magic number; \
         compile with clang --target=bpf -c"
    );
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let error = message(&own);
    assert!(error.starts_with("file offset 0x12: not a BPF object: machine is "), "{error}");
}

/// Offsets of the section headers' size fields, so that sizes become absurd more often than by chance.
fn section_sizes(object: &[u8]) -> Vec<usize> {
    let read = |at: usize| u64::from_le_bytes(object[at..at + 8].try_into().unwrap()) as usize;
    let count = usize::from(u16::from_le_bytes([object[60], object[61]]));
    (0..count).map(|i| read(40) + i * 64 + 32).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bytes(which in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        if !objects().is_empty() {
            let mut bytes = which.get(objects()).clone();
            for (at, value) in changes {
                *at.get_mut(&mut bytes) = value;
            }
            exercise(&bytes);
        }
    }

    #[test]
    fn absurd_numbers(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), value in prop::sample::select(vec![0u32, 1, 7, 0x7fff_ffff, 0x8000_0000, u32::MAX])) {
        if !objects().is_empty() {
            let mut bytes = which.get(objects()).clone();
            let at = at.index(bytes.len() / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            exercise(&bytes);
        }
    }

    #[test]
    fn absurd_sections(which in any::<prop::sample::Index>(), field in any::<prop::sample::Index>(), size in any::<u64>(), shift in 0u32..64, kind in 0u32..12) {
        if !objects().is_empty() {
            let mut bytes = which.get(objects()).clone();
            let at = *field.get(&section_sizes(&bytes));
            bytes[at..at + 8].copy_from_slice(&(size >> shift).to_le_bytes());
            if kind < 10 {
                bytes[at - 28..at - 24].copy_from_slice(&kind.to_le_bytes());
            }
            exercise(&bytes);
        }
    }

    #[test]
    fn random_bytes(tail in prop::collection::vec(any::<u8>(), 0..600), header in any::<bool>()) {
        let mut bytes = tail;
        if header && let Some(object) = objects().first() {
            let n = bytes.len().min(64);
            bytes[..n].copy_from_slice(&object[..n]);
        }
        exercise(&bytes);
    }
}
