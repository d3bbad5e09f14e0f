//! Runs on packets, in either kernel: from a capture, or as an interface sees them.

use super::Run;
use super::judge::{Judge, LinuxJudge, UserJudge};
use super::report::RunReport;
use crate::error::Failure;
use crate::kernels::Choice;
use crate::{input, interrupt, progress};
use skep::{Kernel, Object};
use skep_linux::PacketSocket;
use skep_user::devices::{CaptureReader, CaptureWriter, Frame, PacketSink as _, PacketSource as _};
use skep_user::hooks::{Fate, packet_hook};
use skep_user::{Config, UserKernel};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The interface index that packets of a capture come from.
const CAPTURE_INTERFACE: u32 = 1;
/// Larger than any frame.
const FRAME_BYTES: usize = 1 << 16;

pub(super) fn run(arguments: &Run, object: Object) -> Result<RunReport, Failure> {
    let user = (arguments.kernel == Choice::User)
        .then(|| UserKernel::new(Config { mode: arguments.engine, ..Config::default() }));
    let kernel: Arc<dyn Kernel> = match &user {
        Some(kernel) => kernel.clone(),
        None => Choice::Linux.open()?,
    };
    let loaded = arguments.load(&object, &kernel)?;
    let program = arguments.choose(&loaded)?;
    let hook = packet_hook(program.kind().program_type).ok_or_else(|| {
        let kind = program.kind().program_type.info().name;
        Failure::new(format!("program '{}' ({kind}) does not run on packets", program.name()))
            .hint("--events FILE describes events for it, `--kernel linux` without --pcap attaches it")
    })?;
    let judge: Box<dyn Judge + '_> = match &user {
        Some(kernel) => Box::new(UserJudge::new(kernel, program, hook)?),
        None => Box::new(LinuxJudge::new(program, hook)),
    };
    let mut runner = Runner {
        judge,
        report: arguments.report(&loaded, program),
        writer: arguments.out_pcap.as_deref().map(create).transpose()?,
        busy: Duration::ZERO,
    };
    runner.report.engine = user.is_some().then(|| arguments.engine.name());
    match (&arguments.pcap, &arguments.iface) {
        (Some(pcap), _) => runner.capture(pcap, arguments.repeat)?,
        (None, Some(interface)) => runner.interface(interface, arguments.limit()?)?,
        (None, None) => {
            return Err(Failure::new("nothing to run on").hint("give packets with --pcap FILE or --iface NAME"));
        }
    }
    let report = runner.finish(arguments.out_pcap.as_deref())?;
    arguments.finish(report, &loaded)
}

fn create(path: &Path) -> Result<CaptureWriter<BufWriter<File>>, Failure> {
    let file = File::create(path).map_err(|e| Failure::file("write", path, &e))?;
    CaptureWriter::new(BufWriter::new(file)).map_err(|e| Failure::file("write", path, &e))
}

/// A program, and what came of it so far.
struct Runner<'p> {
    judge: Box<dyn Judge + 'p>,
    report: RunReport,
    writer: Option<CaptureWriter<BufWriter<File>>>,
    busy: Duration,
}

impl Runner<'_> {
    /// Runs the program on all packets of a capture, so many times over. Only the first round writes packets.
    fn capture(&mut self, path: &Path, rounds: u32) -> Result<(), Failure> {
        for round in 0..rounds {
            let mut source = CaptureReader::new(input::open(path)?).map_err(|e| Failure::file("read", path, &e))?;
            let progress = progress::bytes(path);
            while !interrupt::requested() {
                match source.next_frame() {
                    Ok(Some(frame)) => self.packet(frame, CAPTURE_INTERFACE, round == 0)?,
                    Ok(None) => break,
                    Err(error) => {
                        // What was read so far counts: a capture that was cut off is still a capture.
                        let seen = self.report.packets.as_ref().map_or(0, |packets| packets.count);
                        let failure = Failure::file("read", path, &error);
                        let hint = format!("the result is that of the {seen} packets before");
                        self.report.cut_short = Some(failure.hint(hint));
                        return Ok(());
                    }
                }
                progress.set_position(source.position());
            }
        }
        Ok(())
    }

    /// Runs the program on copies of what an interface sends and receives.
    fn interface(&mut self, name: &str, limit: Option<Duration>) -> Result<(), Failure> {
        let failed = |e: std::io::Error| Failure::because(format!("cannot look at interface {name}"), &e);
        let socket = PacketSocket::new().map_err(failed)?;
        let index = rustix::net::netdevice::name_to_index(&socket, name).map_err(|e| failed(e.into()))?;
        socket.receive_from(name).map_err(failed)?;
        let deadline = limit.map(|limit| Instant::now() + limit);
        let mut buffer = vec![0; FRAME_BYTES];
        while !interrupt::requested() && deadline.is_none_or(|deadline| Instant::now() < deadline) {
            let Some(len) = socket.receive(&mut buffer, Duration::from_millis(100)).map_err(failed)? else { continue };
            let timestamp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let data = &buffer[..len.min(FRAME_BYTES)];
            self.packet(Frame { timestamp, original_len: u32::try_from(len).unwrap_or(u32::MAX), data }, index, true)?;
        }
        Ok(())
    }

    fn packet(&mut self, frame: Frame<'_>, ifindex: u32, write: bool) -> Result<(), Failure> {
        let judgement = self.judge.judge(frame, ifindex).map_err(|failure| failure.at_packet(self.report.runs + 1))?;
        self.busy += judgement.time;
        self.report.runs += 1;
        let packets = self.report.packets.get_or_insert_default();
        packets.count += 1;
        packets.bytes += frame.data.len() as u64;
        self.report.count(&judgement.verdict.name);
        let fate = judgement.verdict.fate;
        let passes = matches!(fate, Fate::Pass | Fate::Cut(1..) | Fate::Transmit | Fate::Redirect(_));
        if let (Some(writer), true, Some(data)) = (&mut self.writer, write && passes, judgement.frame) {
            let original_len = u32::try_from(data.len()).unwrap_or(u32::MAX);
            writer
                .put_frame(Frame { timestamp: frame.timestamp, original_len, data: &data })
                .map_err(|e| Failure::because("cannot write a packet", &e))?;
        }
        Ok(())
    }

    fn finish(mut self, out_pcap: Option<&Path>) -> Result<RunReport, Failure> {
        if let (Some(writer), Some(path)) = (self.writer.take(), out_pcap) {
            self.report.packets.get_or_insert_default().written = Some(writer.packets());
            writer.finish().map_err(|e| Failure::file("write", path, &e))?;
        }
        if self.report.runs > 0 {
            self.report.ns_per_run = Some(self.busy.as_nanos() as f64 / self.report.runs as f64);
        }
        Ok(self.report)
    }
}
