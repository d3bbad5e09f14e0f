//! BTF and BTF.ext: read, write, dedup, split, C dump, CO-RE.
