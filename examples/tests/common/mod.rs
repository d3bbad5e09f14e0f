//! Running examples and the tools that their numbers are compared with.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("examples/ is inside of the repository").to_owned()
}

/// A capture's path.
pub fn capture(name: &str) -> String {
    root().join("captures").join(name).display().to_string()
}

pub use skep_testing::skip;

/// Whether a program is there to run.
pub fn has(program: &str) -> bool {
    Command::new("sh")
        .args(["-c", &format!("PATH=$PATH:/usr/sbin:/sbin command -v {program}")])
        .output()
        .is_ok_and(|o| o.status.success())
}

/// Whether clang is there; all examples are compiled. Skips the test if not.
pub fn can_compile() -> bool {
    let there = (14..=22).map(|version| format!("clang-{version}")).chain(["clang".into()]).any(|name| has(&name));
    if !there {
        skip("there is no clang");
    }
    there
}

/// Whether Linux's BPF can be used: root, BTF, network namespaces. Skips the test if not.
pub fn can_use_linux() -> bool {
    let missing = if !rustix::process::geteuid().is_root() {
        "not root"
    } else if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        "the kernel has no BTF"
    } else if let Err(error) = skep_linux::LinuxKernel::open() {
        return skip_and(&format!("Linux's BPF: {error}"));
    } else if !Command::new("unshare").args(["--net", "true"]).status().is_ok_and(|status| status.success()) {
        "no new network namespaces"
    } else if !has("ip") {
        "there is no `ip`"
    } else {
        return can_compile();
    };
    skip_and(missing)
}

fn skip_and(why: &str) -> bool {
    skip(why);
    false
}

/// What a run printed; it must succeed.
pub fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// Runs an example and gives what it printed.
pub fn run(program: &str, arguments: &[&str]) -> String {
    text(&Command::new(program).args(arguments).current_dir(root()).output().expect("the example starts"))
}

/// The number behind a label at the start of a line; 0 where there is no such line.
pub fn number(output: &str, label: &str) -> u64 {
    let rest = output.lines().find_map(|line| line.strip_prefix(label).filter(|rest| rest.starts_with(' ')));
    rest.map_or(0, |rest| rest.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number"))
}

/// How many packets of a capture a filter selects, as tcpdump sees it.
pub fn tcpdump(capture_name: &str, filter: &str) -> u64 {
    tcpdump_first(capture_name, u64::MAX, filter)
}

/// The same among the first packets.
pub fn tcpdump_first(capture_name: &str, packets: u64, filter: &str) -> u64 {
    let mut command = Command::new("sh");
    let script = if packets == u64::MAX {
        r#"tcpdump -nr "$1" "$2" 2>/dev/null | wc -l"#.to_owned()
    } else {
        format!(r#"tcpdump -c {packets} -w - -r "$1" 2>/dev/null | tcpdump -nr - "$2" 2>/dev/null | wc -l"#)
    };
    let output = command.args(["-c", &script, "sh", &capture(capture_name), filter]).output().expect("sh runs");
    text(&output).trim().parse().expect("wc prints a number")
}

/// Whether tcpdump is there. Skips the test if not.
pub fn can_count() -> bool {
    let there = has("tcpdump");
    if !there {
        skip("there is no tcpdump");
    }
    there && can_compile()
}

/// Names of network interfaces and named namespaces, to see that nothing stays behind.
pub fn network() -> String {
    let list = |arguments: &[&str]| text(&Command::new("ip").args(arguments).output().expect("ip runs"));
    list(&["-o", "link"]) + &list(&["netns"])
}
