//! `BPF_PROG_TEST_RUN`: runs a program on a client's data, with Linux's rules for packets and contexts.

use crate::kernel::UserKernel;
use crate::objects::Program;
use crate::run::{Context, Outcome, PlainContext, RunOptions, StructContext};
use skep_abi::command::{Failure, ProgTestRun, Reply, TestRunFlags};
use skep_abi::errno::Errno;
use skep_abi::program_type::{ContextInfo, ProgramType};

const ETHERNET: usize = 14;
/// Most arguments of a raw tracepoint.
const MOST_ARGUMENTS: usize = 12;
/// Fields of `struct __sk_buff` that a client may set.
const SETTABLE: [&str; 10] =
    ["mark", "priority", "ingress_ifindex", "ifindex", "cb", "tstamp", "wire_len", "gso_segs", "gso_size", "hwtstamp"];

impl UserKernel {
    pub(super) fn test_run(&self, command: ProgTestRun<'_>) -> Result<Reply, Failure> {
        let program = self.descriptors.program(command.prog_fd)?;
        match program.program_type() {
            ProgramType::Xdp => self.test_xdp(&program, command),
            ProgramType::SocketFilter
            | ProgramType::SchedCls
            | ProgramType::SchedAct
            | ProgramType::CgroupSkb
            | ProgramType::LwtIn
            | ProgramType::LwtOut
            | ProgramType::LwtXmit
            | ProgramType::LwtSeg6local => self.test_skb(&program, command),
            ProgramType::RawTracepoint | ProgramType::RawTracepointWritable => {
                self.test_raw_tracepoint(&program, &command)
            }
            ProgramType::Syscall => self.test_syscall(&program, command),
            _ => Err(Errno::ENOTSUPP.into()),
        }
    }

    /// Runs as often as asked; gives the last outcome and the average time.
    fn repeat(&self, program: &Program, context: &mut dyn Context, repeat: u32) -> Result<(Outcome, u32), Errno> {
        let options = RunOptions { timed: true, ..RunOptions::default() };
        let repeat = repeat.max(1);
        let mut total = 0u64;
        let mut outcome = self.run_with(program, context, &options);
        total = total.saturating_add(outcome.nanoseconds);
        for _ in 1..repeat {
            outcome = self.run_with(program, context, &options);
            total = total.saturating_add(outcome.nanoseconds);
        }
        if outcome.fault.is_some() {
            return Err(Errno::EFAULT);
        }
        Ok((outcome, u32::try_from(total / u64::from(repeat)).unwrap_or(u32::MAX)))
    }

    fn test_xdp(&self, program: &Program, command: ProgTestRun<'_>) -> Result<Reply, Failure> {
        if !command.flags.is_empty() || command.cpu != 0 || command.batch_size != 0 {
            return Err(
                if command.flags == TestRunFlags::XDP_LIVE_FRAMES { Errno::EOPNOTSUPP } else { Errno::EINVAL }.into()
            );
        }
        let mut context = struct_context(program)?;
        let given = known_part(command.ctx_in, context.to_bytes().len())?;
        context.set_packet(command.data_in);
        let meta_len = if given.is_empty() { 0 } else { xdp_metadata(&mut context, &given, command.data_in.len())? };
        if command.data_in.len() < ETHERNET + meta_len {
            return Err(Errno::EINVAL.into());
        }
        if let Some(packet) = context.packet() {
            // The client's data begin with the metadata.
            packet.give_metadata(meta_len);
        }
        context.refresh();
        let (outcome, duration_ns) = self.repeat(program, &mut context, command.repeat)?;
        let (metadata, mut data) = context.packet().map(|p| (p.metadata(), p.to_vec())).unwrap_or_default();
        let meta_len = metadata.len();
        data.splice(0..0, metadata);
        context.set_field("data", meta_len as u64);
        context.set_field("data_end", data.len() as u64);
        context.set_field("data_meta", 0);
        finish(outcome.ret as u32, duration_ns, &data, &context.to_bytes(), !given.is_empty(), command)
    }

    fn test_skb(&self, program: &Program, command: ProgTestRun<'_>) -> Result<Reply, Failure> {
        if !(command.flags - TestRunFlags::SKB_CHECKSUM_COMPLETE).is_empty()
            || command.cpu != 0
            || command.batch_size != 0
            || command.data_in.len() < ETHERNET
        {
            return Err(Errno::EINVAL.into());
        }
        let mut context = struct_context(program)?;
        let given = known_part(command.ctx_in, context.to_bytes().len())?;
        let with_link_header = matches!(program.program_type(), ProgramType::SchedCls | ProgramType::SchedAct);
        let (header, rest) = command.data_in.split_at(ETHERNET);
        context.set_packet(if with_link_header { command.data_in } else { rest });
        if let Some(packet) = context.packet().filter(|_| !with_link_header) {
            packet.set_network_offset(0);
        }
        set_skb_fields(&mut context, header, &given)?;
        let (outcome, duration_ns) = self.repeat(program, &mut context, command.repeat)?;
        let mut data = context.packet().map(|packet| packet.to_vec()).unwrap_or_default();
        if !with_link_header {
            data.splice(0..0, [0; ETHERNET]);
        }
        finish(outcome.ret as u32, duration_ns, &data, &context.to_bytes(), !given.is_empty(), command)
    }

    fn test_raw_tracepoint(&self, program: &Program, command: &ProgTestRun<'_>) -> Result<Reply, Failure> {
        let on_cpu = command.flags == TestRunFlags::RUN_ON_CPU;
        let plain = command.data_in.is_empty() && command.data_out.is_empty() && command.ctx_out.is_empty();
        if !plain
            || !(command.flags.is_empty() || on_cpu)
            || (command.cpu != 0 && !on_cpu)
            || command.repeat != 0
            || command.batch_size != 0
            || command.ctx_in.len() > 8 * MOST_ARGUMENTS
        {
            return Err(Errno::EINVAL.into());
        }
        if on_cpu && command.cpu as usize >= self.cpus.count() {
            return Err(Errno::ENXIO.into());
        }
        let info = &program.program_type().info().context;
        let mut context = PlainContext::new(info, command.ctx_in).ok_or(Errno::ENOTSUPP)?;
        let options = RunOptions { cpu: on_cpu.then_some(command.cpu), ..RunOptions::default() };
        let outcome = self.run_with(program, &mut context, &options);
        Ok(Reply::TestRun { retval: outcome.ret as u32, duration_ns: 0, data_size: 0, ctx_size: 0 })
    }

    fn test_syscall(&self, program: &Program, command: ProgTestRun<'_>) -> Result<Reply, Failure> {
        let plain = command.data_in.is_empty() && command.data_out.is_empty() && command.ctx_out.is_empty();
        if !plain
            || !command.flags.is_empty()
            || command.cpu != 0
            || command.repeat != 0
            || command.ctx_in.len() > u16::MAX as usize
        {
            return Err(Errno::EINVAL.into());
        }
        let mut context = PlainContext::new(&ContextInfo::Buffer, command.ctx_in).ok_or(Errno::ENOTSUPP)?;
        let outcome = self.run(program, &mut context);
        Ok(Reply::TestRun { retval: outcome.ret as u32, duration_ns: 0, data_size: 0, ctx_size: 0 })
    }
}

fn struct_context(program: &Program) -> Result<StructContext, Errno> {
    StructContext::new(&program.program_type().info().context).ok_or(Errno::ENOTSUPP)
}

/// A client's context cut to the size that is known; what is cut must be zero.
fn known_part(given: &[u8], size: usize) -> Result<Vec<u8>, Errno> {
    let (known, unknown) = given.split_at(given.len().min(size));
    if unknown.iter().any(|byte| *byte != 0) { Err(Errno::E2BIG) } else { Ok(known.to_vec()) }
}

/// Takes over a client's `struct xdp_md`; gives the length of the metadata that the data begin with.
fn xdp_metadata(context: &mut StructContext, given: &[u8], data_len: usize) -> Result<usize, Errno> {
    let mut wanted = context.empty_copy();
    wanted.set_bytes(given);
    let field = |name| wanted.field(name).unwrap_or(0);
    let (meta_len, end) = (field("data"), field("data_end"));
    let too_long = meta_len > 252 || !meta_len.is_multiple_of(4);
    if field("data_meta") != 0 || end != data_len as u64 || meta_len > end || too_long {
        return Err(Errno::EINVAL);
    }
    if field("egress_ifindex") != 0 || (field("rx_queue_index") != 0 && field("ingress_ifindex") == 0) {
        return Err(Errno::EINVAL);
    }
    for name in ["ingress_ifindex", "rx_queue_index"] {
        context.set_field(name, field(name));
    }
    Ok(meta_len as usize)
}

/// Fills the fields of `struct __sk_buff` that a packet of the loopback device has, then those a client gave.
fn set_skb_fields(context: &mut StructContext, link_header: &[u8], given: &[u8]) -> Result<(), Errno> {
    const LOOPBACK: u64 = 1;
    const OTHER_HOST: u64 = 3;
    let mut wanted = context.empty_copy();
    wanted.set_bytes(given);
    let changed = wanted.nonzero_fields();
    if changed.iter().any(|name| !SETTABLE.contains(name)) {
        return Err(Errno::EINVAL);
    }
    context.set_bytes_of(&wanted, &SETTABLE);
    if let [.., high, low] = link_header {
        context.set_field("protocol", u64::from(u16::from_ne_bytes([*high, *low])));
    }
    let to_group = link_header.first().is_some_and(|first| first & 1 != 0);
    let to_all = link_header.starts_with(&[0xff; 6]);
    let to_loopback = link_header.starts_with(&[0; 6]);
    let pkt_type = if to_all {
        1
    } else if to_group {
        2
    } else if to_loopback {
        0
    } else {
        OTHER_HOST
    };
    context.set_field("pkt_type", pkt_type);
    if context.field("ifindex") == Some(0) {
        context.set_field("ifindex", LOOPBACK);
    }
    Ok(())
}

/// Copies results to the client; ENOSPC where they did not fit, with the true sizes.
fn finish(
    retval: u32,
    duration_ns: u32,
    data: &[u8],
    context: &[u8],
    wants_context: bool,
    command: ProgTestRun<'_>,
) -> Result<Reply, Failure> {
    let mut fits = true;
    let mut copy = |from: &[u8], to: &mut [u8]| {
        let len = from.len().min(to.len());
        to[..len].copy_from_slice(&from[..len]);
        fits &= to.is_empty() || len == from.len();
    };
    copy(data, command.data_out);
    let context = if wants_context || !command.ctx_out.is_empty() { context } else { &[] };
    copy(context, command.ctx_out);
    let reply = Reply::TestRun { retval, duration_ns, data_size: data.len() as u32, ctx_size: context.len() as u32 };
    if fits { Ok(reply) } else { Err(Failure { errno: Errno::ENOSPC, reply }) }
}
