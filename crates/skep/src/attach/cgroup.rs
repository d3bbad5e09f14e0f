//! Programs on cgroups.

use crate::error::Error;
use crate::link::Link;
use crate::program::Program;
use skep_abi::command::LinkCreate;
use skep_kernel::Handle;
use std::path::Path;
use std::sync::Arc;

impl Program {
    /// Attaches to a cgroup (version 2) by the attach type of the program's section: `SEC("cgroup/connect4")`.
    ///
    /// ```no_run
    /// # fn f(program: &skep::Program) -> Result<(), skep::Error> {
    /// let link = program.attach_cgroup("/sys/fs/cgroup/web")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `ENOENT` for the path; [`Error::Unfit`] when the section names no attach type.
    pub fn attach_cgroup(&self, path: impl AsRef<Path>) -> Result<Link, Error> {
        let path = path.as_ref();
        let Some(attach_type) = self.kind().attach_type else {
            let name = self.name();
            return Err(Error::Unfit(format!(
                "program '{name}' names no cgroup hook: use a section such as cgroup/connect4"
            )));
        };
        let place = format!("{} of {}", attach_type.name(), path.display());
        let cgroup = self
            .kernel()
            .open_cgroup(path)
            .map_err(|errno| self.failed("LINK_CREATE", &format!("open cgroup {} for", path.display()), errno))?;
        let cgroup = Handle::new(Arc::clone(self.kernel()), cgroup);
        let command = LinkCreate {
            prog_fd: self.fd(),
            target: cgroup.fd().cast_unsigned(),
            attach_type: attach_type.number(),
            ..LinkCreate::default()
        };
        Link::create(self, command, &place)
    }
}
