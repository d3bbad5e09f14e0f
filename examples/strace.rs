//! Tracepoints from a recording: what `strace -f -n -X raw` wrote becomes the records that Linux's tracepoints would have
//! given.
//!
//! A line is `PID [ NUMBER] name(arguments) = result`. A call that others interrupted has two: the first ends in
//! `<unfinished ...>`, the second begins with `<... name resumed>`.

use std::collections::HashMap;
use std::path::Path;

use skep::Errno;
use skep_user::hooks::SystemCall;

use crate::Error;

/// Bytes that every tracepoint record begins with: type, flags, preemption count, process id.
const COMMON: usize = 8;

/// An event of a recorded process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The thread, which is also its process.
    pub pid: u32,
    /// Name of the program it runs, as far as the recording has told.
    pub comm: String,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A system call begins.
    Enter {
        /// `openat`
        name: String,
        /// Its number.
        number: u64,
        /// Its arguments. Texts are in memory for as long as the event lives.
        arguments: Vec<Argument>,
    },
    /// A system call ends.
    Exit {
        /// `openat`
        name: String,
        /// Its number.
        number: u64,
        /// What it returned; negative errno.
        result: i64,
    },
    /// The process runs another program now.
    Exec {
        /// Its path.
        path: String,
    },
}

/// An argument of a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A number; 0 for what the recording shows in another way.
    Number(u64),
    /// A text, with its NUL.
    Text(Vec<u8>),
}

/// A record of a tracepoint.
pub struct Record {
    /// `syscalls`
    pub category: &'static str,
    /// `sys_enter_openat`
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Reads a recording.
///
/// # Errors
/// The file cannot be read, or holds no line of the expected form.
pub fn read(path: &Path) -> Result<Vec<Event>, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    let events = parse(&text);
    if events.is_empty() {
        return Err(Error::Other(format!("{}: no output of `strace -f -n -X raw`", path.display())));
    }
    Ok(events)
}

/// Reads a recording; lines of another form are passed over.
pub fn parse(text: &str) -> Vec<Event> {
    let mut reader = Reader::default();
    text.lines().for_each(|line| reader.line(line).unwrap_or_default());
    reader.events
}

#[derive(Default)]
struct Reader {
    events: Vec<Event>,
    comms: HashMap<u32, String>,
    /// Paths of programs that processes are about to run.
    paths: HashMap<u32, String>,
}

impl Reader {
    /// One line; `None` where it is of another form.
    fn line(&mut self, line: &str) -> Option<()> {
        let (pid, rest) = line.trim_start().split_once(' ')?;
        let pid = pid.parse().ok()?;
        let (number, rest) = rest.trim_start().strip_prefix('[')?.split_once(']')?;
        let number = number.trim().parse().ok()?;
        let rest = rest.trim_start();
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let (name, rest) = resumed.split_once(" resumed>")?;
            return self.exit(pid, name, number, result(rest)?);
        }
        let (name, rest) = rest.split_once('(')?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return None;
        }
        self.enter(pid, name, number, arguments(rest));
        if rest.ends_with("<unfinished ...>") { Some(()) } else { self.exit(pid, name, number, result(rest)?) }
    }

    fn push(&mut self, pid: u32, kind: EventKind) {
        let comm = self.comms.get(&pid).cloned().unwrap_or_else(|| "sh".to_owned());
        self.events.push(Event { pid, comm, kind });
    }

    fn enter(&mut self, pid: u32, name: &str, number: u64, arguments: Vec<Argument>) {
        if let ("execve", Some(Argument::Text(path))) = (name, arguments.first()) {
            let path = String::from_utf8_lossy(path).trim_end_matches('\0').to_owned();
            self.paths.insert(pid, path);
        }
        self.push(pid, EventKind::Enter { name: name.to_owned(), number, arguments });
    }

    fn exit(&mut self, pid: u32, name: &str, number: u64, result: i64) -> Option<()> {
        let executed = if name == "execve" { self.paths.remove(&pid) } else { None };
        if let (Some(path), 0) = (executed, result) {
            let comm = path.rsplit('/').next().unwrap_or_default().chars().take(15).collect();
            self.comms.insert(pid, comm);
            self.push(pid, EventKind::Exec { path });
        }
        self.push(pid, EventKind::Exit { name: name.to_owned(), number, result });
        Some(())
    }
}

/// What stands after the last ` = `; `None` for `?`, the result of a call that does not return.
fn result(text: &str) -> Option<i64> {
    let (_, text) = text.rsplit_once(" = ")?;
    let mut words = text.split_whitespace();
    let number = number(words.next()?)?.cast_signed();
    match words.next().and_then(errno) {
        Some(errno) if number == -1 => Some(-i64::from(errno.0)),
        _ => Some(number),
    }
}

fn errno(name: &str) -> Option<Errno> {
    Errno::ALL.iter().copied().find(|errno| errno.name() == Some(name))
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse::<i64>().ok().map(i64::cast_unsigned).or_else(|| text.parse().ok()),
    }
}

/// The arguments up to the closing parenthesis.
fn arguments(text: &str) -> Vec<Argument> {
    let mut arguments = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if rest.is_empty() || rest.starts_with([')', '<']) {
            return arguments;
        }
        let (argument, behind) = argument(rest);
        arguments.push(argument);
        rest = behind;
    }
}

/// One argument and what stands behind it.
fn argument(text: &str) -> (Argument, &str) {
    if let Some(quoted) = text.strip_prefix('"') {
        let (bytes, behind) = quoted_text(quoted);
        return (Argument::Text(bytes), behind.trim_start_matches('.'));
    }
    // Structs and arrays are skipped as a whole, texts in them too.
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    let end = text.find(|character| {
        match character {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            _ if in_text => {}
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ',' | ')' | '<' if depth == 0 => return true,
            _ => {}
        }
        false
    });
    let (word, behind) = text.split_at(end.unwrap_or(text.len()));
    let word = word.split("/*").next().unwrap_or_default().trim();
    (Argument::Number(number(word).unwrap_or(0)), behind)
}

/// The bytes up to the closing quote, escapes undone, with a NUL; and what stands behind.
fn quoted_text(text: &str) -> (Vec<u8>, &str) {
    let mut bytes = Vec::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                bytes.push(0);
                return (bytes, &text[at + 1..]);
            }
            '\\' => match characters.next() {
                Some((_, 'n')) => bytes.push(b'\n'),
                Some((_, 't')) => bytes.push(b'\t'),
                Some((_, other)) => bytes.extend(other.to_string().bytes()),
                None => break,
            },
            other => bytes.extend(other.to_string().bytes()),
        }
    }
    bytes.push(0);
    (bytes, "")
}

impl Argument {
    fn value(&self) -> u64 {
        match self {
            Argument::Number(number) => *number,
            Argument::Text(bytes) => bytes.as_ptr() as u64,
        }
    }
}

impl Event {
    /// The tracepoints that fire, in this order. Addresses in them point into this event.
    pub fn records(&self) -> Vec<Record> {
        let call = |number: u64| SystemCall { pid: self.pid.cast_signed(), number: number.cast_signed() };
        match &self.kind {
            EventKind::Enter { name, number, arguments } => {
                let mut words = [0; 6];
                words.iter_mut().zip(arguments).for_each(|(word, argument)| *word = argument.value());
                self.system_call("sys_enter", name, call(*number).enter_record(words))
            }
            EventKind::Exit { name, number, result } => {
                self.system_call("sys_exit", name, call(*number).exit_record(*result))
            }
            EventKind::Exec { path } => vec![self.exec(path)],
        }
    }

    /// `raw_syscalls` and `syscalls` have the same layout.
    fn system_call(&self, moment: &'static str, name: &str, bytes: Vec<u8>) -> Vec<Record> {
        vec![
            Record { category: "raw_syscalls", name: moment.to_owned(), bytes: bytes.clone() },
            Record { category: "syscalls", name: format!("{moment}_{name}"), bytes },
        ]
    }

    /// `sched:sched_process_exec`: place and length of the path, the process twice, the path.
    fn exec(&self, path: &str) -> Record {
        let mut bytes = vec![0; COMMON - size_of::<u32>()];
        bytes.extend(self.pid.to_ne_bytes());
        let start = COMMON + 3 * size_of::<u32>();
        let place = (path.len() as u32 + 1) << 16 | start as u32;
        bytes.extend([place, self.pid, self.pid].iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend(path.bytes().chain([0]));
        Record { category: "sched", name: "sched_process_exec".to_owned(), bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_call_and_one_in_two_parts() {
        let events = parse(concat!(
            "7   [ 257] openat(-100, \"/no \\\"such\\\"\", 0x80000) = -1 ENOENT (No such file or directory)\n",
            "7   [  61] wait4(-1,  <unfinished ...>\n",
            "8   [  59] execve(\"/bin/true\", [\"a,)\\\"\", 0x1], 0x5 /* 3 vars */) = 0\n",
            "7   [  61] <... wait4 resumed>0x7ffe, 0, NULL) = 8\n",
            "8   [ 231] exit_group(0)              = ?\n",
            "8   [ 231] +++ exited with 0 +++\n",
        ));
        let kinds: Vec<_> = events.iter().map(|event| (event.pid, &event.kind)).collect();
        let text = |text: &str| Argument::Text(format!("{text}\0").into_bytes());
        let enter = |name: &str, number, arguments| EventKind::Enter { name: name.into(), number, arguments };
        let exit = |name: &str, number, result| EventKind::Exit { name: name.into(), number, result };
        let minus_100 = Argument::Number((-100i64).cast_unsigned());
        assert_eq!(
            kinds[0],
            (7, &enter("openat", 257, vec![minus_100, text("/no \"such\""), Argument::Number(0x80000)]))
        );
        assert_eq!(kinds[1], (7, &exit("openat", 257, -2)));
        assert_eq!(kinds[2], (7, &enter("wait4", 61, vec![Argument::Number(u64::MAX)])));
        assert_eq!(kinds[4], (8, &EventKind::Exec { path: "/bin/true".into() }));
        assert_eq!(events[4].comm, "true");
        assert_eq!(kinds[6], (7, &exit("wait4", 61, 8)));
        assert_eq!(kinds[7], (8, &enter("exit_group", 231, vec![Argument::Number(0)])));
        assert_eq!(kinds.len(), 8);
    }

    #[test]
    fn records_have_the_kernels_layout() {
        let events = parse("7 [ 59] execve(\"/bin/true\", 0x1, 0x2) = 0\n");
        let enter = &events[0].records()[1];
        assert_eq!((enter.category, enter.name.as_str(), enter.bytes.len()), ("syscalls", "sys_enter_execve", 64));
        assert_eq!(enter.bytes[4..16], [7, 0, 0, 0, 59, 0, 0, 0, 0, 0, 0, 0]);
        let exec = &events[1].records()[0].bytes;
        assert_eq!(exec[8..12], (10u32 << 16 | 20).to_ne_bytes());
        assert_eq!(&exec[20..], b"/bin/true\0");
    }

    #[test]
    fn anything_else_is_passed_over() {
        for text in ["", "x", "1 [", "1 [2]", "1 [2] (", "1 [2] a(\"", "1 [2] a({", "1 [2] <... a resumed> = "] {
            assert!(parse(text).len() <= 1, "{text}");
        }
    }
}
