//! Runs the command lines in `tests/cli/*.md` and compares what they print.
//!
//! A fenced block of language `console` holds commands after `$ ` (continued after `> `), each followed by what it prints
//! on both streams; a line `? 2` right after a command is its exit status, else 0. In what is expected `[..]` stands for
//! anything within a line and a line `...` for any lines. All blocks of a file run in one fresh directory through `bash`,
//! with `skep` on the PATH and these beside it: `programs` (a copy of `tests/cli/programs`), `captures`, `examples` and `verifier` (`tests/verifier/c`).
//!
//! `<!-- needs: clang, linux -->` names what a file cannot do without. `--bless` writes what was printed into the files.

use libtest_mimic::{Arguments, Failed, Trial};
use snapbox::assert::{Action, Assert};
use snapbox::data::Data;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let bless = std::env::args().any(|argument| argument == "--bless");
    let arguments = Arguments::from_iter(std::env::args().filter(|argument| argument != "--bless"));
    let trials = files().into_iter().map(|path| {
        let name = path.strip_prefix(repository()).unwrap_or(&path).display().to_string();
        Trial::test(name, move || File::read(&path)?.run(bless))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the repository is there")
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository().join("tests/cli")).expect("tests/cli is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a directory entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    files
}

/// A file of command lines.
struct File {
    path: PathBuf,
    parts: Vec<Part>,
}

enum Part {
    /// A line that is no command: prose, a fence.
    Text(String),
    Step(Step),
}

/// A command and what is expected of it.
#[derive(Default)]
struct Step {
    command: String,
    status: i32,
    output: String,
}

impl File {
    fn read(path: &Path) -> Result<File, Failed> {
        let text = std::fs::read_to_string(path)?;
        let mut parts = Vec::new();
        let mut inside = false;
        for line in text.lines() {
            if line.starts_with("```") {
                inside = line == "```console";
            } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
                parts.push(Part::Step(Step { command: command.to_owned(), ..Step::default() }));
                continue;
            } else if let (true, Some(Part::Step(step))) = (inside, parts.last_mut()) {
                step.continue_with(line)?;
                continue;
            }
            parts.push(Part::Text(format!("{line}\n")));
        }
        Ok(File { path: path.to_owned(), parts })
    }

    /// What is missing of what the file needs.
    fn missing(&self) -> Option<String> {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text),
            Part::Step(_) => None,
        });
        let needs = texts.filter_map(|text| text.trim().strip_prefix("<!-- needs: ")?.strip_suffix(" -->"));
        let mut needs = needs.flat_map(|list| list.split(", ")).map(str::to_owned);
        needs.find(|need| !is_there(need))
    }

    fn run(mut self, bless: bool) -> Result<(), Failed> {
        if let Some(missing) = self.missing() {
            skep_testing::skip(&format!("{}: there is no {missing}", self.path.display()));
            return Ok(());
        }
        let place = Place::new()?;
        let mut failures = Vec::new();
        for part in &mut self.parts {
            let Part::Step(step) = part else { continue };
            let (status, output) = place.run(&step.command)?;
            let difference = compare(&output, &step.output);
            if difference.is_none() && status == step.status {
                continue;
            }
            if bless {
                (step.status, step.output) = (status, output);
                continue;
            }
            let expected = step.status;
            let status = if status == expected { String::new() } else { format!("exit {status}, not {expected}\n") };
            failures.push(format!("$ {}\n{status}{}", step.command, difference.unwrap_or_default()));
        }
        if bless {
            std::fs::write(&self.path, self.text())?;
        }
        if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
    }

    fn text(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Step(step) => step.text(),
        });
        parts.collect()
    }
}

impl Step {
    /// A line below the command.
    fn continue_with(&mut self, line: &str) -> Result<(), Failed> {
        match (line.strip_prefix("> "), line.strip_prefix("? ")) {
            (Some(more), _) if self.output.is_empty() => self.command += &format!("\n{more}"),
            (_, Some(status)) if self.output.is_empty() => self.status = status.trim().parse()?,
            _ => self.output += &format!("{line}\n"),
        }
        Ok(())
    }

    fn text(&self) -> String {
        let status = if self.status == 0 { String::new() } else { format!("? {}\n", self.status) };
        format!("$ {}\n{status}{}", self.command.replace('\n', "\n> "), self.output)
    }
}

/// How two texts differ, if they do.
fn compare(actual: &str, expected: &str) -> Option<String> {
    let assert = Assert::new().action(Action::Verify).normalize_paths(false);
    assert.try_eq(None, Data::text(actual), Data::text(expected)).err().map(|difference| difference.to_string())
}

fn is_there(need: &str) -> bool {
    let succeeds = |line: &str| {
        let output = Command::new("bash").args(["-c", line]).output();
        output.is_ok_and(|output| output.status.success())
    };
    match need {
        "clang" => succeeds("clang-19 --version || clang --version"),
        // The privilege to load programs into the running Linux.
        "linux" => succeeds(&format!("{} check --kernel linux /dev/null 2>&1 | grep -q 'the file is empty'", skep())),
        "vmlinux BTF" => Path::new("/sys/kernel/btf/vmlinux").exists(),
        "mount namespaces" => succeeds("unshare -rm mount -t tmpfs none /mnt"),
        other => succeeds(&format!("command -v {other}")),
    }
}

fn skep() -> &'static str {
    env!("CARGO_BIN_EXE_skep")
}

/// Where commands run.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> std::io::Result<Place> {
        let place = Place(tempfile::tempdir()?);
        for (name, target) in [("captures", "captures"), ("examples", "examples"), ("verifier", "tests/verifier/c")] {
            std::os::unix::fs::symlink(repository().join(target), place.0.path().join(name))?;
        }
        let programs = place.0.path().join("programs");
        std::fs::create_dir(&programs)?;
        for entry in std::fs::read_dir(repository().join("tests/cli/programs"))? {
            let from = entry?.path();
            std::fs::copy(&from, programs.join(from.file_name().unwrap_or_default()))?;
        }
        Ok(place)
    }

    /// Runs a line; its status and both its streams, in order, free of what differs from run to run.
    fn run(&self, line: &str) -> std::io::Result<(i32, String)> {
        let directory = Path::new(skep()).parent().unwrap_or(Path::new("."));
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("bash")
            .args(["-c", &format!("exec 2>&1\n{line}")])
            .current_dir(self.0.path())
            .env("PATH", format!("{}:{path}", directory.display()))
            .env("LC_ALL", "C")
            .env_remove("CLICOLOR_FORCE")
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = text.replace(&self.0.path().display().to_string(), "[DIR]");
        Ok((output.status.code().unwrap_or(-1), without_times(&text)))
    }
}

/// Measured times become `[..]`: `12 us`, `340 ns`.
fn without_times(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for index in 1..words.len() {
        let unit = words[index].split(['\n', ',']).next().unwrap_or_default();
        let number = words[index - 1];
        if matches!(unit, "us" | "ns") && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
            words[index - 1] = "[..]";
        }
    }
    words.join(" ")
}
