//! The BPF verifier: explores every path of a program and returns either a [`Verified`] program, with fix-ups applied,
//! or a [`Rejection`] that says what, where and why. It needs no kernel, no root and no particular operating system.
#![forbid(unsafe_code)]

mod input;
mod output;

pub use input::{AttachTarget, Capabilities, Limits, LineInfo, LogLevel, MapFacts, Options, Program, ProgramBtf};
pub use output::{Rejection, Statistics, Subprogram, Verified};
