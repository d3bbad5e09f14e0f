//! Skep's own engines, in its own kernel: programs enter as hooks run them.

use super::{Answer, Engine, Loaded, time_calls};
use crate::Error;
use crate::build::Built;
use ::skep::{LoadedObject, Object};
use skep_abi::program_type::ProgramType;
use skep_engine::Mode;
use skep_kernel::Kernel;
use skep_user::devices::Frame;
use skep_user::hooks::{Hook as _, PacketEvent, PacketHook, packet_hook};
use skep_user::{Config, Program, UserKernel};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

/// One way to run programs.
pub(super) struct Skep {
    pub(super) mode: Mode,
}

struct SkepProgram {
    kernel: Arc<UserKernel>,
    program: Arc<Program>,
    hook: PacketHook,
    packet: Vec<u8>,
    object: LoadedObject,
}

impl Engine for Skep {
    fn name(&self) -> String {
        format!("Skep {}", self.mode)
    }

    fn load(&self, built: &Built) -> Result<Box<dyn Loaded>, Error> {
        let kernel = UserKernel::new(Config { mode: self.mode, cpu: Some(0), ..Config::default() });
        let object = Object::parse("benches", &built.object)?.load(&(kernel.clone() as Arc<dyn Kernel>))?;
        (built.program.fill)(&object)?;
        let program = kernel.program(object.program(built.program.name)?.fd())?;
        let hook = packet_hook(ProgramType::Xdp).ok_or_else(|| Error::unfit("no hook for XDP"))?;
        Ok(Box::new(SkepProgram { kernel, program, hook, packet: (built.program.input)(), object }))
    }
}

impl SkepProgram {
    fn event(packet: &[u8]) -> PacketEvent<'_> {
        let frame = Frame { timestamp: Duration::ZERO, original_len: packet.len() as u32, data: packet };
        PacketEvent { frame, ifindex: 1 }
    }
}

impl Loaded for SkepProgram {
    fn time(&mut self, runs: u64) -> Result<Duration, Error> {
        let context = self.hook.enter(Self::event(&self.packet));
        Ok(time_calls(runs, || _ = black_box(self.kernel.run(&self.program, black_box(&mut *context)).ret)))
    }

    fn answer(&mut self) -> Result<Answer, Error> {
        let outcome = self.kernel.run(&self.program, self.hook.enter(Self::event(&self.packet)));
        if let Some(fault) = outcome.fault {
            return Err(Error::unfit(fault));
        }
        Ok(Answer { value: outcome.ret as u32, packet: self.hook.frame().unwrap_or_default() })
    }

    fn prepare(&self) -> Option<Result<(), Error>> {
        Some(crate::load::load_again(&self.object))
    }
}
