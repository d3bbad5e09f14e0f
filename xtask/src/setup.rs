//! Set-up: which tools there are, and installing those that are not.

use std::io::{IsTerminal, stdin};

use crate::process::{Error, Step, find, is_root};

/// How badly a tool is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    /// Nothing goes without it.
    Required,
    /// The demo replays and counts with it; tests skip without it.
    Demo,
    /// Only some tests compare with it.
    Tests,
}

/// A tool: the names its program goes by, the Debian package, the use.
struct Tool {
    programs: &'static [&'static str],
    package: &'static str,
    want: Want,
    purpose: &'static str,
}

const TOOLS: &[Tool] = &[
    Tool {
        programs: &["clang", "clang-19", "clang-18", "clang-17", "clang-16", "clang-15", "clang-14"],
        package: "clang",
        want: Want::Required,
        purpose: "compiles the BPF programs",
    },
    Tool { programs: &["tcpdump"], package: "tcpdump", want: Want::Demo, purpose: "counts packets to compare with" },
    Tool { programs: &["ip"], package: "iproute2", want: Want::Demo, purpose: "makes network namespaces" },
    Tool { programs: &["bpftool"], package: "bpftool", want: Want::Tests, purpose: "a client and a second opinion" },
    Tool { programs: &["strace"], package: "strace", want: Want::Tests, purpose: "shows the bpf() calls of others" },
    Tool {
        programs: &["llvm-mc", "llvm-mc-19", "llvm-mc-18", "llvm-mc-17", "llvm-mc-16", "llvm-mc-15", "llvm-mc-14"],
        package: "llvm",
        want: Want::Tests,
        purpose: "a second opinion on assembly",
    },
    Tool {
        programs: &["/usr/include/bpf/bpf_helpers.h"],
        package: "libbpf-dev",
        want: Want::Tests,
        purpose: "headers to compare ours with",
    },
    Tool {
        programs: &["qemu-aarch64"],
        package: "qemu-user",
        want: Want::Tests,
        purpose: "runs what is compiled for aarch64",
    },
];

/// What the caller is about to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The demo: a missing compiler is an error.
    Demo,
    /// The tests: whatever is missing makes some of them skip.
    Tests,
    /// `cargo xtask setup` itself.
    Everything,
}

impl Need {
    fn covers(self, tool: &Tool) -> bool {
        self != Need::Demo || tool.want != Want::Tests
    }
}

fn missing(need: Need) -> Vec<&'static Tool> {
    let wanted = TOOLS.iter().filter(|tool| need.covers(tool));
    wanted.filter(|tool| !tool.programs.iter().any(|program| find(program).is_some())).collect()
}

/// Installs what is missing and says what could not be installed.
///
/// # Errors
/// Something that cannot be done without is still missing.
pub(crate) fn run(need: Need) -> Result<(), Error> {
    let before = missing(need);
    if before.is_empty() {
        if need == Need::Everything {
            report();
        }
        return Ok(());
    }
    if let Err(error) = install(&before) {
        eprintln!("xtask: {error}");
    }
    let after = missing(need);
    for tool in &after {
        eprintln!(
            "xtask: no {} ({}); install the package that has it ({} on Debian)",
            tool.programs[0], tool.purpose, tool.package
        );
    }
    let fatal = |tool: &&Tool| tool.want == Want::Required && need != Need::Tests;
    match after.into_iter().find(fatal) {
        Some(tool) => Err(Error::other(format!("cannot go on without {}", tool.programs[0]))),
        None => Ok(()),
    }
}

fn report() {
    for tool in TOOLS {
        let found = tool.programs.iter().find_map(|program| find(program));
        let place = found.map_or_else(|| "missing".to_owned(), |path| path.display().to_string());
        println!("{:10} {place:24} {}", tool.programs[0], tool.purpose);
    }
}

fn install(tools: &[&Tool]) -> Result<(), Error> {
    let names: Vec<_> = tools.iter().map(|tool| tool.package).collect();
    if find("apt-get").is_none() {
        return Err(Error::other("this system has no apt-get, so nothing is installed automatically"));
    }
    println!("Missing here: {}. Installing with apt-get.", names.join(", "));
    apt_get(&["update"])?;
    if apt_get(&install_arguments(&names)).is_ok() {
        return Ok(());
    }
    // One package that this release does not have must not keep the others away.
    let failed: Vec<_> = names.iter().filter(|name| apt_get(&install_arguments(&[name])).is_err()).copied().collect();
    if failed.is_empty() { Ok(()) } else { Err(Error::other(format!("apt-get cannot install {}", failed.join(", ")))) }
}

fn install_arguments<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    arguments
}

/// Runs apt-get as root: directly where we are, through sudo where we are not.
fn apt_get(arguments: &[&str]) -> Result<(), Error> {
    let step = if is_root() {
        Step::new("apt-get", arguments)
    } else if find("sudo").is_some() {
        // Without a terminal nobody can type a password, and waiting for one would look like a hang.
        let silent: &[&str] = if stdin().is_terminal() { &[] } else { &["-n"] };
        Step::new("sudo", silent).args(["apt-get"]).args(arguments)
    } else {
        return Err(Error::other("installing needs root, and there is no sudo"));
    };
    step.env("DEBIAN_FRONTEND", "noninteractive").run()
}

/// Whether Linux's own BPF can be used here and now: root, `bpf(2)`, network namespaces.
pub(crate) fn linux_bpf() -> Result<(), Error> {
    if !is_root() {
        return Err(Error::other("not root"));
    }
    if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Err(Error::other("this kernel has no BTF (/sys/kernel/btf/vmlinux)"));
    }
    if !Step::new("unshare", ["--net", "true"]).succeeds() {
        return Err(Error::other("no new network namespaces"));
    }
    if find("bpftool").is_some() && !Step::new("bpftool", ["prog", "show"]).succeeds() {
        return Err(Error::other("bpf(2) is refused"));
    }
    Ok(())
}

/// The Linux that the ABI tables describe and that tests compare them with.
const TABLES_RELEASE: &str = "6.18.";

/// Succeeds where every test can run.
///
/// # Errors
/// Names the first thing that is missing.
pub(crate) fn can_test_all() -> Result<(), Error> {
    run(Need::Tests)?;
    if let Some(tool) = missing(Need::Tests).first() {
        return Err(Error::other(format!("some tests will skip: no {}", tool.programs[0])));
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if !release.starts_with(TABLES_RELEASE) {
        return Err(Error::other(format!("some tests will skip: the tables are those of Linux {TABLES_RELEASE}*")));
    }
    linux_bpf().map_err(|reason| Error::other(format!("some tests will skip: {reason}")))
}
