//! The two kernels that tests compare.
#![allow(dead_code, reason = "each test uses a part")]

use skep_kernel::{Kernel, calls};
use skep_linux::LinuxKernel;
use skep_user::{Config, UserKernel};
use std::sync::Arc;

/// Linux, where this process may use its BPF; else says that the comparison is skipped.
pub(crate) fn linux(test: &str) -> Option<Arc<dyn Kernel>> {
    let skip = |why: String| {
        skep_testing::skip(&format!("{test} is not compared with Linux: {why}"));
        None
    };
    let kernel: Arc<dyn Kernel> = match LinuxKernel::open() {
        Ok(kernel) => kernel,
        Err(error) => return skip(error.to_string()),
    };
    let array =
        skep_abi::command::MapCreate { map_type: 2, key_size: 4, value_size: 4, max_entries: 1, ..Default::default() };
    match calls::map_create(&kernel, array) {
        Ok(_) => Some(kernel),
        Err(errno) => skip(format!("bpf(2) cannot be used: {errno}")),
    }
}

/// Our kernel with as many CPUs as Linux has.
pub(crate) fn user_like(linux: &Arc<dyn Kernel>) -> Arc<dyn Kernel> {
    UserKernel::new(Config { cpus: Some(linux.possible_cpus() as usize), ..Config::default() })
}
