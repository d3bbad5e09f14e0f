//! Security hooks: the program gets the hook's arguments, typed by BTF, and may refuse.

use super::{Fate, Hook, Verdict};
use crate::run::{Context, Outcome, PlainContext};
use skep_abi::errno::Errno;
use skep_abi::program_type::ProgramType;

/// Below this r0 is no error number (Linux: `MAX_ERRNO`).
const LOWEST_ERROR: i32 = -4095;

/// Something is about to happen that a security hook is asked about.
#[derive(Clone, Copy, Debug)]
pub struct LsmEvent<'e> {
    /// The hook's arguments: numbers, and addresses of structs laid out as the kernel's BTF says.
    pub arguments: &'e [u64],
    /// What the hooks asked before answered; programs read it behind the arguments.
    pub answer: i32,
}

/// A security hook.
#[derive(Debug, Default)]
pub struct Lsm {
    context: Option<PlainContext>,
}

impl Lsm {
    /// Any security hook.
    pub fn new() -> Lsm {
        Lsm::default()
    }
}

impl Hook<LsmEvent<'_>> for Lsm {
    fn program_types(&self) -> &'static [ProgramType] {
        &[ProgramType::Lsm]
    }

    fn enter(&mut self, event: LsmEvent<'_>) -> &mut dyn Context {
        let mut slots = event.arguments.to_vec();
        slots.push(i64::from(event.answer).cast_unsigned());
        self.context.insert(PlainContext::typed(&slots))
    }

    /// 0 allows; a negative error number refuses with it.
    fn verdict(&self, outcome: &Outcome) -> Verdict {
        match outcome.verdict() {
            number @ LOWEST_ERROR..=-1 => {
                let name = Errno(-number).name().map_or_else(|| number.to_string().into(), Into::into);
                Verdict { name, fate: Fate::Deny(-number) }
            }
            0 => Verdict::new("allow", Fate::Pass),
            number => Verdict::new(format!("allow ({number})"), Fate::Pass),
        }
    }
}
