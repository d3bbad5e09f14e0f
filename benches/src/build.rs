//! From a source to what the engines take: two BPF objects and a shared object, by one clang.

use crate::Error;
use crate::engines::flat;
use crate::programs::Program;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is common to all compilations. BPF programs read packets through pointers of any type.
const FLAGS: &[&str] = &["-O2", "-Wall", "-Werror", "-fno-strict-aliasing"];

/// A program, compiled.
pub struct Built {
    /// Which.
    pub program: &'static Program,
    /// For kernels: an XDP program with maps.
    pub object: Vec<u8>,
    /// For engines without a kernel: the context holds two 64-bit pointers.
    pub flat: Vec<u8>,
    /// Native code.
    pub library: PathBuf,
    /// Slots of the linked program for kernels.
    pub instructions: usize,
    /// What the native compiler says it vectorised, if it did.
    pub vectorised: Option<String>,
}

/// A clang, and where it puts what it makes.
pub struct Compiler {
    clang: PathBuf,
    /// The newest instruction set that this clang and the kernels know.
    cpu: &'static str,
    folder: tempfile::TempDir,
    /// How many outputs there are: none takes the place of another, which may be loaded as a library.
    outputs: Cell<usize>,
}

impl Compiler {
    /// `$CLANG`, or the newest clang on the path.
    ///
    /// # Errors
    /// [`Error::NoClang`], and where no temporary folder can be made.
    pub fn find() -> Result<Compiler, Error> {
        let clang = match std::env::var_os("CLANG") {
            Some(clang) => clang.into(),
            None => on_path().ok_or(Error::NoClang)?,
        };
        let folder = tempfile::tempdir().map_err(Error::file(&std::env::temp_dir()))?;
        let mut compiler = Compiler { clang, cpu: "v3", folder, outputs: Cell::new(0) };
        if compiler.knows_cpu("v4") {
            compiler.cpu = "v4";
        }
        Ok(compiler)
    }

    /// The first line that it says about itself.
    pub fn version(&self) -> String {
        let output = Command::new(&self.clang).arg("--version").output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        text.lines().next().unwrap_or("unknown clang").to_owned()
    }

    /// The instruction set of objects for kernels.
    pub fn cpu(&self) -> &'static str {
        self.cpu
    }

    fn knows_cpu(&self, cpu: &str) -> bool {
        let output = Command::new(&self.clang).args(["--target=bpf", "-mcpu=help", "-c", "-xc", "-"]).output();
        // The list of CPUs goes to standard error, one per line.
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stderr).lines().any(|l| l.trim().starts_with(cpu)))
    }

    /// Compiles a program in all three ways.
    ///
    /// # Errors
    /// clang cannot be run or refuses the source.
    pub fn build(&self, program: &'static Program) -> Result<Built, Error> {
        let source = sources().join(format!("{}.bpf.c", program.name));
        let bpf = ["--target=bpf", "-g", "-c"];
        let cpu = format!("-mcpu={}", self.cpu);
        let object = self.output(program, "o");
        self.run(&source, &object, bpf.iter().copied().chain([cpu.as_str()]))?;
        let flat = self.output(program, "flat.o");
        self.run(&source, &flat, bpf.iter().copied().chain(["-mcpu=v3", "-DSKEP_FLAT"]))?;
        let library = self.output(program, "so");
        let native = ["-shared", "-fPIC", "-Rpass=loop-vectorize|slp-vectorizer"];
        let said = self.run(&source, &library, native.into_iter())?;
        let object = std::fs::read(&object).map_err(Error::file(&object))?;
        Ok(Built {
            program,
            instructions: flat::link_by_index(&object)?.len(),
            object,
            flat: std::fs::read(&flat).map_err(Error::file(&flat))?,
            library,
            vectorised: said.lines().find_map(remark),
        })
    }

    fn output(&self, program: &Program, ending: &str) -> PathBuf {
        let number = self.outputs.get();
        self.outputs.set(number + 1);
        self.folder.path().join(format!("{}-{number}.{ending}", program.name))
    }

    /// Gives what clang says while it succeeds.
    fn run<'a>(&self, source: &Path, output: &Path, flags: impl Iterator<Item = &'a str>) -> Result<String, Error> {
        let mut command = Command::new(&self.clang);
        command.args(FLAGS).args(flags).arg(source).arg("-o").arg(output);
        let result = command.output().map_err(Error::file(&self.clang))?;
        let message = String::from_utf8_lossy(&result.stderr).into_owned();
        if result.status.success() {
            Ok(message)
        } else {
            Err(Error::Compile { source_file: source.to_owned(), message })
        }
    }
}

/// The remark in a line of clang's, if it is one.
fn remark(line: &str) -> Option<String> {
    let (_, text) = line.split_once("remark: ")?;
    Some(text.split(" [-R").next().unwrap_or(text).to_owned())
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}

fn on_path() -> Option<PathBuf> {
    let names = (14..=22).rev().map(|version| format!("clang-{version}")).chain(["clang".to_owned()]);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.flat_map(|name| folders.iter().map(move |folder| folder.join(&name))).find(|candidate| candidate.is_file())
}
