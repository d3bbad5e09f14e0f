//! The paranoid mode: the sandbox, where in addition every register and stack slot is held against what the verifier
//! claimed, before every instruction.

use std::sync::Arc;

use skep_verifier::{Claims, Place, Position, Running, RunningFrame, Verified};

use crate::environment::{Environment, Fault};
use crate::executable::Executable;
use crate::interpret::Registers;
use crate::machine::Machine;
use crate::memory::FrameBounds;

/// What the verifier believes about an executable.
#[derive(Debug)]
pub(crate) struct Beliefs {
    claims: Arc<Claims>,
    /// For each slot of the executable, the slot that the claims name.
    original: Box<[u32]>,
    /// Descriptors of its maps as the claims name them, in the order of [`Verified::maps`].
    maps: Box<[i32]>,
}

impl Beliefs {
    /// What `verified`, from which the executable was made, says; `claims` are about the same program.
    pub(crate) fn new(verified: &Verified, claims: Arc<Claims>) -> Beliefs {
        Beliefs { claims, original: verified.original_slots().into(), maps: verified.maps().into() }
    }

    /// The claims.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The slot that the claims name, where an instruction begins that stands for the whole of it.
    fn original(&self, slot: usize) -> Option<u32> {
        let own = self.original.get(slot).copied()?;
        let before = slot.checked_sub(1).and_then(|before| self.original.get(before));
        (before != Some(&own)).then_some(own)
    }
}

/// The frames of a run, as they were before their last instruction.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    frames: Vec<RunningFrame>,
    bounds: Vec<FrameBounds>,
    position: Position,
}

/// Holds the run against the claims about the instruction at `slot`.
#[cold]
#[inline(never)]
pub(crate) fn inspect(
    machine: &mut Machine<'_>,
    environment: &mut dyn Environment,
    executable: &Executable,
    slot: usize,
    registers: &Registers,
    frame: FrameBounds,
) -> Result<(), Fault> {
    let Some(beliefs) = executable.beliefs() else { return Ok(()) };
    let Some(original) = beliefs.original(slot) else { return Ok(()) };
    let depth = machine.depth as usize;
    let Some(watch) = machine.watch.as_mut() else { return Ok(()) };
    watch.frames.truncate(depth - 1);
    watch.bounds.truncate(depth - 1);
    let mut own = [0; 11];
    own.copy_from_slice(&registers[..11]);
    watch.frames.push(RunningFrame { slot: original, registers: own });
    watch.bounds.push(frame);
    let mut position = watch.position;
    let view = View { watch, environment, maps: &beliefs.maps };
    beliefs.claims.check(&view, &mut position).map_err(|lie| Fault::Claim(Box::new(lie)))?;
    watch.position = position;
    Ok(())
}

/// A run as the claims see it.
struct View<'v> {
    watch: &'v Watch,
    environment: &'v dyn Environment,
    maps: &'v [i32],
}

impl View<'_> {
    fn index(&self, fd: i32) -> Option<i32> {
        self.maps.iter().position(|known| *known == fd).and_then(|index| i32::try_from(index).ok())
    }
}

impl Running for View<'_> {
    fn frames(&self) -> &[RunningFrame] {
        &self.watch.frames
    }

    fn stack_slot(&self, frame: usize, slot: usize) -> Option<u64> {
        let bounds = self.watch.bounds.get(frame)?;
        let offset = bounds.len.checked_sub(8 * (slot + 1))?;
        // SAFETY: eight bytes inside of a live frame, which are initialised when it is entered.
        Some(unsafe { bounds.bottom.add(offset).cast::<u64>().read_unaligned() })
    }

    fn any(&self, place: Place, wanted: &mut dyn FnMut(u64) -> bool) -> Option<bool> {
        let place = match place {
            Place::Map(fd) => self.index(fd).map(Place::Map),
            Place::MapValue(fd) => self.index(fd).map(Place::MapValue),
            place => Some(place),
        };
        // A map that the executable does not use is nowhere.
        place.map_or(Some(false), |place| self.environment.any(place, wanted))
    }
}
