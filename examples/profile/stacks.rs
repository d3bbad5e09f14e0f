//! Names for addresses, and stacks as folded lines.

use std::collections::HashMap;

use blazesym::Pid;
use blazesym::symbolize::source::{Kernel, Process, Source};
use blazesym::symbolize::{Input, Symbolized, Symbolizer};

/// Names addresses, and remembers the names: a process may be gone when its stacks are written down.
pub(crate) struct Namer {
    symbolizer: Symbolizer,
    /// By process (`None`: the kernel) and address.
    names: HashMap<(Option<u32>, u64), String>,
}

impl Namer {
    pub(crate) fn new() -> Namer {
        Namer { symbolizer: Symbolizer::new(), names: HashMap::new() }
    }

    /// Names the addresses that have no name yet. What has no symbol keeps its address for a name.
    pub(crate) fn learn(&mut self, process: Option<u32>, addresses: &[u64]) {
        let unknown: Vec<u64> =
            addresses.iter().copied().filter(|address| !self.names.contains_key(&(process, *address))).collect();
        if unknown.is_empty() {
            return;
        }
        let source = match process {
            Some(pid) => Source::Process(Process::new(Pid::from(pid))),
            None => Source::Kernel(Kernel::default()),
        };
        let found = self.symbolizer.symbolize(&source, Input::AbsAddr(&unknown)).unwrap_or_default();
        let names = found.iter().map(Some).chain(std::iter::repeat(None));
        for (address, symbolized) in unknown.iter().zip(names) {
            let name = match symbolized {
                Some(Symbolized::Sym(symbol)) => symbol.name.replace(';', ":"),
                _ => format!("{address:#x}"),
            };
            self.names.insert((process, *address), name);
        }
    }

    fn name(&self, process: Option<u32>, address: u64) -> String {
        self.names.get(&(process, address)).cloned().unwrap_or_else(|| format!("{address:#x}"))
    }

    /// A folded line: the command, then all frames from the outermost in, then the count. Stacks are innermost first.
    pub(crate) fn fold(&self, comm: &str, pid: u32, user: &[u64], kernel: &[u64], count: u64) -> String {
        let user = user.iter().rev().map(|address| self.name(Some(pid), *address));
        let kernel = kernel.iter().rev().map(|address| self.name(None, *address) + "_[k]");
        let frames = std::iter::once(comm.replace([';', ' '], "_")).chain(user).chain(kernel);
        format!("{} {count}", frames.collect::<Vec<_>>().join(";"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn a_function_with_a_name() -> u32 {
        std::hint::black_box(7)
    }

    #[test]
    fn addresses_of_this_process_get_names() {
        assert_eq!(a_function_with_a_name(), 7);
        let address = a_function_with_a_name as fn() -> u32 as usize as u64;
        let mut namer = Namer::new();
        namer.learn(Some(std::process::id()), &[address, 1]);
        let line = namer.fold("a b", std::process::id(), &[1, address], &[], 5);
        assert!(line.starts_with("a_b;") && line.ends_with(";0x1 5"), "{line}");
        assert!(line.contains("a_function_with_a_name"), "{line}");
    }
}
