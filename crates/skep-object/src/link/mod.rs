//! From [`ProgramSpec`] to what `PROG_LOAD` takes.
//!
//! Everything that only a kernel knows comes from a [`Resolver`], so that linking itself is deterministic.

mod core;
mod instructions;
mod records;

use crate::spec::{ByteOrder, ExternIndex, ExternKind, ExternSpec, MapIndex, ObjectSpec, ProgramSpec};
use skep_btf::{Btf, Kind, TypeId};
use skep_isa::Slot;
use std::sync::Arc;

pub use instructions::{POISON_CORE, POISON_KFUNC, POISON_MAP};

/// What the loader tells about the kernel that a program is linked for.
pub trait Resolver {
    /// The file descriptor of a created map; `None` for a map that was left out on purpose: instructions that use it
    /// become ones that the verifier refuses unless they are dead.
    fn map_fd(&self, map: MapIndex) -> Option<i32>;

    /// Where a kernel variable or function with a type is, by its kernel name. The object's type is given for the
    /// loader to compare.
    fn kernel_object(&self, external: &ExternSpec) -> Option<KernelObject>;

    /// The address of a kernel symbol without a type (`/proc/kallsyms`).
    fn kernel_address(&self, name: &str) -> Option<u64>;

    /// Types of the kernel that CO-RE relocations are resolved against: its own first, then those of its modules.
    fn kernel_types(&self) -> &[Arc<Btf>];
}

/// A variable or function of a kernel, by BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelObject {
    /// `VAR` or `FUNC` in the BTF.
    pub id: TypeId,
    /// File descriptor of the module's BTF; 0 for the kernel's own.
    pub btf_fd: i32,
    /// Index in `fd_array` of that BTF, for calls; 0 for the kernel's own.
    pub fd_array_index: i16,
}

impl KernelObject {
    /// Where an extern is in the first of `types` that has it; `None` too for externs without a type. The first of `types` are
    /// the kernel's own, those of its modules follow: their place is the index in `fd_array`. `descriptor` gives the file
    /// descriptor of a place.
    pub fn find(external: &ExternSpec, types: &[Arc<Btf>], descriptor: impl Fn(usize) -> i32) -> Option<KernelObject> {
        let kind = match external.kind {
            ExternKind::Function { .. } => Kind::Function,
            ExternKind::Variable { .. } => Kind::Variable,
            ExternKind::Address | ExternKind::Kconfig { .. } => return None,
        };
        let found = |(at, btf): (usize, &Arc<Btf>)| Some((at, btf.find(kind, external.kernel_name())?));
        let (at, id) = types.iter().enumerate().find_map(found)?;
        let btf_fd = if at == 0 { 0 } else { descriptor(at) };
        Some(KernelObject { id, btf_fd, fd_array_index: i16::try_from(at).ok()? })
    }
}

/// A program ready for `PROG_LOAD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedProgram {
    /// Instructions.
    pub insns: Vec<Slot>,
    /// `struct bpf_func_info` records of [`FUNC_INFO_SIZE`] bytes, little-endian; empty when the object has none.
    pub func_info: Vec<u8>,
    /// `struct bpf_line_info` records of [`LINE_INFO_SIZE`] bytes, little-endian; empty when the object has none.
    pub line_info: Vec<u8>,
    /// CO-RE relocations that the kernel cannot satisfy, with the slot that now is an invalid call: such code must
    /// be dead, and when it is not this says why the program is refused.
    pub poisoned: Vec<Poisoned>,
}

/// Bytes of a `struct bpf_func_info` record.
pub const FUNC_INFO_SIZE: u32 = 8;
/// Bytes of a `struct bpf_line_info` record.
pub const LINE_INFO_SIZE: u32 = 16;

/// An instruction that was made invalid because the kernel lacks what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poisoned {
    /// Slot.
    pub slot: u32,
    /// What the kernel lacks.
    pub reason: String,
}

/// Why a program could not be linked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("program '{program}'{}: {problem}", slot.map(|s| format!(", instruction {s}")).unwrap_or_default())]
pub struct LinkError {
    /// Program.
    pub program: String,
    /// Slot in [`ProgramSpec::insns`], if it is about one.
    pub slot: Option<u32>,
    /// What is wrong.
    pub problem: LinkProblem,
}

/// What prevents linking.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkProblem {
    /// The object is big-endian.
    #[error("the object is big-endian and can only be inspected; compile it with --target=bpfel")]
    BigEndian,
    /// The kernel has no such variable, function or symbol, and the extern is not weak.
    #[error("the kernel has no {what} '{name}'; declare it __weak if the program can do without")]
    MissingExtern {
        /// `variable`, `function` or `symbol`.
        what: &'static str,
        /// Kernel name.
        name: String,
    },
    /// The instruction at a relocation is not of the kind that the relocation is for.
    #[error("the instruction cannot be relocated: {0}")]
    Instruction(String),
    /// A CO-RE relocation is malformed or ambiguous, or its instruction cannot hold the kernel's answer.
    #[error("{0}")]
    Core(String),
    /// CO-RE relocations without types to resolve them against.
    #[error(
        "it has CO-RE relocations and there is no kernel BTF to resolve them against; \
         give one, or use a kernel built with CONFIG_DEBUG_INFO_BTF"
    )]
    NoKernelTypes,
}

impl ProgramSpec {
    /// Patches everything that depends on the kernel. `object` is the one this program is from.
    ///
    /// # Errors
    /// [`LinkError`] names the program, the instruction and what is missing.
    pub fn link(&self, object: &ObjectSpec, resolver: &dyn Resolver) -> Result<LinkedProgram, LinkError> {
        let fail = |slot, problem| LinkError { program: self.name.clone(), slot, problem };
        if object.byte_order == ByteOrder::Big {
            return Err(fail(None, LinkProblem::BigEndian));
        }
        let mut insns = self.insns.clone();
        let mut poisoned = Vec::new();
        for relocation in &self.relocations {
            instructions::apply(&mut insns, relocation, object, resolver, &mut poisoned)
                .map_err(|problem| fail(Some(relocation.slot), problem))?;
        }
        let kernel_types: Vec<&Btf> = resolver.kernel_types().iter().map(Arc::as_ref).collect();
        for relocation in &self.core_relocations {
            let Some(local) = object.btf.as_deref() else { break };
            core::apply(&mut insns, relocation, local, &kernel_types, &mut poisoned)
                .map_err(|problem| fail(Some(relocation.slot), problem))?;
        }
        let (func_info, line_info) = records::encode(self, object);
        Ok(LinkedProgram { insns, func_info, line_info, poisoned })
    }
}

fn external(object: &ObjectSpec, index: ExternIndex) -> Result<&ExternSpec, LinkProblem> {
    object.externs.get(index.0).ok_or_else(|| LinkProblem::Instruction("its extern is not this object's".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_btf::{BtfBuilder, IntEncoding};

    fn types(builder: BtfBuilder, function: &str) -> Arc<Btf> {
        let mut builder = builder;
        let int = builder.int("int", 4, IntEncoding::SIGNED);
        let prototype = builder.prototype(int, &[]);
        builder.function(function, prototype, skep_btf::FunctionLinkage::Static);
        Arc::new(builder.build().expect("a BTF"))
    }

    #[test]
    fn functions_of_modules_are_named_by_index_and_descriptor() {
        let kernel = types(BtfBuilder::new(), "in_kernel");
        let modules = ["in_first", "in_second"].map(|name| types(BtfBuilder::split(kernel.clone()), name));
        let [first, second] = modules;
        let all = [kernel, first, second];
        let find = |name: &str| {
            let kind = ExternKind::Function { func: TypeId(1), prototype: TypeId(1) };
            let external = ExternSpec { name: name.to_owned(), weak: false, kind };
            let found = KernelObject::find(&external, &all, |place| 100 + place as i32)?;
            Some((found.id.0, found.btf_fd, found.fd_array_index))
        };
        assert_eq!(find("in_kernel"), Some((3, 0, 0)));
        assert_eq!(find("in_first"), Some((6, 101, 1)));
        assert_eq!(find("in_second___flavor"), Some((6, 102, 2)));
        assert_eq!(find("nowhere"), None);
    }
}
