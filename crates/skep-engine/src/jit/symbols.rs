//! What the numbers in machine code stand for.

use skep_isa::Imm64;
use skep_verifier::CallSite;

use super::{Stubs, native};
use crate::direct::{Direct, Linker};

/// What a number in machine code stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Symbol {
    /// A function of the engine.
    Engine(&'static str),
    /// What the linker gave for a reference of the program: a map, a map's value, a kernel variable.
    Reference(Imm64),
    /// A plain function in the place of that helper.
    Helper(u32),
    /// Data of the map of that index in [`skep_verifier::Verified::maps`], or elements of it.
    MapData(u32),
}

/// Symbols of one program, as they were linked: the first that has a number names it.
#[derive(Debug, Default)]
pub(crate) struct Symbols(Vec<(u64, Symbol)>);

impl Symbols {
    pub(crate) fn find(&self, value: u64) -> Option<Symbol> {
        let own = self.0.iter().find(|(known, _)| *known == value).map(|(_, symbol)| *symbol);
        own.or_else(|| runtime(value).map(Symbol::Engine))
    }

    fn note(&mut self, value: u64, symbol: Symbol) {
        // Small numbers stand for themselves, too: a linker may number things.
        if value > u64::from(u32::MAX) {
            self.0.push((value, symbol));
        }
    }
}

/// The functions of the engine that code of any program calls or jumps to.
fn runtime(address: u64) -> Option<&'static str> {
    let functions: [(u64, &str); 5] = [
        (native::call_helper as *const () as u64, "call_helper"),
        (native::call_kfunc as *const () as u64, "call_kfunc"),
        (native::call_register as *const () as u64, "call_register"),
        (native::tail_call as *const () as u64, "tail_call"),
        (native::load_packet as *const () as u64, "load_packet"),
    ];
    let Stubs { enter, end, tail_call_from_function, .. } = super::stubs().ok()?;
    let stubs = [(*enter, "enter"), (*end, "end_run"), (*tail_call_from_function, "tail_call_from_function")];
    functions.into_iter().chain(stubs).find(|(known, _)| *known == address).map(|(_, name)| name)
}

/// A linker that notes what another one says.
pub(super) struct Noting<'l> {
    pub(super) linker: &'l mut dyn Linker,
    pub(super) symbols: Symbols,
}

// SAFETY: the shortcuts are the other's.
unsafe impl Linker for Noting<'_> {
    fn resolve(&mut self, imm: Imm64) -> Option<u64> {
        let value = self.linker.resolve(imm)?;
        self.symbols.note(value, Symbol::Reference(imm));
        Some(value)
    }

    fn direct(&mut self, helper: u32, map: Option<u32>, site: Option<&CallSite>) -> Option<Direct> {
        let direct = self.linker.direct(helper, map, site)?;
        let data = |index| Symbol::MapData(index);
        match direct {
            Direct::Function { function, data: address } => {
                self.symbols.note(function as *const () as u64, Symbol::Helper(helper));
                if let (Some(address), Some(map)) = (address, map) {
                    self.symbols.note(address, data(map));
                }
            }
            Direct::Array { values, .. } | Direct::PerCpuArray { values, .. } => {
                if let Some(map) = map {
                    self.symbols.note(values, data(map));
                }
            }
            Direct::Fact { .. } => {}
        }
        Some(direct)
    }
}
