//! A refusal explained: what was needed, what was known, how it got there, what to do.

use crate::input::LineInfo;

/// Why a program was refused, for people. Text, JSON, SARIF and HTML are made from this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// What the instruction needs.
    pub needed: String,
    /// What was known instead, the register at fault first.
    pub known: Vec<Known>,
    /// The way there, oldest first: where the values involved came from, and the branches that decided about them.
    /// What does not matter is left out.
    pub path: Vec<Step>,
    /// What to do about it.
    pub advice: String,
}

/// What was known of one register where the program was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The register's number.
    pub register: u8,
    /// The variable of the source that it probably holds.
    pub variable: Option<String>,
    /// In words: `a pointer to a value of map 'counts' (8 bytes), or NULL`.
    pub what: String,
    /// In the notation of Linux's log.
    pub state: String,
}

/// What a step of the path did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepKind {
    /// A value came into being: a load, a call's result, a constant.
    Value,
    /// A branch jumped.
    Taken,
    /// A branch did not jump.
    NotTaken,
    /// Something was acquired.
    Acquired,
    /// A function of the program was entered.
    Call,
    /// The refusal.
    Refused,
}

/// One step of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it did.
    pub kind: StepKind,
    /// Its instruction.
    pub slot: u32,
    /// Its source line.
    pub line: Option<LineInfo>,
    /// Of a branch, the source line that comes next where it is another one.
    pub next: Option<LineInfo>,
    /// How often the path came by here with the same outcome; the step stands where it was last.
    pub times: u32,
    /// What it means, in words.
    pub text: String,
}
