//! Packets of the sockets of a cgroup.

use super::skb::{Skb, View};
use super::{Fate, Hook, PacketEvent, Verdict};
use crate::run::{Context, Outcome};
use skep_abi::program_type::ProgramType;

const EPERM: i32 = 1;

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the socket.
    Ingress,
    /// From the socket. The answers 2 and 3 say, besides dropping and passing, that the network is congested.
    Egress,
}

/// A cgroup's `cgroup_skb` hook. Programs see packets from the network header on.
#[derive(Debug)]
pub struct CgroupSkb {
    skb: Skb,
    direction: Direction,
}

impl CgroupSkb {
    /// With room for a packet of any size.
    pub fn new(direction: Direction) -> CgroupSkb {
        CgroupSkb { skb: Skb::new(ProgramType::CgroupSkb, View::Network), direction }
    }
}

impl Hook<PacketEvent<'_>> for CgroupSkb {
    fn program_types(&self) -> &'static [ProgramType] {
        &[ProgramType::CgroupSkb]
    }

    fn enter(&mut self, event: PacketEvent<'_>) -> &mut dyn Context {
        self.skb.receive(event.frame.data, event.ifindex);
        &mut self.skb.context
    }

    /// The lowest bit lets the packet pass; the next one is congestion, for packets that leave.
    fn verdict(&self, outcome: &Outcome) -> Verdict {
        match (outcome.ret & 1 != 0, self.direction == Direction::Egress && outcome.ret & 2 != 0) {
            (true, false) => Verdict::new("pass", Fate::Pass),
            (true, true) => Verdict::new("pass (congestion)", Fate::Pass),
            (false, true) => Verdict::new("drop (congestion)", Fate::Drop),
            (false, false) if self.direction == Direction::Egress => Verdict::new("drop", Fate::Deny(EPERM)),
            (false, false) => Verdict::new("drop", Fate::Drop),
        }
    }

    fn frame(&self) -> Option<Vec<u8>> {
        Some(self.skb.frame())
    }
}
