//! Takes packets apart with a chain of programs. See README.md.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use skep_examples::{Error, Observer, PacketOptions, Traffic, open_object, say};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Counts headers and services, with one program per protocol.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    packets: PacketOptions,
}

/// In the order of `enum layer`.
const LAYERS: &[&str] = &["Ethernet", "VLAN", "ARP", "IPv4", "IPv6", "TCP", "UDP", "other", "fragment", "cut short"];

/// `struct service`
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Service {
    port: u16,
    protocol: u16,
}

const IPPROTO_TCP: u16 = 6;

/// The programs do everything.
struct Nobody;

impl Observer for Nobody {}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let traffic = Traffic::open(&arguments.packets)?;
    let object = open_object(arguments.packets.object.as_ref(), "tail-parser", "tail-parser")?;
    let loaded = object.load(&traffic.kernel())?;
    traffic.run_xdp(loaded.program("parse_ethernet")?, &mut Nobody)?;

    let seen = loaded.map("seen")?.typed_per_cpu::<u32, u64>()?;
    say!("{:14} {:>8}", "header", "packets");
    for (index, name) in (0..).zip(LAYERS) {
        let packets: u64 = seen.get(&index)?.unwrap_or_default().iter().sum();
        say!("{name:14} {packets:8}");
    }

    let mut services = loaded.map("services")?.typed::<Service, u64>()?.iter().collect::<Result<Vec<_>, _>>()?;
    services.sort_by_key(|(service, packets)| (std::cmp::Reverse(*packets), service.protocol, service.port));
    say!("\n{:14} {:>8}", "to port", "packets");
    for (service, packets) in services.iter().take(10) {
        let protocol = if service.protocol == IPPROTO_TCP { "tcp" } else { "udp" };
        say!("{:14} {packets:8}", format!("{protocol} {}", service.port));
    }
    Ok(())
}

fn main() -> ExitCode {
    skep_examples::exit(run(&Arguments::parse()))
}
