//! The state of one path at one point: frames, references, locks.

use super::precision::{ValueId, Values};
use super::register::{Kind, MapRef, PointerFlags, Register};
use super::sections::Sections;
use super::stack::{ByteKind, StackSlot};
use skep_isa::Reg;
use std::rc::Rc;

/// Frames there may be at once.
pub const MAX_FRAMES: usize = 8;

/// A kept state: an index into the explorer's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckpointId(pub u32);

/// When a callback runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackKind {
    /// Any number of times while the function that was given it runs.
    Now,
    /// The same, to compare members of a tree, under the tree's lock.
    TreeOrder,
    /// Later, on its own.
    Later,
}

/// Why a frame that is a callback exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackFrame {
    /// What it may return.
    pub returns: (i64, i64),
    /// When it runs.
    pub kind: CallbackKind,
}

/// One function invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// `r0` to `r10`.
    pub registers: [Register; Reg::COUNT],
    /// Its stack, as far down as it was touched.
    pub stack: Rc<Vec<StackSlot>>,
    /// Slot of the call that made it; `usize::MAX` for the main program.
    pub call_site: usize,
    /// Which subprogram it runs.
    pub subprogram: u16,
    /// It is a callback.
    pub callback: Option<CallbackFrame>,
    /// How many iterations of a callback its calls have gone through.
    pub callback_depth: u32,
}

impl Frame {
    /// A frame at its entry: nothing but the frame pointer.
    pub fn new(index: usize, subprogram: u16, call_site: usize) -> Frame {
        let mut registers = [Register::UNINITIALISED; Reg::COUNT];
        registers[Reg::R10.index()] = Register::pointer(Kind::Stack(index as u8));
        Frame { registers, stack: Rc::new(Vec::new()), call_site, subprogram, callback: None, callback_depth: 0 }
    }
}

/// What must be given back before the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its identity, as in [`Register::reference`].
    pub id: u32,
    /// Where it was acquired.
    pub slot: usize,
    /// Of an iterator that may have more elements: how many it gave.
    pub steps: u32,
}

impl Reference {
    /// Something acquired at a slot.
    pub fn new(id: u32, slot: usize) -> Reference {
        Reference { id, slot, steps: 0 }
    }
}

/// What kind of lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// `bpf_spin_lock`.
    Spin,
    /// `bpf_res_spin_lock`: taking it may fail.
    Resilient,
    /// The same, taken with interrupts held off.
    ResilientIrq,
}

/// What contains a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockPlace {
    /// A value of that map.
    Map(MapRef),
    /// An object of the program's own.
    Object,
}

/// A lock held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// What contains it.
    pub place: LockPlace,
    /// Which value of the map, or which object.
    pub id: u32,
    /// Its kind.
    pub kind: LockKind,
    /// Where it was taken.
    pub slot: usize,
}

/// The state of one path.
#[derive(Clone, Debug)]
pub struct State {
    /// Frames, the running one last.
    pub frames: Vec<Rc<Frame>>,
    /// References held.
    pub references: Vec<Reference>,
    /// The locks held, in the order they were taken.
    pub locks: Vec<Lock>,
    /// Sections entered and not left.
    pub sections: Sections,
    /// What runs may sleep, outside of sections.
    pub sleepable: bool,
    /// No run is ever in it: a processor may get there that runs ahead of a branch.
    pub speculative: bool,
    /// Times a `may_goto` did not jump.
    pub may_goto_depth: u32,
    /// How many functions that run later set one another on the way here.
    pub later_entries: u32,
    /// The last state kept on this path.
    pub parent: Option<CheckpointId>,
    /// Per frame, the stack slots written whole since then.
    pub written: [u64; MAX_FRAMES],
    /// Where the next instruction is.
    pub slot: usize,
    /// The last step of the path, an index into the explorer's list.
    pub step: u32,
    /// The last instruction processed on this path, counted from 1 over all paths; 0 at its start.
    pub visit: u32,
}

impl State {
    /// A state at the start of a subprogram.
    pub fn new(subprogram: u16, slot: usize) -> State {
        State {
            frames: vec![Rc::new(Frame::new(0, subprogram, usize::MAX))],
            references: Vec::new(),
            locks: Vec::new(),
            sections: Sections::default(),
            sleepable: false,
            speculative: false,
            may_goto_depth: 0,
            later_entries: 0,
            parent: None,
            written: [u64::MAX; MAX_FRAMES],
            slot,
            step: 0,
            visit: 0,
        }
    }

    /// Index of the running frame.
    pub fn depth(&self) -> usize {
        self.frames.len() - 1
    }

    /// The running frame.
    pub fn frame(&self) -> &Frame {
        &self.frames[self.frames.len() - 1]
    }

    /// The running frame, to change.
    pub fn frame_mut(&mut self) -> &mut Frame {
        let last = self.frames.len() - 1;
        Rc::make_mut(&mut self.frames[last])
    }

    /// The frame of that index, to change.
    pub fn frame_at_mut(&mut self, index: usize) -> &mut Frame {
        Rc::make_mut(&mut self.frames[index])
    }

    /// A register of the running frame.
    pub fn register(&self, reg: Reg) -> &Register {
        &self.frame().registers[reg.index()]
    }

    /// A register of the running frame, to change.
    pub fn register_mut(&mut self, reg: Reg) -> &mut Register {
        &mut self.frame_mut().registers[reg.index()]
    }

    /// Gives a register of the running frame.
    pub fn set(&mut self, reg: Reg, value: Register) {
        *self.register_mut(reg) = value;
    }

    /// Stack slots of a frame, to change, at least `count` of them.
    pub fn stack_mut(&mut self, frame: usize, count: usize) -> &mut Vec<StackSlot> {
        let stack = Rc::make_mut(&mut self.frame_at_mut(frame).stack);
        if stack.len() < count {
            stack.resize(count, StackSlot::EMPTY);
        }
        stack
    }

    /// Calls `change` on every register and spilled register of every frame for which `wanted` holds.
    pub fn change_each(&mut self, wanted: impl Fn(&Register) -> bool, mut change: impl FnMut(&mut Register)) {
        for frame in &mut self.frames {
            let in_registers = frame.registers.iter().any(&wanted);
            let in_stack = frame.stack.iter().any(|s| s.is_spill() && wanted(&s.spilled));
            if !in_registers && !in_stack {
                continue;
            }
            let frame = Rc::make_mut(frame);
            frame.registers.iter_mut().filter(|r| wanted(r)).for_each(&mut change);
            if in_stack {
                let slots = Rc::make_mut(&mut frame.stack).iter_mut();
                slots.filter(|s| s.is_spill() && wanted(&s.spilled)).for_each(|s| change(&mut s.spilled));
            }
        }
    }

    /// Calls `change` on everything in the registers and stacks that an RCU read section keeps alive.
    pub fn change_protected(&mut self, change: impl Fn(&mut Register)) {
        let protected = |register: &Register| register.flags.contains(PointerFlags::RCU);
        let holds = |slot: &StackSlot| slot.bytes[0] == ByteKind::Spill || slot.bytes[0] == ByteKind::Iterator;
        for frame in &mut self.frames {
            let frame = Rc::make_mut(frame);
            frame.registers.iter_mut().filter(|r| protected(r)).for_each(&change);
            if frame.stack.iter().any(|s| holds(s) && protected(&s.spilled)) {
                let slots = Rc::make_mut(&mut frame.stack).iter_mut();
                slots.filter(|s| holds(s) && protected(&s.spilled)).for_each(|s| change(&mut s.spilled));
            }
        }
    }

    /// Every register and spilled register of every frame.
    pub fn each(&self) -> impl Iterator<Item = &Register> {
        self.frames.iter().flat_map(|frame| {
            let spilled = frame.stack.iter().filter(|s| s.is_spill()).map(|s| &s.spilled);
            frame.registers.iter().chain(spilled)
        })
    }

    /// Gives every number an identity of its own in the value graph, so that a state kept now can tell which of its
    /// own registers decided something later.
    pub fn separate_origins(&mut self, values: &mut Values) {
        self.change_each(Register::is_scalar, |r| {
            r.origin = if r.origin == ValueId::ROOT { values.fresh() } else { values.copy(r.origin) };
        });
    }

    /// Changes the number of elements that an iterator gave.
    pub fn count_steps(&mut self, iterator: u32, count: impl Fn(u32) -> u32) {
        for reference in self.references.iter_mut().filter(|reference| reference.id == iterator) {
            reference.steps = count(reference.steps);
        }
    }

    /// Where loops that only end because something outside counts them stand: `may_goto`, callbacks, and the iterators
    /// that may have more elements. States that differ in it are not one round of an endless loop.
    pub fn progress(&self) -> impl PartialEq + use<> {
        let callbacks: u32 = self.frames.iter().map(|frame| frame.callback_depth).sum();
        let steps: Vec<u32> = self.references.iter().map(|reference| reference.steps).collect();
        (self.may_goto_depth, callbacks, steps)
    }

    /// Whether a reference is held.
    pub fn holds(&self, reference: u32) -> bool {
        self.references.iter().any(|r| r.id == reference)
    }
}
