//! Running a program: what it runs on, what it may call, what comes of it.

mod context;
mod entered;
mod environment;
mod outcome;
mod packet;
pub(crate) mod random;
mod runner;

pub use context::{Context, Lent, PlainContext, StructContext};
pub use entered::Entered;
pub(crate) use environment::{Call, HelperError, HelperResult, RunEnvironment};
pub use outcome::{Outcome, Redirect};
pub(crate) use packet::XDP_FRAME_INFO;
pub use packet::{Packet, XDP_HEADROOM};
pub use runner::RunOptions;
