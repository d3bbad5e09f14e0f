//! What tests gave, for people and for programs.

use super::super::csv::csv_line;
use super::super::{Check, Format};
use super::verdict::{Judgement, Outcome};
use super::{Test, User};
use crate::error::Failure;
use crate::output::{Output, Report};
use crate::style::{self, printable};
use serde::Serialize;
use std::io::{self, Write};

/// How one test went.
#[derive(Debug, Serialize)]
pub(super) struct TestResult {
    object: String,
    program: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// `privileged` or `unprivileged`.
    user: &'static str,
    /// `ok`, `fail` or `skip`.
    result: &'static str,
    /// What is wrong, or why the test was skipped.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    /// The particulars: texts found and missing, numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
    /// What the kernel said: `accept`, `reject` or `env`.
    verdict: &'static str,
    /// And why.
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    /// How the log ends, if that is not as expected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    log: Vec<String>,
    /// What was expected and could not be compared here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    open: Vec<String>,
}

/// All of them, in the order of objects and programs.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Results(pub(super) Vec<TestResult>);

impl TestResult {
    pub(super) fn new(object: &str, test: &Test<'_>, judgement: Judgement) -> TestResult {
        let (result, reason, details) = match judgement.result {
            Outcome::Ok => ("ok", String::new(), Vec::new()),
            Outcome::Failed { problem, details } => ("fail", problem, details),
            Outcome::Skipped(reason) => ("skip", reason, Vec::new()),
        };
        TestResult {
            object: object.to_owned(),
            program: test.program.name.clone(),
            description: test.expectation.description.clone(),
            user: match test.user {
                User::Privileged => "privileged",
                User::Unprivileged => "unprivileged",
            },
            result,
            reason,
            details,
            verdict: judgement.verdict,
            message: judgement.message,
            log: if result == "fail" { judgement.log_end } else { Vec::new() },
            open: judgement.open,
        }
    }

    pub(super) fn failed(&self) -> bool {
        self.result == "fail"
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (mark, word) = match self.result {
            "ok" => (style::GOOD, "ok"),
            "fail" => (style::BAD, "FAIL"),
            _ => (style::WARNING, "skip"),
        };
        write!(out, "{mark}{word:<4}{mark:#} {} {}", printable(&self.object), printable(&self.program))?;
        if self.user == "unprivileged" {
            write!(out, " @unpriv")?;
        }
        if let Some(text) = &self.description {
            write!(out, " ({})", printable(text))?;
        }
        if !self.reason.is_empty() {
            write!(out, ": {}", printable(&self.reason))?;
        }
        if !self.open.is_empty() {
            write!(out, "; {}", printable(&self.open.join("; ")))?;
        }
        writeln!(out)?;
        self.details.iter().try_for_each(|line| writeln!(out, "       {}", printable(line)))?;
        if !self.log.is_empty() {
            writeln!(out, "       the log ends")?;
        }
        self.log.iter().try_for_each(|line| writeln!(out, "       | {}", printable(line)))
    }
}

impl Results {
    fn count(&self, result: &str) -> usize {
        self.0.iter().filter(|test| test.result == result).count()
    }

    fn csv(&self) -> String {
        let mut text = String::from("object,program,user,result,reason,verdict,message\n");
        for test in &self.0 {
            let TestResult { object, program, user, result, reason, verdict, message, .. } = test;
            text.push_str(&csv_line(&[object, program, user, result, reason, verdict, message]));
        }
        text
    }
}

impl Report for Results {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.0.iter().try_for_each(|test| test.text(out))?;
        let open = self.0.iter().filter(|test| test.result == "ok" && !test.open.is_empty()).count();
        let partly = if open > 0 { format!(", {open} of them in part") } else { String::new() };
        writeln!(out, "{} ok{partly}, {} failed, {} skipped", self.count("ok"), self.count("fail"), self.count("skip"))
    }
}

impl Check {
    pub(super) fn print_selftests(&self, results: &Results, output: Output) -> Result<(), Failure> {
        match self.format {
            Format::Csv => crate::output::print_text(&results.csv()),
            Format::Json if !output.is_json() => Output { json: true, pretty: false }.print(results),
            Format::Json | Format::Text | Format::Sarif => output.print(results),
        }
    }
}
