//! Every program on every engine that is here, once: they must agree with native code.

use skep_benches::Error;
use skep_benches::build::{Built, Compiler};
use skep_benches::engines::{self, Engine, Row};
use skep_benches::programs::{EMPTY, PROGRAMS, Program};

/// Engines that are here; the test says which are not.
fn present() -> Vec<Box<dyn Engine>> {
    let here = |row| match row {
        Row::Here(engine) => Some(engine),
        Row::Missing { name, reason } => {
            skep_testing::skip(&format!("{name}: {reason}"));
            None
        }
    };
    engines::all().into_iter().filter_map(here).collect()
}

/// The programs that an engine is known not to take.
fn is_left_out(engine: &str, program: &Program) -> bool {
    engine == "solana-sbpf JIT" && program.maps
}

fn disagreements(built: &Built, engines: &[Box<dyn Engine>]) -> Vec<String> {
    let name = built.program.name;
    let answer = |engine: &dyn Engine| engine.load(built).and_then(|mut loaded| loaded.answer());
    let native = answer(&*engines[0]).unwrap_or_else(|error| panic!("{name}, native: {error}"));
    if let Some(value) = computed(built.program) {
        assert_eq!(native.value, value, "{name}, native");
    }
    let rewritten = native.packet != (built.program.input)();
    assert_eq!(rewritten, name == "load_balancer", "{name} changes its packet, or does not");
    let others = engines[1..].iter().filter_map(|engine| match answer(&**engine) {
        Ok(other) if other == native => None,
        Ok(other) => Some(format!("{name}, {}: {other:x?} and not {native:x?}", engine.name())),
        Err(_) if is_left_out(&engine.name(), built.program) => None,
        Err(error) => Some(format!("{name}, {}: {error}", engine.name())),
    });
    others.collect()
}

/// What a program must return by what it is, whoever runs it.
const KNOWN: &[(&str, u32)] = &[
    ("empty", 2),
    ("primes", 53),
    // Pass, pass, pass, drop, pass, drop, drop, pass, two bits each.
    ("firewall", 0b10_10_10_01_10_01_01_10),
    // GET, POST, GET, none, DELETE, OPTIONS, GET, none, four bits each.
    ("http_method", 0x1210_5610),
    ("string_scan", 470),
    ("helper_calls", 64),
    ("array_counters", 16),
    ("flow_lookup", 8),
    ("flow_update", 8),
    ("load_balancer", 3),
];

/// As the program's own comment says it, in Rust.
fn computed(program: &Program) -> Option<u32> {
    let packet = (program.input)();
    let folded = |number: u64| number as u32 ^ (number >> 32) as u32;
    Some(match program.name {
        "xor_64" | "xor_1514" => packet.iter().fold(0, |sum, byte| sum ^ byte).into(),
        "fibonacci" => folded((0..1000).fold((0_u64, 1_u64), |(a, b), _| (b, a.wrapping_add(b))).0),
        "fnv" => folded(
            packet
                .iter()
                .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)),
        ),
        "checksum" => {
            let words = packet.chunks_exact(2).map(|pair| u32::from(u16::from_le_bytes([pair[0], pair[1]])));
            let sum = words.sum::<u32>();
            let sum = (sum & 0xffff) + (sum >> 16);
            u32::from(!(((sum & 0xffff) + (sum >> 16)) as u16))
        }
        name => return KNOWN.iter().find(|(known, _)| *known == name).map(|(_, value)| *value),
    })
}

#[test]
fn all_engines_agree_with_native_code() {
    let compiler = match Compiler::find() {
        Err(error @ Error::NoClang) => return skep_testing::skip(&error.to_string()),
        found => found.expect("a compiler"),
    };
    let engines = present();
    let wrong: Vec<String> = PROGRAMS
        .iter()
        .chain([&EMPTY])
        .flat_map(|program| disagreements(&compiler.build(program).unwrap_or_else(|error| panic!("{error}")), &engines))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
