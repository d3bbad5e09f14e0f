//! In the place of a back end, on hosts for which there is none: nothing is compiled, see [`super::stubs`].

use super::{Emitted, Program, Stubs};

/// Most bytes of code.
pub(super) const MAX_CODE: usize = 0;

/// No code.
pub(super) fn emit(_program: &Program, _stubs: &Stubs) -> Emitted {
    Emitted { code: Vec::new(), offsets: Vec::new(), entries: Vec::new() }
}

/// No code.
pub(super) fn build_stubs() -> (Vec<u8>, [usize; 3]) {
    (Vec::new(), [0; 3])
}
