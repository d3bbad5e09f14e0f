//! The same programs on every engine, in one process.
//!
//! | module | what |
//! |---|---|
//! | [`programs`] | what is run: sources, packets, what lies in the maps |
//! | [`build`] | from a source to what the engines take, by clang |
//! | [`engines`] | one file per engine |
//! | [`maps`] | maps as native code and other runtimes call them |
//! | [`measure`] | rounds in which the engines take turns |
//! | [`load`] | what it takes until a program can run |
//! | [`report`] | tables, a plot, JSON |
//! | [`machine`] | where it was measured |
//!
//! `unsafe` is in [`engines`] and [`maps`]: native code and what other runtimes compile knows no checks.

pub mod build;
mod clock;
pub mod engines;
mod error;
pub mod load;
pub mod machine;
pub mod maps;
pub mod measure;
mod packets;
pub mod programs;
pub mod report;
mod statistics;

pub use error::Error;
