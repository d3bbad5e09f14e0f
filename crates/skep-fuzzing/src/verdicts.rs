//! The verifier's verdict against that of the running Linux.

use crate::functions::Functions;
use crate::generate::{Candidate, NumberIterator};
use crate::loader::Loader;
use crate::minimise::minimise;
use crate::setting::facts;
use skep_abi::errno::Errno;
use skep_btf::{Btf, Kind};
use skep_kernel::Kernel;
use skep_verifier::{LogLevel, MapFacts, Options, Program, ProgramBtf, verify};
use std::sync::Arc;
use std::time::Instant;

/// Bytes for a log that is only asked for its end, which Linux keeps.
const REASON_LOG: usize = 1 << 16;

/// What was said of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may run.
    Accepted,
    /// It may not, with the reason.
    Refused(String),
}

/// How the two verdicts compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Both accept.
    Accepted,
    /// Both refuse; our reason.
    Refused(String),
    /// Linux refuses what we accept; its reason.
    FalseAccept(String),
    /// Linux accepts what we refuse; our reason.
    FalseReject(String),
}

/// A difference that is known, and why it stays.
struct Known {
    applies: fn(&Comparison) -> bool,
    why: &'static str,
}

/// How Linux says that it has reached a limit: of processed instructions, or of branches that wait. It has found nothing
/// wrong by then.
const GIVES_UP: &[&str] = &["BPF program is too large.", "The sequence of "];

const KNOWN: &[Known] = &[
    Known {
        applies: |c| matches!(c, Comparison::FalseAccept(reason) if reason.starts_with("verifier bug")),
        why: "Linux finds a fault in itself",
    },
    Known {
        applies: |c| matches!(c, Comparison::FalseAccept(reason) if GIVES_UP.iter().any(|start| reason.starts_with(start))),
        why: "Linux gives up at a limit, with nothing found wrong; all paths were seen here, within the same limits",
    },
    Known {
        applies: |c| matches!(c, Comparison::FalseReject(reason) if reason.contains("_or_null expected=fp")),
        why: "Linux lets some helpers read bytes at what may be NULL",
    },
];

impl Comparison {
    /// Why the verdicts differ, where that is known.
    pub fn explanation(&self) -> Option<&'static str> {
        KNOWN.iter().find(|known| (known.applies)(self)).map(|known| known.why)
    }
}

/// Both verifiers.
pub struct Judges {
    linux: Loader,
    facts: Vec<(i32, MapFacts)>,
    functions: Functions,
    btf: Option<Btf>,
}

impl Judges {
    /// The given Linux with maps of its own, and our verifier with that kernel's types.
    ///
    /// # Errors
    /// The maps cannot be created.
    pub fn new(linux: Arc<dyn Kernel>) -> Result<Judges, Errno> {
        let btf = std::fs::read("/sys/kernel/btf/vmlinux").ok().and_then(|bytes| Btf::parse(&bytes).ok());
        Ok(Judges { linux: Loader::new(linux)?, facts: facts(), functions: Functions::new(), btf })
    }

    /// The kernel functions that programs may call.
    pub fn iterator(&self) -> Option<NumberIterator> {
        let find = |name: &str| Some(self.btf.as_ref()?.find(Kind::Function, name)?.0.cast_signed());
        Some(NumberIterator {
            new: find("bpf_iter_num_new")?,
            next: find("bpf_iter_num_next")?,
            destroy: find("bpf_iter_num_destroy")?,
        })
    }

    /// Our verdict.
    pub fn ours(&self, candidate: &Candidate) -> Verdict {
        self.ours_at(candidate, LogLevel::empty()).0
    }

    /// Our verdict, with a log that shows every path.
    pub fn ours_loudly(&self, candidate: &Candidate) -> (Verdict, String) {
        self.ours_at(candidate, LogLevel::STATES)
    }

    fn ours_at(&self, candidate: &Candidate, log_level: LogLevel) -> (Verdict, String) {
        let functions = self.functions.of(&candidate.slots);
        let btf = ProgramBtf { btf: self.functions.btf(), functions: &functions, lines: &[] };
        let program = Program {
            maps: &self.facts,
            btf: (functions.len() > 1).then_some(btf),
            ..Program::new("fuzz", candidate.program_type, &candidate.slots)
        };
        let options = Options { kernel_btf: self.btf.as_ref(), log_level, ..Options::default() };
        match verify(&program, &options) {
            Ok(verified) => (Verdict::Accepted, verified.log().to_owned()),
            Err(rejection) => (Verdict::Refused(rejection.message), rejection.log),
        }
    }

    /// Linux.
    pub fn linux(&self) -> &Loader {
        &self.linux
    }

    /// Linux's verdict; the reason is its log's last line.
    pub fn theirs(&self, candidate: &Candidate, log: &mut [u8]) -> Verdict {
        match self.linux.load(candidate, log) {
            Ok(_) => Verdict::Accepted,
            Err(reason) => Verdict::Refused(reason),
        }
    }

    /// Compares the verdicts. Linux's reason is only asked for where they differ.
    pub fn compare(&self, candidate: &Candidate) -> Comparison {
        self.compare_with_ours(candidate, self.ours(candidate))
    }

    fn compare_with_ours(&self, candidate: &Candidate, ours: Verdict) -> Comparison {
        match (ours, self.theirs(candidate, &mut [])) {
            (Verdict::Accepted, Verdict::Accepted) => Comparison::Accepted,
            (Verdict::Refused(reason), Verdict::Refused(_)) => Comparison::Refused(reason),
            (Verdict::Refused(reason), Verdict::Accepted) => Comparison::FalseReject(reason),
            (Verdict::Accepted, Verdict::Refused(_)) => match self.theirs(candidate, &mut vec![0; REASON_LOG]) {
                Verdict::Refused(reason) => Comparison::FalseAccept(reason),
                Verdict::Accepted => Comparison::Accepted,
            },
        }
    }

    /// The smallest program found in time whose comparison is `wanted`. Linux is only asked where our own verdict
    /// stays what it is, which costs far less to know.
    pub fn minimise(&self, candidate: &Candidate, until: Instant, wanted: &dyn Fn(&Comparison) -> bool) -> Candidate {
        let program_type = candidate.program_type;
        let verdict = std::mem::discriminant(&self.ours(candidate));
        let slots = minimise(&candidate.slots, |slots| {
            let smaller = Candidate { program_type, slots: slots.to_vec() };
            Instant::now() < until && {
                let ours = self.ours(&smaller);
                std::mem::discriminant(&ours) == verdict && wanted(&self.compare_with_ours(&smaller, ours))
            }
        });
        Candidate { program_type, slots }
    }
}
