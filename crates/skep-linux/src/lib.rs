//! The Linux kernel's BPF, behind trait Kernel.
