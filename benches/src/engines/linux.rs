//! Linux's JIT: `BPF_PROG_TEST_RUN` with a large repeat.

use super::{Answer, Engine, Loaded, Pace, Prepare, Row};
use crate::Error;
use crate::build::Built;
use crate::clock::Moment;
use crate::load::Again;
use skep::{LoadedObject, Object, TestRun};
use skep_kernel::Kernel;
use skep_linux::LinuxKernel;
use std::sync::Arc;
use std::time::Duration;

const NAME: &str = "Linux JIT";

struct Linux {
    kernel: Arc<dyn Kernel>,
}

struct LinuxProgram {
    object: LoadedObject,
    name: &'static str,
    packet: Vec<u8>,
}

/// Linux, where it lets us load programs and compiles them.
pub(super) fn row() -> Row {
    let missing = |reason: String| Row::Missing { name: NAME.to_owned(), reason };
    let kernel: Arc<dyn Kernel> = match LinuxKernel::open() {
        Ok(kernel) => kernel,
        Err(error) => return missing(error.to_string()),
    };
    if let Err(reason) = check(&kernel) {
        return missing(reason);
    }
    Row::Here(Box::new(Linux { kernel }))
}

fn check(kernel: &Arc<dyn Kernel>) -> Result<(), String> {
    let jit = std::fs::read_to_string("/proc/sys/net/core/bpf_jit_enable").unwrap_or_default();
    if jit.trim() == "0" {
        return Err("the JIT is switched off: sysctl net.core.bpf_jit_enable=1".to_owned());
    }
    // `r0 = 2; exit`
    let insns = [0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    let command = skep_abi::command::ProgLoad {
        prog_type: skep_abi::program_type::ProgramType::Xdp.number(),
        insns: &insns,
        license: Some(c"GPL"),
        ..Default::default()
    };
    match skep_kernel::calls::prog_load(kernel, command) {
        Ok(_) => Ok(()),
        Err(failure) => Err(format!("it does not load an XDP program ({}): root is needed, or CAP_BPF", failure.errno)),
    }
}

impl Engine for Linux {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn load(&self, built: &Built) -> Result<Box<dyn Loaded>, Error> {
        let object = Object::parse("benches", &built.object)?.load(&self.kernel)?;
        (built.program.fill)(&object)?;
        Ok(Box::new(LinuxProgram { object, name: built.program.name, packet: (built.program.input)() }))
    }
}

impl LinuxProgram {
    fn run(&self, repeat: u32) -> Result<skep::TestOutput, Error> {
        let run = TestRun::new().data(&self.packet).repeat(repeat);
        Ok(self.object.program(self.name)?.test_run(&run)?)
    }
}

impl Loaded for LinuxProgram {
    /// By our own clock: the kernel's answer is in whole nanoseconds. The system call is small beside the runs. The loop and
    /// its pace are the kernel's.
    fn time(&mut self, runs: u64, _pace: Pace) -> Result<Duration, Error> {
        let repeat = u32::try_from(runs).unwrap_or(u32::MAX);
        let start = Moment::now();
        self.run(repeat)?;
        Ok(start.elapsed())
    }

    fn answer(&mut self) -> Result<Answer, Error> {
        let output = self.run(1)?;
        Ok(Answer { value: output.return_value, packet: output.data })
    }

    fn prepare(&self) -> Result<Option<Prepare<'_>>, Error> {
        let again = Again::new(&self.object)?;
        Ok(Some(Box::new(move || again.load())))
    }
}
