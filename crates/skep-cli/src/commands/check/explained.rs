//! Why a program was refused, as JSON has it; text, SARIF and HTML are made from the same.

use serde::Serialize;
use skep_verifier::{Explanation, Known, LineInfo, Step, StepKind};

/// An explanation.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Explained {
    pub(super) needed: String,
    pub(super) known: Vec<KnownRegister>,
    pub(super) path: Vec<PathStep>,
    pub(super) advice: String,
}

/// What was known of a register.
#[derive(Clone, Debug, Serialize)]
pub(super) struct KnownRegister {
    register: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    variable: Option<String>,
    pub(super) what: String,
    pub(super) state: String,
}

/// A step of the path.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PathStep {
    /// `value`, `taken`, `not-taken`, `acquired`, `call` or `refused`.
    pub(super) kind: &'static str,
    pub(super) instruction: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<Source>,
    /// The source line after a branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_line: Option<u32>,
    pub(super) times: u32,
    pub(super) text: String,
}

/// A place in the source.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Source {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) column: u32,
    /// The line, without what it is indented by.
    #[serde(serialize_with = "trimmed")]
    pub(super) text: String,
}

fn trimmed<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text.trim())
}

impl From<LineInfo> for Source {
    fn from(line: LineInfo) -> Source {
        Source { file: line.file.to_string(), line: line.line, column: line.column, text: line.text.to_string() }
    }
}

impl From<Explanation> for Explained {
    fn from(explanation: Explanation) -> Explained {
        Explained {
            needed: explanation.needed,
            known: explanation.known.into_iter().map(KnownRegister::from).collect(),
            path: explanation.path.into_iter().map(PathStep::from).collect(),
            advice: explanation.advice,
        }
    }
}

impl From<Known> for KnownRegister {
    fn from(known: Known) -> KnownRegister {
        let Known { register, variable, what, state } = known;
        KnownRegister { register: format!("r{register}"), variable, what, state }
    }
}

impl KnownRegister {
    /// The variable with its register, or the register alone.
    pub(super) fn name(&self) -> String {
        match &self.variable {
            Some(variable) => format!("{variable} ({})", self.register),
            None => self.register.clone(),
        }
    }
}

impl From<Step> for PathStep {
    fn from(step: Step) -> PathStep {
        PathStep {
            kind: match step.kind {
                StepKind::Value => "value",
                StepKind::Taken => "taken",
                StepKind::NotTaken => "not-taken",
                StepKind::Acquired => "acquired",
                StepKind::Call => "call",
                StepKind::Refused => "refused",
            },
            instruction: step.slot,
            source: step.line.map(Source::from),
            next_line: step.next.map(|line| line.line),
            times: step.times,
            text: step.text,
        }
    }
}

impl PathStep {
    /// What the step means, with where it goes on and how often.
    pub(super) fn meaning(&self) -> String {
        let mut text = match self.next_line {
            Some(line) => format!("{}: on to line {line}", self.text),
            None => self.text.clone(),
        };
        if self.times > 1 {
            text.push_str(&format!(" ({} times)", self.times));
        }
        text
    }
}
