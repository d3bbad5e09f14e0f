//! `skep run`: load an object into a kernel and run a program, on packets or attached.

mod attached;
mod events;
mod judge;
mod packets;
mod replay;
mod report;

use crate::error::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::{kernels, map_text};
use clap::Args;
use report::RunReport;
use skep::{LoadedObject, Object, Program};
use skep_engine::Mode;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Run a program on packets from a capture, or attach it
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  skep run firewall.bpf.o --pcap traffic.pcap                     without root, in Skep's own kernel
  skep run firewall.bpf.o --pcap traffic.pcap --update blocked_ports=u16:23,u8:6,u8:0:1 --out-pcap passed.pcap
  sudo skep run firewall.bpf.o --pcap traffic.pcap --kernel linux  the same through PROG_TEST_RUN
  sudo skep run firewall.bpf.o --kernel linux --iface veth0 --duration 10
  sudo skep run hello.bpf.o --kernel linux --duration 5            attached as its section says
  skep run opensnoop.bpf.o --program enter_openat --events opens.jsonl  on described events
  skep run firewall.bpf.o --input firewall.json                    what skep check --counterexample found

Exit status of --input: 1 where the run goes wrong.")]
pub(crate) struct Run {
    /// BPF object
    object: PathBuf,
    /// Program to run (default: the object's first)
    #[arg(long, value_name = "NAME")]
    program: Option<String>,
    /// Packets to run it on: pcap or pcapng
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Events to run it on in Skep's own kernel: JSON, one object a line (docs/events.md)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pcap", "iface"])]
    events: Option<PathBuf>,
    /// Input to run it on in the sandbox, refused or not: what `skep check --counterexample` writes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pcap", "iface", "events", "update", "duration"])]
    input: Option<PathBuf>,
    /// Write the packets that pass, as the program left them
    #[arg(long, value_name = "FILE", requires = "pcap")]
    out_pcap: Option<PathBuf>,
    /// Run the whole input so many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// What runs programs in Skep's own kernel
    #[arg(long, value_name = "ENGINE", default_value_t = Mode::default(), value_parser = clap::builder::ValueParser::new(|name: &str| name.parse::<Mode>()))]
    engine: Mode,
    /// Which kernel to load it into
    #[arg(long, value_enum, default_value = "user")]
    kernel: kernels::Choice,
    /// Network interface: with --kernel linux the program is attached there, with --kernel user it looks on
    #[arg(long, value_name = "INTERFACE", conflicts_with = "pcap")]
    iface: Option<String>,
    /// Cgroup to attach to
    #[arg(long, value_name = "PATH", conflicts_with_all = ["pcap", "iface"])]
    cgroup: Option<PathBuf>,
    /// How long to stay attached, in seconds (default: until interrupted)
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// Set a map element before the run: MAP=KEY:VALUE, numbers (0x… too, be:… in network order), addresses or hex:…
    #[arg(long, value_name = "MAP=KEY:VALUE")]
    update: Vec<map_text::Update>,
    /// Print every element of every map
    #[arg(long)]
    all: bool,
}

impl Run {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let object = Object::open(&self.object)
            .map_err(|e| Failure::because(format!("cannot use {}", self.object.display()), &e))?;
        if let Some(file) = &self.input {
            return self.replay(&object, file, output);
        }
        let report = match (self.kernel, &self.events, &self.pcap) {
            (kernels::Choice::User, Some(file), _) => events::run(&self, object, file)?,
            (kernels::Choice::User, None, _) | (kernels::Choice::Linux, None, Some(_)) => packets::run(&self, object)?,
            (kernels::Choice::Linux, Some(_), _) => {
                return Err(Failure::new("described events are for Skep's own kernel").hint("leave out --kernel linux"));
            }
            (kernels::Choice::Linux, None, None) => attached::run(&self, object)?,
        };
        output.print(&report)?;
        report.cut_short.map_or(Ok(Exit::Success), Err)
    }

    fn replay(&self, object: &Object, file: &Path, output: Output) -> Outcome {
        if self.kernel == kernels::Choice::Linux {
            return Err(Failure::new("Linux runs no refused programs").hint("leave out --kernel linux"));
        }
        let report = replay::run(self, object, file)?;
        output.print(&report)?;
        Ok(report.exit())
    }

    /// How long to stay attached.
    fn limit(&self) -> Result<Option<Duration>, Failure> {
        let seconds = self.duration.map(Duration::try_from_secs_f64).transpose();
        seconds.map_err(|e| Failure::because("unusable --duration", &e))
    }

    /// Loads the object and sets the map elements that were asked for.
    fn load(&self, object: &Object, kernel: &std::sync::Arc<dyn skep::Kernel>) -> Result<LoadedObject, Failure> {
        let loaded = object.load(kernel).map_err(|e| self.refused(&e))?;
        for update in &self.update {
            update.apply(&loaded)?;
        }
        Ok(loaded)
    }

    fn refused(&self, error: &skep::Error) -> Failure {
        let failure = Failure::because(format!("cannot load {}", self.object.display()), error);
        match error {
            skep::Error::Program(refused) if refused.is_rejection() => {
                failure.hint(format!("`skep check {}` says where and why", self.object.display()))
            }
            _ => failure,
        }
    }

    /// The program that was asked for, or the first.
    fn choose<'a>(&self, loaded: &'a LoadedObject) -> Result<&'a Program, Failure> {
        match &self.program {
            Some(name) => loaded.program(name).map_err(|e| Failure::because("cannot choose the program", &e)),
            None => loaded.programs().next().ok_or_else(|| Failure::new("the object has no program")),
        }
    }

    fn report(&self, loaded: &LoadedObject, program: &Program) -> RunReport {
        RunReport {
            object: self.object.display().to_string(),
            program: program.name().to_owned(),
            program_type: program.kind().program_type.info().name,
            kernel: loaded.kernel().name(),
            engine: None,
            packets: None,
            verdicts: Default::default(),
            runs: 0,
            ns_per_run: None,
            maps: Vec::new(),
            printed: Vec::new(),
            cut_short: None,
        }
    }

    /// Maps and printed lines, read after the run.
    fn finish(&self, mut report: RunReport, loaded: &LoadedObject) -> Result<RunReport, Failure> {
        let limit = if self.all { usize::MAX } else { map_text::DEFAULT_LIMIT };
        report.maps = map_text::dump(loaded, limit)?;
        // A kernel without a trace pipe, or without the right to read it, has nothing to show.
        _ = loaded.kernel().drain_printk(&mut |line| report.printed.push(line.to_owned()));
        Ok(report)
    }
}
