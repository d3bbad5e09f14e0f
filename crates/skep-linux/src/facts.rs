//! What Linux tells about itself: version, options, symbols, CPUs.

use flate2::read::GzDecoder;
use skep_abi::errno::Errno;
use skep_kernel::KernelSymbol;
use std::fs::{File, read_to_string};
use std::io::{self, BufRead, BufReader, Read};

/// Most bytes of the build options that are read.
const CONFIG_LIMIT: u64 = 16 << 20;

fn release() -> String {
    read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

/// `LINUX_VERSION_CODE`: the patch level stops at 255.
pub(crate) fn version_code() -> u32 {
    let release = release();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).take(3).map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    next().min(255) << 16 | next().min(255) << 8 | next().min(255)
}

/// How many CPUs may ever be there: the last number in `0-3,8-11`, plus one.
pub(crate) fn possible_cpus() -> u32 {
    let list = read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    let last = list.trim().rsplit([',', '-']).next().and_then(|n| n.parse::<u32>().ok());
    last.map_or(1, |last| last.saturating_add(1))
}

/// The build options, `CONFIG_X=value` a line.
pub(crate) fn config() -> Result<String, Errno> {
    let mut text = String::new();
    let read = match File::open("/proc/config.gz") {
        Ok(file) => GzDecoder::new(file).take(CONFIG_LIMIT).read_to_string(&mut text),
        Err(_) => File::open(format!("/boot/config-{}", release()))
            .and_then(|file| file.take(CONFIG_LIMIT).read_to_string(&mut text)),
    };
    read.map_err(|e| errno_of(&e))?;
    Ok(text)
}

/// The value of an option in that text.
pub(crate) fn option<'a>(config: &'a str, name: &str) -> Option<&'a str> {
    config.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

/// All symbols, in order of address.
pub(crate) fn symbols() -> Result<Vec<KernelSymbol>, Errno> {
    let file = File::open("/proc/kallsyms").map_err(|e| errno_of(&e))?;
    let mut symbols = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|e| errno_of(&e))?;
        symbols.extend(symbol(&line));
    }
    if symbols.iter().all(|s| s.address == 0) {
        return Err(Errno::EPERM);
    }
    symbols.sort();
    Ok(symbols)
}

/// One line: address, type, name, and the module in brackets.
fn symbol(line: &str) -> Option<KernelSymbol> {
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let name = words.nth(1)?.into();
    let module = words.next().map(|m| m.trim_matches(['[', ']']).into());
    Some(KernelSymbol { address, name, module })
}

pub(crate) fn errno_of(error: &io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(Errno::EIO.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbol_lines() {
        let plain = symbol("ffffffff81000000 T _text").map(|s| (s.address, s.name, s.module));
        assert_eq!(plain, Some((0xffff_ffff_8100_0000, "_text".into(), None)));
        let module = symbol("ffffffffc0000000 t helper\t[veth]").map(|s| s.module);
        assert_eq!(module, Some(Some("veth".into())));
        assert!(symbol("").is_none() && symbol("xyz T a").is_none() && symbol("ff T").is_none());
    }

    #[test]
    fn options() {
        let text = "# CONFIG_A is not set\nCONFIG_AB=y\nCONFIG_HZ=250\n";
        assert_eq!(option(text, "CONFIG_A"), None);
        assert_eq!(option(text, "CONFIG_AB"), Some("y"));
        assert_eq!(option(text, "CONFIG_HZ"), Some("250"));
    }
}
