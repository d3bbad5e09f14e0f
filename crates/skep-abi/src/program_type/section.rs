//! `SEC()` names: how libbpf 1.6 reads them.

use super::ProgramType;
use crate::attach_type::AttachType;

/// One `SEC()` name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionName {
    /// The fixed part: `kprobe`, `cgroup/connect4`, `xdp.frags/devmap`.
    pub prefix: &'static str,
    /// What may follow.
    pub rest: SectionRest,
    /// Expected attach type it sets.
    pub attach_type: Option<AttachType>,
    /// libbpf sends the expected attach type only if the kernel knows it.
    pub attach_optional: bool,
    /// Sleepable (`.s`).
    pub sleepable: bool,
    /// `BPF_F_XDP_HAS_FRAGS` (`.frags`).
    pub frags: bool,
    /// The attach target is a BTF id of the kernel (fentry, lsm, tp_btf, iter).
    pub attach_btf: bool,
}

/// What follows the prefix of a section name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionRest {
    /// Nothing.
    Exact,
    /// Nothing, or `/` and anything.
    Optional,
}

/// A section name of that prefix and nothing else.
pub(super) const fn section(prefix: &'static str) -> SectionName {
    SectionName {
        prefix,
        rest: SectionRest::Exact,
        attach_type: None,
        attach_optional: false,
        sleepable: false,
        frags: false,
        attach_btf: false,
    }
}

impl SectionName {
    pub(super) const fn with_rest(self) -> Self {
        SectionName { rest: SectionRest::Optional, ..self }
    }

    pub(super) const fn attach(self, attach_type: AttachType) -> Self {
        SectionName { attach_type: Some(attach_type), ..self }
    }

    pub(super) const fn optional(self) -> Self {
        SectionName { attach_optional: true, ..self }
    }

    pub(super) const fn sleepable(self) -> Self {
        SectionName { sleepable: true, ..self }
    }

    pub(super) const fn frags(self) -> Self {
        SectionName { frags: true, ..self }
    }

    pub(super) const fn btf(self) -> Self {
        SectionName { attach_btf: true, ..self }
    }

    /// What follows the prefix and its `/` in `section`; `None` if the name does not fit.
    fn rest_of<'a>(&self, section: &'a str) -> Option<Option<&'a str>> {
        let rest = section.strip_prefix(self.prefix)?;
        match (self.rest, rest.strip_prefix('/')) {
            (_, None) if rest.is_empty() => Some(None),
            (SectionRest::Optional, Some(rest)) => Some(Some(rest)),
            _ => None,
        }
    }
}

/// A section name understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedSection<'a> {
    /// Type of its programs.
    pub program_type: ProgramType,
    /// The row it fits.
    pub name: &'static SectionName,
    /// What stands after the prefix: `syscalls/sys_enter_openat` of `tracepoint/syscalls/sys_enter_openat`.
    pub rest: Option<&'a str>,
    /// Load it without being asked: false for names that begin with `?`.
    pub autoload: bool,
}

/// Reads a section name; `None` if no program type has it.
pub fn by_section(section: &str) -> Option<ParsedSection<'_>> {
    let (section, autoload) = match section.strip_prefix('?') {
        Some(rest) => (rest, false),
        None => (section, true),
    };
    ProgramType::ALL.iter().find_map(|program_type| {
        program_type.info().sections.iter().find_map(|name| {
            let rest = name.rest_of(section)?;
            Some(ParsedSection { program_type: *program_type, name, rest, autoload })
        })
    })
}
