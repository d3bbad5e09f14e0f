//! Hooks: where programs run, what they run on there, and what their answer means.
//!
//! One file each. A hook turns an event into a running context ([`Hook::enter`]) and r0 into a [`Verdict`]. Running the
//! program in between is the kernel's.
//!
//! [`test_run`] is `BPF_PROG_TEST_RUN`: the same contexts, filled as Linux fills them for a test.

mod cgroup_skb;
mod ethernet;
mod kprobe;
mod lsm;
mod perf_event;
mod raw_tracepoint;
mod skb;
mod socket_filter;
mod tc;
pub mod test_run;
mod tracepoint;
mod xdp;

pub use cgroup_skb::{CgroupSkb, Direction};
pub use kprobe::{Kprobe, Registers};
pub use lsm::{Lsm, LsmEvent, OpenFile};
pub use perf_event::{PerfEvent, Sample};
pub use raw_tracepoint::{MAX_ARGUMENTS, RawTracepoint, RawTracepointEvent};
pub use socket_filter::SocketFilter;
pub use tc::Tc;
pub use tracepoint::{SystemCall, Tracepoint, TracepointEvent};
pub use xdp::Xdp;

use crate::devices::Frame;
use crate::run::{Context, Outcome, Redirect};
use skep_abi::program_type::ProgramType;
use std::borrow::Cow;

/// A place where programs run on events of kind `E`.
pub trait Hook<E> {
    /// The types of program that run here.
    fn program_types(&self) -> &'static [ProgramType];

    /// An event happens: the context to run the program on. It is good for one run.
    fn enter(&mut self, event: E) -> &mut dyn Context;

    /// What the program's answer means.
    fn verdict(&self, outcome: &Outcome) -> Verdict;

    /// What the program left of the packet: an Ethernet frame. `None` where the event is no packet.
    fn frame(&self) -> Option<Vec<u8>> {
        None
    }
}

/// A hook for packets, whichever.
pub type PacketHook = Box<dyn for<'e> Hook<PacketEvent<'e>> + Send>;

/// A packet arrives, or leaves.
#[derive(Clone, Copy, Debug)]
pub struct PacketEvent<'e> {
    /// The packet.
    pub frame: Frame<'e>,
    /// Index of the interface it is at.
    pub ifindex: u32,
}

/// What a hook does after a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The answer by its name in the UAPI (`XDP_PASS`, `TC_ACT_SHOT`), else in words (`pass`, `EPERM`, `7`).
    pub name: Cow<'static, str>,
    /// What becomes of the event.
    pub fate: Fate,
}

impl Verdict {
    fn new(name: impl Into<Cow<'static, str>>, fate: Fate) -> Verdict {
        Verdict { name: name.into(), fate }
    }
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It goes on its way.
    Pass,
    /// It goes on, cut to so many bytes (socket filters).
    Cut(u32),
    /// It ends here.
    Drop,
    /// It is sent out of the interface it came from.
    Transmit,
    /// It goes elsewhere.
    Redirect(Redirect),
    /// The operation fails with this error number (positive).
    Deny(i32),
    /// Nothing: the hook only looks on.
    Observed,
}

/// The hook that packets of a capture go through for a program of that type; `None` if it takes no packets.
pub fn packet_hook(program_type: ProgramType) -> Option<PacketHook> {
    Some(match program_type {
        ProgramType::Xdp => Box::new(Xdp::new()),
        ProgramType::SchedCls | ProgramType::SchedAct => Box::new(Tc::new()),
        ProgramType::SocketFilter => Box::new(SocketFilter::new()),
        ProgramType::CgroupSkb => Box::new(CgroupSkb::new(Direction::Ingress)),
        _ => return None,
    })
}
