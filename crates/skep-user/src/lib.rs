//! A BPF kernel in user space.

pub mod devices;
