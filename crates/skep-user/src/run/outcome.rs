//! What a run gives.

use skep_engine::Fault;

/// The result of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// r0 at exit; the lower half is what hooks look at.
    pub ret: u64,
    /// Where the program asked the packet to go, by `bpf_redirect` and its kind.
    pub redirect: Option<Redirect>,
    /// How long it ran, in nanoseconds of the host's clock. 0 where time is not measured.
    pub nanoseconds: u64,
    /// Why the run ended early; `ret` is 0 then. Verified programs end early only by the environment's choice.
    pub fault: Option<Fault>,
}

impl Outcome {
    /// The verdict: r0 as the signed 32-bit number that hooks look at.
    pub fn verdict(&self) -> i32 {
        self.ret as i32
    }
}

/// Where a packet is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Interface index; for a map of CPUs the CPU.
    pub target: u32,
    /// `flags` of the helper that asked.
    pub flags: u64,
    /// The id of the map it came from, 0 for `bpf_redirect`.
    pub map_id: u32,
    /// To every target of the map (`BPF_F_BROADCAST`).
    pub broadcast: bool,
}
