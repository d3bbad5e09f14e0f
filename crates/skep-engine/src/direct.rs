//! Calls that need not go through [`crate::Environment`]: what a linker may put in the place of a helper call.
//!
//! A helper through the environment sees the whole run. Many need much less: the map they work on, known when the
//! program is linked, and what is the same for a whole run ([`RunFacts`]). Compiled code calls these as plain functions,
//! or does their work in place.

use skep_verifier::CallSite;

/// What is the same for a whole run, where compiled code finds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RunFacts {
    /// Result of `bpf_get_current_pid_tgid`.
    pub pid_tgid: u64,
    /// Result of `bpf_get_current_uid_gid`.
    pub uid_gid: u64,
    /// State of the generator behind `bpf_get_prandom_u32`: xorshift64*, never 0 where random numbers are used.
    pub random: u64,
    /// Number of the virtual CPU.
    pub cpu: u32,
    /// Its NUMA node.
    pub numa_node: u32,
}

/// A helper as a plain function: r1 to r5 as the program left them (r1 replaced by [`Direct::Function::data`] where that
/// is given), and the facts of the run. The result becomes r0.
///
/// It must not unwind. Pointers among the arguments are what the verifier proved of the helper's arguments.
pub type DirectFunction = unsafe extern "C" fn(u64, u64, u64, u64, u64, *mut RunFacts) -> u64;

/// What stands in the place of a helper call.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Direct {
    /// A plain function.
    Function {
        /// What is called.
        function: DirectFunction,
        /// What replaces r1: the address of the map's own data, known when the program is linked.
        data: Option<u64>,
    },
    /// `bpf_map_lookup_elem` in an array: r2 points to a four-byte index; the result is `values + index * stride` for an
    /// index below `count`, else 0.
    Array {
        /// Address of the first value.
        values: u64,
        /// Bytes from one value to the next.
        stride: u32,
        /// Number of values.
        count: u32,
    },
    /// The same in a per-CPU array: `values + cpu * cpu_stride + index * stride`.
    PerCpuArray {
        /// Address of the first value of CPU 0.
        values: u64,
        /// Bytes from one value to the next.
        stride: u32,
        /// Number of values of a CPU.
        count: u32,
        /// Bytes from a CPU's values to the next CPU's.
        cpu_stride: u64,
    },
    /// The result is the field of [`RunFacts`] at that byte offset, of four bytes or eight.
    Fact {
        /// Offset of the field.
        offset: u32,
        /// It has eight bytes.
        wide: bool,
    },
}

/// What links a verified program: gives numbers to its references, and shortcuts to its calls.
///
/// # Safety
/// Compiled code trusts the shortcuts: functions follow the contract of [`DirectFunction`] and the helper table, and the
/// memory of arrays stays where it is for as long as the program can run.
pub unsafe trait Linker {
    /// The number that a `lddw` of a map, a map's value or a kernel variable loads.
    fn resolve(&mut self, imm: skep_isa::Imm64) -> Option<u64>;

    /// What may stand in the place of a call of this helper. `map` is an index into [`skep_verifier::Verified::maps`],
    /// if the call works on the same map on every path; `site` is more that the verifier knows of the call.
    fn direct(&mut self, helper: u32, map: Option<u32>, site: Option<&CallSite>) -> Option<Direct> {
        let _ = (helper, map, site);
        None
    }
}

/// A linker that only gives numbers to references.
pub struct References<F>(pub F);

// SAFETY: it offers no shortcuts.
unsafe impl<F: FnMut(skep_isa::Imm64) -> Option<u64>> Linker for References<F> {
    fn resolve(&mut self, imm: skep_isa::Imm64) -> Option<u64> {
        (self.0)(imm)
    }
}
