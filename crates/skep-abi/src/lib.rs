//! The facts of the Linux BPF ABI (Linux 6.18), as `const` tables. No behaviour.
//!
//! | table | module |
//! |---|---|
//! | helpers | [`helper`] |
//! | kernel functions | [`kfunc`] |
//! | map types | [`map_type`] |
//! | program types, their contexts and sections | [`program_type`] |
//! | attach types | [`attach_type`] |
//! | kernel members that may be written | [`writable_member`] |
//! | security hooks | [`lsm_hook`] |
//! | arguments of attach targets | [`attach_argument`] |
//! | socket structs | [`socket`] |
//! | special fields of map values | [`special_field`] |
//! | commands and their `union bpf_attr` | [`command`] |
//! | error numbers | [`errno`] |
#![forbid(unsafe_code)]

pub mod attach_argument;
pub mod attach_type;
pub mod command;
pub mod errno;
pub mod helper;
pub mod interface;
pub mod kfunc;
pub mod license;
pub mod lsm_hook;
pub mod map_type;
pub mod program_type;
pub mod socket;
pub mod special_field;
pub mod writable_member;

/// A Linux release, such as `Version(4, 8)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u8, pub u8);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}
