//! Programs attached to Linux for a while.

use super::Run;
use super::report::RunReport;
use crate::error::Failure;
use crate::{interrupt, kernels};
use skep::{Link, Object, PerfEvent, PerfEventKind, Program, SampleRate, XdpMode};
use skep_abi::program_type::ProgramType;
use std::time::{Duration, Instant};

/// How often a sampling program runs, unless its user side says otherwise.
const SAMPLES_PER_SECOND: u64 = 99;

pub(super) fn run(arguments: &Run, object: Object) -> Result<RunReport, Failure> {
    let kernel = kernels::Choice::Linux.open()?;
    let statistics = skep_kernel::calls::enable_stats(&kernel);
    let loaded = arguments.load(&object, &kernel)?;
    let program = arguments.choose(&loaded)?;
    let link = attach(arguments, program)
        .map_err(|e| Failure::because(format!("cannot attach program '{}'", program.name()), &e))?;
    let deadline = arguments.limit()?.map(|limit| Instant::now() + limit);
    if deadline.is_none() {
        anstream::eprintln!("attached; Ctrl-C ends");
    }
    let mut report = arguments.report(&loaded, program);
    while !interrupt::requested() && deadline.is_none_or(|deadline| Instant::now() < deadline) {
        std::thread::sleep(Duration::from_millis(50));
        // Lines are shown as they come when nobody wants a report as data in the end.
        _ = kernel.drain_printk(&mut |line| report.printed.push(line.to_owned()));
    }
    drop(link);
    let info = program.info().map_err(|e| Failure::because("cannot read the statistics", &e))?;
    if statistics.is_ok() && info.run_cnt > 0 {
        report.runs = info.run_cnt;
        report.ns_per_run = Some(info.run_time_ns as f64 / info.run_cnt as f64);
    }
    arguments.finish(report, &loaded)
}

fn attach(arguments: &Run, program: &Program) -> Result<Link, skep::Error> {
    let missing = |what: &str| {
        let kind = program.kind().program_type.info().name;
        skep::Error::Unfit(format!("a program of type {kind} needs {what}"))
    };
    if let Some(cgroup) = &arguments.cgroup {
        return program.attach_cgroup(cgroup);
    }
    let interface = || arguments.iface.as_deref().ok_or_else(|| missing("an interface: give --iface NAME"));
    match program.kind().program_type {
        ProgramType::Xdp => program.attach_xdp(interface()?, XdpMode::Default),
        ProgramType::SchedCls | ProgramType::SchedAct => program.attach_tcx(interface()?),
        ProgramType::PerfEvent => {
            let rate = SampleRate::Frequency(SAMPLES_PER_SECOND);
            program.attach_perf_event(&PerfEvent { rate, ..PerfEvent::every(PerfEventKind::CpuClock) }, None)
        }
        ProgramType::SocketFilter => {
            let io = |e: std::io::Error| skep::Error::Unfit(format!("cannot open a packet socket: {e}"));
            let socket = skep_linux::PacketSocket::new().map_err(io)?;
            let link = program.attach_socket(&socket)?;
            socket.receive_from(interface()?).map_err(io)?;
            // The link keeps the socket open.
            Ok(link)
        }
        _ => program.attach(),
    }
}
