//! BPF object files: ELF to ObjectSpec.
