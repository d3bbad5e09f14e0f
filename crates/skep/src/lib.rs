//! Load, run and attach BPF programs on any kernel.
