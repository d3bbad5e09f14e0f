//! Running a program: what it runs on, what it may call, what comes of it.

mod context;
mod environment;
mod outcome;
mod packet;
mod random;
mod runner;

pub use context::{Context, Lent, PlainContext, StructContext};
pub(crate) use environment::{Call, HelperError, HelperResult, RunEnvironment};
pub use outcome::{Outcome, Redirect};
pub(crate) use packet::XDP_FRAME_INFO;
pub use packet::{Packet, XDP_HEADROOM};
pub(crate) use random::Random;
pub use runner::RunOptions;
