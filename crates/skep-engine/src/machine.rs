//! The running machine as helpers see it: memory, callbacks, tail calls.

use std::ptr::NonNull;
use std::sync::Arc;

use crate::environment::{Environment, Fault};
use crate::executable::Executable;
use crate::interpret;
use crate::jit::{self, native::State};
use crate::memory::{Memory, Region, Regions};
use crate::mode::Mode;
use crate::paranoid::Watch;
use crate::stack::{Chunk, Stack};
use crate::trace::Trace;

/// Tail calls of one run (Linux: `MAX_TAIL_CALL_CNT`).
pub const MAX_TAIL_CALLS: u32 = 33;

/// A program that runs, apart from the machine's borrow.
///
/// It lives as long as the machine: it is the one that the run began with, or among those that the machine keeps.
#[derive(Clone, Copy)]
pub(crate) struct Running(*const Executable);

impl Running {
    #[inline]
    pub(crate) fn get(&self) -> &Executable {
        // SAFETY: only `Machine::running` makes one, for the time of a function of that machine.
        unsafe { &*self.0 }
    }
}

/// The running machine, handed to helpers.
///
/// In a sandboxed run every access is checked. In a verified run none is: addresses must be those that the verified
/// program passed as arguments of the types in the helper table, or that the environment made itself
/// (see [`Executable::run`]).
#[repr(C)]
pub struct Machine<'a> {
    /// Machine code finds this at the address of the machine.
    pub(crate) native: State,
    mode: Mode,
    pub(crate) memory: Memory<'a>,
    pub(crate) stack: Stack<'a>,
    /// Programs that were tail-called: they may still be running further out.
    kept: Vec<Arc<Executable>>,
    /// Why machine code was ended, if not by the processor.
    pub(crate) fault: Option<Fault>,
    pub(crate) depth: u32,
    pub(crate) next: Option<Arc<Executable>>,
    pub(crate) budget_left: u64,
    pub(crate) budget: u64,
    /// Frames as the paranoid mode sees them.
    pub(crate) watch: Option<Watch>,
    /// Where the instructions of a sandboxed run are noted.
    pub(crate) trace: Option<&'a mut Trace>,
    tail_calls: u32,
}

impl<'a> Machine<'a> {
    pub(crate) fn native(executable: &'a Executable, chunk: &'a mut Chunk) -> Self {
        Machine::new(Mode::Interpreter, Memory::Native, executable, Stack::new(chunk), u64::MAX)
    }

    /// For compiled code, which has a stack of its own.
    #[inline]
    pub(crate) fn compiled(executable: &'a Executable) -> Self {
        Machine::new(Mode::Jit, Memory::Native, executable, Stack::empty(), u64::MAX)
    }

    /// For compiled code with [`crate::jit::Frames::Lent`].
    pub(crate) fn compiled_in(executable: &'a Executable, chunk: &'a mut Chunk) -> Self {
        let mut machine = Machine::compiled(executable);
        machine.native.frame_top = Stack::new(chunk).top();
        machine
    }

    pub(crate) fn sandboxed(
        executable: &'a Executable,
        chunk: &'a mut Chunk,
        regions: Regions<'a>,
        budget: u64,
    ) -> Self {
        Machine::new(Mode::Sandbox, Memory::Regions(regions), executable, Stack::new(chunk), budget)
    }

    #[inline]
    fn new(mode: Mode, memory: Memory<'a>, executable: &'a Executable, stack: Stack<'a>, budget: u64) -> Self {
        Machine {
            native: State::new(executable),
            mode,
            memory,
            stack,
            kept: Vec::new(),
            fault: None,
            depth: 0,
            next: None,
            budget_left: budget,
            budget,
            watch: None,
            trace: None,
            tail_calls: 0,
        }
    }

    /// How the program runs.
    pub fn mode(&self) -> Mode {
        if self.watch.is_some() { Mode::Paranoid } else { self.mode }
    }

    pub(crate) fn running(&self) -> Running {
        Running(self.native.current)
    }

    /// The program that runs is another one now.
    pub(crate) fn continue_in(&mut self, program: Arc<Executable>) {
        self.native.current = Arc::as_ptr(&program);
        self.kept.push(program);
    }

    /// The program that runs: what a helper must keep to call one of its functions after the run (timers).
    pub fn executable(&self) -> &Executable {
        // SAFETY: it is the one that the run began with, which outlives the machine, or one of `kept`.
        unsafe { &*self.native.current }
    }

    /// Copies from the program's memory.
    ///
    /// # Errors
    /// [`Fault::Memory`] in the sandbox, where not all bytes lie in one region.
    #[inline]
    pub fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Fault> {
        if into.is_empty() {
            return Ok(());
        }
        let from = self.memory.resolve(address, into.len() as u64, false)?;
        // SAFETY: checked, or argued by the verifier's proof and the contract of `Executable::run`. `copy` allows overlap.
        unsafe { std::ptr::copy(from, into.as_mut_ptr(), into.len()) };
        Ok(())
    }

    /// Copies into the program's memory.
    ///
    /// # Errors
    /// [`Fault::Memory`] in the sandbox, where not all bytes lie in one writable region.
    #[inline]
    pub fn write(&mut self, address: u64, from: &[u8]) -> Result<(), Fault> {
        if from.is_empty() {
            return Ok(());
        }
        let into = self.memory.resolve(address, from.len() as u64, true)?;
        // SAFETY: checked, or argued by the verifier's proof and the contract of `Executable::run`. `copy` allows overlap.
        unsafe { std::ptr::copy(from.as_ptr(), into, from.len()) };
        Ok(())
    }

    /// The `len` bytes at `address`. In the sandbox the check comes before the allocation.
    ///
    /// # Errors
    /// As [`Machine::read`].
    pub fn read_vec(&self, address: u64, len: usize) -> Result<Vec<u8>, Fault> {
        if len > 0 {
            self.memory.resolve(address, len as u64, false)?;
        }
        let mut bytes = vec![0; len];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// The `N` bytes at `address`: `u32::from_le_bytes(machine.read_array(address)?)`.
    ///
    /// # Errors
    /// As [`Machine::read`].
    #[inline]
    pub fn read_array<const N: usize>(&self, address: u64) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// The string at `address` up to its NUL, which is left out, or up to `limit` bytes if there is none before.
    ///
    /// # Errors
    /// [`Fault::Memory`] in the sandbox, where the region ends before the NUL and before `limit`.
    pub fn read_c_string(&self, address: u64, limit: usize) -> Result<Vec<u8>, Fault> {
        let reach = match &self.memory {
            Memory::Native => limit as u64,
            Memory::Regions(regions) => regions.readable_from(address).min(limit as u64),
        };
        let mut string = Vec::new();
        for at in 0..reach {
            let [byte] = self.read_array(address.wrapping_add(at))?;
            if byte == 0 {
                return Ok(string);
            }
            string.push(byte);
        }
        if reach == limit as u64 { Ok(string) } else { Err(Fault::Memory { address, len: reach + 1, write: false }) }
    }

    /// Lets the program use memory of the environment's, such as a map's value, and returns the address to give it.
    /// In a verified run that is all; in the sandbox the memory becomes a region (in place of one at the same address).
    ///
    /// # Safety
    /// The memory is readable, and writable where so said, until the run ends or [`Machine::conceal`] takes it back, and
    /// no reference to it that is held meanwhile forbids that.
    pub unsafe fn expose(&mut self, memory: NonNull<u8>, len: usize, writable: bool) -> u64 {
        let address = memory.as_ptr().expose_provenance() as u64;
        if let Memory::Regions(regions) = &mut self.memory {
            // SAFETY: the caller vouches for `len` bytes at `memory` until the region is removed or the run ends.
            regions.add(unsafe { Region::from_raw(memory, len, writable) });
        }
        address
    }

    /// Takes back what [`Machine::expose`] gave at `address`.
    pub fn conceal(&mut self, address: u64) {
        if let Memory::Regions(regions) = &mut self.memory {
            regions.remove(address);
        }
    }

    /// Asks for a tail call to `target` when the running helper returns: the frame of the function that called the helper
    /// is replaced. `false`: the limit of [`MAX_TAIL_CALLS`] is reached, nothing will happen and the helper should
    /// return an error.
    ///
    /// # Errors
    /// [`Fault::Unverified`] if a verified program would go on in one that is not.
    pub fn tail_call(&mut self, target: Arc<Executable>) -> Result<bool, Fault> {
        if matches!(self.memory, Memory::Native) && !target.is_verified() {
            return Err(Fault::Unverified);
        }
        if self.tail_calls == MAX_TAIL_CALLS {
            return Ok(false);
        }
        self.tail_calls += 1;
        self.next = Some(target);
        Ok(true)
    }

    /// Calls a function of the running program, as `bpf_loop` and `bpf_for_each_map_elem` do. `function` is what the
    /// program passed as the callback argument.
    ///
    /// # Errors
    /// [`Fault::BadFunction`] if it is no function, [`Fault::CallDepth`] beyond eight frames in the sandbox, and what
    /// the function itself meets.
    pub fn call_back(
        &mut self,
        environment: &mut dyn Environment,
        function: u64,
        args: [u64; 5],
    ) -> Result<u64, Fault> {
        let entry = self.executable().function(function).ok_or(Fault::BadFunction(function))?;
        if self.mode == Mode::Jit {
            return self.call_compiled(environment, entry.slot, args);
        }
        interpret::execute(self, environment, entry, args)
    }

    /// Calls the compiled function that begins at `slot`.
    pub(crate) fn call_compiled(
        &mut self,
        environment: &mut dyn Environment,
        slot: u32,
        args: [u64; 5],
    ) -> Result<u64, Fault> {
        // SAFETY: as in `executable`; the borrow ends before the machine does.
        let compiled = unsafe { (*self.native.current).code() }.ok_or(Fault::NotCompiled)?;
        let code = compiled.function(slot).ok_or(Fault::NotCompiled)?;
        // SAFETY: the environment is put back before its borrow ends. A function of a program that runs compiled code is
        // entered as `Executable::run`, whose contract the outermost caller vouched for, or with arguments that the
        // verifier took for a callback's.
        let r0 = unsafe {
            let saved = self.native.set_environment(environment);
            let r0 = jit::enter(compiled, code, args, std::ptr::from_mut(self).cast());
            self.native.restore_environment(saved);
            r0
        };
        if self.native.ended == 0 { Ok(r0) } else { Err(self.why_ended()) }
    }

    /// Why machine code was ended.
    #[cold]
    pub(crate) fn why_ended(&mut self) -> Fault {
        self.native.ended = 0;
        match self.native.stopped.take() {
            Some(stop) => stop.fault(self.executable()),
            None => self.fault.take().unwrap_or(Fault::NotCompiled),
        }
    }
}
