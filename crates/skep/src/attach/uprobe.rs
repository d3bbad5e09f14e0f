//! Uprobes: functions of user programs.

use crate::error::Error;
use crate::link::Link;
use crate::program::Program;
use crate::symbol;
use skep_kernel::{PerfEvent, PerfEventKind};
use std::path::{Path, PathBuf};

/// Where in a binary a probe sits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UprobePlace {
    /// At a function, so many bytes into it.
    Symbol {
        /// Name in the symbol table.
        name: String,
        /// Bytes from its start.
        offset: u64,
    },
    /// At an offset in the file.
    FileOffset(u64),
}

/// A probe of a user program.
///
/// ```
/// let probe = skep::Uprobe::at_return("/bin/bash", "readline").for_process(1234);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uprobe {
    path: PathBuf,
    place: UprobePlace,
    returns: bool,
    process: Option<u32>,
}

impl Uprobe {
    /// A probe at a place of a binary.
    pub fn new(path: impl Into<PathBuf>, place: UprobePlace, returns: bool) -> Uprobe {
        Uprobe { path: path.into(), place, returns, process: None }
    }

    /// At the entry of a function.
    pub fn at_entry(path: impl Into<PathBuf>, function: &str) -> Uprobe {
        Uprobe::new(path, UprobePlace::Symbol { name: function.to_owned(), offset: 0 }, false)
    }

    /// At the return of a function.
    pub fn at_return(path: impl Into<PathBuf>, function: &str) -> Uprobe {
        Uprobe::new(path, UprobePlace::Symbol { name: function.to_owned(), offset: 0 }, true)
    }

    /// Only in this process.
    pub fn for_process(mut self, pid: u32) -> Uprobe {
        self.process = Some(pid);
        self
    }

    /// Reads what a section says: a path or the name of a program or library, and `symbol`, `symbol+8` or `0x1234`.
    pub(super) fn parse(path: &str, place: &str, returns: bool) -> Result<Uprobe, Error> {
        let number = |text: &str| match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        };
        let place = match place.rsplit_once('+') {
            Some((name, offset)) => {
                let wrong = || Error::Unfit(format!("'{place}': '{offset}' is no offset"));
                UprobePlace::Symbol { name: name.to_owned(), offset: number(offset).ok_or_else(wrong)? }
            }
            None => match number(place) {
                Some(offset) => UprobePlace::FileOffset(offset),
                None => UprobePlace::Symbol { name: place.to_owned(), offset: 0 },
            },
        };
        Ok(Uprobe::new(find_binary(path)?, place, returns))
    }
}

/// A path as it is; a bare name is looked for where programs and libraries live.
fn find_binary(name: &str) -> Result<PathBuf, Error> {
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let library = name.contains(".so");
    let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
    let directories: Vec<PathBuf> = if library {
        ["/lib", "/usr/lib", "/lib64", "/usr/lib64"]
            .iter()
            .flat_map(|dir| [Path::new(dir).join(&multiarch), PathBuf::from(dir)])
            .collect()
    } else {
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
    };
    directories
        .iter()
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| Error::Unfit(format!("no '{name}' on the search path; give the whole path")))
}

impl Program {
    /// Attaches to a function of a user program, or to its return.
    ///
    /// ```no_run
    /// # fn f(program: &skep::Program) -> Result<(), skep::Error> {
    /// let link = program.attach_uprobe(&skep::Uprobe::at_return("/bin/bash", "readline"))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the binary has no such symbol (a stripped binary keeps only its dynamic symbols); `EACCES`.
    pub fn attach_uprobe(&self, probe: &Uprobe) -> Result<Link, Error> {
        let (offset, place) = match &probe.place {
            UprobePlace::FileOffset(offset) => (*offset, format!("{}+{offset:#x}", probe.path.display())),
            UprobePlace::Symbol { name, offset } => {
                let start = symbol::file_offset(&probe.path, name)?;
                (start.saturating_add(*offset), format!("{}:{name}", probe.path.display()))
            }
        };
        let kind =
            PerfEventKind::Uprobe { path: probe.path.clone(), offset, returns: probe.returns, ref_ctr_offset: 0 };
        // A probe for all processes is opened on any one CPU; one for a process follows it over all CPUs.
        let cpu = if probe.process.is_some() { None } else { Some(0) };
        self.attach_event(&PerfEvent::every(kind), probe.process, cpu, &format!("uprobe {place}"))
    }
}
