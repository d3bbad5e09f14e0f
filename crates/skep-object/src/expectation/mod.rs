//! What a program says about its own verification: `btf_decl_tag`s on its function, in the form of the kernel's selftests
//! (Linux 6.12 `tools/testing/selftests/bpf/progs/bpf_misc.h`, with the tags added until 6.18).
//!
//! A tag reads `comment:KEY`, `comment:KEY=VALUE` or, where a function may bear several of a kind,
//! `comment:KEY=NUMBER=VALUE`: the compiler keeps only one of equal tags, the number makes them differ. `docs/selftest.md`
//! lists the keys.
//!
//! Invariant: [`Expectation::unprivileged`] is complete; what its own tags leave open it has from the privileged ones.

mod tag;

use crate::spec::{ObjectSpec, ProgramSpec};
use skep_abi::command::ProgramFlags;
use skep_btf::{Type, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

/// The tags of an object's functions.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    tags: HashMap<TypeId, Vec<Arc<str>>>,
}

/// What one program's tags say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// A name for people.
    pub description: Option<String>,
    /// Not a test by itself: others need it loaded beside them.
    pub auxiliary: bool,
    /// Flags of the load.
    pub load_flags: ProgramFlags,
    /// Level of the verifier's log.
    pub log_level: u32,
    /// Machines it is meant for, by their names in Rust's `std::env::consts::ARCH`; none: all.
    pub architectures: Vec<&'static str>,
    /// File with the kernel types to relocate against (`test_btf_path`).
    pub kernel_types: Option<String>,
    /// Capabilities that the unprivileged run keeps, one bit each by their number (`CAP_BPF` is bit 39).
    pub capabilities: u64,
    /// It is meant for kernels that compile programs (`Some(true)`), or for those that do not.
    pub compiled: Option<bool>,
    /// What a privileged user is to see; `None`: not a test for such a user.
    pub privileged: Option<ExpectedOutcome>,
    /// What an unprivileged user is to see.
    pub unprivileged: Option<ExpectedOutcome>,
}

/// What is to happen to a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedOutcome {
    /// The verifier refuses it.
    pub refused: bool,
    /// What the verifier's log holds, in this order.
    pub messages: Vec<Pattern>,
    /// What the instructions look like once the verifier has rewritten them.
    pub rewritten: Vec<Pattern>,
    /// What the machine code looks like.
    pub machine_code: Vec<Pattern>,
    /// What the program writes to its standard streams when it runs.
    pub streams: Vec<Pattern>,
    /// What a test run returns.
    pub return_value: Option<ReturnValue>,
}

/// A text to be found. Parts between `{{` and `}}` are regular expressions (POSIX extended).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The text.
    pub text: String,
    /// It must not appear between its neighbours.
    pub absent: bool,
    /// It must stand on the line after the one before.
    pub next_line: bool,
}

/// What a test run is to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnValue {
    /// This number.
    Number(i32),
    /// A pointer, which may be any number.
    Pointer,
}

/// A tag that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("program '{program}': tag \"{tag}\": {problem}")]
pub struct ExpectationError {
    /// The program that bears it.
    pub program: String,
    /// The tag.
    pub tag: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Expectations {
    /// Collects the tags of all functions. Without BTF there are none.
    pub fn read(object: &ObjectSpec) -> Expectations {
        let mut tags: HashMap<TypeId, Vec<Arc<str>>> = HashMap::new();
        let Some(btf) = &object.btf else { return Expectations::default() };
        for (_, ty) in btf.types() {
            if let Type::DeclTag(tag) = ty
                && tag.component.is_none()
                && tag::is_known(btf.str(tag.name))
            {
                tags.entry(tag.target).or_default().push(btf.str(tag.name).into());
            }
        }
        Expectations { tags }
    }

    /// Whether no function bears such a tag.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// What a program's tags say; for one without tags, what they say by default: a privileged user can load it.
    ///
    /// # Errors
    /// A value of a tag is not what it must be.
    pub fn of(&self, program: &ProgramSpec) -> Result<Expectation, ExpectationError> {
        let function = program.functions.first().and_then(|function| function.type_id);
        let tags = function.and_then(|id| self.tags.get(&id)).map_or(&[][..], Vec::as_slice);
        tag::read(tags).map_err(|(tag, problem)| ExpectationError { program: program.name.clone(), tag, problem })
    }
}
