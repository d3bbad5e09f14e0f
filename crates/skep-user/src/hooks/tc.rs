//! Traffic control: packets as they enter or leave an interface's queues.

use super::skb::{Skb, View};
use super::{Fate, Hook, PacketEvent, Verdict};
use crate::run::{Context, Outcome};
use skep_abi::program_type::ProgramType;

/// What a classifier in direct-action mode may answer, and what becomes of the packet. Linux takes every other answer for
/// `TC_ACT_UNSPEC`: the packet goes on.
const ACTIONS: [(i32, &str, Fate); 6] = [
    (-1, "TC_ACT_UNSPEC", Fate::Pass),
    (0, "TC_ACT_OK", Fate::Pass),
    (2, "TC_ACT_SHOT", Fate::Drop),
    (4, "TC_ACT_STOLEN", Fate::Drop),
    (7, "TC_ACT_REDIRECT", Fate::Drop),
    (8, "TC_ACT_TRAP", Fate::Drop),
];

const REDIRECT: i32 = 7;

/// The ingress hook of an interface's `clsact` queue, or `tcx/ingress`.
#[derive(Debug)]
pub struct Tc {
    skb: Skb,
}

impl Tc {
    /// With room for a packet of any size.
    pub fn new() -> Tc {
        Tc { skb: Skb::new(ProgramType::SchedCls, View::Link) }
    }
}

impl Default for Tc {
    fn default() -> Self {
        Tc::new()
    }
}

impl Hook<PacketEvent<'_>> for Tc {
    fn program_types(&self) -> &'static [ProgramType] {
        &[ProgramType::SchedCls, ProgramType::SchedAct]
    }

    fn enter(&mut self, event: PacketEvent<'_>) -> &mut dyn Context {
        self.skb.receive(event.frame.data, event.ifindex);
        &mut self.skb.context
    }

    fn verdict(&self, outcome: &Outcome) -> Verdict {
        let action = outcome.verdict();
        match (action, outcome.redirect) {
            (REDIRECT, Some(redirect)) => Verdict::new("TC_ACT_REDIRECT", Fate::Redirect(redirect)),
            _ => match ACTIONS.iter().find(|(number, ..)| *number == action) {
                Some((_, name, fate)) => Verdict::new(*name, *fate),
                None => Verdict::new(format!("TC_ACT_UNSPEC ({action})"), Fate::Pass),
            },
        }
    }

    fn frame(&self) -> Option<Vec<u8>> {
        Some(self.skb.frame())
    }
}
