//! Licences (Linux: `include/linux/license.h`).

/// The licence strings that Linux counts as compatible with the GPL.
pub const GPL_COMPATIBLE: &[&str] =
    &["GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"];

/// Whether a program under this licence may call helpers that are for GPL-compatible programs only.
///
/// ```
/// assert!(skep_abi::license::is_gpl_compatible("Dual BSD/GPL"));
/// assert!(!skep_abi::license::is_gpl_compatible("GPL-2.0"));
/// ```
pub fn is_gpl_compatible(license: &str) -> bool {
    GPL_COMPATIBLE.contains(&license)
}
