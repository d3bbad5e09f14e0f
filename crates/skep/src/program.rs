//! A loaded program.

use crate::error::{Error, KernelError};
use crate::test_run::{TestOutput, TestRun};
use skep_abi::command::ProgramInfo;
use skep_kernel::{Errno, Handle, Kernel, calls};
use skep_object::{ProgramKind, ProgramSpec};
use std::path::Path;
use std::sync::Arc;

/// A program in a kernel. How to attach it: the `attach_…` methods, one per kind of hook, or [`Program::attach`].
#[derive(Debug)]
pub struct Program {
    name: String,
    section: String,
    kind: ProgramKind,
    handle: Handle,
    log: String,
}

impl Program {
    pub(crate) fn new(spec: &ProgramSpec, kind: ProgramKind, handle: Handle, log: String) -> Program {
        Program { name: spec.name.clone(), section: spec.section.clone(), kind, handle, log }
    }

    /// The first part of its section's name: `kretprobe`, `uprobe.s`.
    pub(crate) fn section_prefix(&self) -> &str {
        self.section.trim_start_matches('?').split('/').next().unwrap_or_default()
    }

    /// The name it has in its object.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What kind of program it is, and what its section says about its attachment.
    pub fn kind(&self) -> &ProgramKind {
        &self.kind
    }

    /// The verifier's log, if [`crate::LoadOptions::log_level`] asked for one.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// Its descriptor in its kernel.
    pub fn fd(&self) -> i32 {
        self.handle.fd()
    }

    /// The kernel it is in.
    pub fn kernel(&self) -> &Arc<dyn Kernel> {
        self.handle.kernel()
    }

    /// What the kernel says about it.
    ///
    /// ```no_run
    /// # fn f(program: &skep::Program) -> Result<(), skep::Error> {
    /// println!("id {}", program.info()?.id);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn info(&self) -> Result<ProgramInfo, Error> {
        calls::prog_info(&**self.kernel(), self.fd())
            .map_err(|errno| self.failed("OBJ_GET_INFO_BY_FD", "describe", errno))
    }

    /// Pins the program, so that it outlives this process.
    ///
    /// ```no_run
    /// # fn f(program: &skep::Program) -> Result<(), skep::Error> {
    /// program.pin("/sys/fs/bpf/firewall")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `EEXIST` when the name is taken, `EPERM` outside of the BPF file system.
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        crate::pin::pin(&**self.kernel(), self.fd(), path.as_ref())
    }

    /// Runs the program once or many times on given data (`PROG_TEST_RUN`).
    ///
    /// ```no_run
    /// # fn f(program: &skep::Program, packet: &[u8]) -> Result<(), skep::Error> {
    /// let output = program.test_run(&skep::TestRun::new().data(packet).repeat(1000))?;
    /// println!("returned {} in {} ns", output.return_value, output.nanoseconds);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `EINVAL` for data that the program type does not take; `EOPNOTSUPP` for types without test run.
    pub fn test_run(&self, run: &TestRun) -> Result<TestOutput, Error> {
        run.execute(self)
    }

    pub(crate) fn failed(&self, command: &str, action: &str, errno: Errno) -> Error {
        KernelError::new(&**self.kernel(), command, format!("{action} program '{}'", self.name), errno).into()
    }
}

/// The text in a log buffer that the kernel filled.
pub(crate) fn log_text(buffer: &[u8]) -> String {
    let end = buffer.iter().position(|byte| *byte == 0).unwrap_or(buffer.len());
    String::from_utf8_lossy(&buffer[..end]).into_owned()
}
