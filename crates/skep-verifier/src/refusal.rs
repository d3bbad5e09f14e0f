//! Why an instruction is refused, before the explorer adds where.

use crate::reason::Reason;
use std::fmt::Display;

/// `EPERM`
pub(crate) const EPERM: i32 = 1;
/// `ENOENT`
pub(crate) const ENOENT: i32 = 2;
/// `E2BIG`
pub(crate) const E2BIG: i32 = 7;
/// `EBADF`
pub(crate) const EBADF: i32 = 9;
/// `EACCES`
pub(crate) const EACCES: i32 = 13;
/// `EFAULT`
pub(crate) const EFAULT: i32 = 14;
/// `EEXIST`
pub(crate) const EEXIST: i32 = 17;
/// `EBUSY`
pub(crate) const EBUSY: i32 = 16;
/// `EINVAL`
pub(crate) const EINVAL: i32 = 22;
/// `ELOOP`
pub(crate) const ELOOP: i32 = 40;
/// `EPROTO`
pub(crate) const EPROTO: i32 = 71;
/// `EOPNOTSUPP`
pub(crate) const EOPNOTSUPP: i32 = 95;
/// `ENOTSUPP` (524): what Linux gives for features it knows and does not have here.
pub(crate) const ENOTSUPP: i32 = 524;

/// A refusal. The last line of `message` is the message proper; lines before it stand only in the log.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) before: Vec<String>,
    pub(crate) message: String,
    pub(crate) errno: i32,
    pub(crate) reason: Reason,
    pub(crate) hint: Option<String>,
    /// About another slot than the one being looked at.
    pub(crate) slot: Option<usize>,
}

/// The result of a check.
pub(crate) type Check<T = ()> = Result<T, Refusal>;

impl Refusal {
    pub(crate) fn new(errno: i32, message: impl Into<String>) -> Self {
        Refusal { before: Vec::new(), message: message.into(), errno, reason: Reason::Other, hint: None, slot: None }
    }

    /// Something this verifier does not know about yet, as opposed to something wrong.
    pub(crate) fn unsupported(what: impl Display) -> Self {
        Refusal::new(ENOTSUPP, format!("skep does not verify {what}")).of(Reason::Unsupported)
    }

    /// Adds a line that Linux prints before the message.
    pub(crate) fn after(mut self, line: impl Into<String>) -> Self {
        self.before.push(line.into());
        self
    }

    /// What it is about.
    pub(crate) fn of(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }

    /// Adds what to do about it, where more can be said than its reason's advice.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// It is about that slot.
    pub(crate) fn at(mut self, slot: usize) -> Self {
        self.slot = Some(slot);
        self
    }
}

/// A refusal with errno `EACCES`, the usual one.
pub(crate) fn denied<T>(message: impl Into<String>) -> Check<T> {
    Err(Refusal::new(EACCES, message))
}

/// A refusal with errno `EINVAL`.
pub(crate) fn invalid<T>(message: impl Into<String>) -> Check<T> {
    Err(Refusal::new(EINVAL, message))
}

impl Reason {
    /// A refusal with errno `EACCES` for this reason.
    pub(crate) fn denied<T>(self, message: impl Into<String>) -> Check<T> {
        Err(Refusal::new(EACCES, message).of(self))
    }

    /// A refusal with errno `EINVAL` for this reason.
    pub(crate) fn invalid<T>(self, message: impl Into<String>) -> Check<T> {
        Err(Refusal::new(EINVAL, message).of(self))
    }
}
