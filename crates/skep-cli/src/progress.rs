//! Progress on standard error, only where that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::path::Path;

/// Inputs smaller than this are done before anybody has read the bar.
const SHOWN_FROM_BYTES: u64 = 8 << 20;

/// A bar that counts the bytes of a file.
pub(crate) fn bytes(path: &Path) -> ProgressBar {
    let len = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if len < SHOWN_FROM_BYTES {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bytes}/{total_bytes} [{bar:40}] {eta}") {
        bar.set_style(style);
    }
    bar
}
