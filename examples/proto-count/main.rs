//! Counts packets by IP protocol. See README.md.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use skep_examples::{Error, Observer, PacketOptions, Traffic, open_object, say};

/// Counts packets by IP protocol.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    packets: PacketOptions,
}

/// `NOT_IP` of the program.
const NOT_IP: u32 = 256;

/// Protocols by their names (IANA).
const NAMES: &[(u32, &str)] = &[
    (0, "hop-by-hop"),
    (1, "ICMP"),
    (2, "IGMP"),
    (6, "TCP"),
    (17, "UDP"),
    (44, "IPv6 fragment"),
    (47, "GRE"),
    (50, "ESP"),
    (58, "ICMPv6"),
    (132, "SCTP"),
    (NOT_IP, "not IP"),
];

/// The program does everything.
struct Nobody;

impl Observer for Nobody {}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let traffic = Traffic::open(&arguments.packets)?;
    let object = open_object(arguments.packets.object.as_ref(), "proto-count", "proto-count")?;
    let loaded = object.load(&traffic.kernel())?;
    traffic.run_socket(loaded.program("count_protocol")?, &mut Nobody)?;

    say!("{:14} {:>8}", "protocol", "packets");
    for entry in loaded.map("packets")?.typed::<u32, u64>()?.iter() {
        let (protocol, packets) = entry?;
        let name = NAMES.iter().find(|(number, _)| *number == protocol).map(|(_, name)| (*name).to_owned());
        if packets > 0 {
            say!("{:14} {packets:8}", name.unwrap_or_else(|| protocol.to_string()));
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    skep_examples::exit(run(&Arguments::parse()))
}
