//! What the tests of the library share: compiling, both kernels, and loud skips.
#![allow(dead_code, reason = "each test file uses a part")]

use skep::{Kernel, Object};
use skep_kernel::{Errno, calls};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use skep_testing::skip;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The bytes of a compiled test program; `None`, loudly, without clang.
pub(crate) fn compile(name: &str) -> Option<Vec<u8>> {
    let works = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    let Some(clang) = ["clang-19", "clang", "clang-16"].into_iter().find(works) else {
        skip("there is no clang to compile test programs with");
        return None;
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = directory.path().join("out.o");
    let run = Command::new(clang)
        .args(["--target=bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror", "-c", "-I"])
        .arg(repository().join("tests/objects/include"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name))
        .arg("-o")
        .arg(&output)
        .output()
        .expect("clang runs");
    assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
    Some(std::fs::read(output).expect("clang wrote the object"))
}

/// An object of a test program.
pub(crate) fn object(name: &str) -> Option<Object> {
    let bytes = compile(name)?;
    Some(Object::parse("test", &bytes).unwrap_or_else(|e| panic!("{name}: {e:?}")))
}

/// Linux, where this process may use its BPF.
pub(crate) fn linux() -> Option<Arc<dyn Kernel>> {
    let kernel = match skep_linux::LinuxKernel::open() {
        Ok(kernel) => kernel,
        Err(error) => {
            skip(&format!("Linux's BPF: {error}"));
            return None;
        }
    };
    let kernel: Arc<dyn Kernel> = kernel;
    let map = skep_abi::command::MapCreate {
        map_type: 2,
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        ..skep_abi::command::MapCreate::default()
    };
    match calls::map_create(&kernel, map) {
        Ok(_) => Some(kernel),
        Err(errno) => {
            skip(&format!("Linux's BPF: {errno}"));
            None
        }
    }
}

/// The user-space kernel, the same on every run.
pub(crate) fn user() -> Arc<dyn Kernel> {
    skep_user::UserKernel::new(skep_user::Config { cpus: Some(2), ..skep_user::Config::default() })
}

/// Runs a test in the user-space kernel and, where it can be used, in Linux.
pub(crate) fn on_each_kernel(test: impl Fn(&Arc<dyn Kernel>)) {
    let kernels = [Some(user()), linux()];
    for kernel in kernels.iter().flatten() {
        eprintln!("--- in kernel '{}'", kernel.name());
        test(kernel);
    }
}

/// Runs a test with an object in each kernel.
pub(crate) fn with_object(name: &str, test: impl Fn(&Arc<dyn Kernel>, Object)) {
    let Some(object) = object(name) else { return };
    on_each_kernel(|kernel| test(kernel, object.clone()));
}

/// A packet long enough for every hook.
pub(crate) const PACKET: &[u8] = &[0x11; 64];

/// Waits until a condition holds.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ids of what an object holds in a kernel.
#[derive(Debug)]
pub(crate) struct Ids {
    programs: Vec<u32>,
    maps: Vec<u32>,
}

impl Ids {
    pub(crate) fn of(loaded: &skep::LoadedObject) -> Ids {
        Ids {
            programs: loaded.programs().map(|p| p.info().expect("program info").id).collect(),
            maps: loaded.maps().map(|m| m.info().id).collect(),
        }
    }

    /// Linux frees programs and what they hold a little later.
    pub(crate) fn expect_gone(&self, kernel: &Arc<dyn Kernel>) {
        for id in &self.programs {
            eventually("the end of a program", || matches!(calls::prog_by_id(kernel, *id), Err(Errno::ENOENT)));
        }
        for id in &self.maps {
            eventually("the end of a map", || matches!(calls::map_by_id(kernel, *id), Err(Errno::ENOENT)));
        }
    }
}
