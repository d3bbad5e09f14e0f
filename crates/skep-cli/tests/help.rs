//! The examples in the help texts work: every one that needs nobody else's interface or machine is run.

use std::path::{Path, PathBuf};
use std::process::Command;

const COMMANDS: &[&str] = &["build", "check", "run", "dump", "btf", "asm", "disasm", "conformance-plugin"];

/// Parts of examples that a test leaves alone: the whole machine's events, an interface of the user.
const LEFT_ALONE: &[&str] = &["--duration", "--iface"];

/// Says loudly that something was not tested; where everything is required, that is a failure.
fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
    assert!(std::env::var_os("SKEP_REQUIRE_ALL").is_none_or(|v| v != "1"), "a required test was skipped: {why}");
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A line of shell in a directory, with `skep` on the PATH.
fn shell(directory: &Path, line: &str) -> Result<String, String> {
    let skep = Path::new(env!("CARGO_BIN_EXE_skep")).parent().expect("a binary has a directory");
    let path = format!("{}:{}", skep.display(), std::env::var("PATH").unwrap_or_default());
    let run = Command::new("bash")
        .args(["-o", "pipefail", "-c", line])
        .current_dir(directory)
        .env("PATH", path)
        .output()
        .expect("bash runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if run.status.success() {
        Ok(text(&run.stdout))
    } else {
        Err(format!("{}{}", text(&run.stdout), text(&run.stderr)))
    }
}

/// The command lines of a command's help, without what is said about them.
fn examples(directory: &Path, command: &str) -> Vec<String> {
    let help = shell(directory, &format!("COLUMNS=200 skep {command} --help")).expect("help is given");
    let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("  ")).map(str::trim);
    lines.map(|line| line.split("  ").next().unwrap_or(line).to_owned()).collect()
}

/// The files that the examples speak of.
fn prepare(directory: &Path) {
    let copy = |from: &str, to: &str| {
        std::fs::copy(repository().join(from), directory.join(to)).unwrap_or_else(|e| panic!("{from}: {e}"));
    };
    for name in ["firewall", "hello", "opensnoop"] {
        copy(&format!("examples/{name}/{name}.bpf.c"), &format!("{name}.bpf.c"));
    }
    std::fs::create_dir(directory.join("tests")).expect("a directory");
    copy("tests/cli/programs/expectations.bpf.c", "tests/expectations.bpf.c");
    copy("captures/mixed.pcap", "traffic.pcap");
    let kernel = std::fs::read("/sys/kernel/btf/vmlinux").expect("the running kernel's BTF");
    std::fs::write(directory.join("vmlinux-5.15"), kernel).expect("a file");
    std::fs::write(directory.join("program.s"), "r0 = 0\nexit\n").expect("a file");
    let input = r#"{"program": "firewall", "message": "", "instruction": 0, "input": {"packet": "00", "seed": 1, "budget": 1000}}"#;
    std::fs::write(directory.join("firewall.json"), input).expect("a file");
    let event = r#"{"task": {"pid": 7, "comm": "cat"}, "event": {"syscall_enter": {"number": 257, "args": [-100, "/etc/hostname", 0, 0]}}}"#;
    std::fs::write(directory.join("opens.jsonl"), format!("{event}\n")).expect("a file");
    shell(directory, "skep build hello.bpf.c opensnoop.bpf.c tests/expectations.bpf.c").expect("the examples compile");
}

#[test]
fn the_examples_in_help_texts_work() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path();
    let missing = |what: &str| skip(&format!("examples in help texts: there is no {what}"));
    if shell(directory, "clang-19 --version || clang --version").is_err() {
        return missing("clang");
    }
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        return missing("BTF of the running kernel");
    }
    prepare(directory);
    let root = shell(directory, "skep check hello.bpf.o --kernel linux").is_ok();
    let mut run = 0;
    for command in COMMANDS {
        let examples = examples(directory, command);
        assert!(examples.len() > 1, "skep {command} --help has examples");
        for example in examples {
            if LEFT_ALONE.iter().any(|part| example.contains(part)) {
                continue;
            }
            let line = example.strip_prefix("sudo ").unwrap_or(&example);
            let module = line.split_once(" file ").and_then(|(_, rest)| rest.split(' ').next());
            if module.is_some_and(|file| file.starts_with("/sys") && !Path::new(file).exists()) {
                // Which modules a kernel has is its own affair.
                continue;
            }
            if line != example && !root {
                missing("right to load programs into Linux");
                continue;
            }
            shell(directory, line).unwrap_or_else(|output| panic!("$ {line}\n{output}"));
            run += 1;
        }
    }
    assert!(run > 15, "only {run} examples were run");
}

#[test]
fn the_example_of_a_rule_blocks_what_it_says() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path();
    if shell(directory, "clang-19 --version || clang --version").is_err() {
        return skip("there is no clang");
    }
    prepare(directory);
    shell(directory, "skep build firewall.bpf.c").expect("the firewall compiles");
    let example = examples(directory, "run").into_iter().find(|line| line.contains("--update")).expect("an example");
    let output = shell(directory, &example).expect("it runs");
    let dropped = output.lines().find_map(|line| line.trim().strip_prefix("XDP_DROP")).expect("something is dropped");
    let Ok(selected) = shell(directory, "tcpdump -r traffic.pcap 'tcp dst port 23' 2>/dev/null | wc -l") else {
        return skip("there is no tcpdump");
    };
    assert_eq!(dropped.trim(), selected.trim(), "{output}");
}
