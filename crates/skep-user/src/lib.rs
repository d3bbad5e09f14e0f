//! A BPF kernel in user space.
