//! What happens around tracing programs: on the machine, or in a recording.

use std::path::PathBuf;
use std::sync::Arc;

use skep::{Kernel, LoadedObject};
use skep_user::UserKernel;

use crate::options::{Choice, Chosen};
use crate::strace::{self, Event};
use crate::watched::{WatchOptions, Watched};
use crate::{Error, user};

/// Where tracing programs run, and on what.
#[derive(Clone, Debug, clap::Args)]
pub struct TraceOptions {
    /// The kernel that runs the program.
    #[arg(long, value_enum, default_value = "linux")]
    pub kernel: Choice,
    /// With `--kernel user`: what happened, as `strace -f -n -X raw` recorded it.
    #[arg(long, value_name = "FILE", required_if_eq("kernel", "user"))]
    pub strace: Option<PathBuf>,
    /// What to watch on Linux.
    #[command(flatten)]
    pub watch: WatchOptions,
    /// Another object than the one built from this folder.
    #[arg(long, value_name = "FILE")]
    pub object: Option<PathBuf>,
}

/// A kernel and what will happen in it.
pub struct Scene(Inner);

enum Inner {
    /// Processes of this machine.
    Machine { kernel: Arc<dyn Kernel>, watched: Watched },
    /// Processes of a recording.
    Recording { kernel: Arc<UserKernel>, events: Vec<Event>, target: u32 },
}

impl Scene {
    /// Opens kernel and recording, or prepares the command.
    ///
    /// # Errors
    /// The kernel cannot be used, the recording cannot be read, the command does not start.
    pub fn open(options: &TraceOptions) -> Result<Scene, Error> {
        Ok(Scene(match options.kernel.open()? {
            Chosen::Linux(kernel) => Inner::Machine { kernel, watched: options.watch.prepare()? },
            Chosen::User(kernel) => {
                let missing = || Error::Other("Skep's kernel needs a recording: --strace FILE".into());
                let events = strace::read(options.strace.as_ref().ok_or_else(missing)?)?;
                Inner::Recording { kernel, events, target: options.watch.pid.unwrap_or(0) }
            }
        }))
    }

    /// The kernel to load into.
    pub fn kernel(&self) -> Arc<dyn Kernel> {
        match &self.0 {
            Inner::Machine { kernel, .. } => kernel.clone(),
            Inner::Recording { kernel, .. } => kernel.clone(),
        }
    }

    /// The process to watch, or 0 for all: what the programs' `target` wants.
    pub fn target(&self) -> u32 {
        match &self.0 {
            Inner::Machine { watched, .. } => watched.target(),
            Inner::Recording { target, .. } => *target,
        }
    }

    /// Attaches all programs and lets everything happen. `look` is called every now and then, and at the end.
    ///
    /// # Errors
    /// A program cannot be attached, or `look` fails.
    pub fn play(self, loaded: &LoadedObject, mut look: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
        let _links = loaded.programs().map(skep::Program::attach).collect::<Result<Vec<_>, _>>()?;
        match self.0 {
            Inner::Machine { watched, .. } => watched.go(look),
            Inner::Recording { kernel, events, .. } => {
                for event in &events {
                    user::fire(&kernel, event)?;
                    look()?;
                }
                Ok(())
            }
        }
    }
}
