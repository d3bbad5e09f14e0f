//! Comparing what a kernel did with what was expected.

use super::pattern::{self, Found};
use skep_object::{ExpectedOutcome, Pattern, ReturnValue};

/// What a kernel did.
pub(super) enum Answer {
    /// It accepts the program.
    Accepted(Accepted),
    /// It refuses it.
    Refused { message: String, log: String },
    /// The question could not be put to it.
    Environment(String),
}

/// What is known of an accepted program.
#[derive(Default)]
pub(super) struct Accepted {
    pub(super) log: String,
    /// Its instructions as the verifier left them, as text; `None` if that cannot be told.
    pub(super) rewritten: Option<String>,
    /// What a run returned, or why there was none. Only if one is expected.
    pub(super) run: Option<Result<u32, NoRun>>,
}

/// Why a program was not run.
pub(super) enum NoRun {
    /// This kernel cannot run it.
    Unfit(String),
    /// Running it failed.
    Failed(String),
}

/// How a test went.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) result: Outcome,
    /// What the kernel said about the program: `accept`, `reject` or `env`, and why.
    pub(super) verdict: &'static str,
    pub(super) message: String,
    /// The last lines of the log, where the log is what is wrong.
    pub(super) log_end: Vec<String>,
    /// What was expected and not looked at.
    pub(super) open: Vec<String>,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Ok,
    Failed { problem: String, details: Vec<String> },
    Skipped(String),
}

/// Lines of a log that are shown.
const LOG_LINES: usize = 8;

pub(super) fn skipped(reason: String) -> Judgement {
    Judgement {
        result: Outcome::Skipped(reason),
        verdict: "env",
        message: String::new(),
        log_end: Vec::new(),
        open: Vec::new(),
    }
}

pub(super) fn judge(expected: &ExpectedOutcome, answer: Answer) -> Judgement {
    match answer {
        Answer::Environment(reason) => skipped(reason),
        Answer::Refused { message, log } => Judgement {
            result: if expected.refused {
                check_log(expected, &log)
            } else {
                failed("it is refused and must be accepted", vec![message.clone()])
            },
            log_end: end(&log),
            ..judgement("reject", message)
        },
        Answer::Accepted(_) if expected.refused => {
            let result = failed("it is accepted and must be refused", wanted(&expected.messages));
            Judgement { result, ..judgement("accept", String::new()) }
        }
        Answer::Accepted(accepted) => judge_accepted(expected, &accepted),
    }
}

fn judge_accepted(expected: &ExpectedOutcome, accepted: &Accepted) -> Judgement {
    let mut open = Vec::new();
    if !expected.machine_code.is_empty() {
        open.push("machine code not compared".to_owned());
    }
    if !expected.streams.is_empty() {
        open.push("output streams not compared".to_owned());
    }
    let result = check_log(expected, &accepted.log)
        .and(|| check_rewritten(expected, accepted, &mut open))
        .and(|| check_return(expected, accepted, &mut open));
    let log_end = if expected.messages.is_empty() { Vec::new() } else { end(&accepted.log) };
    Judgement { result, open, log_end, ..judgement("accept", String::new()) }
}

fn judgement(verdict: &'static str, message: String) -> Judgement {
    Judgement { result: Outcome::Ok, verdict, message, log_end: Vec::new(), open: Vec::new() }
}

fn failed(problem: &str, details: Vec<String>) -> Outcome {
    Outcome::Failed { problem: problem.to_owned(), details }
}

impl Outcome {
    fn and(self, next: impl FnOnce() -> Outcome) -> Outcome {
        if matches!(self, Outcome::Ok) { next() } else { self }
    }
}

fn wanted(messages: &[Pattern]) -> Vec<String> {
    messages.iter().filter(|pattern| !pattern.absent).map(|pattern| format!("expected '{}'", pattern.text)).collect()
}

fn end(log: &str) -> Vec<String> {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

fn check_log(expected: &ExpectedOutcome, log: &str) -> Outcome {
    check_patterns("the log is not as expected", log, &expected.messages)
}

fn check_patterns(problem: &str, text: &str, patterns: &[Pattern]) -> Outcome {
    match pattern::compare(text, patterns) {
        Err(error) => failed(&error.to_string(), Vec::new()),
        Ok(seen) if seen.iter().all(|(_, found)| *found == Found::Right) => Outcome::Ok,
        Ok(seen) => {
            let line = |(pattern, found): &(&Pattern, Found)| format!("{:<7} '{}'", found.word(), pattern.text);
            failed(problem, seen.iter().map(line).collect())
        }
    }
}

fn check_rewritten(expected: &ExpectedOutcome, accepted: &Accepted, open: &mut Vec<String>) -> Outcome {
    if expected.rewritten.is_empty() {
        return Outcome::Ok;
    }
    match &accepted.rewritten {
        Some(text) => {
            let lines = text.lines().map(ToOwned::to_owned);
            match check_patterns("the rewritten instructions are not as expected", text, &expected.rewritten) {
                Outcome::Failed { problem, details } => {
                    Outcome::Failed { problem, details: details.into_iter().chain(lines).collect() }
                }
                other => other,
            }
        }
        None => {
            open.push("rewritten instructions not compared".to_owned());
            Outcome::Ok
        }
    }
}

fn check_return(expected: &ExpectedOutcome, accepted: &Accepted, open: &mut Vec<String>) -> Outcome {
    let Some(wanted) = expected.return_value else { return Outcome::Ok };
    let returned = match &accepted.run {
        Some(Ok(returned)) => returned.cast_signed(),
        Some(Err(NoRun::Failed(reason))) => return failed("it cannot be run", vec![reason.clone()]),
        Some(Err(NoRun::Unfit(reason))) => {
            open.push(format!("not run: {reason}"));
            return Outcome::Ok;
        }
        None => return Outcome::Ok,
    };
    match wanted {
        ReturnValue::Number(number) if number != returned => {
            failed("it returns another value", vec![format!("expected {number}"), format!("returned {returned}")])
        }
        ReturnValue::Number(_) | ReturnValue::Pointer => Outcome::Ok,
    }
}
