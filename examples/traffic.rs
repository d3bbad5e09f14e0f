//! Packets for a program: from a capture through Skep's kernel, from a capture through a [lab](crate::lab), or from an
//! interface of this machine.

use std::fs::File;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use skep::{Link, Program, XdpMode};
use skep_linux::PacketSocket;
use skep_user::devices::{CaptureReader, PacketSource as _};

use crate::lab::{self, Cable};
use crate::options::{Choice, Chosen, PacketOptions};
use crate::{Error, user};

/// Longest frame that is read from a socket.
const LONGEST_FRAME: usize = 65_536;
/// When nothing came for so long after the last frame was sent, nothing will.
const QUIET: Duration = Duration::from_millis(200);

/// What an example does beside the program.
pub trait Observer {
    /// Before frame `number` (from 1) reaches the program.
    ///
    /// # Errors
    /// End the run.
    fn before(&mut self, number: u64) -> Result<(), Error> {
        let _ = number;
        Ok(())
    }

    /// A socket filter let a frame through to user space, at `time` since 1970.
    ///
    /// # Errors
    /// End the run.
    fn received(&mut self, frame: &[u8], time: Duration) -> Result<(), Error> {
        let _ = (frame, time);
        Ok(())
    }
}

/// Packets, and the kernel that the program is in.
pub struct Traffic {
    kernel: Chosen,
    source: Source,
}

enum Source {
    /// Every frame of a file, as fast as it goes.
    Capture(CaptureReader<File>),
    /// Whatever an interface sees for a while.
    Interface { name: String, duration: Duration },
}

impl Traffic {
    /// Opens kernel and source. On Linux with a capture, the process starts again in a network namespace of its own, so
    /// this comes first in `main`.
    ///
    /// # Errors
    /// The kernel cannot be used, the file is no capture, or the two do not go together.
    pub fn open(options: &PacketOptions) -> Result<Traffic, Error> {
        let source = match (&options.pcap, &options.iface) {
            (Some(path), _) => {
                let failed = |error| Error::Other(format!("{}: {error}", path.display()));
                Source::Capture(CaptureReader::open(path).map_err(failed)?)
            }
            (None, Some(_)) if options.kernel == Choice::User => {
                return Err(Error::Other("an interface needs --kernel linux; a capture goes with both".into()));
            }
            (None, Some(name)) => Source::Interface { name: name.clone(), duration: options.duration },
            (None, None) => return Err(Error::Other("name a capture (--pcap) or an interface (--iface)".into())),
        };
        if options.kernel == Choice::Linux && matches!(source, Source::Capture(_)) {
            lab::enter()?;
        }
        Ok(Traffic { kernel: options.kernel.open()?, source })
    }

    /// The kernel to load into.
    pub fn kernel(&self) -> std::sync::Arc<dyn skep::Kernel> {
        self.kernel.door()
    }

    /// Attaches an XDP program and lets the packets come. Gives how many frames were sent to it; `None` for an interface,
    /// where nobody counts them.
    ///
    /// # Errors
    /// The program cannot be attached, the source fails, or the observer ends the run.
    pub fn run_xdp(self, program: &Program, observer: &mut dyn Observer) -> Result<Option<u64>, Error> {
        match (self.kernel, self.source) {
            (Chosen::User(kernel), Source::Capture(reader)) => {
                user::run_on_capture(&kernel, program, reader, observer).map(Some)
            }
            (Chosen::Linux(_), Source::Capture(reader)) => {
                let cable = Cable::lay()?;
                let link = program.attach_xdp(lab::FAR, XdpMode::Default)?;
                let sent = replay(&cable, reader, observer, &mut |_, _| Ok(()))?;
                std::thread::sleep(QUIET);
                drop(link);
                Ok(Some(sent))
            }
            (_, Source::Interface { name, duration }) => {
                let _link = program.attach_xdp(&name, XdpMode::Default)?;
                observer.before(1)?;
                std::thread::sleep(duration);
                Ok(None)
            }
        }
    }

    /// Puts a socket filter on a packet socket and lets the packets come. Gives how many frames were sent to it; `None`
    /// for an interface.
    ///
    /// # Errors
    /// The program cannot be attached, the source fails, or the observer ends the run.
    pub fn run_socket(self, program: &Program, observer: &mut dyn Observer) -> Result<Option<u64>, Error> {
        match (self.kernel, self.source) {
            (Chosen::User(kernel), Source::Capture(reader)) => {
                user::run_on_capture(&kernel, program, reader, observer).map(Some)
            }
            (Chosen::Linux(_), Source::Capture(reader)) => {
                let cable = Cable::lay()?;
                let mut tap = Tap::open(program, lab::FAR)?;
                // What a frame lets through is there when `send` returns; the capture's clock goes with it.
                let mut last = Duration::ZERO;
                let sent = replay(&cable, reader, observer, &mut |time, observer| {
                    last = time;
                    tap.drain(Duration::ZERO, time, observer)
                })?;
                tap.drain(QUIET, last, observer)?;
                Ok(Some(sent))
            }
            (_, Source::Interface { name, duration }) => {
                let mut tap = Tap::open(program, &name)?;
                let end = Instant::now() + duration;
                while let Some(left) = end.checked_duration_since(Instant::now()) {
                    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    tap.read(left, now, observer)?;
                }
                Ok(None)
            }
        }
    }
}

/// Called after each frame with its time.
type After<'a> = dyn FnMut(Duration, &mut dyn Observer) -> Result<(), Error> + 'a;

fn replay(
    cable: &Cable,
    mut reader: CaptureReader<File>,
    observer: &mut dyn Observer,
    after: &mut After<'_>,
) -> Result<u64, Error> {
    let mut number = 0;
    while let Some(frame) = reader.next_frame().map_err(|error| Error::Other(error.to_string()))? {
        number += 1;
        observer.before(number)?;
        cable.send(frame.data)?;
        after(frame.timestamp, observer)?;
    }
    Ok(number)
}

/// A packet socket with a filter on it.
struct Tap {
    socket: PacketSocket,
    _link: Link,
    buffer: Vec<u8>,
}

impl Tap {
    fn open(program: &Program, interface: &str) -> Result<Tap, Error> {
        let failed = |what: &str| {
            let what = format!("{what} {interface}");
            move |source| Error::Network { what, source }
        };
        let socket = PacketSocket::new().map_err(failed("open a packet socket for"))?;
        // The filter first: no frame gets past it.
        let link = program.attach_socket(&socket)?;
        socket.receive_from(interface).map_err(failed("receive from"))?;
        Ok(Tap { socket, _link: link, buffer: vec![0; LONGEST_FRAME] })
    }

    /// Reads one frame, if one comes in time.
    fn read(&mut self, timeout: Duration, time: Duration, observer: &mut dyn Observer) -> Result<bool, Error> {
        let failed = |source| Error::Network { what: "receive".into(), source };
        let Some(len) = self.socket.receive(&mut self.buffer, timeout).map_err(failed)? else { return Ok(false) };
        observer.received(&self.buffer[..len], time)?;
        Ok(true)
    }

    /// Reads until nothing more comes.
    fn drain(&mut self, patience: Duration, time: Duration, observer: &mut dyn Observer) -> Result<(), Error> {
        while self.read(patience, time, observer)? {}
        Ok(())
    }
}
