//! Runs BPF programs: interpreter and sandbox.
