//! Symbols of ELF binaries, for uprobes.

use crate::error::Error;
use object::{Object as _, ObjectSegment as _, ObjectSymbol as _};
use std::path::Path;

/// Where in the file a function begins.
pub(crate) fn file_offset(path: &Path, symbol: &str) -> Result<u64, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let unfit = |why: String| Error::Unfit(format!("{}: {why}", path.display()));
    let elf = object::File::parse(&*bytes).map_err(|e| unfit(format!("not a binary: {e}")))?;
    let address = elf
        .symbols()
        .chain(elf.dynamic_symbols())
        .filter(|candidate| candidate.is_definition())
        .find(|candidate| candidate.name().ok().and_then(|name| name.split('@').next()) == Some(symbol))
        .map(|found| found.address())
        .ok_or_else(|| unfit(format!("no function '{symbol}' in its symbol tables")))?;
    elf.segments()
        .find_map(|segment| {
            let (offset, size) = segment.file_range();
            let within = address.checked_sub(segment.address()).filter(|within| *within < size)?;
            offset.checked_add(within)
        })
        .ok_or_else(|| unfit(format!("'{symbol}' at {address:#x} lies in no segment of the file")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::ObjectSection as _;

    #[test]
    fn finds_a_function_of_this_very_binary() {
        let path = std::env::current_exe().unwrap();
        let offset = file_offset(&path, "main").unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let elf = object::File::parse(&*bytes).unwrap();
        let (start, size) = elf.section_by_name(".text").unwrap().file_range().unwrap();
        assert!((start..start + size).contains(&offset), "{offset:#x}");
    }

    #[test]
    fn says_what_is_missing() {
        let path = std::env::current_exe().unwrap();
        let error = file_offset(&path, "no_such_function").unwrap_err().to_string();
        assert!(error.contains("no function 'no_such_function'"), "{error}");
        let error = file_offset(Path::new("/proc/self/cmdline"), "main").unwrap_err().to_string();
        assert!(error.contains("not a binary"), "{error}");
    }
}
