//! Being on a virtual CPU, for one run or for many.

use crate::cpus::Run;
use crate::helpers;
use crate::kernel::UserKernel;
use crate::maps::Kind;
use skep_abi::errno::Errno;
use skep_engine::Direct;
use std::sync::atomic::Ordering::Relaxed;

/// A virtual CPU that this thread holds. Runs that begin meanwhile are on it, and cost little to begin.
///
/// What is retired meanwhile stays in memory: between programs call [`Entered::pass`].
#[derive(Debug)]
pub struct Entered<'k> {
    kernel: &'k UserKernel,
    run: Run<'k>,
}

impl UserKernel {
    /// Takes a virtual CPU: that one (modulo their number), or any that is free. Waits for one where none is. On a thread that
    /// has one already, it stays that.
    pub fn enter(&self, cpu: Option<u32>) -> Entered<'_> {
        let run = match cpu.or(self.config.cpu) {
            Some(cpu) => self.cpus.enter_on(cpu),
            None => self.cpus.enter(),
        };
        Entered { kernel: self, run }
    }

    /// What compiled programs do in the place of a call of that helper, on the map behind that descriptor where it works on one.
    /// `None` where they call it.
    ///
    /// To call such a function is up to the caller: see [`skep_engine::DirectFunction`] for its contract. The map has to stay
    /// open, and the thread has to be [entered](UserKernel::enter) on the CPU that the facts name.
    ///
    /// # Errors
    /// EBADF if there is nothing behind the descriptor, EINVAL if it is no map.
    pub fn direct(&self, helper: u32, map_fd: Option<i32>) -> Result<Option<Direct>, Errno> {
        let map = map_fd.map(|fd| self.descriptors.map(fd)).transpose()?;
        Ok(helpers::direct(self, helper, map.as_ref().map(|(map, _)| &**map.map())))
    }

    /// A run ended early: what it reserved is given up once nobody runs on that CPU.
    #[cold]
    pub(crate) fn note_early_end(&self, run: &Run<'_>) {
        if let Some(ended) = self.ended_early.get(run.cpu() as usize) {
            ended.store(true, Relaxed);
        }
    }

    #[cold]
    fn discard_unfinished(&self, cpu: u32) {
        for map in self.maps.all() {
            if let Kind::Ring(ring) = map.implementation.kind() {
                ring.discard_unfinished(cpu);
            }
        }
    }
}

impl<'k> Entered<'k> {
    /// The number of the CPU.
    pub fn cpu(&self) -> u32 {
        self.run.cpu()
    }

    /// Between two programs: nothing that the first found is in use any more, and may be reclaimed.
    #[inline]
    pub fn pass(&mut self) {
        self.run.pass();
    }

    pub(crate) fn kernel(&self) -> &'k UserKernel {
        self.kernel
    }

    pub(crate) fn run(&self) -> &Run<'k> {
        &self.run
    }
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        // Records that programs further out reserved are not to be touched.
        if self.run.is_outermost()
            && let Some(ended) = self.kernel.ended_early.get(self.run.cpu() as usize)
            && ended.load(Relaxed)
        {
            ended.store(false, Relaxed);
            self.kernel.discard_unfinished(self.run.cpu());
        }
    }
}
