//! Runs BPF programs: an interpreter for verified programs, and a sandbox for unverified ones.
//!
//! A running program leaves the engine only through [`Environment`].
//!
//! * *Verified* programs run on native addresses without checks.
//! * The *sandbox* checks each access against the regions it was given, and counts instructions.

mod environment;

pub use environment::{Environment, Fault, Machine};
