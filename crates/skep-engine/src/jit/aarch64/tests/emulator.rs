//! Running images: by `qemu-aarch64`, or by the machine itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

/// Who runs images.
#[derive(Clone, Copy, Debug)]
pub(super) enum Emulator {
    Qemu,
    Host,
}

/// What the emulated processor can do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Processor {
    /// Armv8.0: no atomic instructions.
    First,
    /// Everything.
    Newest,
}

/// The emulator, if there is one. Says so if there is none.
pub(super) fn find() -> Option<Emulator> {
    let there = Command::new("qemu-aarch64").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_ok_and(|status| status.success()) {
        return Some(Emulator::Qemu);
    }
    if cfg!(target_arch = "aarch64") {
        return Some(Emulator::Host);
    }
    skep_testing::skip("qemu-aarch64 is not installed");
    None
}

impl Emulator {
    /// Runs an image and gives what it wrote.
    pub(super) fn run(self, image: &[u8], processor: Processor) -> Vec<u8> {
        let name = format!("skep-aarch64-{}-{:p}", std::process::id(), image.as_ptr());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, image).expect("the image is written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("the image is made executable");
        let mut command = match self {
            Emulator::Host => Command::new(&path),
            Emulator::Qemu => {
                let model = match processor {
                    Processor::First => "cortex-a53",
                    Processor::Newest => "max",
                };
                let mut command = Command::new("qemu-aarch64");
                command.args(["-cpu", model]).arg(&path);
                command
            }
        };
        let output = command.output();
        fs::remove_file(&path).expect("the image is removed");
        let output = output.expect("the emulator starts");
        assert!(
            output.status.success(),
            "the image ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }
}
