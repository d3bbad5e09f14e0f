//! Random programs, and what they say about the verifier and the engines.
//!
//! * *Verdicts* ([`verdicts`]): a program is shown to Skep's verifier and to the running Linux; both must say the same.
//!   [`search`] does so with a million.
//! * *Soundness* ([`soundness`]): a program that is accepted runs in the paranoid engine on random maps and packets; what
//!   the verifier claims must hold before every instruction. What it computes ([`results`]) must be what Linux does.
//! * *Engines* ([`engines`]): a program that is accepted does the same in all of them, and in Linux. So does what the
//!   compiler's passes look for ([`sequences`]), below the verifier.
//!
//! All but the last take the same programs ([`generate`]), which depend on a seed alone. A program that shows something is made as
//! small as it gets ([`minimise`]) and written as a case for `tests/verifier` ([`case`]).
#![forbid(unsafe_code)]

pub mod case;
pub mod choices;
pub mod engines;
pub mod functions;
pub mod generate;
pub mod loader;
pub mod minimise;
pub mod progress;
pub mod results;
pub mod search;
pub mod sequences;
pub mod setting;
pub mod soundness;
pub mod survey;
pub mod verdicts;
