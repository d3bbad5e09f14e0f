//! The examples that look at processes: in Skep's kernel on a recording, on Linux on a command of their own.

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use common::{can_compile, can_use_linux, capture, run};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

const HELLO: &str = env!("CARGO_BIN_EXE_hello");
const SYSCOUNT: &str = env!("CARGO_BIN_EXE_syscount");
const OPENSNOOP: &str = env!("CARGO_BIN_EXE_opensnoop");
const PROFILE: &str = env!("CARGO_BIN_EXE_profile");

/// An example on the recording, in Skep's kernel.
fn recorded(program: &str) -> String {
    run(program, &["--kernel", "user", "--strace", &capture("commands.strace")])
}

/// Lines of the recording that contain a text.
fn lines_with(text: &str) -> Vec<String> {
    let recording = std::fs::read_to_string(capture("commands.strace")).expect("the recording is there");
    recording.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

#[test]
fn hello_greets_every_program_of_the_recording() {
    if !can_compile() {
        return;
    }
    let output = recorded(HELLO);
    let started: Vec<String> = lines_with("execve(");
    assert_eq!(output.lines().count(), started.len());
    for line in started {
        let pid = line.split_whitespace().next().expect("a process");
        assert!(output.contains(&format!(", process {pid}\n")), "{pid} in {output}");
    }
}

#[test]
fn hello_greets_a_program_on_linux() {
    if !can_use_linux() {
        return;
    }
    let output = run(HELLO, &["--", "true"]);
    assert_eq!(output.matches("hello, true, process ").count(), 1, "{output}");
}

/// The counts of `syscount`, by number.
fn counts(output: &str) -> BTreeMap<u32, u64> {
    let rows = output.lines().skip(1).map(|line| line.split_whitespace());
    rows.map(|mut row| {
        let mut next = || row.next().expect("two columns").parse::<u64>().expect("a number");
        (next() as u32, next())
    })
    .collect()
}

#[test]
fn syscount_counts_the_recording() {
    if !can_compile() {
        return;
    }
    let mut expected = BTreeMap::new();
    for line in lines_with("[ ") {
        // What is no beginning of a call: its end, a signal, the end of a process.
        let (_, rest) = line.split_once("] ").expect("a number in brackets");
        if !rest.starts_with(['<', '+', '-']) {
            let number = line.split(['[', ']']).nth(1).expect("in brackets").trim().parse().expect("a number");
            *expected.entry(number).or_insert(0) += 1;
        }
    }
    assert_eq!(counts(&recorded(SYSCOUNT)), expected);
}

#[test]
fn syscount_counts_a_command_on_linux() {
    if !can_use_linux() {
        return;
    }
    if cfg!(not(target_arch = "x86_64")) {
        return common::skip("numbers of system calls are those of x86-64");
    }
    const READ: u32 = 0;
    let output = run(SYSCOUNT, &["--", "dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=500", "status=none"]);
    let reads = counts(&output).get(&READ).copied().unwrap_or(0);
    assert!((500..=510).contains(&reads), "dd reads 500 times, and its libraries: {reads}");
}

#[test]
fn opensnoop_shows_the_recording() {
    if !can_compile() {
        return;
    }
    let output = recorded(OPENSNOOP);
    let opened = lines_with("openat(");
    assert_eq!(output.lines().count(), opened.len() + 1, "one line each, and the header");
    for line in &opened {
        let path = line.split('"').nth(1).expect("a path in quotes");
        assert!(output.lines().any(|shown| shown.ends_with(path)), "{path}");
    }
    let missing = output.lines().find(|line| line.ends_with(" /no/such")).expect("the file that is not there");
    assert!(missing.contains(" cat ") && missing.contains(" ENOENT "), "{missing}");
}

#[test]
fn opensnoop_shows_a_command_on_linux() {
    if !can_use_linux() {
        return;
    }
    let output = run(OPENSNOOP, &["--", "sh", "-c", "cat /etc/hostname /no/such 2>/dev/null || true"]);
    assert!(!output.contains("/no/such"), "a child of the command is another process: {output}");
    let output = run(OPENSNOOP, &["--", "head", "-c1", "/etc/passwd"]);
    let line = output.lines().find(|line| line.ends_with(" /etc/passwd")).expect("the file is opened");
    assert!(line.contains(" head ") && !line.contains("ENOENT"), "{line}");
}

#[test]
fn profile_folds_stacks() {
    if !can_compile() {
        return;
    }
    let output = run(PROFILE, &["--kernel", "user"]);
    assert!(output.lines().any(|line| line.ends_with("work_outside 1")), "{output}");
    assert!(output.lines().any(|line| line.contains("work_outside;") && line.ends_with("work_inside 3")), "{output}");
}

#[test]
fn profile_finds_the_busy_function_and_draws_on_linux() {
    if !can_use_linux() {
        return;
    }
    let svg = std::env::temp_dir().join(format!("skep-profile-{}.svg", std::process::id()));
    let path = svg.display().to_string();
    let script = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done";
    let output = run(PROFILE, &["--frequency", "499", "--svg", &path, "--", "sh", "-c", script]);
    let samples: u64 = output.lines().filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
    assert!(samples > 20, "a busy shell is seen often: {output}");
    assert!(output.lines().all(|line| line.starts_with("sh;") || line.starts_with("sh ")), "only the shell: {output}");
    let drawing = std::fs::read_to_string(&svg).expect("the flame graph is there");
    std::fs::remove_file(&svg).expect("and away again");
    assert!(drawing.contains("<svg") && drawing.contains("sh ("), "{}", &drawing[..200.min(drawing.len())]);
}

const BASHREADLINE: &str = env!("CARGO_BIN_EXE_bashreadline");

#[test]
fn bashreadline_shows_lines() {
    if !can_compile() {
        return;
    }
    let file = std::env::temp_dir().join(format!("skep-lines-{}", std::process::id()));
    std::fs::write(&file, "ls -l\necho 'two words'\n").expect("a file for a while");
    let output = run(BASHREADLINE, &["--kernel", "user", "--lines", &file.display().to_string()]);
    std::fs::remove_file(&file).expect("and away again");
    let lines: Vec<&str> =
        output.lines().skip(1).map(|line| line.trim_start().split_once(' ').expect("two columns").1).collect();
    assert_eq!(lines, ["ls -l", "echo 'two words'"]);
}

/// What the shell asks with.
const PROMPT: &str = "what now? ";

/// A shell on a terminal of its own, and that terminal's other end. It ends with the test.
struct Shell {
    child: Child,
    terminal: OwnedFd,
}

impl Shell {
    /// readline() is for terminals only.
    fn start() -> Shell {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&terminal).expect("ours");
        unlockpt(&terminal).expect("open");
        let inner = ioctl_tiocgptpeer(&terminal, OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("its other end");
        let side = || Stdio::from(inner.try_clone().expect("a descriptor"));
        let mut command = Command::new("bash");
        command
            .args(["--norc", "--noprofile", "-i"])
            .env("HISTFILE", "")
            .env("PS1", PROMPT)
            .stdin(side())
            .stdout(side())
            .stderr(side());
        let shell = Shell { child: command.spawn().expect("bash starts"), terminal };
        shell.wait_for_prompt();
        shell
    }

    /// Once the prompt is there, the shell is inside of readline().
    fn wait_for_prompt(&self) {
        let mut seen = String::new();
        while !seen.contains(PROMPT) {
            let mut bytes = [0; 256];
            let len = rustix::io::read(&self.terminal, &mut bytes).expect("the shell writes");
            seen.push_str(&String::from_utf8_lossy(&bytes[..len]));
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.child.kill().expect("the shell is ours");
        self.child.wait().expect("the shell is ours");
    }
}

#[test]
fn bashreadline_sees_a_shell_on_linux() {
    if !can_use_linux() {
        return;
    }
    if !common::has("bash") {
        return common::skip("there is no bash");
    }
    let shell = Shell::start();
    let pid = shell.child.id();
    let mut watcher = Command::new(BASHREADLINE)
        .args(["--pid", &pid.to_string(), "--duration", "20", "--count", "2"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example starts");
    let mut lines = BufReader::new(watcher.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    assert_eq!(next(), "  shell line", "printed as soon as the program is attached");
    // The call of readline() that waits now began before the program was attached: its return is not seen.
    rustix::io::write(&shell.terminal, b"true unseen\ntrue first\ntrue second\n").expect("typing");
    assert_eq!([next(), next()], [format!("{pid:7} true first"), format!("{pid:7} true second")]);
    assert!(watcher.wait().expect("the example ends").success());
}

const FILE_ACCESS: &str = env!("CARGO_BIN_EXE_file-access");

#[test]
fn file_access_refuses_users_that_are_listed() {
    if !can_compile() {
        return;
    }
    let tries = ["1000:cat:/etc/motd", "1001:cat:/etc/motd", "1000:less:/var/log/messages:4", "0:sh:/bin/true:1"];
    let mut arguments = vec!["--kernel", "user", "--deny", "1000", "--deny", "7"];
    tries.iter().for_each(|access| arguments.extend(["--try", access]));
    let output = run(FILE_ACCESS, &arguments);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[0], "cat of user 1000: /etc/motd: Permission denied (os error 13)");
    assert_eq!(lines[1], "refused: user 1000 process 1 (cat) may not open motd (mask 0)");
    assert_eq!(lines[2], "cat of user 1001: /etc/motd: allowed");
    assert_eq!(lines[4], "refused: user 1000 process 1 (less) may not use messages (mask 4)");
    assert_eq!(lines[5], "sh of user 0: /bin/true: allowed");
    assert!(lines[6..].contains(&"user 1000: 2 refusals") && lines[6..].contains(&"user 7: 0 refusals"), "{output}");
}

/// A user that no process of this machine has.
const NOBODY_AT_ALL: &str = "3999999990";

#[test]
fn file_access_runs_on_linux_or_says_what_is_missing() {
    if !can_use_linux() {
        return;
    }
    let output = Command::new(FILE_ACCESS)
        .args(["--kernel", "linux", "--deny", NOBODY_AT_ALL, "--", "true"])
        .output()
        .expect("it starts");
    if output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text, format!("user {NOBODY_AT_ALL}: 0 refusals\n"));
    } else {
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("LSM") || error.contains("lsm") || error.contains("not permitted"), "{error}");
        println!("Linux refuses LSM programs here: {error}");
    }
}
