//! The end of a program: what it may return, and that nothing is left held.

use crate::domain::register::Register;
use crate::domain::state::State;
use crate::reason::Reason;
use crate::refusal::{Check, EINVAL, Refusal};
use crate::verifier::Verifier;
use skep_abi::program_type::ReturnRange;
use skep_btf::{Type, TypeId};
use skep_isa::Reg;

/// What the attach target does with the program's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TargetResult {
    /// Nothing: it returns nothing itself.
    Ignored,
    /// It takes only these.
    Only(ReturnRange),
    /// An object of this type, or NULL.
    Object(TypeId),
    /// What programs of the type may return.
    AsType,
}

impl Verifier<'_> {
    /// `exit` in the outermost function.
    pub(crate) fn end_program(&mut self, state: &mut State) -> Check {
        let handed_over = self.reference_of_result(state);
        self.check_nothing_else_held(state, handed_over, "BPF_EXIT instruction in main prog")?;
        self.check_program_result(state, Reg::R0)
    }

    /// Whether what the register holds may be the result of whatever the outermost frame runs.
    pub(crate) fn check_program_result(&mut self, state: &mut State, reg: Reg) -> Check {
        let result = *state.register(reg);
        let outermost = &state.frames[0];
        if let Some(callback) = outermost.callback {
            return self.check_callback_result(&result, callback, "At async callback return");
        }
        let subprogram = usize::from(outermost.subprogram);
        if subprogram != 0 && self.exception_callback != Some(subprogram) {
            return self.end_global(reg, &result, subprogram);
        }
        let number = reg.number();
        let target = self.target_result()?;
        if target == TargetResult::Ignored {
            return Ok(());
        }
        if let TargetResult::Object(ty) = target
            && self.exception_callback != Some(subprogram)
            && self.hands_over(&result, ty)
        {
            return self.check_unmoved(&result);
        }
        if !result.is_initialised() {
            return Err(Refusal::new(crate::refusal::EACCES, format!("R{number} !read_ok"))
                .of(Reason::UninitialisedRegister)
                .hint(format!("r{number} is the program's result: set it on every path that ends the program")));
        }
        if self.is_leak(&result) {
            return Reason::PointerLeak.denied(format!("R{number} leaks addr as return value"));
        }
        let range = match target {
            TargetResult::Only(range) => Some(range),
            TargetResult::Object(_) => Some(ReturnRange::only(0)),
            _ => crate::tables::return_range(self.info, self.attach_type),
        };
        let Some(range) = range else { return Ok(()) };
        if !result.is_scalar() {
            return Err(Refusal::new(
                EINVAL,
                format!("At program exit the register R{number} is not a known value ({})", result.type_name()),
            )
            .of(Reason::ReturnRange));
        }
        self.values.mark(result.origin);
        let (low, high) = (result.value.smin32, result.value.smax32);
        if range.lower_half && low >= range.min && high <= range.max {
            return Ok(());
        }
        self.check_range(reg, &result, (range.min.into(), range.max.into()), "At program exit")
    }

    /// What the target, as its BTF describes it, does with the result.
    fn target_result(&self) -> Check<TargetResult> {
        let attach_type = self.attach_type;
        if !crate::tables::result_follows_target(self.info, attach_type) {
            return Ok(TargetResult::AsType);
        }
        let (prototype, btf) = (self.target_prototype()?, self.kernel_btf()?);
        if prototype.ret.is_void() {
            let only = crate::tables::result_for_nothing(attach_type);
            return Ok(only.map_or(TargetResult::Ignored, TargetResult::Only));
        }
        match btf.resolve(prototype.ret).1 {
            Type::Pointer(_) if self.info.implements_target => Ok(TargetResult::Object(prototype.ret)),
            _ => {
                let target = self.program.attach_target.as_ref();
                let range = target.and_then(|target| crate::tables::range_of_target(attach_type, target));
                Ok(range.map_or(TargetResult::AsType, TargetResult::Only))
            }
        }
    }

    fn end_global(&mut self, reg: Reg, result: &Register, subprogram: usize) -> Check {
        if self.signatures.returns_nothing(subprogram) {
            return Ok(());
        }
        if !result.is_initialised() {
            return Reason::UninitialisedRegister.denied(format!("R{} !read_ok", reg.number()));
        }
        if !result.is_scalar() {
            return Err(Refusal::new(
                EINVAL,
                format!(
                    "At subprogram exit the register R{} is not a scalar value ({})",
                    reg.number(),
                    result.type_name()
                ),
            )
            .of(Reason::ReturnRange));
        }
        Ok(())
    }

    /// Whether a result is certainly in a range.
    pub(crate) fn check_range(&self, reg: Reg, result: &Register, (min, max): (i64, i64), context: &str) -> Check {
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
        Err(Refusal::new(
            EINVAL,
            format!("{context} the register R{} has{found} should have been in [{min}, {max}]", reg.number()),
        )
        .of(Reason::ReturnRange)
        .hint("bound the result on every path to exit"))
    }
}
