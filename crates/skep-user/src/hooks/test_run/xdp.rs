//! Test runs of XDP programs.

use super::{LOOPBACK, PAGE, Run, SHARED_INFO, Tested, TestedProgram, given_context, repeat};
use crate::hooks::ethernet;
use crate::run::{Context as _, StructContext, XDP_FRAME_INFO, XDP_HEADROOM};
use skep_abi::attach_type::AttachType;
use skep_abi::command::{ProgTestRun, TestRunFlags};
use skep_abi::errno::Errno;
use skep_abi::program_type::ProgramType;

/// Most fragments behind the linear part (Linux: `MAX_SKB_FRAGS`), a page each.
const MAX_FRAGMENTS: usize = 17;

/// `struct xdp_md` as the client gives it.
#[derive(Clone, Copy, Debug)]
struct Given {
    data: usize,
    data_end: usize,
    data_meta: u32,
    ingress_ifindex: u32,
    rx_queue_index: u32,
    egress_ifindex: u32,
}

/// Bytes of `struct xdp_md`.
const XDP_MD: usize = 24;

impl Given {
    fn read(bytes: &[u8]) -> Given {
        let word =
            |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b));
        Given {
            data: word(0) as usize,
            data_end: word(4) as usize,
            data_meta: word(8),
            ingress_ifindex: word(12),
            rx_queue_index: word(16),
            egress_ifindex: word(20),
        }
    }

    /// The client's metadata stands before the data: `data` is its length, and `data_end` counts from its beginning.
    fn check_data(&self, size: usize) -> Result<(), Errno> {
        let metadata_fits = self.data.is_multiple_of(4) && self.data <= XDP_HEADROOM - XDP_FRAME_INFO;
        let ordered = self.data_meta == 0 && self.data <= self.data_end && self.data_end <= size;
        if metadata_fits && ordered && size >= self.data + ethernet::HEADER { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// Loopback has one queue.
    fn check_queue(&self) -> Result<(), Errno> {
        match self {
            Given { egress_ifindex: 1.., .. } => Err(Errno::EINVAL),
            Given { ingress_ifindex: 0, rx_queue_index: 0, .. } => Ok(()),
            Given { ingress_ifindex: 0, .. } => Err(Errno::EINVAL),
            Given { ingress_ifindex, .. } if *ingress_ifindex != LOOPBACK => Err(Errno::ENODEV),
            Given { rx_queue_index: 0, .. } => Ok(()),
            Given { .. } => Err(Errno::EINVAL),
        }
    }
}

/// A packet of more than a page has its rest in fragments, which programs see only through helpers; here they keep what
/// was given.
pub(super) fn test(program: &TestedProgram, command: &ProgTestRun<'_>, run: &mut Run<'_>) -> Result<Tested, Errno> {
    if matches!(program.attach_type, Some(AttachType::XdpDevmap | AttachType::XdpCpumap)) {
        return Err(Errno::EINVAL);
    }
    if command.flags.contains(TestRunFlags::XDP_LIVE_FRAMES) {
        // There is no interface that could send them.
        return Err(Errno::ENOTSUPP);
    }
    let data = command.data_in;
    if !command.flags.is_empty() || command.batch_size != 0 || data.len() < ethernet::HEADER {
        return Err(Errno::EINVAL);
    }
    let context_bytes = given_context(command, XDP_MD)?;
    let given = context_bytes.as_deref().map(Given::read);
    if let Some(given) = &given {
        given.check_data(data.len())?;
    }
    let metadata = given.map_or(0, |given| given.data);
    let most = PAGE - (XDP_HEADROOM - metadata) - SHARED_INFO;
    let (linear, fragments) = data.split_at(given.map_or(data.len(), |given| given.data_end).min(most));
    if fragments.len() > MAX_FRAGMENTS * PAGE {
        return Err(Errno::ENOMEM);
    }
    if let Some(given) = &given {
        given.check_queue()?;
    }

    let mut context = StructContext::of(ProgramType::Xdp);
    context.set_packet(linear);
    if let Some(packet) = context.packet() {
        packet.give_metadata(metadata);
    }
    context.refresh();
    context.set_field("ingress_ifindex", LOOPBACK.into());
    let (retval, duration_ns) = repeat(command.repeat, |times| run(&mut context, times))?;

    let after = context.packet().map(|packet| [packet.metadata(), packet.to_vec()]).unwrap_or_default();
    let context = context_bytes.map(|mut bytes| {
        let data = after[0].len() as u32;
        let data_end = data + after[1].len() as u32;
        bytes[..4].copy_from_slice(&data.to_le_bytes());
        bytes[4..8].copy_from_slice(&data_end.to_le_bytes());
        bytes
    });
    Ok(Tested { retval, duration_ns, data: [after.concat(), fragments.to_vec()], context })
}
