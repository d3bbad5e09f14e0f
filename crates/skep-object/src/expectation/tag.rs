//! Reading tags.

use super::{Expectation, ExpectedOutcome, Pattern, ReturnValue};
use skep_abi::command::ProgramFlags;
use std::sync::Arc;

/// What a tag's value means, or what a tag without one says.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    Description,
    Verdict { refused: bool },
    Auxiliary,
    Message { absent: bool },
    Rewritten,
    MachineCode,
    Stream,
    ReturnValue,
    LogLevel,
    LoadFlag,
    Architecture,
    KernelTypes,
    Capabilities,
    LoadMode,
}

/// Which user a tag is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    /// Both, or neither in particular.
    Any,
    Privileged,
    Unprivileged,
}

/// Every key, what it means, and whose outcome it describes.
const KEYS: &[(&str, Meaning, User)] = &[
    ("test_description", Meaning::Description, User::Any),
    ("test_expect_success", Meaning::Verdict { refused: false }, User::Privileged),
    ("test_expect_success_unpriv", Meaning::Verdict { refused: false }, User::Unprivileged),
    ("test_expect_failure", Meaning::Verdict { refused: true }, User::Privileged),
    ("test_expect_failure_unpriv", Meaning::Verdict { refused: true }, User::Unprivileged),
    ("test_auxiliary", Meaning::Auxiliary, User::Privileged),
    ("test_auxiliary_unpriv", Meaning::Auxiliary, User::Unprivileged),
    ("test_expect_msg", Meaning::Message { absent: false }, User::Privileged),
    ("test_expect_msg_unpriv", Meaning::Message { absent: false }, User::Unprivileged),
    ("test_expect_not_msg", Meaning::Message { absent: true }, User::Privileged),
    ("test_expect_not_msg_unpriv", Meaning::Message { absent: true }, User::Unprivileged),
    ("test_expect_xlated", Meaning::Rewritten, User::Privileged),
    ("test_expect_xlated_unpriv", Meaning::Rewritten, User::Unprivileged),
    ("test_jited", Meaning::MachineCode, User::Privileged),
    ("test_jited_unpriv", Meaning::MachineCode, User::Unprivileged),
    ("test_expect_stderr", Meaning::Stream, User::Privileged),
    ("test_expect_stderr_unpriv", Meaning::Stream, User::Unprivileged),
    ("test_expect_stdout", Meaning::Stream, User::Privileged),
    ("test_expect_stdout_unpriv", Meaning::Stream, User::Unprivileged),
    ("test_retval", Meaning::ReturnValue, User::Privileged),
    ("test_retval_unpriv", Meaning::ReturnValue, User::Unprivileged),
    ("test_log_level", Meaning::LogLevel, User::Any),
    ("test_prog_flags", Meaning::LoadFlag, User::Any),
    ("test_arch", Meaning::Architecture, User::Any),
    ("test_btf_path", Meaning::KernelTypes, User::Any),
    ("test_caps_unpriv", Meaning::Capabilities, User::Any),
    ("load_mode", Meaning::LoadMode, User::Any),
];

/// Flags of the load by their names in `linux/bpf.h`.
const LOAD_FLAGS: &[(&str, ProgramFlags)] = &[
    ("BPF_F_STRICT_ALIGNMENT", ProgramFlags::STRICT_ALIGNMENT),
    ("BPF_F_ANY_ALIGNMENT", ProgramFlags::ANY_ALIGNMENT),
    ("BPF_F_TEST_RND_HI32", ProgramFlags::TEST_RND_HI32),
    ("BPF_F_TEST_STATE_FREQ", ProgramFlags::TEST_STATE_FREQ),
    ("BPF_F_SLEEPABLE", ProgramFlags::SLEEPABLE),
    ("BPF_F_XDP_HAS_FRAGS", ProgramFlags::XDP_HAS_FRAGS),
    ("BPF_F_TEST_REG_INVARIANTS", ProgramFlags::TEST_REG_INVARIANTS),
];

/// Machines as the tags name them, and as Rust does.
const ARCHITECTURES: &[(&str, &str)] = &[
    ("X86_64", "x86_64"),
    ("ARM64", "aarch64"),
    ("RISCV64", "riscv64"),
    ("s390x", "s390x"),
    ("POWERPC64", "powerpc64"),
];

/// Capabilities by name and number (`linux/capability.h`), as far as BPF asks for them.
const CAPABILITIES: &[(&str, u32)] =
    &[("CAP_NET_ADMIN", 12), ("CAP_SYS_ADMIN", 21), ("CAP_PERFMON", 38), ("CAP_BPF", 39)];

/// Numbers that have names. The bytes of a test run's packet are as many as [`TEST_PACKET_BYTES`].
const RETURN_VALUES: &[(&str, ReturnValue)] = &[
    ("INT_MIN", ReturnValue::Number(i32::MIN)),
    ("(-2147483647-1)", ReturnValue::Number(i32::MIN)),
    ("TEST_DATA_LEN", ReturnValue::Number(TEST_PACKET_BYTES)),
    ("POINTER_VALUE", ReturnValue::Pointer),
    // What POINTER_VALUE stands for since Linux 6.13.
    ("0xbadcafe", ReturnValue::Pointer),
];

/// Bytes of the zeroed packet of a test run.
const TEST_PACKET_BYTES: i32 = 64;

/// The tag and what is wrong with it.
type Problem = (String, String);

fn split(tag: &str) -> Option<(Meaning, User, &str)> {
    let text = tag.strip_prefix("comment:")?;
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let (_, meaning, user) = KEYS.iter().find(|(known, ..)| *known == key)?;
    Some((*meaning, *user, value))
}

/// Whether it is one of the tags that say what is expected.
pub(super) fn is_known(tag: &str) -> bool {
    split(tag).is_some()
}

/// Reads a function's tags, in their order.
pub(super) fn read(tags: &[Arc<str>]) -> Result<Expectation, Problem> {
    let mut reader = Reader::default();
    for tag in tags {
        if let Some((meaning, user, value)) = split(tag) {
            reader.tag(meaning, user, value).map_err(|problem| (tag.to_string(), problem))?;
        }
    }
    Ok(reader.finish())
}

/// What one user's tags have said so far.
#[derive(Debug, Default)]
struct Side {
    mentioned: bool,
    verdict: Option<bool>,
    outcome: ExpectedOutcome,
    /// `...` stood before the next line of instructions.
    gap: bool,
}

#[derive(Debug, Default)]
struct Reader {
    expectation: Expectation,
    privileged: Side,
    unprivileged: Side,
}

impl Reader {
    fn tag(&mut self, meaning: Meaning, user: User, value: &str) -> Result<(), String> {
        let expectation = &mut self.expectation;
        match meaning {
            Meaning::Description => expectation.description = Some(value.to_owned()),
            Meaning::LogLevel => expectation.log_level = number(value)?.cast_unsigned(),
            Meaning::LoadFlag => change_flags(&mut expectation.load_flags, value)?,
            Meaning::Architecture => expectation.architectures.push(named(ARCHITECTURES, value)?),
            Meaning::KernelTypes => expectation.kernel_types = Some(value.to_owned()),
            Meaning::Capabilities => expectation.capabilities |= capabilities(value)?,
            Meaning::LoadMode => {
                expectation.compiled = Some(named(&[("jited", true), ("no_jited", false)], value)?);
            }
            Meaning::Auxiliary => {
                expectation.auxiliary = true;
                self.side(user).mentioned = true;
            }
            _ => self.side(user).tag(meaning, value)?,
        }
        Ok(())
    }

    fn side(&mut self, user: User) -> &mut Side {
        if user == User::Unprivileged { &mut self.unprivileged } else { &mut self.privileged }
    }

    fn finish(self) -> Expectation {
        let Reader { expectation, privileged, unprivileged } = self;
        let run_by_default = !unprivileged.mentioned;
        let inherited = unprivileged.mentioned.then(|| unprivileged.with_defaults(&privileged));
        let privileged = (privileged.mentioned || run_by_default).then(|| privileged.with_defaults(&Side::default()));
        Expectation { privileged, unprivileged: inherited, ..expectation }
    }
}

impl Side {
    fn tag(&mut self, meaning: Meaning, value: &str) -> Result<(), String> {
        self.mentioned = true;
        let outcome = &mut self.outcome;
        match meaning {
            Meaning::Verdict { refused } => self.verdict = Some(refused),
            Meaning::Message { absent } => outcome.messages.push(pattern(numbered(value)?, absent, false)),
            Meaning::Stream => outcome.streams.push(pattern(numbered(value)?, false, false)),
            Meaning::Rewritten => push_line(&mut outcome.rewritten, &mut self.gap, numbered(value)?),
            Meaning::MachineCode => push_line(&mut outcome.machine_code, &mut self.gap, numbered(value)?),
            Meaning::ReturnValue => outcome.return_value = Some(return_value(value)?),
            _ => {}
        }
        Ok(())
    }

    fn with_defaults(&self, other: &Side) -> ExpectedOutcome {
        let either = |own: &[Pattern], other: &[Pattern]| if own.is_empty() { other } else { own }.to_vec();
        let (own, rest) = (&self.outcome, &other.outcome);
        ExpectedOutcome {
            refused: self.verdict.or(other.verdict).unwrap_or(false),
            messages: either(&own.messages, &rest.messages),
            rewritten: either(&own.rewritten, &rest.rewritten),
            machine_code: either(&own.machine_code, &rest.machine_code),
            streams: either(&own.streams, &rest.streams),
            return_value: own.return_value.or(rest.return_value),
        }
    }
}

fn pattern(text: &str, absent: bool, next_line: bool) -> Pattern {
    Pattern { text: text.to_owned(), absent, next_line }
}

/// Lines of instructions follow each other, unless `...` stands between them.
fn push_line(lines: &mut Vec<Pattern>, gap: &mut bool, text: &str) {
    if text == "..." {
        *gap = true;
    } else {
        lines.push(pattern(text, false, !lines.is_empty() && !*gap));
        *gap = false;
    }
}

/// The text after the number that makes tags differ.
fn numbered(value: &str) -> Result<&str, String> {
    value.split_once('=').map(|(_, text)| text).ok_or_else(|| "no '=NUMBER=' before the text".to_owned())
}

fn named<T: Copy>(names: &[(&str, T)], value: &str) -> Result<T, String> {
    let known = || names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = names.iter().find(|(name, _)| *name == value);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| format!("'{value}' is none of {}", known()))
}

/// A number of 32 bits, decimal or after `0x`; larger ones lose their upper half, as in C.
fn number(text: &str) -> Result<i32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => text.parse::<i64>(),
    };
    parsed.map(|wide| wide as i32).map_err(|_| format!("'{text}' is no number"))
}

fn return_value(text: &str) -> Result<ReturnValue, String> {
    let text = text.trim();
    let named = RETURN_VALUES.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    named.map_or_else(|| number(text).map(ReturnValue::Number), Ok)
}

/// `BPF_F_…` or a number sets flags, `!` before it clears them.
fn change_flags(flags: &mut ProgramFlags, value: &str) -> Result<(), String> {
    let (name, set) = value.strip_prefix('!').map_or((value, true), |name| (name, false));
    let known = LOAD_FLAGS.iter().find(|(known, _)| *known == name).map(|(_, flag)| *flag);
    let flag = match known {
        Some(flag) => flag,
        None => ProgramFlags::from_bits_retain(number(name)?.cast_unsigned()),
    };
    flags.set(flag, set);
    Ok(())
}

/// Names or numbers between `|`.
fn capabilities(value: &str) -> Result<u64, String> {
    let mut all = 0;
    for word in value.split('|').map(str::trim) {
        let number = match CAPABILITIES.iter().find(|(name, _)| *name == word) {
            Some((_, number)) => Some(*number),
            None => word.parse::<u32>().ok().filter(|number| *number < u64::BITS),
        };
        all |= 1 << number.ok_or_else(|| format!("'{word}' is no capability"))?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expectation(tags: &[&str]) -> Expectation {
        let tags: Vec<Arc<str>> = tags.iter().map(|tag| format!("comment:{tag}").into()).collect();
        read(&tags).unwrap()
    }

    #[test]
    fn a_program_without_tags_is_to_be_accepted() {
        let expectation = expectation(&[]);
        assert_eq!(expectation.privileged, Some(ExpectedOutcome::default()));
        assert_eq!(expectation.unprivileged, None);
    }

    #[test]
    fn the_unprivileged_user_sees_what_the_privileged_one_does_unless_told_otherwise() {
        let both = expectation(&[
            "test_expect_failure",
            "test_expect_msg=0=a",
            "test_expect_msg=1=b",
            "test_retval=7",
            "test_expect_failure_unpriv",
        ]);
        assert_eq!(both.privileged, both.unprivileged);
        let privileged = both.privileged.unwrap();
        assert!(privileged.refused);
        assert_eq!(privileged.messages.iter().map(|m| &*m.text).collect::<Vec<_>>(), ["a", "b"]);
        let other = expectation(&["test_expect_success", "test_expect_failure_unpriv", "test_expect_msg_unpriv=3=x=y"]);
        let unprivileged = other.unprivileged.unwrap();
        assert!(unprivileged.refused && !other.privileged.unwrap().refused);
        assert_eq!(unprivileged.messages[0].text, "x=y");
    }

    #[test]
    fn tags_for_one_user_only_make_a_test_for_that_user_only() {
        let only = expectation(&["test_expect_success_unpriv"]);
        assert!(only.privileged.is_none() && only.unprivileged.is_some());
    }

    #[test]
    fn flags_are_set_and_cleared_in_order() {
        let flags = |tags: &[&str]| expectation(tags).load_flags;
        let both = ProgramFlags::ANY_ALIGNMENT | ProgramFlags::TEST_STATE_FREQ;
        assert_eq!(flags(&["test_prog_flags=BPF_F_ANY_ALIGNMENT", "test_prog_flags=8"]), both);
        assert_eq!(
            flags(&["test_prog_flags=10", "test_prog_flags=!BPF_F_ANY_ALIGNMENT"]),
            ProgramFlags::TEST_STATE_FREQ
        );
    }

    #[test]
    fn return_values_are_numbers_or_names() {
        let value = |text: &str| expectation(&[&format!("test_retval={text}")]).privileged.unwrap().return_value;
        assert_eq!(value("-21"), Some(ReturnValue::Number(-21)));
        assert_eq!(value("0xabcdef12"), Some(ReturnValue::Number(0xabcd_ef12_u32.cast_signed())));
        assert_eq!(value("INT_MIN"), Some(ReturnValue::Number(i32::MIN)));
        assert_eq!(value("TEST_DATA_LEN"), Some(ReturnValue::Number(64)));
        assert_eq!(value("POINTER_VALUE"), Some(ReturnValue::Pointer));
    }

    #[test]
    fn lines_of_instructions_follow_each_other_unless_there_is_a_gap() {
        let tags = ["0=a", "1=b", "2=...", "3=c", "4=d"].map(|text| format!("test_expect_xlated={text}"));
        let lines = expectation(&tags.each_ref().map(String::as_str)).privileged.unwrap().rewritten;
        let lines: Vec<_> = lines.iter().map(|line| (&*line.text, line.next_line)).collect();
        assert_eq!(lines, [("a", false), ("b", true), ("c", false), ("d", true)]);
    }

    #[test]
    fn capabilities_machines_and_modes() {
        let tags = ["test_caps_unpriv=CAP_BPF|12", "test_arch=X86_64", "test_arch=ARM64", "load_mode=jited"];
        let read = expectation(&tags);
        assert_eq!(read.capabilities, 1 << 39 | 1 << 12);
        assert_eq!(read.architectures, ["x86_64", "aarch64"]);
        assert_eq!(read.compiled, Some(true));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for tag in ["test_retval=x", "test_arch=PDP11", "test_expect_msg=a", "test_caps_unpriv=CAP_X", "load_mode=fast"]
        {
            assert!(read(&[format!("comment:{tag}").into()]).is_err(), "{tag}");
        }
        assert!(!is_known("comment:anything else") && !is_known("test_expect_success"));
    }
}
