//! Raw tracepoints, and programs whose target is known by BTF since they were loaded.

use crate::error::Error;
use crate::link::Link;
use crate::program::Program;
use skep_kernel::calls;
use std::ffi::CString;

impl Program {
    /// Attaches to a raw tracepoint: `attach_raw_tracepoint("sched_switch")`.
    ///
    /// ```no_run
    /// # fn f(program: &skep::Program) -> Result<(), skep::Error> {
    /// let link = program.attach_raw_tracepoint("sched_switch")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `ENOENT` when there is no such tracepoint.
    pub fn attach_raw_tracepoint(&self, name: &str) -> Result<Link, Error> {
        let text =
            CString::new(name).map_err(|_| Error::Unfit("the tracepoint's name contains a NUL byte".to_owned()))?;
        self.open_raw(Some(&text), name)
    }

    /// Attaches a tp_btf, fentry, fexit or LSM program to the target it was loaded for.
    ///
    /// ```no_run
    /// # fn f(program: &skep::Program) -> Result<(), skep::Error> {
    /// let link = program.attach_btf_target()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `EINVAL` for programs of another type, `ENOTSUPP` where the machine cannot patch functions.
    pub fn attach_btf_target(&self) -> Result<Link, Error> {
        let target = self.kind().attach_to.clone().unwrap_or_default();
        self.open_raw(None, &target)
    }

    fn open_raw(&self, name: Option<&std::ffi::CStr>, place: &str) -> Result<Link, Error> {
        calls::raw_tracepoint_open(self.kernel(), name, self.fd(), 0)
            .map(Link::from_handle)
            .map_err(|errno| self.failed("RAW_TRACEPOINT_OPEN", &format!("attach to {place}:"), errno))
    }
}
