//! Filters on sockets: here on a packet socket, which sees whole Ethernet frames.

use super::skb::{Skb, View};
use super::{Fate, Hook, PacketEvent, Verdict};
use crate::run::{Context, Outcome};
use skep_abi::program_type::ProgramType;

/// A filter on an `AF_PACKET` socket that is bound to an interface.
#[derive(Debug)]
pub struct SocketFilter {
    skb: Skb,
}

impl SocketFilter {
    /// With room for a packet of any size.
    pub fn new() -> SocketFilter {
        SocketFilter { skb: Skb::new(ProgramType::SocketFilter, View::Link) }
    }
}

impl Default for SocketFilter {
    fn default() -> Self {
        SocketFilter::new()
    }
}

impl Hook<PacketEvent<'_>> for SocketFilter {
    fn program_types(&self) -> &'static [ProgramType] {
        &[ProgramType::SocketFilter]
    }

    fn enter(&mut self, event: PacketEvent<'_>) -> &mut dyn Context {
        self.skb.receive(event.frame.data, event.ifindex);
        &mut self.skb.context
    }

    /// r0 is how many bytes the socket gets; 0 is none of the packet.
    fn verdict(&self, outcome: &Outcome) -> Verdict {
        match outcome.ret as u32 {
            0 => Verdict::new("drop", Fate::Drop),
            len if u64::from(len) < self.skb.len() => Verdict::new("cut", Fate::Cut(len)),
            _ => Verdict::new("pass", Fate::Pass),
        }
    }

    fn frame(&self) -> Option<Vec<u8>> {
        Some(self.skb.frame())
    }
}
