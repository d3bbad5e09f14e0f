//! The end of a program: what it may return, and that nothing is left held.

use crate::domain::register::Register;
use crate::domain::state::State;
use crate::refusal::{Check, EINVAL, Refusal, denied};
use crate::verifier::Verifier;
use skep_isa::Reg;

impl Verifier<'_> {
    /// `exit` in the outermost function.
    pub(crate) fn end_program(&mut self, state: &mut State) -> Check {
        self.check_nothing_held(state, "BPF_EXIT instruction in main prog")?;
        let result = *state.register(Reg::R0);
        if let Some(callback) = state.frame().callback {
            return self.check_callback_result(&result, callback, "At async callback return");
        }
        let subprogram = usize::from(state.frame().subprogram);
        if subprogram != 0 {
            return self.end_global(&result, subprogram);
        }
        if !result.is_initialised() {
            return Err(Refusal::new(crate::refusal::EACCES, "R0 !read_ok")
                .hint("r0 is the program's result: set it on every path to exit"));
        }
        if self.is_leak(&result) {
            return denied("R0 leaks addr as return value");
        }
        let Some(range) = crate::tables::return_range(self.info, self.program.attach_type) else { return Ok(()) };
        if !result.is_scalar() {
            return Err(Refusal::new(
                EINVAL,
                format!("At program exit the register R0 is not a known value ({})", result.type_name()),
            ));
        }
        self.values.mark(result.origin);
        let (low, high) = (result.value.smin32, result.value.smax32);
        if range.lower_half && low >= range.min && high <= range.max {
            return Ok(());
        }
        self.check_range(&result, (range.min.into(), range.max.into()), "At program exit")
    }

    fn end_global(&mut self, result: &Register, subprogram: usize) -> Check {
        if self.signatures.returns_nothing(subprogram) {
            return Ok(());
        }
        if !result.is_initialised() {
            return denied("R0 !read_ok");
        }
        if !result.is_scalar() {
            return Err(Refusal::new(
                EINVAL,
                format!("At subprogram exit the register R0 is not a scalar value ({})", result.type_name()),
            ));
        }
        Ok(())
    }

    /// Whether a result is certainly in a range.
    pub(crate) fn check_range(&self, result: &Register, (min, max): (i64, i64), context: &str) -> Check {
        let value = &result.value;
        if value.smin >= min && value.smax <= max {
            return Ok(());
        }
        let mut found = String::new();
        if value.smin > i64::MIN {
            found.push_str(&format!(" smin={}", value.smin));
        }
        if value.smax < i64::MAX {
            found.push_str(&format!(" smax={}", value.smax));
        }
        if found.is_empty() {
            found.push_str(" unknown scalar value");
        }
        Err(Refusal::new(EINVAL, format!("{context} the register R0 has{found} should have been in [{min}, {max}]"))
            .hint("bound the result on every path to exit"))
    }
}
