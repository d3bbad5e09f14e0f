//! From a refusal to its explanation.
//!
//! The program is verified once more, up to the same refusal, while a recorder notes where every visit came from.
//! Along the refused path each value is traced to what it was computed from; the steps kept are those that made the
//! value at fault, the branches that tested it or something computed from the same, and the branches whose other way
//! would have led here with another value. Without a refusal nothing of this runs.

mod describe;
mod flow;
mod recorder;
mod steps;

use crate::domain::state::State;
use crate::explanation::{Explanation, Known};
use crate::input::{Options, Program};
use crate::reason::Reason;
use crate::refusal::Refusal;
use crate::report::{Names, source_line};
use crate::source;
use crate::verifier::Verifier;
use flow::Flow;
use recorder::{Recorder, Visit};
use skep_isa::{Insn, Reg};
use steps::Steps;

/// Registers told of besides the one at fault.
const MORE_REGISTERS: usize = 2;

/// A refused path and its values.
struct Refused<'r, 'a> {
    verifier: &'r Verifier<'a>,
    program: &'r Program<'r>,
    refusal: &'r Refusal,
    /// The state there, if a path led there.
    state: Option<&'r State>,
    path: Vec<Visit>,
    flow: Flow,
    /// The register at fault.
    subject: Option<Reg>,
}

/// Explains why `verifier` ended with `refusal`.
pub(crate) fn explain(
    verifier: &Verifier<'_>,
    program: &Program<'_>,
    options: &Options<'_>,
    refusal: &Refusal,
) -> Explanation {
    let path = path(verifier, program, options);
    let state = verifier.exploration.refused.as_ref();
    let insn = path.last().and_then(|visit| verifier.code.get(visit.slot as usize));
    let subject = subject(&refusal.message).or_else(|| insn.and_then(|insn| insn.reads().iter().next()));
    let flow = Flow::new(&path, &verifier.code);
    let refused = Refused { verifier, program, refusal, state, path, flow, subject };
    Explanation {
        needed: refused.needed(),
        known: refused.known(),
        path: Steps::new(&refused).collect(),
        advice: advice(refusal),
    }
}

/// What to do about a refusal of which no path is known.
pub(crate) fn explain_form(refusal: &Refusal) -> Explanation {
    Explanation { needed: refusal.reason.info().needed.to_owned(), advice: advice(refusal), ..Explanation::default() }
}

fn advice(refusal: &Refusal) -> String {
    let general = refusal.reason.info().advice;
    match &refusal.hint {
        Some(hint) if general.is_empty() => hint.clone(),
        Some(hint) => format!("{hint}; {general}"),
        None => general.to_owned(),
    }
}

/// The instructions that led to the refusal, oldest first.
fn path(verifier: &Verifier<'_>, program: &Program<'_>, options: &Options<'_>) -> Vec<Visit> {
    let options = Options { log_level: crate::input::LogLevel::empty(), ..options.clone() };
    let mut recorder = Recorder::new(&verifier.code);
    // It ends as it did the first time; only the way there is of interest.
    if let Ok(mut again) = Verifier::new(program, &options, Some(&mut recorder)) {
        _ = again.run();
    }
    recorder.path()
}

/// The register that Linux's message begins with: `R3 unbounded memory access`.
fn subject(message: &str) -> Option<Reg> {
    let digits: String = message.strip_prefix('R')?.chars().take_while(char::is_ascii_digit).collect();
    Reg::new(digits.parse().ok()?)
}

impl Refused<'_, '_> {
    fn insn(&self) -> Option<&Insn> {
        self.verifier.code.get(self.path.last()?.slot as usize)
    }

    fn names(&self) -> Names<'_> {
        Names::new(&self.verifier.maps, &self.verifier.values, self.verifier.options)
    }

    fn needed(&self) -> String {
        let general = self.refusal.reason.info().needed;
        let (how, base, offset, size) = match self.insn() {
            Some(Insn::Load { base, offset, size, .. } | Insn::LoadAcquire { base, offset, size, .. }) => {
                ("read", base, offset, size)
            }
            Some(Insn::Store { base, offset, size, .. } | Insn::StoreRelease { base, offset, size, .. }) => {
                ("write", base, offset, size)
            }
            Some(Insn::Atomic { base, offset, size, .. }) => ("change", base, offset, size),
            _ => return general.to_owned(),
        };
        if general.is_empty() || self.subject != Some(*base) {
            return general.to_owned();
        }
        let bytes = if size.bytes() == 1 { "1 byte".to_owned() } else { format!("{} bytes", size.bytes()) };
        format!("to {how} {bytes} at {base}{offset:+}: {general}")
    }

    fn known(&self) -> Vec<Known> {
        // What the instruction reads has no part in what was left unreleased, or in how long the program is.
        // A call that is refused whatever its arguments are, too.
        let about_call = matches!(self.insn(), Some(Insn::Call(_))) && subject(&self.refusal.message).is_none();
        let elsewhere = self.is_about_a_reference() || self.is_about_repetition() || about_call;
        let Some(state) = self.state.filter(|_| !elsewhere) else { return Vec::new() };
        let read = self.insn().map(|insn| insn.reads()).unwrap_or_default();
        let others = read.iter().filter(|reg| Some(*reg) != self.subject && *reg != Reg::R10).take(MORE_REGISTERS);
        let names = self.names();
        let one = |reg: Reg| {
            let register = state.register(reg);
            Known {
                register: reg.number(),
                variable: self.variable(reg),
                what: describe::register(register, &names),
                state: names.register(register, state.depth()),
            }
        };
        let told = self.subject.into_iter().chain(others).map(one);
        // Calls read all argument registers; those that hold nothing are no argument.
        let subject = self.subject.map(Reg::number);
        told.filter(|known| Some(known.register) == subject || !known.what.starts_with("nothing")).collect()
    }

    /// The variable of the source that a register probably holds: what the line that made its value assigns to, if the
    /// refused line speaks of it too.
    fn variable(&self, reg: Reg) -> Option<String> {
        let made_at = self.flow.nodes[self.flow.registers[reg.index()]?].at;
        let made = source_line(self.program, self.path[made_at].slot as usize)?;
        let refused = source_line(self.program, self.path.last()?.slot as usize)?;
        source::assigned(&made.text).filter(|name| source::mentions(&refused.text, name)).map(ToOwned::to_owned)
    }

    fn is_about_a_reference(&self) -> bool {
        self.refusal.reason == Reason::UnreleasedReference
    }

    fn is_about_repetition(&self) -> bool {
        matches!(self.refusal.reason, Reason::InfiniteLoop | Reason::TooComplex)
    }
}
