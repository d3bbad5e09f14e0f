//! The compiler for aarch64 on any machine: `skep` built for it, run by an emulator.

use std::path::PathBuf;

use crate::process::{Error, Step, find, target_folder};

/// Statically linked, so that neither a cross compiler nor libraries of that machine are needed.
const TARGET: &str = "aarch64-unknown-linux-musl";
const EMULATOR: &str = "qemu-aarch64";

/// `skep` for aarch64, and who runs it.
pub(super) struct Emulated {
    skep: PathBuf,
    /// The emulated processor.
    processor: &'static str,
}

/// What there is to run programs.
pub(super) enum Engines {
    /// On the newest processor, and on the first one, which has no atomic instructions.
    Built([(&'static str, Emulated); 2]),
    /// What there is not.
    Missing(String),
}

/// Builds it.
///
/// # Errors
/// It does not build.
pub(super) fn build() -> Result<Engines, Error> {
    if find(EMULATOR).is_none() {
        return Ok(Engines::Missing(format!("no {EMULATOR}; `cargo xtask setup` installs it")));
    }
    let libraries = Step::new("rustc", ["--print", "target-libdir", "--target", TARGET]).output()?;
    if !PathBuf::from(libraries.trim()).is_dir() {
        let missing = format!("no Rust library for it; `rustup target add {TARGET}` installs one");
        return Ok(Engines::Missing(missing));
    }
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    // `.cargo/config.toml` says how it is linked.
    Step::new(cargo, ["build", "--quiet", "--package", "skep-cli", "--target", TARGET]).run()?;
    let skep = target_folder().join(TARGET).join("debug").join("skep");
    let on = |processor| Emulated { skep: skep.clone(), processor };
    Ok(Engines::Built([("jit-aarch64", on("max")), ("jit-armv8.0", on("cortex-a53"))]))
}

impl Emulated {
    /// Runs one program of the suite over the memory, both in hexadecimal. Gives r0, or why there is none.
    ///
    /// # Errors
    /// The emulator does not start, or the emulated program did not end by itself.
    pub(super) fn run(&self, program: &str, memory: &str) -> Result<Result<u64, String>, Error> {
        let step = Step::new(EMULATOR, ["-cpu", self.processor]).args([&self.skep]).args([
            "conformance-plugin",
            "--engine",
            "jit",
            memory,
        ]);
        let answer = step.answer_to(program)?;
        Ok(answer
            .and_then(|text| u64::from_str_radix(text.trim(), 16).map_err(|_| format!("answered `{}`", text.trim()))))
    }
}
