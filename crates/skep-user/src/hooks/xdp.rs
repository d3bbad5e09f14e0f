//! Packets at the driver, before there is a socket buffer.

use super::{Fate, Hook, PacketEvent, Verdict};
use crate::run::{Context, Outcome, StructContext};
use skep_abi::program_type::ProgramType;

/// `enum xdp_action`.
const ACTIONS: [&str; 5] = ["XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"];

/// The XDP hook of an interface.
#[derive(Debug)]
pub struct Xdp {
    context: StructContext,
}

impl Xdp {
    /// With room for a packet of any size.
    pub fn new() -> Xdp {
        Xdp { context: StructContext::of(ProgramType::Xdp) }
    }
}

impl Default for Xdp {
    fn default() -> Self {
        Xdp::new()
    }
}

impl Hook<PacketEvent<'_>> for Xdp {
    fn program_types(&self) -> &'static [ProgramType] {
        &[ProgramType::Xdp]
    }

    fn enter(&mut self, event: PacketEvent<'_>) -> &mut dyn Context {
        self.context.set_packet(event.frame.data);
        self.context.set_field("ingress_ifindex", event.ifindex.into());
        &mut self.context
    }

    /// Unknown actions drop the packet, as does a redirect that named no target.
    fn verdict(&self, outcome: &Outcome) -> Verdict {
        let action = outcome.ret as u32;
        let Some(name) = ACTIONS.get(action as usize) else {
            return Verdict::new(format!("XDP_ABORTED ({action})"), Fate::Drop);
        };
        let fate = match (action, outcome.redirect) {
            (2, _) => Fate::Pass,
            (3, _) => Fate::Transmit,
            (4, Some(redirect)) => Fate::Redirect(redirect),
            _ => Fate::Drop,
        };
        Verdict::new(*name, fate)
    }

    fn frame(&self) -> Option<Vec<u8>> {
        self.context.packet_bytes()
    }
}
