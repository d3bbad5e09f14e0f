//! Shows the URLs of HTTP requests. See README.md.
#![forbid(unsafe_code)]

mod requests;
mod segment;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use requests::{End, Request, Requests};
use segment::{Flow, Segment};
use skep::LoadedObject;
use skep_examples::{Error, Observer, PacketOptions, Traffic, open_object, say};
use zerocopy::IntoBytes;

/// Shows method and URL of every HTTP request.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    packets: PacketOptions,
    /// 1: only what stands in a request's first packet; 2: URLs put together from several.
    #[arg(long = "filter", default_value = "2", value_parser = clap::value_parser!(u8).range(1..=2))]
    version: u8,
    /// Show at most so many bytes of a URL.
    #[arg(long, value_name = "BYTES", default_value = "8192")]
    width: usize,
}

/// The user side: what the program passes on becomes requests.
struct Reader<'a> {
    requests: Requests,
    loaded: &'a LoadedObject,
    width: usize,
    passed: u64,
    whole: u64,
    silent: u64,
}

impl Observer for Reader<'_> {
    fn received(&mut self, frame: &[u8], time: Duration) -> Result<(), Error> {
        self.passed += 1;
        let Some(segment) = Segment::find(frame) else { return Ok(()) };
        if let Some(request) = self.requests.packet(&segment, time) {
            self.show(&request);
        }
        for (flow, request) in self.requests.expire(time) {
            self.show(&request);
            self.forget(&flow)?;
        }
        Ok(())
    }
}

impl Reader<'_> {
    fn show(&mut self, request: &Request) {
        let shown = &request.url[..request.url.len().min(self.width)];
        let rest = request.url.len() - shown.len();
        let dots = if rest > 0 { format!("... ({rest} more bytes)") } else { String::new() };
        let end = match request.end {
            End::Whole => "",
            End::Silent => " [silent for 30 seconds]",
            End::TooLong => " [too long]",
            End::Cut => " [cut]",
        };
        say!("{} {}{dots}{end}", request.method, String::from_utf8_lossy(shown));
        self.whole += u64::from(request.end == End::Whole);
        self.silent += u64::from(request.end == End::Silent);
    }

    /// Takes a session away from the program too.
    fn forget(&self, flow: &Flow) -> Result<(), Error> {
        self.loaded.map("sessions")?.delete(flow.as_bytes())?;
        Ok(())
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let traffic = Traffic::open(&arguments.packets)?;
    let name = format!("url-filter-v{}", arguments.version);
    let loaded = open_object(arguments.packets.object.as_ref(), "url-filter", &name)?.load(&traffic.kernel())?;
    let follow = arguments.version == 2;
    let requests = Requests::new(follow);
    let mut reader = Reader { requests, loaded: &loaded, width: arguments.width, passed: 0, whole: 0, silent: 0 };
    let sent = traffic.run_socket(loaded.program("url_filter")?, &mut reader)?;

    let row = |label: &str, number: u64| say!("{label:16} {number:8}");
    say!("");
    if let Some(sent) = sent {
        row("packets", sent);
    }
    row("to user space", reader.passed);
    row("whole URLs", reader.whole);
    row("silent sessions", reader.silent);
    if follow {
        row("sessions left", loaded.map("sessions")?.keys().count() as u64);
        row("known here", reader.requests.waiting() as u64);
    }
    Ok(())
}

fn main() -> ExitCode {
    skep_examples::exit(run(&Arguments::parse()))
}
