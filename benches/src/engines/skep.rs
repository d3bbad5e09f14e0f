//! Skep's own engines, in its own kernel: programs enter as hooks run them.

use super::{Answer, Engine, Loaded, Pace, Prepare, time_calls};
use crate::Error;
use crate::build::Built;
use crate::load::Again;
use ::skep::{LoadedObject, Object};
use skep_abi::program_type::ProgramType;
use skep_engine::Mode;
use skep_kernel::Kernel;
use skep_user::devices::Frame;
use skep_user::hooks::{PacketEvent, PacketHook, packet_hook};
use skep_user::{Config, Program, RunOptions, UserKernel};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

/// One way to run programs.
pub(super) struct Skep {
    mode: Mode,
    kernel: Arc<UserKernel>,
}

impl Skep {
    pub(super) fn new(mode: Mode) -> Skep {
        Skep { mode, kernel: UserKernel::new(Config { mode, cpu: Some(0), ..Config::default() }) }
    }
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
        match self.mode {
            Mode::Jit => "Skep JIT".to_owned(),
            mode => format!("Skep {mode}"),
        }
    }

    fn load(&self, built: &Built) -> Result<Box<dyn Loaded>, Error> {
        let kernel = self.kernel.clone();
        let object = Object::parse("benches", &built.object)?.load(&(kernel.clone() as Arc<dyn Kernel>))?;
        (built.program.fill)(&object)?;
        let program = kernel.program(object.program(built.program.name)?.fd())?;
        if self.mode == Mode::Jit && !program.is_compiled() {
            return Err(Error::unfit("it does not compile for this processor"));
        }
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
    fn time(&mut self, runs: u64, pace: Pace) -> Result<Duration, Error> {
        let _entered = self.kernel.enter(Some(0));
        let context = self.hook.enter(Self::event(&self.packet));
        if pace == Pace::Free {
            // As Linux's test runs: the kernel itself repeats.
            let options = RunOptions { repeat: u32::try_from(runs).unwrap_or(u32::MAX), ..RunOptions::default() };
            return Ok(time_calls(1, pace, || self.kernel.run_with(&self.program, context, &options).ret));
        }
        Ok(time_calls(runs, pace, || self.kernel.run(&self.program, black_box(&mut *context)).ret))
    }

    fn answer(&mut self) -> Result<Answer, Error> {
        let outcome = self.kernel.run(&self.program, self.hook.enter(Self::event(&self.packet)));
        if let Some(fault) = outcome.fault {
            return Err(Error::unfit(fault));
        }
        Ok(Answer { value: outcome.ret as u32, packet: self.hook.frame().unwrap_or_default() })
    }

    fn prepare(&self) -> Result<Option<Prepare<'_>>, Error> {
        let again = Again::new(&self.object)?;
        Ok(Some(Box::new(move || again.load())))
    }
}
