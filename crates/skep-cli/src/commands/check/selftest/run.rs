//! Running accepted programs, for what they return.

use super::verdict::NoRun;
use crate::error::Failure;
use skep::{Error, TestRun};
use skep_abi::program_type::ContextInfo;
use skep_kernel::Errno;

/// Bytes of the zeroed packet that programs run on.
const PACKET_BYTES: usize = 64;

/// What a loaded program returns: on a packet of zeroes where it takes one.
pub(super) fn test_run(program: &skep::Program) -> Result<u32, NoRun> {
    let takes_buffer = matches!(program.kind().program_type.info().context, ContextInfo::Buffer);
    let input = if takes_buffer { TestRun::new() } else { TestRun::new().data(&[0; PACKET_BYTES]) };
    match program.test_run(&input) {
        Ok(output) => Ok(output.return_value),
        Err(Error::Kernel(error)) if matches!(error.errno, Errno::EOPNOTSUPP | Errno::ENOTSUPP) => {
            Err(NoRun::Unfit("this kernel has no test run for programs of this type".to_owned()))
        }
        Err(error) => Err(NoRun::Failed(Failure::because("the run failed", &error).to_string())),
    }
}
