//! The facts of the Linux BPF ABI, as tables.
