//! Packets of a capture through Linux's `PROG_TEST_RUN`.

use super::Run;
use super::report::RunReport;
use crate::error::Failure;
use crate::{interrupt, kernels, progress};
use skep::{Object, TestRun};
use skep_user::Outcome;
use skep_user::devices::{CaptureReader, CaptureWriter, Frame, PacketSink as _, PacketSource as _};
use skep_user::hooks::{Fate, packet_hook};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

pub(super) fn run(arguments: &Run, object: Object, pcap: &Path) -> Result<RunReport, Failure> {
    let kernel = kernels::Choice::Linux.open()?;
    let loaded = arguments.load(&object, &kernel)?;
    let program = arguments.choose(&loaded)?;
    let hook = packet_hook(program.kind().program_type).ok_or_else(|| {
        let kind = program.kind().program_type.info().name;
        Failure::new(format!("program '{}' ({kind}) does not run on packets", program.name()))
    })?;
    let create = |path: &std::path::PathBuf| {
        let file = File::create(path).map_err(|e| Failure::file("write", path, &e))?;
        CaptureWriter::new(BufWriter::new(file)).map_err(|e| Failure::file("write", path, &e))
    };
    let mut writer = arguments.out_pcap.as_ref().map(create).transpose()?;
    let mut report = arguments.report(&loaded, program);
    let mut nanoseconds = 0u64;
    for round in 0..arguments.repeat {
        let mut source = CaptureReader::open(pcap).map_err(|e| Failure::file("read", pcap, &e))?;
        let progress = progress::bytes(pcap);
        while let Some(frame) = source.next_frame().map_err(|e| Failure::file("read", pcap, &e))? {
            let output = program
                .test_run(&TestRun::new().data(frame.data))
                .map_err(|e| Failure::because(format!("packet {}", report.runs + 1), &e))?;
            nanoseconds += u64::from(output.nanoseconds);
            report.runs += 1;
            let packets = report.packets.get_or_insert_default();
            packets.count += 1;
            packets.bytes += frame.data.len() as u64;
            let outcome = Outcome { ret: output.return_value.into(), redirect: None, nanoseconds: 0, fault: None };
            let verdict = hook.verdict(&outcome);
            report.count(&verdict.name);
            let passes = matches!(verdict.fate, Fate::Pass | Fate::Cut(1..) | Fate::Transmit | Fate::Redirect(_));
            if let (Some(writer), true, true) = (&mut writer, round == 0, passes) {
                let original_len = u32::try_from(output.data.len()).unwrap_or(u32::MAX);
                writer
                    .put_frame(Frame { timestamp: frame.timestamp, original_len, data: &output.data })
                    .map_err(|e| Failure::because("cannot write a packet", &e))?;
            }
            progress.set_position(source.position());
            if interrupt::requested() {
                break;
            }
        }
    }
    if let (Some(writer), Some(path)) = (writer, &arguments.out_pcap) {
        report.packets.get_or_insert_default().written = Some(writer.packets());
        writer.finish().map_err(|e| Failure::file("write", path, &e))?;
    }
    if report.runs > 0 {
        report.ns_per_run = Some(nanoseconds as f64 / report.runs as f64);
    }
    arguments.finish(report, &loaded)
}
