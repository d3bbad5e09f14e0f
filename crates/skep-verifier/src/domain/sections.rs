//! Sections of a path in which the program must not sleep: RCU read sections, preemption off, interrupts off.
//!
//! RCU read sections do not nest; the others do. Interrupts are held off by flags on the stack, which must be restored
//! in the opposite order, so each has an identity. A section may be entered in one function and left in another.
//! Source: `refsafe` and `check_resource_leak` in `kernel/bpf/verifier.c` of Linux 6.18.

/// The sections that a path is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sections {
    /// An RCU read section was entered and not left.
    pub rcu: bool,
    /// Times preemption was disabled and not enabled again.
    pub preemption_off: u32,
    /// Interrupt flags saved and not restored, oldest first.
    pub interrupts_off: Vec<InterruptsOff>,
}

/// Interrupts held off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterruptsOff {
    /// Identity, as in [`crate::domain::register::Register::reference`] of the flag's stack slot.
    pub id: u32,
    /// Where it was saved.
    pub slot: usize,
}

/// Which functions a saved interrupt flag belongs to: what one kind saved the other must not restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlagOwner {
    /// Those that do nothing else.
    Plain,
    /// Those that take a lock too.
    Lock,
}

impl FlagOwner {
    /// Linux's word for it.
    pub fn name(self) -> &'static str {
        match self {
            FlagOwner::Plain => "native",
            FlagOwner::Lock => "lock",
        }
    }
}

impl Sections {
    /// How Linux calls the section that is open, if there is one: interrupts before RCU before preemption.
    pub fn open(&self) -> Option<&'static str> {
        if !self.interrupts_off.is_empty() {
            Some("bpf_local_irq_save")
        } else if self.rcu {
            Some("bpf_rcu_read_lock")
        } else if self.preemption_off > 0 {
            Some("bpf_preempt_disable")
        } else {
            None
        }
    }
}
