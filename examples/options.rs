//! What all examples let the user choose.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use skep::{Kernel, Object};
use skep_linux::LinuxKernel;
use skep_user::UserKernel;

use crate::Error;

/// Which kernel runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// Skep's own, in this process; needs no privilege.
    User,
    /// The running Linux; needs root.
    Linux,
}

/// A kernel that was chosen.
pub enum Chosen {
    /// Skep's own: events come from this process.
    User(Arc<UserKernel>),
    /// Linux: events come from the machine.
    Linux(Arc<dyn Kernel>),
}

impl Choice {
    /// Opens it.
    ///
    /// # Errors
    /// Linux's BPF cannot be used here.
    pub fn open(self) -> Result<Chosen, Error> {
        match self {
            Choice::User => Ok(Chosen::User(UserKernel::new(Default::default()))),
            Choice::Linux => {
                let kernel = LinuxKernel::open().map_err(|error| Error::Other(format!("Linux's BPF: {error}")))?;
                Ok(Chosen::Linux(kernel))
            }
        }
    }
}

impl Chosen {
    /// The door that both have.
    pub fn door(&self) -> Arc<dyn Kernel> {
        match self {
            Chosen::User(kernel) => kernel.clone(),
            Chosen::Linux(kernel) => kernel.clone(),
        }
    }
}

/// Where packets come from.
#[derive(Clone, Debug, clap::Args)]
pub struct PacketOptions {
    /// The kernel that runs the program.
    #[arg(long, value_enum, default_value = "user")]
    pub kernel: Choice,
    /// Packets from a capture file. On Linux they are sent through a network namespace of their own.
    #[arg(long, value_name = "FILE", required_unless_present = "iface")]
    pub pcap: Option<PathBuf>,
    /// Packets of a network interface, with `--kernel linux`.
    #[arg(long, value_name = "INTERFACE", conflicts_with = "pcap")]
    pub iface: Option<String>,
    /// How long to watch an interface.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub duration: Duration,
    /// Another object than the one built from this folder.
    #[arg(long, value_name = "FILE")]
    pub object: Option<PathBuf>,
}

/// A number of seconds, fractions allowed.
///
/// # Errors
/// No number, a negative one, or more than a year.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| format!("`{text}` is not a number of seconds"))?;
    let year = 366.0 * 86400.0;
    if (0.0..=year).contains(&number) { Ok(Duration::from_secs_f64(number)) } else { Err("0 seconds to a year".into()) }
}

/// Opens the object that the user named, or builds the example's own and opens that.
///
/// # Errors
/// It cannot be built or read.
pub fn open_object(given: Option<&PathBuf>, folder: &str, name: &str) -> Result<Object, Error> {
    let path = match given {
        Some(path) => path.clone(),
        None => crate::object(folder, name)?,
    };
    Ok(Object::open(path)?)
}
