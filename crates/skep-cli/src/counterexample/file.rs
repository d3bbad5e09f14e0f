//! A counterexample as a file: JSON, and a capture beside it where it is a packet.

use crate::error::Failure;
use crate::input;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use skep_user::devices::{CaptureWriter, Frame, PacketSink as _};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a program runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunInput {
    /// An Ethernet frame, for programs that take packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) packet: Option<Bytes>,
    /// The context of all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<Bytes>,
    /// What maps hold before the run.
    #[serde(default)]
    pub(crate) maps: Vec<MapEntry>,
    /// Where random numbers come from.
    pub(crate) seed: u64,
    /// Instructions the run may take.
    pub(crate) budget: u64,
}

/// An element of a map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MapEntry {
    pub(crate) map: String,
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
}

/// Bytes, in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits: Vec<String> = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&digits.concat())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        skep_engine::conformance::parse_hex(&text).map(Bytes).map_err(serde::de::Error::custom)
    }
}

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counterexample {
    /// For whom it is meant.
    pub(crate) program: String,
    /// Why the verifier refuses it.
    pub(crate) message: String,
    /// The instruction that runs into the fault.
    pub(crate) instruction: u32,
    pub(crate) input: RunInput,
}

impl Counterexample {
    pub(crate) fn read(path: &Path) -> Result<Counterexample, Failure> {
        serde_json::from_slice(&input::read(path)?).map_err(|e| {
            Failure::file("use the input in", path, &e)
                .hint("it is what `skep check OBJECT --counterexample FILE` writes")
        })
    }

    /// Writes the file, and a capture with the packet beside it.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(self).map_err(|e| Failure::file("write", path, &e))?;
        text.push('\n');
        std::fs::write(path, text).map_err(|e| Failure::file("write", path, &e))?;
        match &self.input.packet {
            Some(packet) => write_capture(&path.with_extension("pcap"), &packet.0),
            None => Ok(()),
        }
    }
}

fn write_capture(path: &Path, packet: &[u8]) -> Result<(), Failure> {
    let failed = |e: &dyn std::error::Error| Failure::file("write", path, e);
    let file = File::create(path).map_err(|e| failed(&e))?;
    let mut writer = CaptureWriter::new(BufWriter::new(file)).map_err(|e| failed(&e))?;
    let original_len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
    writer.put_frame(Frame { timestamp: Duration::ZERO, original_len, data: packet }).map_err(|e| failed(&e))?;
    writer.finish().map(drop).map_err(|e| failed(&e))
}

/// Where a program's counterexample goes: below a directory, or into the file that was named.
pub(crate) fn place(given: &Path, program: &str) -> PathBuf {
    if given.is_dir() { given.join(format!("{program}.json")) } else { given.to_owned() }
}
