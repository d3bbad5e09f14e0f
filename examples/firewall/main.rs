//! A firewall whose rules change while it runs. See README.md.
#![forbid(unsafe_code)]

mod rules;

use std::process::ExitCode;

use clap::Parser;
use rules::Rule;
use skep::LoadedObject;
use skep_examples::{Error, Observer, PacketOptions, Traffic, open_object, say};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Drops packets to blocked ports and from blocked prefixes.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    packets: PacketOptions,
    /// `block tcp 23`, `allow udp 53`, `block 10.0.0.0/8`; `100: block tcp 80` from the hundredth packet on.
    rules: Vec<Rule>,
}

/// What the program does with packets, in the order of `enum verdict`.
const VERDICTS: &[&str] = &["passed", "blocked port", "blocked IPv4", "blocked IPv6", "malformed"];

/// `struct tally`
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Tally {
    packets: u64,
    bytes: u64,
}

/// Puts rules into the maps when their packet comes.
struct Operator<'a> {
    firewall: &'a LoadedObject,
    rules: Vec<Rule>,
}

impl Observer for Operator<'_> {
    fn before(&mut self, number: u64) -> Result<(), Error> {
        self.rules.extract_if(.., |rule| rule.from_packet <= number).try_for_each(|rule| rule.apply(self.firewall))
    }
}

fn run(arguments: Arguments) -> Result<(), Error> {
    let traffic = Traffic::open(&arguments.packets)?;
    let object = open_object(arguments.packets.object.as_ref(), "firewall", "firewall")?;
    let firewall = object.load(&traffic.kernel())?;
    let mut operator = Operator { firewall: &firewall, rules: arguments.rules };
    traffic.run_xdp(firewall.program("firewall")?, &mut operator)?;
    show(&firewall)
}

fn show(firewall: &LoadedObject) -> Result<(), Error> {
    let verdicts = firewall.map("verdicts")?.typed_per_cpu::<u32, Tally>()?;
    say!("{:14} {:>8} {:>10}", "verdict", "packets", "bytes");
    for (index, name) in (0..).zip(VERDICTS) {
        let per_cpu = verdicts.get(&index)?.unwrap_or_default();
        let packets: u64 = per_cpu.iter().map(|tally| tally.packets).sum();
        let bytes: u64 = per_cpu.iter().map(|tally| tally.bytes).sum();
        say!("{name:14} {packets:8} {bytes:10}");
    }
    Ok(())
}

fn main() -> ExitCode {
    skep_examples::exit(run(Arguments::parse()))
}
