//! Loading programs into a kernel.

use crate::functions::Functions;
use crate::generate::Candidate;
use crate::setting::Maps;
use skep_abi::attach_type::AttachType;
use skep_abi::command::ProgLoad;
use skep_abi::errno::Errno;
use skep_abi::program_type::ProgramType;
use skep_isa::Slot;
use skep_kernel::{Handle, Kernel, calls};
use std::sync::Arc;

/// Bytes of a `struct bpf_func_info`.
const FUNC_INFO_SIZE: u32 = 8;

/// Log levels: the path that is refused, or every one.
const PATH: u32 = 1;
const EVERY_PATH: u32 = 2;

/// What a log may end with that is no reason.
const AFTERWORDS: &[&str] = &["processed ", "cur state:", "old state:"];

/// A kernel with what programs refer to.
pub struct Loader {
    kernel: Arc<dyn Kernel>,
    maps: Maps,
    functions: Functions,
    types: Handle,
}

impl Loader {
    /// Creates the maps and loads the types.
    ///
    /// # Errors
    /// The kernel does not let us.
    pub fn new(kernel: Arc<dyn Kernel>) -> Result<Loader, Errno> {
        let functions = Functions::new();
        Ok(Loader { maps: Maps::create(&kernel)?, types: functions.load(&kernel)?, functions, kernel })
    }

    /// The kernel.
    pub fn kernel(&self) -> &Arc<dyn Kernel> {
        &self.kernel
    }

    /// Its maps.
    pub fn maps(&self) -> &Maps {
        &self.maps
    }

    /// Loads a program. With a log, the verifier says why it refuses; without, it is faster.
    ///
    /// # Errors
    /// The reason of the verifier where there is a log, else the errno's name.
    pub fn load(&self, candidate: &Candidate, log: &mut [u8]) -> Result<Handle, String> {
        self.load_at(candidate, if log.is_empty() { 0 } else { PATH }, log)
    }

    /// The same, with a log that shows every path.
    ///
    /// # Errors
    /// Those of [`Loader::load`].
    pub fn load_loudly(&self, candidate: &Candidate, log: &mut [u8]) -> Result<Handle, String> {
        self.load_at(candidate, EVERY_PATH, log)
    }

    fn load_at(&self, candidate: &Candidate, log_level: u32, log: &mut [u8]) -> Result<Handle, String> {
        let insns = Slot::write_program(&self.maps.refer(&candidate.slots));
        let functions = self.functions.of(&candidate.slots);
        let typed = functions.len() > 1;
        let func_info: Vec<u8> = functions
            .iter()
            .filter(|_| typed)
            .flat_map(|(slot, id)| [*slot, id.0])
            .flat_map(u32::to_ne_bytes)
            .collect();
        let xdp = candidate.program_type == ProgramType::Xdp;
        let command = ProgLoad {
            prog_type: candidate.program_type.number(),
            insns: &insns,
            license: Some(c"GPL"),
            log_level,
            log_buf: &mut *log,
            expected_attach_type: if xdp { AttachType::Xdp.number() } else { 0 },
            prog_btf_fd: if typed { self.types.fd() } else { 0 },
            func_info_rec_size: if typed { FUNC_INFO_SIZE } else { 0 },
            func_info: &func_info,
            ..Default::default()
        };
        match calls::prog_load(&self.kernel, command) {
            Ok((program, _)) => Ok(program),
            Err(failure) => Err(reason(log).unwrap_or_else(|| format!("{:?}", failure.errno))),
        }
    }
}

/// The last line of a log that gives a reason.
fn reason(log: &[u8]) -> Option<String> {
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    let text = String::from_utf8_lossy(&log[..end]);
    let is_reason = |line: &&str| !line.is_empty() && !AFTERWORDS.iter().any(|start| line.starts_with(start));
    text.lines().rev().find(is_reason).map(str::to_owned)
}
