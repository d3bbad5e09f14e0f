//! Running other programs, visibly.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Why a command of ours could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The program did not start.
    #[error("cannot run `{program}`: {source}")]
    Start {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The program ran and failed.
    #[error("`{line}` failed ({status})")]
    Failed {
        /// What was run.
        line: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// An error in words.
    pub(crate) fn other(text: impl Into<String>) -> Error {
        Error::Other(text.into())
    }

    /// For `map_err` after an operation on a file.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    }
}

/// One program run, with its arguments and environment.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
}

impl Step {
    /// A program and its first arguments.
    pub(crate) fn new<I>(program: impl Into<OsString>, arguments: I) -> Step
    where
        I: IntoIterator<Item: Into<OsString>>,
    {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Step { program: program.into(), arguments, environment: Vec::new() }
    }

    /// More arguments.
    #[must_use]
    pub(crate) fn args<I>(mut self, arguments: I) -> Step
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        self.arguments.extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// A variable for the program's environment.
    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Step {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// The command line as one would type it.
    fn line(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.arguments);
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.environment.iter().map(|(k, v)| (k, v))).current_dir(root());
        command
    }

    fn start_error(&self) -> impl FnOnce(io::Error) -> Error {
        let program = self.program.to_string_lossy().into_owned();
        move |source| Error::Start { program, source }
    }

    fn check(&self, status: ExitStatus) -> Result<(), Error> {
        if status.success() { Ok(()) } else { Err(Error::Failed { line: self.line(), status }) }
    }

    /// Says what it runs and runs it, its output going where ours goes.
    ///
    /// # Errors
    /// It does not start or does not exit with 0.
    pub(crate) fn run(&self) -> Result<(), Error> {
        println!("$ {}", self.line());
        let status = self.command().status().map_err(self.start_error())?;
        self.check(status)
    }

    /// Runs it and gives back what it printed. Its error output is shown only if it fails.
    ///
    /// # Errors
    /// It does not start or does not exit with 0.
    pub(crate) fn output(&self) -> Result<String, Error> {
        let output = self.command().stdin(Stdio::null()).output().map_err(self.start_error())?;
        if !output.status.success() {
            eprint!("{}", String::from_utf8_lossy(&output.stderr));
        }
        self.check(output.status)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What it printed, whatever status it ended with: for programs whose status is part of the answer.
    ///
    /// # Errors
    /// It does not start, or it is ended by a signal.
    pub(crate) fn answer(&self) -> Result<String, Error> {
        let output = self.command().stdin(Stdio::null()).output().map_err(self.start_error())?;
        if output.status.code().is_none() {
            return Err(Error::Failed { line: self.line(), status: output.status });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Gives it that input. What it printed if it exits with 0, else what it complained of.
    ///
    /// # Errors
    /// It does not start, or ends by a signal.
    pub(crate) fn answer_to(&self, input: &str) -> Result<Result<String, String>, Error> {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(self.start_error())?;
        let writer = child.stdin.take().map(|mut stdin| {
            let input = input.to_owned();
            // A program may end before it has read everything.
            std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())))
        });
        let output = child.wait_with_output().map_err(self.start_error())?;
        _ = writer.map(std::thread::JoinHandle::join);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.code() {
            Some(0) => Ok(Ok(text(&output.stdout))),
            Some(_) => Ok(Err(text(&output.stderr))),
            None => Err(Error::Failed { line: self.line(), status: output.status }),
        }
    }

    /// As [`Step::answer`], of a program that is ended after a while; `None` if it was, or if it ended by a signal.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn answer_within(&self, limit: Duration) -> Result<Option<String>, Error> {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(self.start_error())?;
        let mut stdout = child.stdout.take();
        let reader = std::thread::spawn(move || {
            let mut text = Vec::new();
            // What could be read counts: a child that ends early closes its side.
            _ = stdout.as_mut().map(|stdout| stdout.read_to_end(&mut text));
            text
        });
        let deadline = Instant::now() + limit;
        let status = loop {
            match child.try_wait().map_err(self.start_error())? {
                Some(status) => break Some(status),
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                None => break None,
            }
        };
        if status.is_none() {
            // It may have ended by itself in between; either way it is waited for.
            _ = child.kill();
            _ = child.wait();
        }
        let text = reader.join().unwrap_or_default();
        let ended = status.is_some_and(|status| status.code().is_some_and(|code| code <= 2));
        Ok(ended.then(|| String::from_utf8_lossy(&text).into_owned()))
    }

    /// Whether it starts and exits with 0, quietly.
    pub(crate) fn succeeds(&self) -> bool {
        let quiet = self.command().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        quiet.is_ok_and(|status| status.success())
    }
}

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where cargo puts what it builds.
pub(crate) fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// Where a program of that name is, as the shell would find it; the folders that only root's path has included.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    Step::new("id", ["-u"]).output().is_ok_and(|id| id.trim() == "0")
}
