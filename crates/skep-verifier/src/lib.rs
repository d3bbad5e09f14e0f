//! The BPF verifier.
