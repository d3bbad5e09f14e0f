//! The headers that programs in C include, so that clang is all a user needs.
//!
//! `bpf/bpf_helper_defs.h` is generated from the helper table, `vmlinux.h` from BTF; the others are files of ours.

use crate::error::Failure;
use skep_abi::helper;
use std::fmt::Write as _;
use std::path::Path;

const FILES: &[(&str, &str)] = &[
    ("bpf/bpf_helpers.h", include_str!("../headers/bpf/bpf_helpers.h")),
    ("bpf/bpf_endian.h", include_str!("../headers/bpf/bpf_endian.h")),
    ("bpf/bpf_tracing.h", include_str!("../headers/bpf/bpf_tracing.h")),
    ("bpf/bpf_core_read.h", include_str!("../headers/bpf/bpf_core_read.h")),
    ("skep/expect.h", include_str!("../headers/skep/expect.h")),
];

/// Writes all headers but `vmlinux.h` below `directory`.
pub(crate) fn write(directory: &Path) -> Result<(), Failure> {
    let write_one = |name: &str, text: &str| {
        let path = directory.join(name);
        let parent = path.parent().unwrap_or(directory);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|e| Failure::file("write", &path, &e))
    };
    FILES.iter().try_for_each(|(name, text)| write_one(name, text))?;
    write_one("bpf/bpf_helper_defs.h", &helper_definitions())
}

/// `bpf_helper_defs.h`: each helper as a constant function pointer, which clang turns into `call <id>`.
fn helper_definitions() -> String {
    let mut text = String::from(
        "/* Generated from Skep's helper table. */\n#ifndef SKEP_BPF_HELPER_DEFS_H\n#define SKEP_BPF_HELPER_DEFS_H\n\n",
    );
    for name in struct_names() {
        _ = writeln!(text, "struct {name};");
    }
    for proto in helper::HELPERS {
        _ = writeln!(text, "\n/* {} (Linux {}) */", proto.doc.replace("*/", "* /"), proto.since);
        _ = writeln!(text, "{}", declaration(proto));
    }
    text.push_str("\n#endif\n");
    text
}

/// Every `struct x` that a prototype mentions, once.
fn struct_names() -> Vec<&'static str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = |prototype: &'static str| prototype.split(|c| !is_word(c)).filter(|word| !word.is_empty());
    let mut names: Vec<&str> = Vec::new();
    for proto in helper::HELPERS {
        let following = words(proto.prototype).zip(words(proto.prototype).skip(1));
        names.extend(following.filter(|(word, _)| *word == "struct").map(|(_, name)| name));
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// `static long (* const bpf_x)(…) = (void *) 1;` from the prototype `long bpf_x(…)`.
fn declaration(proto: &helper::HelperProto) -> String {
    let name = format!("bpf_{}", proto.name);
    // With its parenthesis, since a struct may have the helper's name.
    let (function, pointer) = (format!("{name}("), format!("(* const {name})("));
    format!(
        "static {} = (void *) {};",
        proto.prototype.replacen(&function, &pointer, 1).trim_end_matches(';'),
        proto.id
    )
}
