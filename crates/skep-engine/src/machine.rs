//! The running machine as helpers see it: memory, callbacks, tail calls.

use std::ptr::NonNull;
use std::sync::Arc;

use crate::environment::{Environment, Fault};
use crate::executable::Executable;
use crate::interpret;
use crate::memory::{Memory, Region, Regions};
use crate::mode::Mode;
use crate::paranoid::Watch;
use crate::stack::{Chunk, Stack};
use crate::trace::Trace;

/// Tail calls of one run (Linux: `MAX_TAIL_CALL_CNT`).
pub const MAX_TAIL_CALLS: u32 = 33;

/// The program that runs: the first is borrowed from the caller, tail-called ones are shared.
#[derive(Clone)]
pub(crate) enum Current<'a> {
    Borrowed(&'a Executable),
    Shared(Arc<Executable>),
}

impl std::ops::Deref for Current<'_> {
    type Target = Executable;

    #[inline]
    fn deref(&self) -> &Executable {
        match self {
            Current::Borrowed(executable) => executable,
            Current::Shared(executable) => executable,
        }
    }
}

/// The running machine, handed to helpers.
///
/// In a sandboxed run every access is checked. In a verified run none is: addresses must be those that the verified
/// program passed as arguments of the types in the helper table, or that the environment made itself
/// (see [`Executable::run`]).
pub struct Machine<'a> {
    pub(crate) memory: Memory<'a>,
    pub(crate) stack: Stack<'a>,
    pub(crate) current: Current<'a>,
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
        Machine::new(Memory::Native, executable, chunk, u64::MAX)
    }

    pub(crate) fn sandboxed(
        executable: &'a Executable,
        chunk: &'a mut Chunk,
        regions: Regions<'a>,
        budget: u64,
    ) -> Self {
        Machine::new(Memory::Regions(regions), executable, chunk, budget)
    }

    fn new(memory: Memory<'a>, executable: &'a Executable, chunk: &'a mut Chunk, budget: u64) -> Self {
        Machine {
            memory,
            stack: Stack::new(chunk),
            current: Current::Borrowed(executable),
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
        match self.memory {
            Memory::Native => Mode::Interpreter,
            Memory::Regions(_) if self.watch.is_some() => Mode::Paranoid,
            Memory::Regions(_) => Mode::Sandbox,
        }
    }

    /// The program that runs: what a helper must keep to call one of its functions after the run (timers).
    pub fn executable(&self) -> &Executable {
        &self.current
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
        let entry = self.current.function(function).ok_or(Fault::BadFunction(function))?;
        interpret::execute(self, environment, entry, args)
    }
}
