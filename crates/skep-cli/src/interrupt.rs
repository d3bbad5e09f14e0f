//! Ctrl-C ends a run early but in order: links are detached, the report is printed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);
static HANDLER: OnceLock<()> = OnceLock::new();

/// Whether the user wants an end. The first call installs the handler; a second Ctrl-C ends the process at once.
pub(crate) fn requested() -> bool {
    HANDLER.get_or_init(|| {
        // Without a handler Ctrl-C just ends the process, which is no harm: the kernel detaches what was attached.
        _ = ctrlc::set_handler(|| {
            if REQUESTED.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        });
    });
    REQUESTED.load(Ordering::Relaxed)
}
