//! A network of one's own: a Linux network namespace with a cable in it, gone when the process ends.
//!
//! The namespace has no name; it is the process's own, so nothing can be left behind.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use skep_linux::PacketSocket;

use crate::Error;

/// Set in the environment of a process that is in a namespace of its own.
const MARK: &str = "SKEP_LAB";

/// The end of the cable that frames are put in.
pub const NEAR: &str = "near";
/// The end where they come out, and where programs are attached.
pub const FAR: &str = "far";

/// Starts this program again in a network namespace of its own, unless it is in one.
///
/// # Errors
/// `unshare` (of util-linux) is missing or may not make namespaces.
pub fn enter() -> Result<(), Error> {
    if std::env::var_os(MARK).is_some() {
        return Ok(());
    }
    let this = std::env::current_exe().map_err(|source| Error::File { path: "/proc/self/exe".into(), source })?;
    let error =
        Command::new("unshare").args(["--net", "--"]).arg(this).args(std::env::args_os().skip(1)).env(MARK, "1").exec();
    Err(Error::Tool { program: "unshare".into(), reason: error.to_string() })
}

/// A cable: two Ethernet interfaces, what goes into one comes out of the other.
pub struct Cable {
    near: PacketSocket,
}

impl Cable {
    /// Lays the cable and waits until it is up. It carries nothing but what is sent.
    ///
    /// # Errors
    /// `ip` is missing or refuses, or the process is not in a [lab](enter).
    pub fn lay() -> Result<Cable, Error> {
        ip(&["link", "add", NEAR, "type", "veth", "peer", "name", FAR])?;
        for end in [NEAR, FAR] {
            // Address resolution and neighbour discovery would mix their own packets in.
            quiet(end)?;
            ip(&["link", "set", end, "arp", "off", "up"])?;
        }
        wait_for_carrier()?;
        let near = PacketSocket::new().map_err(network("open a packet socket"))?;
        near.send_to(NEAR).map_err(network("send on the cable"))?;
        Ok(Cable { near })
    }

    /// Puts a frame into the near end.
    ///
    /// # Errors
    /// It is longer than the cable takes (1514 bytes, or 1518 with a tag).
    pub fn send(&self, frame: &[u8]) -> Result<(), Error> {
        self.near.send(frame).map_err(network("send on the cable"))
    }
}

fn network(what: &str) -> impl FnOnce(std::io::Error) -> Error {
    let what = what.to_owned();
    move |source| Error::Network { what, source }
}

fn ip(arguments: &[&str]) -> Result<String, Error> {
    let failed = |reason: String| Error::Tool { program: format!("ip {}", arguments.join(" ")), reason };
    let output = Command::new("ip").args(arguments).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn quiet(interface: &str) -> Result<(), Error> {
    let path = Path::new("/proc/sys/net/ipv6/conf").join(interface).join("disable_ipv6");
    // A kernel without IPv6 is quiet by itself.
    if !path.exists() {
        return Ok(());
    }
    fs::write(&path, "1").map_err(|source| Error::File { path, source })
}

fn wait_for_carrier() -> Result<(), Error> {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !ip(&["-oneline", "link", "show", FAR])?.contains("state UP") {
        if Instant::now() > deadline {
            return Err(Error::Other(format!("the interface {FAR} does not come up")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
