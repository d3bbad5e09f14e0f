//! Counterexamples: a concrete packet or context, map contents and seed that make a refused program run into its fault.
//!
//! [`search`] looks for one by running the program in the sandbox, [`file`](mod@file) keeps it, [`replay`] runs it again,
//! [`fault`] says what went wrong in a run: what the sandbox stopped, and what only a look at the trace shows.

pub(crate) mod fault;
pub(crate) mod file;
pub(crate) mod replay;
pub(crate) mod search;
