//! One program's verdict, as every format prints it.

use super::costs::LineCosts;
use super::counterexample::Counterexample;
use super::explained::{Explained, Source};
use super::trace::LineStates;
use crate::error::Exit;
use serde::Serialize;
use skep_object::ProgramSpec;
use skep_verifier::{Reason, Rejection, Statistics, Verified};

/// One program's verdict, as printed.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) object: String,
    pub(super) program: String,
    #[serde(rename = "type")]
    pub(super) program_type: String,
    /// `accept`, `reject` or `env`.
    pub(super) verdict: &'static str,
    pub(super) message: String,
    /// Slots of the program.
    pub(super) instructions: usize,
    pub(super) processed: u32,
    pub(super) states: u32,
    pub(super) stack_bytes: u32,
    pub(super) time_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) instruction: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "reason_id")]
    pub(super) reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) explanation: Option<Explained>,
    /// An input that runs into the fault, if asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) counterexample: Option<Counterexample>,
    /// What each source line took, if asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) costs: Option<LineCosts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lines: Option<Vec<LineStates>>,
    /// What a page shows of it.
    #[serde(skip)]
    pub(super) page: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) log: String,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Verdicts(pub(super) Vec<Row>);

impl Row {
    pub(super) fn new(object: &str, program: &ProgramSpec) -> Row {
        let kind = program.kind.as_ref().map(|kind| kind.program_type.info().name);
        Row {
            object: object.to_owned(),
            program: program.name.clone(),
            program_type: kind.unwrap_or("unknown").to_owned(),
            verdict: "env",
            message: String::new(),
            instructions: program.insns.len(),
            processed: 0,
            states: 0,
            stack_bytes: 0,
            time_us: 0,
            instruction: None,
            source: None,
            hint: None,
            reason: None,
            explanation: None,
            counterexample: None,
            costs: None,
            lines: None,
            page: None,
            log: String::new(),
        }
    }

    pub(super) fn accepted(self, verified: &Verified) -> Row {
        let row = Row { verdict: "accept", log: verified.log().to_owned(), ..self };
        row.with_statistics(verified.statistics())
    }

    pub(super) fn rejected(self, rejection: Rejection) -> Row {
        let row = Row {
            verdict: "reject",
            message: rejection.message,
            instruction: rejection.slot,
            source: rejection.line.map(Source::from),
            hint: rejection.hint,
            reason: Some(rejection.reason).filter(|reason| *reason != Reason::Other),
            explanation: rejection.explanation.map(Explained::from),
            log: rejection.log,
            ..self
        };
        row.with_statistics(&rejection.statistics)
    }

    /// Statistics as they stand in Linux's log: `processed 12 insns (limit 1000000) … total_states 1 …`.
    pub(super) fn with_log_statistics(self, log: &str) -> Row {
        let after = |word: &str| {
            let rest = &log[log.rfind(word)? + word.len()..];
            rest.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
        };
        Row {
            processed: after("processed ").unwrap_or(0),
            states: after("total_states ").unwrap_or(0),
            stack_bytes: after("stack depth ").unwrap_or(0),
            time_us: after("verification time ").unwrap_or(0).into(),
            ..self
        }
    }

    fn with_statistics(self, statistics: &Statistics) -> Row {
        Row {
            processed: statistics.instructions_processed,
            states: statistics.total_states,
            stack_bytes: statistics.stack_bytes,
            time_us: statistics.time_us,
            ..self
        }
    }
}

impl Verdicts {
    pub(super) fn exit(&self) -> Exit {
        let any = |verdict: &str| self.0.iter().any(|row| row.verdict == verdict);
        match () {
            () if any("env") => Exit::Unusable,
            () if any("reject") => Exit::Negative,
            () => Exit::Success,
        }
    }
}

fn reason_id<S: serde::Serializer>(reason: &Option<Reason>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.unwrap_or_default().info().id)
}
