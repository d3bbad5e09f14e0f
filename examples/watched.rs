//! A process to watch: one that runs already, or a command that starts when the programs are attached.

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Error;

/// Which process to watch, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub struct WatchOptions {
    /// Watch this process only.
    #[arg(long)]
    pub pid: Option<u32>,
    /// How long to watch, if no command is given.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = crate::seconds)]
    pub duration: Duration,
    /// Start this command and watch it until it ends.
    #[arg(last = true, conflicts_with = "pid")]
    pub command: Vec<String>,
}

/// The process that is watched.
pub struct Watched {
    duration: Duration,
    pid: Option<u32>,
    child: Option<(Child, ChildStdin)>,
}

/// Waits for a line, then becomes the command: its process id is known before its first instruction runs.
const GATE: &str = r#"read -r line && exec "$@" </dev/null"#;

impl WatchOptions {
    /// Finds the process. A command is started, but waits for [`Watched::go`].
    ///
    /// # Errors
    /// The command does not start.
    pub fn prepare(&self) -> Result<Watched, Error> {
        if self.command.is_empty() {
            return Ok(Watched { duration: self.duration, pid: self.pid, child: None });
        }
        let failed = |error: std::io::Error| Error::Tool { program: "sh".into(), reason: error.to_string() };
        let mut command = Command::new("sh");
        command.args(["-c", GATE, "sh"]).args(&self.command).stdin(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let gate = child.stdin.take().ok_or_else(|| Error::Other("a pipe was asked for".into()))?;
        Ok(Watched { duration: self.duration, pid: Some(child.id()), child: Some((child, gate)) })
    }
}

impl Watched {
    /// The process, or 0 for all: what the programs' `target` wants.
    pub fn target(&self) -> u32 {
        self.pid.unwrap_or(0)
    }

    /// The process, if it is one.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Lets the command run, and calls `look` every now and then until it has ended or the time is over, and once more
    /// after that. `look` waits a little itself, or returns at once.
    ///
    /// # Errors
    /// Those of `look`; the command cannot be waited for.
    pub fn go(mut self, mut look: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
        let failed = |error: std::io::Error| Error::Tool { program: "the command".into(), reason: error.to_string() };
        if let Some((_, gate)) = &mut self.child {
            gate.write_all(b"\n").map_err(failed)?;
        }
        let end = Instant::now() + self.duration;
        while match &mut self.child {
            Some((child, _)) => child.try_wait().map_err(failed)?.is_none(),
            None => Instant::now() < end,
        } {
            look()?;
            std::thread::sleep(Duration::from_millis(10));
        }
        look()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Whatever went wrong, nothing of ours keeps running. It may have ended by itself.
        if let Some((child, _)) = &mut self.child {
            _ = child.kill();
            _ = child.wait();
        }
    }
}
