//! The BPF instruction set: one table, and everything read from it.
