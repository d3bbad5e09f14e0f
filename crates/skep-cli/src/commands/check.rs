//! `skep check`: would the verifier accept these programs, and if not, why.

use crate::error::{self, Exit, Failure, Outcome};
use crate::offline::{Offline, Verdict, fill_kernel_settings};
use crate::output::{Output, Report};
use crate::style::printable;
use crate::{input, kernels, style, target_btf};
use clap::{Args, ValueEnum};
use serde::Serialize;
use skep::{LoadOptions, LoadedObject, Object};
use skep_abi::command::ProgramFlags;
use skep_btf::Btf;
use skep_kernel::Kernel;
use skep_object::{ObjectSpec, ProgramSpec};
use skep_verifier::{LogLevel, Options, Rejection, Statistics, Verified};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Say whether the verifier accepts the programs of objects, and if not, why
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  skep check firewall.bpf.o
  skep check *.o --format csv
  skep check hello.bpf.o --btf vmlinux-5.15 --log-level 1
  sudo skep check hello.bpf.o --kernel linux    ask Linux itself

Verdicts: accept, reject, and env: something outside of the program is missing.
Exit status: 0 all accepted, 1 some refused, 2 unusable input or env.")]
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
    /// The verifier's log: 1 the failing path, 2 every state, 4 statistics; they add up
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..8))]
    log_level: u32,
    /// Flags of the load that change verdicts: 1 strict alignment, 2 any alignment, 8 keep every state; they add up
    #[arg(long, value_name = "N", default_value_t = 0)]
    load_flags: u32,
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
}

/// One program's verdict, as printed.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    object: String,
    program: String,
    #[serde(rename = "type")]
    program_type: String,
    /// `accept`, `reject` or `env`.
    verdict: &'static str,
    message: String,
    /// Slots of the program.
    instructions: usize,
    processed: u32,
    states: u32,
    stack_bytes: u32,
    time_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    instruction: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    log: String,
}

/// Where in the source a refusal happened.
#[derive(Debug, Serialize)]
struct Source {
    file: String,
    line: u32,
    column: u32,
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Verdicts(Vec<Row>);

impl Check {
    pub(crate) fn run(self, output: Output) -> Outcome {
        if self.format == Format::Csv && output.is_json() {
            return Err(Failure::new("--format csv and --json exclude each other"));
        }
        let verifier = self.verifier()?;
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
        let verdicts = Verdicts(rows);
        match self.format {
            Format::Csv => crate::output::print_text(&verdicts.csv())?,
            Format::Json if !output.is_json() => Output { json: true, pretty: false }.print(&verdicts)?,
            Format::Json | Format::Text => output.print(&verdicts)?,
        }
        Ok(if unusable { Exit::Unusable } else { verdicts.exit() })
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
            kernels::Choice::Linux if self.load_flags != 0 => {
                return Err(Failure::new("--load-flags is for Skep's own verifier: it goes without --kernel linux"));
            }
            kernels::Choice::Linux => Verifier::Linux(self.kernel.open()?),
        })
    }

    fn check_object(&self, path: &Path, verifier: &Verifier) -> Result<Vec<Row>, Failure> {
        let bytes = input::read(path)?;
        let mut object = ObjectSpec::parse(&bytes).map_err(|e| Failure::file("read the object", path, &e))?;
        fill_kernel_settings(&mut object);
        let programs = self.selected(path, &object)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        match verifier {
            Verifier::Ours(btf) => Ok(self.check_offline(&name, &object, &programs, btf)),
            Verifier::Linux(kernel) => self.check_on_linux(&name, path, &bytes, &programs, kernel),
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

    /// Asks the running Linux, program by program.
    fn check_on_linux(
        &self,
        name: &str,
        path: &Path,
        bytes: &[u8],
        programs: &[&ProgramSpec],
        kernel: &Arc<dyn Kernel>,
    ) -> Result<Vec<Row>, Failure> {
        let stem = name.split('.').next().unwrap_or(name);
        let mut object = Object::parse(stem, bytes).map_err(|e| Failure::file("use", path, &e))?;
        for program in &object.spec().programs.iter().map(|p| p.name.clone()).collect::<Vec<_>>() {
            object.program_mut(program).map_err(|e| Failure::because("cannot choose programs", &e))?.autoload = false;
        }
        for program in programs {
            let wanted = object.program_mut(&program.name);
            wanted.map_err(|e| Failure::because("cannot choose the program", &e))?.autoload = true;
        }
        // Statistics are wanted in any case: they are part of the answer.
        let log_level = self.log_level | LogLevel::STATISTICS.bits();
        let options = LoadOptions { keep_going: true, log_level, ..LoadOptions::default() };
        let loaded = object
            .load_with(kernel, &options)
            .map_err(|e| Failure::because(format!("cannot load {}", error::name(path)), &e))?;
        Ok(programs.iter().map(|program| self.linux_row(name, program, &loaded)).collect())
    }

    fn linux_row(&self, name: &str, program: &ProgramSpec, loaded: &LoadedObject) -> Row {
        let row = Row::new(name, program);
        let shown = |log: &str| if self.log_level == 0 { String::new() } else { log.to_owned() };
        if let Ok(accepted) = loaded.program(&program.name) {
            let row = Row { verdict: "accept", log: shown(accepted.log()), ..row };
            return row.with_log_statistics(accepted.log());
        }
        let Some(refused) = loaded.refused().find(|refused| refused.name == program.name) else {
            let name = format!("'{}'", program.name);
            let failure = loaded.failures().iter().map(ToString::to_string).find(|text| text.contains(&name));
            return Row { message: failure.unwrap_or_else(|| "it was not loaded".to_owned()), ..row };
        };
        let verdict = if refused.is_rejection() { "reject" } else { "env" };
        let message = refused.message().map_or_else(|| refused.errno.to_string(), ToOwned::to_owned);
        let row = Row { verdict, message, hint: refused.explanation.clone(), log: shown(&refused.log), ..row };
        row.with_log_statistics(&refused.log)
    }

    fn check_offline(&self, name: &str, object: &ObjectSpec, programs: &[&ProgramSpec], btf: &Arc<Btf>) -> Vec<Row> {
        let offline = Offline::new(object, Arc::clone(btf));
        let flags = ProgramFlags::from_bits_retain(self.load_flags);
        let options = Options {
            log_level: LogLevel::from_bits_truncate(self.log_level),
            strict_alignment: flags.contains(ProgramFlags::STRICT_ALIGNMENT),
            any_alignment: flags.contains(ProgramFlags::ANY_ALIGNMENT),
            test_state_frequency: flags.contains(ProgramFlags::TEST_STATE_FREQ),
            ..Options::default()
        };
        programs
            .iter()
            .map(|program| {
                let row = Row::new(name, program);
                match offline.check(program, &options) {
                    Verdict::Accept(verified) => row.accepted(&verified),
                    Verdict::Reject(rejection) => row.rejected(*rejection),
                    Verdict::Environment(reason) => Row { message: reason, ..row },
                }
            })
            .collect()
    }
}

/// Who is asked.
enum Verifier {
    /// Ours, on behalf of the kernel with these types.
    Ours(Arc<Btf>),
    Linux(Arc<dyn Kernel>),
}

impl Row {
    fn new(object: &str, program: &ProgramSpec) -> Row {
        let kind = program.kind.as_ref().map(|kind| kind.program_type.info().name);
        Row {
            object: object.to_owned(),
            program: program.name.clone(),
            program_type: kind.unwrap_or("unknown").to_owned(),
            verdict: "env",
            message: String::new(),
            instructions: program.insns.len(),
            processed: 0,
            states: 0,
            stack_bytes: 0,
            time_us: 0,
            instruction: None,
            source: None,
            hint: None,
            log: String::new(),
        }
    }

    fn accepted(self, verified: &Verified) -> Row {
        let row = Row { verdict: "accept", log: verified.log().to_owned(), ..self };
        row.with_statistics(verified.statistics())
    }

    fn rejected(self, rejection: Rejection) -> Row {
        let source = rejection.line.map(|line| Source {
            file: line.file.to_string(),
            line: line.line,
            column: line.column,
            text: line.text.trim().to_owned(),
        });
        let row = Row {
            verdict: "reject",
            message: rejection.message,
            instruction: rejection.slot,
            source,
            hint: rejection.hint,
            log: rejection.log,
            ..self
        };
        row.with_statistics(&rejection.statistics)
    }

    /// Statistics as they stand in Linux's log: `processed 12 insns (limit 1000000) … total_states 1 …`.
    fn with_log_statistics(self, log: &str) -> Row {
        let after = |word: &str| {
            let rest = &log[log.rfind(word)? + word.len()..];
            rest.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
        };
        Row {
            processed: after("processed ").unwrap_or(0),
            states: after("total_states ").unwrap_or(0),
            stack_bytes: after("stack depth ").unwrap_or(0),
            time_us: after("verification time ").unwrap_or(0).into(),
            ..self
        }
    }

    fn with_statistics(self, statistics: &Statistics) -> Row {
        Row {
            processed: statistics.instructions_processed,
            states: statistics.total_states,
            stack_bytes: statistics.stack_bytes,
            time_us: statistics.time_us,
            ..self
        }
    }
}

impl Verdicts {
    fn exit(&self) -> Exit {
        let any = |verdict: &str| self.0.iter().any(|row| row.verdict == verdict);
        match () {
            () if any("env") => Exit::Unusable,
            () if any("reject") => Exit::Negative,
            () => Exit::Success,
        }
    }

    fn csv(&self) -> String {
        let mut text =
            String::from("object,program,type,verdict,message,instructions,processed,states,stack_bytes,time_us\n");
        for row in &self.0 {
            let words = [&row.object, &row.program, &row.program_type, &row.verdict.to_owned(), &row.message];
            let words: Vec<String> = words.iter().map(|word| csv_field(word)).collect();
            let numbers =
                [row.instructions as u64, row.processed.into(), row.states.into(), row.stack_bytes.into(), row.time_us];
            let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
            text.push_str(&[words, numbers].concat().join(","));
            text.push('\n');
        }
        text
    }
}

/// Quotes a field where RFC 4180 asks for it.
fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

impl Report for Verdicts {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for row in &self.0 {
            row.text(out)?;
        }
        if self.0.is_empty() {
            return Ok(());
        }
        let accepted = self.0.iter().filter(|row| row.verdict == "accept").count();
        writeln!(out, "{accepted} of {} accepted", self.0.len())
    }
}

impl Row {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let mark = match self.verdict {
            "accept" => style::GOOD,
            "reject" => style::BAD,
            _ => style::WARNING,
        };
        let (object, program) = (printable(&self.object), printable(&self.program));
        write!(out, "{mark}{:<6}{mark:#} {object} {program} ({})", self.verdict, self.program_type)?;
        if self.verdict == "accept" {
            let Row { instructions, processed, states, stack_bytes, time_us, .. } = self;
            write!(
                out,
                ": {instructions} instructions, {processed} processed, {states} states, stack {stack_bytes} bytes, {time_us} us"
            )?;
        }
        writeln!(out)?;
        if !self.message.is_empty() {
            let at = self.instruction.map(|slot| format!(" (instruction {slot})")).unwrap_or_default();
            writeln!(out, "  {}{at}", printable(&self.message))?;
        }
        if let Some(source) = &self.source {
            writeln!(out, "  at {}:{}:{}", printable(&source.file), source.line, source.column)?;
            writeln!(out, "    {}", printable(&source.text))?;
        }
        if let Some(hint) = &self.hint {
            writeln!(out, "  hint: {}", printable(hint))?;
        }
        self.log.lines().try_for_each(|line| writeln!(out, "  | {}", printable(line)))
    }
}
