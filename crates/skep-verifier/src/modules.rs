//! Types of kernel modules that a program calls functions of.
//!
//! A module's BTF continues the kernel's, so that the ids of two modules are the same numbers. Invariant: the verifier
//! knows one BTF, in which the modules follow one another in the order in which they are given; ids from outside go through
//! [`number`].

use crate::refusal::{Check, EINVAL, EPROTO, Refusal};
use skep_btf::{Btf, BtfBuilder, TypeId};
use std::borrow::Cow;

/// The types of a module of the kernel, as the loader names them.
#[derive(Clone, Copy, Debug)]
pub struct ModuleTypes<'a> {
    /// Index in `fd_array`: calls name the module by it.
    pub index: i16,
    /// File descriptor: variables name the module by it.
    pub fd: i32,
    /// Its BTF, which continues the kernel's.
    pub btf: &'a Btf,
}

/// The kernel's types with those of the modules behind them; `None` without modules.
///
/// # Errors
/// What is given is not the BTF of a module.
pub(crate) fn joined<'a>(modules: &[ModuleTypes<'a>]) -> Check<Option<Cow<'a, Btf>>> {
    let Some((first, more)) = modules.split_first() else { return Ok(None) };
    let base = first.btf.base().ok_or_else(not_a_module)?;
    if more.is_empty() {
        return Ok(Some(Cow::Borrowed(first.btf)));
    }
    let mut builder = BtfBuilder::split(base.clone());
    for module in modules {
        if module.btf.first_id() != first.btf.first_id() {
            return Err(not_a_module());
        }
        builder.append(module.btf);
    }
    let unfit = |error| Refusal::new(EINVAL, format!("the types of the modules do not fit together: {error}"));
    builder.build().map(|btf| Some(Cow::Owned(btf))).map_err(unfit)
}

/// The id of a module's type among the joined ones.
pub(crate) fn number(modules: &[ModuleTypes<'_>], at: usize, id: TypeId) -> TypeId {
    let before = modules.iter().take(at).map(|module| module.btf.own_types().count() as u32).sum::<u32>();
    if id < modules[at].btf.first_id() { id } else { TypeId(id.0.saturating_add(before)) }
}

/// The function that a call names: 0 stands for the kernel itself.
pub(crate) fn callee(modules: &[ModuleTypes<'_>], index: i16, id: i32) -> Check<i32> {
    if index == 0 {
        return Ok(id);
    }
    if index < 0 {
        return Err(Refusal::new(EINVAL, "negative offset disallowed for kernel module function call"));
    }
    if modules.is_empty() {
        return Err(Refusal::new(EPROTO, "kfunc offset > 0 without fd_array is invalid"));
    }
    let at = modules.iter().position(|module| module.index == index);
    let at = at.ok_or_else(|| Refusal::new(crate::refusal::EBADF, "invalid module BTF fd specified"))?;
    Ok(number(modules, at, TypeId(id.cast_unsigned())).0.cast_signed())
}

fn not_a_module() -> Refusal {
    Refusal::new(EINVAL, "BTF fd for kfunc is not a module BTF")
}
