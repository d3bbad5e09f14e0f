//! trait Kernel: the bpf() boundary.
