//! `skep build`: C to a BPF object, with nothing but clang.

use crate::error::{Exit, Failure, Outcome};
use crate::output::{Output, Report};
use crate::{headers, target_btf};
use clap::Args;
use serde::Serialize;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compile BPF programs written in C
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  skep build firewall.bpf.c                    writes firewall.bpf.o beside it
  skep build firewall.bpf.c -o v4.o --cpu v4
  skep build firewall.bpf.c --btf vmlinux-5.15  vmlinux.h of another kernel
  skep build firewall.bpf.c --btf user          vmlinux.h of Skep's own
  skep build --headers DIR                     only write the headers")]
pub(crate) struct Build {
    /// C files
    #[arg(required_unless_present = "headers")]
    files: Vec<PathBuf>,
    /// Object to write (with one file only; default: the file's name ending in .o, beside it)
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// BTF to make vmlinux.h from: a file, or `user` for Skep's own kernel (default: the running Linux's, else Skep's
    /// own)
    #[arg(long, value_name = "FILE")]
    btf: Option<PathBuf>,
    /// Instruction set version
    #[arg(long, default_value = "v3", value_parser = ["v1", "v2", "v3", "v4"])]
    cpu: String,
    /// Architecture whose registers PT_REGS_… macros name (default: this machine's)
    #[arg(long, value_parser = ["x86", "arm64", "riscv"])]
    arch: Option<String>,
    /// Further include directory
    #[arg(short = 'I', value_name = "DIR")]
    include: Vec<PathBuf>,
    /// Further macro
    #[arg(short = 'D', value_name = "NAME[=VALUE]")]
    define: Vec<String>,
    /// Write the headers, vmlinux.h included, into this directory and keep them
    #[arg(long, value_name = "DIR")]
    headers: Option<PathBuf>,
    /// Print the compiler's command line
    #[arg(short, long)]
    verbose: bool,
}

impl Build {
    pub(crate) fn run(self, output: Output) -> Outcome {
        if self.output.is_some() && self.files.len() > 1 {
            return Err(Failure::new("--output goes with one file only"));
        }
        let temporary;
        let directory = match &self.headers {
            Some(directory) => directory.as_path(),
            None => {
                temporary =
                    tempfile::tempdir().map_err(|e| Failure::because("cannot make a temporary directory", &e))?;
                temporary.path()
            }
        };
        // Before the work of writing headers.
        let clang = if self.files.is_empty() { None } else { Some(find_clang()?) };
        headers::write(directory)?;
        if self.headers.is_some() || self.files.iter().any(|f| mentions_vmlinux(f)) {
            let path = directory.join("vmlinux.h");
            let text = super::btf::c_header(&*target_btf::load(self.btf.as_deref())?)?;
            std::fs::write(&path, text).map_err(|e| Failure::file("write", &path, &e))?;
        }
        let compiled = match clang {
            Some(clang) => self.files.iter().map(|file| self.compile(&clang, directory, file)).collect(),
            None => Ok(Vec::new()),
        };
        let built = Built(compiled?);
        output.print(&built)?;
        Ok(if built.0.iter().all(|file| file.compiled) { Exit::Success } else { Exit::Unusable })
    }

    /// Compiles one file. When clang refuses it, it has said why.
    fn compile(&self, clang: &Path, headers: &Path, file: &Path) -> Result<Compiled, Failure> {
        // clang would say so too, but at length.
        let unreadable = |e: io::Error| Failure::file("read", file, &e);
        if std::fs::metadata(file).map_err(unreadable)?.is_dir() {
            return Err(unreadable(io::ErrorKind::IsADirectory.into()));
        }
        let output = self.output.clone().unwrap_or_else(|| file.with_extension("o"));
        if output == *file {
            return Err(Failure::new(format!("{} would be overwritten: it is the output too", file.display())));
        }
        let mut command = Command::new(clang);
        command.args(["-g", "-O2", "-Wall", "--target=bpf", "-fno-stack-protector"]);
        command.arg(format!("-mcpu={}", self.cpu));
        command.arg(format!("-D__TARGET_ARCH_{}", self.arch.as_deref().unwrap_or(host_arch())));
        command.args(self.define.iter().map(|d| format!("-D{d}")));
        command.args(self.include.iter().map(|dir| joined("-I", dir)));
        command.arg(joined("-I", headers));
        if self.headers.is_none() {
            // The same source gives the same object, wherever the headers lay meanwhile.
            let mut map = joined("-ffile-prefix-map=", headers);
            map.push("=skep");
            command.arg(map);
        }
        command.args(multiarch_include());
        command.arg("-c").arg(file).arg("-o").arg(&output);
        if self.verbose {
            anstream::eprintln!("{command:?}");
        }
        let status = command.status().map_err(|e| Failure::file("run", clang, &e))?;
        Ok(Compiled {
            source: file.display().to_string(),
            object: output.display().to_string(),
            compiled: status.success(),
        })
    }
}

/// What was compiled. Nothing to say to people: compilers are silent when all is well.
#[derive(Serialize)]
#[serde(transparent)]
struct Built(Vec<Compiled>);

#[derive(Serialize)]
struct Compiled {
    source: String,
    object: String,
    /// Whether clang took it.
    compiled: bool,
}

impl Report for Built {
    fn text(&self, _out: &mut dyn io::Write) -> io::Result<()> {
        Ok(())
    }
}

/// `-I` and a path, in one argument.
fn joined(flag: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(flag);
    argument.push(path);
    argument
}

/// The file itself or a header beside it includes vmlinux.h; a nested include elsewhere wants `--headers`.
fn mentions_vmlinux(file: &Path) -> bool {
    let beside = file
        .parent()
        .and_then(|dir| std::fs::read_dir(if dir.as_os_str().is_empty() { Path::new(".") } else { dir }).ok());
    let headers = beside
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|p| p.extension().is_some_and(|e| e == "h"));
    std::iter::once(file.to_path_buf())
        .chain(headers)
        .any(|path| std::fs::read(path).is_ok_and(|bytes| bytes.windows(9).any(|window| window == b"vmlinux.h")))
}

fn host_arch() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "riscv64" => "riscv",
        _ => "x86",
    }
}

/// Debian keeps `asm/types.h` in a directory per architecture that clang does not search for the BPF target.
fn multiarch_include() -> Option<OsString> {
    let directory = PathBuf::from(format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH));
    directory.is_dir().then(|| joined("-idirafter", &directory))
}

/// `$CLANG`, or the newest clang on the PATH.
fn find_clang() -> Result<PathBuf, Failure> {
    if let Some(clang) = std::env::var_os("CLANG") {
        return Ok(clang.into());
    }
    let names = (14..=22).rev().map(|version| format!("clang-{version}")).chain(["clang".to_owned()]);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names
        .flat_map(|name| directories.iter().map(move |dir| dir.join(&name)))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| {
            Failure::new("clang is missing: it compiles C to BPF")
                .hint("install it (Debian, Ubuntu: apt-get install clang), or name one with CLANG=/path/to/clang")
        })
}
