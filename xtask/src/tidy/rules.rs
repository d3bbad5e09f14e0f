//! The project's own rules. Each looks at all files and says what it found.

use std::fmt;
use std::path::PathBuf;

use skep_abi::helper;

use super::source::SourceFile;
use crate::process::root;

/// A place that breaks a rule.
pub(crate) struct Finding {
    path: PathBuf,
    line: usize,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.message)
    }
}

/// A rule.
pub(crate) struct Rule {
    /// Finds what breaks it.
    pub(crate) check: fn(&[SourceFile]) -> Vec<Finding>,
}

/// All of them.
pub(crate) const RULES: &[Rule] = &[
    Rule { check: files_are_short },
    Rule { check: unsafe_is_confined },
    Rule { check: unsafe_is_forbidden_elsewhere },
    Rule { check: verifier_names_no_row },
    Rule { check: nothing_knows_this_machine },
];

/// A file longer than this wants to be two.
const LONGEST_FILE: usize = 800;

/// The crates that may contain unsafe code.
const UNSAFE_CRATES: &[&str] = &["crates/skep-engine", "crates/skep-user", "crates/skep-linux", "benches"];

fn finding(file: &SourceFile, line: usize, message: impl Into<String>) -> Finding {
    Finding { path: file.path.clone(), line, message: message.into() }
}

fn files_are_short(files: &[SourceFile]) -> Vec<Finding> {
    let sources = files.iter().filter(|file| ["rs", "c", "h", "py"].iter().any(|kind| file.has_extension(kind)));
    let long = sources.map(|file| (file, file.text.lines().count())).filter(|(_, lines)| *lines > LONGEST_FILE);
    long.map(|(file, lines)| finding(file, lines, format!("longer than {LONGEST_FILE} lines: split it"))).collect()
}

/// Tests may be, wherever they are: an allocator that counts is not to be had otherwise.
fn may_be_unsafe(file: &SourceFile) -> bool {
    UNSAFE_CRATES.iter().any(|folder| file.is_in(folder))
        || file.path.components().any(|part| part.as_os_str() == "tests")
}

fn unsafe_is_confined(files: &[SourceFile]) -> Vec<Finding> {
    let checked = files.iter().filter(|file| file.has_extension("rs") && !may_be_unsafe(file));
    let hits = checked.flat_map(|file| file.code_lines().map(move |(number, line)| (file, number, line)));
    hits.filter(|(_, _, line)| {
        ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|w| line.contains(w))
    })
    .filter(|(file, _, _)| !file.is_in("xtask/src/tidy"))
    .map(|(file, number, _)| {
        finding(file, number, "unsafe code belongs to skep-engine, skep-user, skep-linux and the benches")
    })
    .collect()
}

fn unsafe_is_forbidden_elsewhere(files: &[SourceFile]) -> Vec<Finding> {
    let roots = files.iter().filter(|file| {
        let name = file.path.file_name().and_then(|name| name.to_str());
        let is_root = file.path.parent().is_some_and(|folder| folder.ends_with("src"));
        is_root && matches!(name, Some("lib.rs" | "main.rs")) && !may_be_unsafe(file)
    });
    let open = roots.filter(|file| !file.text.contains("#![forbid(unsafe_code)]"));
    open.map(|file| finding(file, 1, "this crate must say #![forbid(unsafe_code)]")).collect()
}

/// What names one row of a table in Rust, and the table.
const ROWS: &[(&str, &str)] = &[("MapType::", "map-type"), ("ProgramType::", "program-type"), ("HelperId::", "helper")];

/// Items of the row types that are not rows.
const NOT_ROWS: &[&str] = &["ALL", "from_number", "from_name"];

fn verifier_names_no_row(files: &[SourceFile]) -> Vec<Finding> {
    let sources = files.iter().filter(|file| file.has_extension("rs") && file.is_in("crates/skep-verifier/src"));
    let mut findings = Vec::new();
    for file in sources {
        for (number, line) in file.code_lines() {
            let named = ROWS.iter().find(|(prefix, _)| names_row(line, prefix));
            if let Some((_, table)) = named {
                let advice = format!("the verifier names one row of the {table} table: add a column instead");
                findings.push(finding(file, number, advice));
            }
            if names_helper(line) {
                findings.push(finding(file, number, "the verifier names a helper: add a column instead"));
            }
        }
    }
    findings
}

/// Whether a string in this line is the name of a helper.
fn names_helper(line: &str) -> bool {
    let mut strings = line.split('"').skip(1).step_by(2);
    strings.any(|text| text.strip_prefix("bpf_").is_some_and(|name| helper::by_name(name).is_some()))
}

fn names_row(line: &str, prefix: &str) -> bool {
    let items = line.match_indices(prefix).map(|(at, _)| &line[at + prefix.len()..]);
    items.filter(|item| !NOT_ROWS.iter().any(|known| item.starts_with(known))).count() > 0
}

/// Folders too general to tell anything about the machine.
const GENERAL_FOLDERS: &[&str] = &["", "/", "/home", "/root", "/tmp"];

fn nothing_knows_this_machine(files: &[SourceFile]) -> Vec<Finding> {
    let home = std::env::var("HOME").unwrap_or_default();
    let known = [root().display().to_string(), home];
    let paths: Vec<_> = known.iter().filter(|path| !GENERAL_FOLDERS.contains(&path.as_str())).collect();
    let mut findings = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            if paths.iter().any(|path| line.contains(path.as_str())) {
                findings.push(finding(file, index + 1, "a path of this machine"));
            }
        }
    }
    findings
}
