//! The ways to run a program.

use std::fmt;
use std::str::FromStr;

/// How a program is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Compiled to machine code: verified programs, on native addresses, without checks.
    #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), default)]
    Jit,
    /// The interpreter: as compiled code, slower, on every host.
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), default)]
    Interpreter,
    /// Any program, with each access checked and instructions counted.
    Sandbox,
    /// The sandbox, for verified programs: every register is also held against what the verifier claimed.
    Paranoid,
}

impl Mode {
    /// All of them.
    pub const ALL: &[Mode] = &[Mode::Jit, Mode::Interpreter, Mode::Sandbox, Mode::Paranoid];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Jit => "jit",
            Mode::Interpreter => "interpreter",
            Mode::Sandbox => "sandbox",
            Mode::Paranoid => "paranoid",
        }
    }

    /// Whether this host can run programs so: there is a compiler for x86-64 and aarch64 only.
    pub const fn is_supported(self) -> bool {
        !matches!(self, Mode::Jit) || cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))
    }

    /// Whether each access to memory is checked.
    pub const fn is_checked(self) -> bool {
        matches!(self, Mode::Sandbox | Mode::Paranoid)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is none of [`Mode::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown engine `{0}`: use `jit`, `interpreter`, `sandbox` or `paranoid`")]
pub struct UnknownMode(String);

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, UnknownMode> {
        Mode::ALL.iter().find(|m| m.name() == name).copied().ok_or_else(|| UnknownMode(name.to_owned()))
    }
}
