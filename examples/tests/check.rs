//! `skep check` reads every example, in every format.

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::{can_compile, root, text};
use skep_examples::object;

const OBJECTS: &[(&str, &str)] = &[
    ("hello", "hello"),
    ("syscount", "syscount"),
    ("opensnoop", "opensnoop"),
    ("proto-count", "proto-count"),
    ("firewall", "firewall"),
    ("url-filter", "url-filter-v1"),
    ("url-filter", "url-filter-v2"),
    ("tail-parser", "tail-parser"),
    ("bashreadline", "bashreadline"),
    ("profile", "profile"),
    ("file-access", "file-access"),
];

/// The `skep` command, beside the examples' own programs.
fn skep() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_hello")).with_file_name("skep")
}

#[test]
fn every_example_is_accepted_in_every_format() {
    if !can_compile() {
        return;
    }
    let objects: Vec<PathBuf> =
        OBJECTS.iter().map(|(folder, name)| object(folder, name).expect("the example compiles")).collect();
    let check = |format: &str| {
        let output =
            Command::new(skep()).args(["check", "--format", format]).args(&objects).current_dir(root()).output();
        text(&output.expect("skep is built"))
    };

    let csv = check("csv");
    let mut rows = csv.lines();
    assert_eq!(
        rows.next(),
        Some("object,program,type,verdict,message,instructions,processed,states,stack_bytes,time_us")
    );
    let rows: Vec<&str> = rows.collect();
    assert!(rows.len() > OBJECTS.len() && rows.iter().all(|row| row.split(',').nth(3) == Some("accept")), "{csv}");

    let json: String = check("json");
    assert_eq!(json.matches("\"accept\"").count(), rows.len(), "{json}");
    let readable = check("text");
    assert!(readable.contains(&format!("{0} of {0} accepted", rows.len())), "{readable}");
}
