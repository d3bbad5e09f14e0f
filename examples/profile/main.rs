//! Shows where processes spend their time, as folded stacks and as a flame graph. See README.md.
#![forbid(unsafe_code)]

mod stacks;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use inferno::flamegraph;
use skep::{LoadedObject, PerfEvent, PerfEventKind, SampleRate};
use skep_examples::{Choice, Chosen, Error, WatchOptions, c_text, open_object, say, user};
use stacks::Namer;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Shows where processes spend their time.
#[derive(Parser)]
struct Arguments {
    /// The kernel that runs the program. Skep's own gets made-up samples of this process.
    #[arg(long, value_enum, default_value = "linux")]
    kernel: Choice,
    #[command(flatten)]
    watch: WatchOptions,
    /// Samples per second and CPU.
    #[arg(long, default_value = "99")]
    frequency: u64,
    /// Write a flame graph.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Another object than the one built from this folder.
    #[arg(long, value_name = "FILE")]
    object: Option<PathBuf>,
}

/// Most addresses of a stack: `STACK_DEPTH`.
const DEPTH: usize = 127;

/// `struct place`
#[derive(Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Place {
    pid: u32,
    kernel_stack: i32,
    user_stack: i32,
    comm: [u8; 16],
}

/// Reads what the program counted.
struct Samples<'a> {
    loaded: &'a LoadedObject,
    namer: Namer,
}

impl Samples<'_> {
    fn stack(&self, id: i32) -> Result<Vec<u64>, Error> {
        let Ok(id) = u32::try_from(id) else { return Ok(Vec::new()) };
        let stack = self.loaded.map("stacks")?.typed::<u32, [u64; DEPTH]>()?.get(&id)?;
        Ok(stack.into_iter().flatten().take_while(|address| *address != 0).collect())
    }

    /// Names all addresses that are there by now.
    fn learn(&mut self) -> Result<(), Error> {
        for entry in self.loaded.map("samples")?.typed::<Place, u64>()?.iter() {
            let (place, _) = entry?;
            let (user, kernel) = (self.stack(place.user_stack)?, self.stack(place.kernel_stack)?);
            self.namer.learn(Some(place.pid), &user);
            self.namer.learn(None, &kernel);
        }
        Ok(())
    }

    /// Folded lines, sorted.
    fn folded(&self) -> Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        for entry in self.loaded.map("samples")?.typed::<Place, u64>()?.iter() {
            let (place, count) = entry?;
            let (user, kernel) = (self.stack(place.user_stack)?, self.stack(place.kernel_stack)?);
            lines.push(self.namer.fold(&c_text(&place.comm), place.pid, &user, &kernel, count));
        }
        lines.sort();
        Ok(lines)
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let kernel = arguments.kernel.open()?;
    let door = kernel.door();
    let mut object = open_object(arguments.object.as_ref(), "profile", "profile")?;
    let lines = match &kernel {
        Chosen::User(kernel) => {
            let loaded = object.load(&door)?;
            user::sample_this_process(kernel, loaded.program("sample")?)?;
            collect(&loaded, |_| Ok(()))?
        }
        Chosen::Linux(_) => {
            let watched = arguments.watch.prepare()?;
            object.set_global("target", &watched.target())?;
            let loaded = object.load(&door)?;
            let rate = SampleRate::Frequency(arguments.frequency);
            let event = PerfEvent { rate, ..PerfEvent::every(PerfEventKind::CpuClock) };
            let _link = loaded.program("sample")?.attach_perf_event(&event, watched.pid())?;
            collect(&loaded, |samples| watched.go(|| samples.learn()))?
        }
    };
    for line in &lines {
        say!("{line}");
    }
    arguments.svg.as_deref().map_or(Ok(()), |path| draw(&lines, path))
}

/// Folded lines of what was counted while `wait` lasted.
fn collect(
    loaded: &LoadedObject,
    wait: impl FnOnce(&mut Samples<'_>) -> Result<(), Error>,
) -> Result<Vec<String>, Error> {
    let mut samples = Samples { loaded, namer: Namer::new() };
    wait(&mut samples)?;
    samples.learn()?;
    samples.folded()
}

fn draw(lines: &[String], path: &Path) -> Result<(), Error> {
    let file = |source| Error::File { path: path.to_owned(), source };
    let writer = BufWriter::new(File::create(path).map_err(file)?);
    let mut options = flamegraph::Options::default();
    options.title = "profile".into();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), writer).map_err(file)
}

fn main() -> ExitCode {
    skep_examples::exit(run(&Arguments::parse()))
}
