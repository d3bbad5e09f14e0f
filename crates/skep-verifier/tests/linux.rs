//! The same programs as in `programs.rs`, loaded into the Linux that runs the tests: same verdict, same message, same
//! errno.
//!
//! Linux's message is looked for among the lines of its log, since it prints states after some messages.

mod common;

use common::linux::{create_maps, kernel, load};
use common::{Case, Expected, files, kernel_types};
use libtest_mimic::{Arguments, Failed, Trial};
use skep_abi::command::ProgramFlags;
use skep_kernel::{Errno, Kernel};
use std::sync::Arc;

fn main() {
    let arguments = Arguments::from_args();
    let Some(kernel) = kernel() else { return };
    let mut trials = Vec::new();
    for (path, cases) in files() {
        let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for case in cases {
            let name = format!("{file}::{}", case.name);
            let kernel = kernel.clone();
            // Some rules are for loaders that this kernel's settings may keep out altogether.
            let ignored = case.get("capabilities") == Some("none") || case.is_withheld(&kernel);
            trials.push(Trial::test(name, move || check(&kernel, &case)).with_ignored_flag(ignored));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn check(kernel: &Arc<dyn Kernel>, case: &Case) -> Result<(), Failed> {
    let types = case.types_in(kernel)?;
    let maps = create_maps(kernel, case, types.as_ref())?;
    let names: Vec<(String, i32)> = maps.iter().map(|(name, handle)| (name.clone(), handle.fd())).collect();

    let kernel_types = kernel_types::LINUX.as_ref().ok_or("Linux has no BTF at /sys/kernel/btf/vmlinux")?;
    let insns = case.assemble(&names, kernel_types)?;
    let answer = load(kernel, case, types.as_ref(), &insns, ProgramFlags::empty())?;
    // The numbers in messages about interfaces are those of the kernel's types.
    let expected = if case.get("interface").is_some() { case.verify_for(kernel_types)? } else { case.expected.clone() };
    let Expected { verdict, message } = &expected;
    // Where Linux is known to accept what is not safe, the case says so.
    match (answer, case.get("linux").unwrap_or(verdict)) {
        (Ok(_), "accept") => Ok(()),
        (Ok(_), _) => Err(format!("Linux accepts it; we say: {message}").into()),
        (Err((errno, log)), "accept") => Err(format!("Linux refuses it ({errno}):\n{log}").into()),
        (Err((errno, log)), _) => {
            // Some of Linux's messages lack their line end, or stand behind the instruction.
            let (unended, behind) = (format!("{message}processed "), format!(" {message}"));
            let says_so = |line: &str| line == message || line.starts_with(&unended) || line.ends_with(&behind);
            if !log.lines().any(says_so) {
                return Err(format!("we say: {message}\nLinux's log:\n{log}").into());
            }
            let ours = case.errno()?;
            // A log that does not fit has its own errno.
            let same = ours == errno.0 || errno == Errno::ENOSPC;
            if same { Ok(()) } else { Err(format!("Linux's errno is {errno}, ours {ours}: {message}").into()) }
        }
    }
}
