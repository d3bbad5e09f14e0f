//! Running any program, verified or not, on a given input: in the sandbox, with a trace, the same every time.

use super::file::RunInput;
use crate::error::Failure;
use skep::{Kernel, Object};
use skep_abi::program_type::ContextInfo;
use skep_engine::{Mode, Trace};
use skep_isa::Slot;
use skep_user::devices::Frame;
use skep_user::hooks::{PacketEvent, packet_hook};
use skep_user::{Config, Context, Outcome, PlainContext, RunOptions, StructContext, UserKernel};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Steps of a run that are kept.
const STEPS: usize = 1 << 14;

/// The interface that packets come from.
const INTERFACE: u32 = 1;

/// A run that ended.
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) trace: Trace,
    /// Where the program saw the packet, as it was in the end.
    pub(crate) packet: Option<Range<u64>>,
}

/// Runs a program of an object.
pub(crate) fn run(object: &Object, program: &str, input: &RunInput) -> Result<Ran, Failure> {
    let kernel = UserKernel::new(Config {
        mode: Mode::Sandbox,
        accept_unverified: true,
        seed: Some(input.seed),
        budget: input.budget,
        ..Config::deterministic()
    });
    let shared: Arc<dyn Kernel> = kernel.clone();
    let mut object = object.clone();
    let failed = |e: skep::Error| Failure::because(format!("cannot load program '{program}'"), &e);
    object.keep_only(&[program]).map_err(failed)?;
    let loaded = object.load(&shared).map_err(failed)?;
    for entry in &input.maps {
        let map = loaded.map(&entry.map).map_err(failed)?;
        map.update(&entry.key.0, &entry.value.0).map_err(failed)?;
    }
    let loaded = loaded.program(program).map_err(failed)?;
    let kind = loaded.kind().program_type;
    let program = kernel.program(loaded.fd()).map_err(|e| Failure::because("cannot run the program", &e))?;
    let trace = Mutex::new(Trace::new(STEPS));
    let options = RunOptions { trace: Some(&trace), ..RunOptions::default() };
    let (outcome, packet) = match (packet_hook(kind), &input.packet) {
        (Some(mut hook), Some(packet)) => {
            let original_len = u32::try_from(packet.0.len()).unwrap_or(u32::MAX);
            let frame = Frame { timestamp: Duration::ZERO, original_len, data: &packet.0 };
            let context = hook.enter(PacketEvent { frame, ifindex: INTERFACE });
            let outcome = kernel.run_with(&program, context, &options);
            let packet = context.packet().map(|packet| packet.addresses());
            (outcome, packet.map(|[_, data, end]| data..end))
        }
        _ => {
            let bytes = input.context.as_ref().map_or(&[][..], |bytes| &bytes.0);
            let info = &kind.info().context;
            let unfit = || Failure::new(format!("programs of type {} are not run on given bytes", kind.info().name));
            let mut context = context(info, bytes).ok_or_else(unfit)?;
            (kernel.run_with(&program, &mut *context, &options), None)
        }
    };
    let trace = trace.into_inner().map_err(|e| Failure::because("the run was broken off", &e))?;
    Ok(Ran { outcome, trace, packet })
}

fn context(info: &'static ContextInfo, bytes: &[u8]) -> Option<Box<dyn Context>> {
    if let Some(mut context) = StructContext::new(info) {
        context.set_bytes(bytes);
        return Some(Box::new(context));
    }
    Some(Box::new(PlainContext::new(info, bytes)?))
}

/// How many bytes a context of that shape has that are worth filling; `None` if it cannot be made of bytes.
pub(crate) fn context_bytes(info: &ContextInfo) -> Option<usize> {
    match info {
        ContextInfo::Struct { size, .. } => Some(*size as usize),
        ContextInfo::Arguments { max, .. } => Some(8 * *max as usize),
        ContextInfo::Bytes { limit, .. } => Some((*limit as usize).min(256)),
        ContextInfo::Buffer => Some(256),
        ContextInfo::Btf | ContextInfo::Target => None,
    }
}

/// The instructions of an object's program as it stands there: decoding needs no addresses.
pub(crate) fn instructions(object: &Object, program: &str) -> Vec<Slot> {
    object.spec().program(program).map(|(_, program)| program.insns.clone()).unwrap_or_default()
}
