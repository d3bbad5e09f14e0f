//! `skep check`: would the verifier accept these programs, and if not, why.

mod compare;
mod costs;
mod counterexample;
mod csv;
mod explained;
mod html;
mod linux;
mod row;
mod sarif;
mod selftest;
mod snippet;
mod text;
mod trace;

use crate::attached_program::AttachedPrograms;
use crate::error::{self, Failure, Outcome};
use crate::offline::{Offline, Verdict, fill_kernel_settings};
use crate::output::Output;
use crate::{input, kernels, style, target_btf};
use clap::{Args, ValueEnum};
use compare::{Comparison, Measured};
use costs::CostCounter;
use row::{Row, Verdicts};
use skep::Object;
use skep_abi::command::ProgramFlags;
use skep_btf::Btf;
use skep_kernel::Kernel;
use skep_object::{Expectations, ObjectSpec, ProgramSpec};
use skep_verifier::observe::Observer;
use skep_verifier::{LogLevel, Options};
use snippet::Sources;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trace::Trace;

/// Say whether the verifier accepts the programs of objects, and if not, why
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  skep check firewall.bpf.o
  skep check *.o --format csv
  skep check hello.bpf.o --btf vmlinux-5.15 --log-level 1
  sudo skep check hello.bpf.o --kernel linux    ask Linux itself
  skep check tests/*.o --selftest               programs that must fail, must they?
  skep check firewall.bpf.o --counterexample .  a packet that runs into the fault, where it is refused
  skep check firewall.bpf.o --statistics        which lines cost the verifier most
  skep check firewall.bpf.o --json > base.json; skep check firewall.bpf.o --compare base.json

Verdicts: accept, reject, and env: something outside of the program is missing.
Exit status: 0 all accepted, 1 some refused, 2 unusable input or env; with --selftest 0 no test failed, 1 some
failed, 2 unusable input; with --compare 1 where a verdict is worse.")]
pub(crate) struct Check {
    /// BPF objects
    #[arg(required = true)]
    objects: Vec<PathBuf>,
    /// Only programs of this name
    #[arg(long, value_name = "NAME")]
    program: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// BTF of the kernel the programs are meant for: a file, or `user` for Skep's own (default: the running Linux's, else
    /// Skep's own)
    #[arg(long, value_name = "FILE")]
    btf: Option<PathBuf>,
    /// BTF of a module of that kernel: a file (may be given more than once; default: of those of the running Linux, if the
    /// object names something that the kernel itself lacks)
    #[arg(long = "module", value_name = "FILE", conflicts_with = "selftest")]
    modules: Vec<PathBuf>,
    /// The verifier's log: 1 the failing path, 2 every state, 4 statistics; they add up
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..8))]
    log_level: u32,
    /// Flags of the load that change verdicts: 1 strict alignment, 2 any alignment, 8 keep every state; they add up, and a
    /// program's `test_prog_flags` tags add theirs
    #[arg(long, value_name = "N", default_value_t = 0)]
    load_flags: u32,
    /// Run programs as tests of the verifier: their BTF tags say what is expected (docs/selftest.md)
    #[arg(long, conflicts_with_all = ["log_level", "load_flags"])]
    selftest: bool,
    /// Tests at a time (default: one per CPU)
    #[arg(long, value_name = "N", requires = "selftest", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    /// Show where the verifier's work goes, by source line
    #[arg(long, conflicts_with = "selftest")]
    statistics: bool,
    /// For refused programs, look for an input that runs into the fault and write it here: a file, or a directory for a file
    /// each; `skep run OBJECT --input FILE` runs it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["selftest", "compare"])]
    counterexample: Option<PathBuf>,
    /// Compare with another run: an object, or what `skep check --json` printed; so may be the OBJECTS
    #[arg(long, value_name = "BASE", conflicts_with_all = ["selftest", "statistics"])]
    compare: Option<PathBuf>,
    /// Show the source with what is known of its variables after each line, on all paths together
    #[arg(long, conflicts_with_all = ["selftest", "compare"])]
    explain: bool,
    /// Write one page, to be opened in a browser: source, bytecode and states side by side
    #[arg(long, value_name = "FILE", conflicts_with_all = ["selftest", "compare"])]
    html: Option<PathBuf>,
    /// With --compare, leave out changes by less than so many percent
    #[arg(long, value_name = "PERCENT", requires = "compare", default_value_t = 0.0)]
    threshold: f64,
    /// The object with the program whose functions the programs replace (`freplace`) or watch
    #[arg(long, value_name = "OBJECT", conflicts_with_all = ["selftest", "compare"])]
    target: Option<PathBuf>,
    /// Whose verifier to ask
    #[arg(long, value_enum, default_value = "user")]
    kernel: kernels::Choice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One array of all programs
    Json,
    /// One line per program, after a line of column names
    Csv,
    /// SARIF 2.1.0: refusals for code hosts and editors
    Sarif,
}

impl Check {
    pub(crate) fn run(self, output: Output) -> Outcome {
        if let Format::Csv | Format::Sarif = self.format
            && output.is_json()
        {
            let format = if self.format == Format::Csv { "csv" } else { "sarif" };
            return Err(Failure::new(format!("--format {format} and --json exclude each other")));
        }
        if self.selftest && self.format == Format::Sarif {
            return Err(Failure::new("--format sarif is for verdicts: it goes without --selftest"));
        }
        if self.selftest {
            return self.run_selftests(output);
        }
        let verifier = self.verifier()?;
        if let Some(base) = &self.compare {
            return self.run_comparison(base, &verifier, output);
        }
        let mut rows = Vec::new();
        let mut unusable = false;
        for path in &self.objects {
            match self.check_object(path, &verifier) {
                Ok(verdicts) => rows.extend(verdicts),
                Err(failure) => {
                    style::print_error(&failure);
                    unusable = true;
                }
            }
        }
        let mut verdicts = Verdicts(rows);
        if let Some(path) = &self.html {
            let programs: Vec<_> = verdicts.0.iter_mut().filter_map(|row| row.page.take()).collect();
            std::fs::write(path, html::page(&programs)).map_err(|e| Failure::file("write", path, &e))?;
        }
        match self.format {
            Format::Csv => crate::output::print_text(&verdicts.csv())?,
            Format::Sarif => crate::output::print_text(&format!("{:#}\n", verdicts.sarif()))?,
            Format::Json if !output.is_json() => Output { json: true, pretty: false }.print(&verdicts)?,
            Format::Json | Format::Text => output.print(&verdicts)?,
        }
        Ok(if unusable { error::Exit::Unusable } else { verdicts.exit() })
    }

    /// Compares the objects, or the results that they are, with those of `base`.
    fn run_comparison(&self, base: &Path, verifier: &Verifier, output: Output) -> Outcome {
        let measure = |path: &Path| -> Result<Vec<Measured>, Failure> {
            if compare::holds_results(&input::read(path)?) {
                return compare::read_results(path);
            }
            Ok(Verdicts(self.check_object(path, verifier)?).measured())
        };
        let new = self.objects.iter().map(|path| measure(path)).collect::<Result<Vec<_>, _>>()?.concat();
        let comparison = Comparison::new(measure(base)?, new, self.threshold);
        output.print(&comparison)?;
        Ok(comparison.exit())
    }

    /// What all objects share: reading a kernel's BTF takes longer than most verifications.
    fn verifier(&self) -> Result<Verifier, Failure> {
        Ok(match self.kernel {
            kernels::Choice::User => Verifier::Ours(target_btf::load(self.btf.as_deref())?),
            kernels::Choice::Linux if self.btf.is_some() => {
                return Err(Failure::new(
                    "Linux checks programs against its own BTF: --btf goes without --kernel linux",
                ));
            }
            kernels::Choice::Linux if self.explain || self.html.is_some() => {
                return Err(Failure::new(
                    "Linux does not show its states: --explain and --html go without --kernel linux",
                ));
            }
            kernels::Choice::Linux if self.counterexample.is_some() => {
                return Err(Failure::new(
                    "Linux is not asked for counterexamples: --counterexample goes without --kernel linux",
                ));
            }
            kernels::Choice::Linux if self.target.is_some() => {
                return Err(Failure::new(
                    "only Skep's own verifier takes a target: --target goes without --kernel linux",
                ));
            }
            kernels::Choice::Linux if self.statistics => {
                return Err(Failure::new(
                    "Linux does not say where its work goes: --statistics goes without --kernel linux",
                ));
            }
            kernels::Choice::Linux => Verifier::Linux(self.kernel.open()?),
        })
    }

    fn check_object(&self, path: &Path, verifier: &Verifier) -> Result<Vec<Row>, Failure> {
        let bytes = input::read(path)?;
        let mut object = ObjectSpec::parse(&bytes).map_err(|e| Failure::file("read the object", path, &e))?;
        fill_kernel_settings(&mut object);
        self.set_load_flags(&mut object);
        let programs = self.selected(path, &object)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        match verifier {
            Verifier::Ours(btf) => {
                let stem = name.split('.').next().unwrap_or(&name);
                let loadable = self.counterexample.as_ref().map(|place| Ok((place, Object::parse(stem, &bytes)?)));
                let loadable = loadable.transpose().map_err(|e: skep::Error| Failure::file("use", path, &e))?;
                self.check_offline(&name, &object, loadable.as_ref(), &programs, btf)
            }
            Verifier::Linux(kernel) => self.check_on_linux(&name, path, &bytes, &programs, kernel),
        }
    }

    /// The flags of the command line, and those that programs ask for by tags.
    fn set_load_flags(&self, object: &mut ObjectSpec) {
        let expectations = Expectations::read(object);
        for program in &mut object.programs {
            // Tags that are not understood are for `--selftest` to complain about.
            let tagged = expectations.of(program).map(|expectation| expectation.load_flags).unwrap_or_default();
            program.load_flags |= tagged | ProgramFlags::from_bits_retain(self.load_flags);
        }
    }

    fn selected<'a>(&self, path: &Path, object: &'a ObjectSpec) -> Result<Vec<&'a ProgramSpec>, Failure> {
        let wanted = |program: &&ProgramSpec| self.program.as_ref().is_none_or(|name| *name == program.name);
        let programs: Vec<&ProgramSpec> = object.programs.iter().filter(wanted).collect();
        let path = error::name(path);
        match &self.program {
            _ if !programs.is_empty() => Ok(programs),
            None => Err(Failure::new(format!("{path} has no programs"))
                .hint("functions become programs by their section: SEC(\"xdp\"); `skep dump` shows the sections")),
            Some(name) => {
                let names: Vec<&str> = object.programs.iter().map(|program| &*program.name).collect();
                let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                Err(Failure::new(format!("{path} has no program '{name}'; it has {names}")))
            }
        }
    }

    /// Looks again, at every state, where they are to be shown.
    fn with_trace(&self, row: Row, offline: &Offline<'_>, object: &ObjectSpec, program: &ProgramSpec) -> Row {
        if !self.explain && self.html.is_none() {
            return row;
        }
        let trace = Trace::of(offline, program, &row);
        let lines = self.explain.then(|| trace.lines(object, program));
        let page = self.html.is_some().then(|| html::program(&row, &trace, object, program, &mut Sources::default()));
        Row { lines, page, ..row }
    }

    fn check_offline(
        &self,
        name: &str,
        object: &ObjectSpec,
        loadable: Option<&(&PathBuf, Object)>,
        programs: &[&ProgramSpec],
        btf: &Arc<Btf>,
    ) -> Result<Vec<Row>, Failure> {
        let targets = self.target.as_ref().map(|path| AttachedPrograms::read(path, btf, &Options::default()));
        let modules = target_btf::modules(object, btf, &self.modules, self.btf.is_none())?;
        let offline = Offline::new(object, Arc::clone(btf))
            .with_modules(modules)
            .attached_to(targets.transpose()?.unwrap_or_default());
        let options =
            Options { log_level: LogLevel::from_bits_truncate(self.log_level), explain: true, ..Options::default() };
        let rows = programs
            .iter()
            .map(|program| {
                let row = Row::new(name, program);
                let mut counter = self.statistics.then(|| CostCounter::new(program));
                let observer = counter.as_mut().map(|counter| counter as &mut dyn Observer);
                let row = match offline.check_observed(program, &options, observer) {
                    Verdict::Accept(verified) => row.accepted(&verified),
                    Verdict::Reject(rejection) => {
                        let found = loadable
                            .map(|(place, loadable)| counterexample::look(place, loadable, program, &rejection));
                        Row { counterexample: found, ..row.rejected(*rejection) }
                    }
                    Verdict::Environment(reason) => return Row { message: reason, ..row },
                };
                let row = Row { costs: counter.map(|counter| counter.by_line(object, program)), ..row };
                self.with_trace(row, &offline, object, program)
            })
            .collect();
        Ok(rows)
    }
}

/// Who is asked.
enum Verifier {
    /// Ours, on behalf of the kernel with these types.
    Ours(Arc<Btf>),
    Linux(Arc<dyn Kernel>),
}
