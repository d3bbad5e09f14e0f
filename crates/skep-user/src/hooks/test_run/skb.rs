//! Test runs of programs on socket buffers.

use super::{LOOPBACK, PAGE, Run, SHARED_INFO, Tested, TestedProgram, given_context, repeat};
use crate::hooks::ethernet::{self, Addresses};
use crate::hooks::skb::{Skb, View};
use skep_abi::command::{ProgTestRun, TestRunFlags};
use skep_abi::errno::Errno;
use skep_abi::program_type::{ContextField, ContextInfo, ProgramType};

/// Room before the packet (Linux: `NET_SKB_PAD + NET_IP_ALIGN`).
const HEADROOM: usize = 64;

/// Longest `wire_len` and largest `gso_segs` (Linux: `GSO_LEGACY_MAX_SIZE`, `GSO_MAX_SEGS`).
const MAX_WIRE_LEN: u64 = 65_536;
const MAX_SEGMENTS: u64 = 65_535;

/// Fields that the client may set. Every other byte of its `__sk_buff` must be zero.
const GIVEN: [&str; 10] =
    ["mark", "priority", "ingress_ifindex", "ifindex", "cb", "tstamp", "wire_len", "gso_segs", "gso_size", "hwtstamp"];

/// Fields that the client gets back as they are after the run; the rest is what it gave.
const RETURNED: [&str; 9] =
    ["mark", "priority", "ingress_ifindex", "ifindex", "cb", "tstamp", "wire_len", "gso_segs", "hwtstamp"];

pub(super) fn test(program: &TestedProgram, command: &ProgTestRun<'_>, run: &mut Run<'_>) -> Result<Tested, Errno> {
    let known = command.flags.difference(TestRunFlags::SKB_CHECKSUM_COMPLETE).is_empty();
    if !known || command.cpu != 0 || command.batch_size != 0 {
        return Err(Errno::EINVAL);
    }
    let data = command.data_in;
    if data.len() < ethernet::HEADER || data.len() > PAGE - HEADROOM - SHARED_INFO {
        return Err(Errno::EINVAL);
    }
    let layout = Layout::of_sk_buff();
    let given = given_context(command, layout.size)?;

    if given.as_ref().is_some_and(|given| layout.number(given, "ifindex") > LOOPBACK.into()) {
        return Err(Errno::ENODEV);
    }
    if ethernet::cuts_ip_header(data) {
        return Err(Errno::EINVAL);
    }

    let at_link = matches!(program.program_type, ProgramType::SchedCls | ProgramType::SchedAct);
    let mut skb = Skb::new(program.program_type, if at_link { View::Link } else { View::Network });
    skb.fill(data, Addresses::LOOPBACK);
    skb.set("ifindex", LOOPBACK.into());
    if let Some(given) = &given {
        give(&mut skb, given, &layout)?;
    }
    let (retval, duration_ns) = repeat(command.repeat, |times| run(&mut skb.context, times))?;

    let context = given.map(|mut given| {
        let after = skb.context.to_bytes();
        for range in RETURNED.iter().filter_map(|name| layout.range(name)) {
            given[range.clone()].copy_from_slice(&after[range]);
        }
        given
    });
    let packet = skb.packet();
    let seen = if at_link { packet } else { [vec![0; ethernet::HEADER], packet].concat() };
    Ok(Tested { retval, duration_ns, data: [seen, Vec::new()], context })
}

/// Sets the fields of the client's `__sk_buff`.
fn give(skb: &mut Skb, given: &[u8], layout: &Layout) -> Result<(), Errno> {
    let number = |name| layout.number(given, name);
    let mut rest = given.to_vec();
    for range in GIVEN.iter().filter_map(|name| layout.range(name)) {
        rest[range].fill(0);
    }
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Errno::EINVAL);
    }
    let wire_len = match number("wire_len") {
        0 => skb.len(),
        len if len < skb.len() || len > MAX_WIRE_LEN => return Err(Errno::EINVAL),
        len => len,
    };
    if number("gso_segs") > MAX_SEGMENTS {
        return Err(Errno::EINVAL);
    }
    // Field by field of the struct, whether or not this type of program may use them: they are given back.
    let mut context = skb.context.to_bytes();
    for range in GIVEN.iter().filter_map(|name| layout.range(name)) {
        context[range.clone()].copy_from_slice(&given[range]);
    }
    layout.put(&mut context, "ifindex", LOOPBACK.into());
    layout.put(&mut context, "wire_len", wire_len);
    skb.context.set_bytes(&context);
    Ok(())
}

/// Where the fields of `struct __sk_buff` are.
struct Layout {
    size: usize,
    fields: &'static [ContextField],
}

impl Layout {
    /// Of the type that may use all fields a client can set.
    fn of_sk_buff() -> Layout {
        match ProgramType::SchedCls.info().context {
            ContextInfo::Struct { size, fields, .. } => Layout { size: size.into(), fields },
            _ => Layout { size: 0, fields: &[] },
        }
    }

    fn range(&self, name: &str) -> Option<std::ops::Range<usize>> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        Some(field.offset.into()..usize::from(field.offset) + usize::from(field.size))
    }

    fn put(&self, context: &mut [u8], name: &str, value: u64) {
        if let Some(field) = self.range(name).and_then(|range| context.get_mut(range)).filter(|field| field.len() <= 8)
        {
            field.copy_from_slice(&value.to_le_bytes()[..field.len()]);
        }
    }

    fn number(&self, context: &[u8], name: &str) -> u64 {
        let mut bytes = [0; 8];
        if let Some(field) = self.range(name).and_then(|range| context.get(range)).filter(|field| field.len() <= 8) {
            bytes[..field.len()].copy_from_slice(field);
        }
        u64::from_le_bytes(bytes)
    }
}
