//! What is run: one row per program.

use crate::Error;
use crate::packets::{Segment, noise, tcp};
use skep::LoadedObject;

/// A program, its packet and what its maps hold.
pub struct Program {
    /// Its name, its file and its function.
    pub name: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// It reads the headers of a packet.
    pub packet: bool,
    /// It uses maps.
    pub maps: bool,
    /// The packet it runs on.
    pub input: fn() -> Vec<u8>,
    /// Fills its maps.
    pub fill: fn(&LoadedObject) -> Result<(), Error>,
}

const fn computing(name: &'static str, title: &'static str, input: fn() -> Vec<u8>) -> Program {
    Program { name, title, packet: false, maps: false, input, fill: no_maps }
}

const fn parsing(name: &'static str, title: &'static str, input: fn() -> Vec<u8>) -> Program {
    Program { packet: true, ..computing(name, title, input) }
}

const fn mapping(
    name: &'static str,
    title: &'static str,
    input: fn() -> Vec<u8>,
    fill: fn(&LoadedObject) -> Result<(), Error>,
) -> Program {
    Program { maps: true, fill, ..computing(name, title, input) }
}

/// What a run costs that does nothing.
pub const EMPTY: Program = computing("empty", "empty run", || noise(64));

/// All others.
pub const PROGRAMS: &[Program] = &[
    computing("primes", "primes below 250", || parameter(250)),
    computing("fibonacci", "Fibonacci, 1000 steps", || parameter(1000)),
    computing("xor_64", "byte xor, 64 bytes", || noise(64)),
    computing("xor_1514", "byte xor, 1514 bytes", || noise(1514)),
    computing("checksum", "internet checksum, 1480 bytes", || noise(1480)),
    computing("fnv", "FNV-1a hash, 256 bytes", || noise(256)),
    parsing("firewall", "IPv4 and TCP firewall, 8 packets", connections),
    parsing("http_method", "HTTP method, 8 packets", requests),
    computing("string_scan", "string scan, 512 bytes", haystack),
    computing("big_switch", "switch of 64 cases, 128 times", || noise(128)),
    computing("subprograms", "subprogram calls, 192", || noise(64)),
    computing("helper_calls", "helper calls, 64", || noise(64)),
    mapping("array_counters", "array counters, 16", || noise(16), no_maps),
    mapping("flow_lookup", "flow table: 8 lookups", || tcp(&SEGMENT), fill_flows),
    mapping("flow_update", "flow table: 8 updates", || tcp(&SEGMENT), no_maps),
    mapping("lpm", "LPM: 8 lookups", addresses, fill_routes),
    Program { packet: true, ..mapping("load_balancer", "L4 load balancer", || tcp(&SEGMENT), fill_load_balancer) },
    computing("straight_line", "7000 instructions in a row", || noise(24)),
];

impl Program {
    /// The program of that name.
    pub fn by_name(name: &str) -> Option<&'static Program> {
        PROGRAMS.iter().find(|program| program.name == name)
    }
}

const ACK: u8 = 0x10;

const SEGMENT: Segment<'_> = Segment {
    source: [198, 18, 3, 7],
    destination: [198, 19, 0, 1],
    source_port: 40_001,
    destination_port: 443,
    flags: ACK,
    payload: b"",
};

/// A packet that begins with a number; kernels take none shorter than an Ethernet header.
fn parameter(number: u16) -> Vec<u8> {
    let mut packet = noise(64);
    packet[..2].copy_from_slice(&number.to_le_bytes());
    packet
}

/// Packets one after the other, as the programs' header lays out a burst.
fn burst(segments: [Segment<'_>; 8]) -> Vec<u8> {
    const SLOT: usize = 128;
    let slots = segments.iter().flat_map(|segment| {
        let mut slot = tcp(segment);
        slot.resize(SLOT, 0);
        slot
    });
    slots.collect()
}

/// What a firewall sees: open and closed ports, replies, a source that cannot be.
fn connections() -> Vec<u8> {
    const SYN: u8 = 0x02;
    let to = |destination_port, flags| Segment { destination_port, flags, ..SEGMENT };
    burst([
        to(443, SYN),
        to(40_000, ACK),
        to(443, ACK),
        to(23, SYN),
        to(80, ACK),
        Segment { source: [169, 254, 1, 1], ..SEGMENT },
        to(22, SYN),
        to(50_000, ACK),
    ])
}

/// Requests, and two segments that begin none.
fn requests() -> Vec<u8> {
    let with = |payload| Segment { payload, ..SEGMENT };
    burst([
        with(b"GET /index.html HTTP/1.1"),
        with(b"POST /form HTTP/1.1"),
        with(b"GET / HTTP/1.1"),
        with(b"a part of a body"),
        with(b"DELETE /a HTTP/1.1"),
        with(b"OPTIONS * HTTP/1.1"),
        with(b"GET /b HTTP/1.1"),
        with(b""),
    ])
}

fn no_maps(_object: &LoadedObject) -> Result<(), Error> {
    Ok(())
}

/// Text with the needle near its end, and its first letters before.
fn haystack() -> Vec<u8> {
    let mut text: Vec<u8> = noise(512).iter().map(|byte| b'a' + byte % 26).collect();
    text[100..103].copy_from_slice(b"nee");
    text[470..476].copy_from_slice(b"needle");
    text
}

/// A thousand flows, those of the program's packet among them.
fn fill_flows(object: &LoadedObject) -> Result<(), Error> {
    let flows = object.map("flows")?;
    for port in 0..1000_u16 {
        let mut key = SEGMENT.source.to_vec();
        key.extend((SEGMENT.source_port + port).to_be_bytes());
        key.extend(SEGMENT.destination_port.to_be_bytes());
        key.extend(SEGMENT.destination);
        key.extend(6_u32.to_le_bytes());
        flows.update(&key, &[0; 16])?;
    }
    Ok(())
}

/// How many routes there are beside the default one.
const ROUTES: u32 = 1000;

/// A route: bits of the prefix and its address.
fn route(number: u32) -> (u32, [u8; 4]) {
    // The odd multiplier spreads addresses over 10.0.0.0/8; the lengths are those that tables are made of.
    let bits = [12, 16, 20, 24, 24, 28][(number % 6) as usize];
    let address = 0x0a00_0000 | (number.wrapping_mul(0x9e37_79b1) >> 8);
    (bits, (address & !(u32::MAX >> bits)).to_be_bytes())
}

fn fill_routes(object: &LoadedObject) -> Result<(), Error> {
    let routes = object.map("routes")?;
    let key = |bits: u32, address: [u8; 4]| [bits.to_le_bytes(), address].concat();
    routes.update(&key(0, [0; 4]), &7_u32.to_le_bytes())?;
    for number in 0..ROUTES {
        let (bits, address) = route(number);
        routes.update(&key(bits, address), &(number + 100).to_le_bytes())?;
    }
    Ok(())
}

/// Eight addresses: six inside of routes, one that only the default route has, one at the edge.
fn addresses() -> Vec<u8> {
    let inside = [3, 90, 201, 444, 617, 998].map(|number| {
        let (bits, address) = route(number);
        (u32::from_be_bytes(address) | (u32::MAX >> bits >> 1)).to_be_bytes()
    });
    let mut all = inside.concat();
    all.extend([203, 0, 113, 5, 10, 255, 255, 255]);
    all
}

/// As in the program's source.
const RING_SIZE: u32 = 1021;
const SERVERS: u32 = 32;

fn fill_load_balancer(object: &LoadedObject) -> Result<(), Error> {
    let mut service = SEGMENT.destination.to_vec();
    service.extend(SEGMENT.destination_port.to_be_bytes());
    service.extend(6_u16.to_le_bytes());
    object.map("services")?.update(&service, &[1_u32.to_le_bytes(), 11_u32.to_le_bytes()].concat())?;
    let ring = object.map("ring")?;
    for place in 0..RING_SIZE {
        let server = (place.wrapping_mul(0x9e37_79b1) >> 16) % SERVERS;
        ring.update(&(RING_SIZE + place).to_le_bytes(), &server.to_le_bytes())?;
    }
    let servers = object.map("servers")?;
    for number in 0..SERVERS {
        servers.update(&number.to_le_bytes(), &[2, 0, 0, 1, 0, number as u8, 0, 0])?;
    }
    Ok(())
}
