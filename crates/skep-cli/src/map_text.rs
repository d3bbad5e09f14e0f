//! Maps for people: elements printed through BTF, and elements given on the command line.

use crate::error::Failure;
use crate::style;
use serde::Serialize;
use skep::{LoadedObject, RawMap};
use skep_abi::map_type::ValueKind;
use skep_btf::{Btf, TypeId, format};
use std::io::{self, Write};
use std::net::IpAddr;
use std::str::FromStr;

/// Elements of a map that are printed unless all are wanted.
pub(crate) const DEFAULT_LIMIT: usize = 32;

/// A map with its elements.
#[derive(Debug, Serialize)]
pub(crate) struct MapDump {
    name: String,
    #[serde(rename = "type")]
    map_type: &'static str,
    /// All elements, also those not listed.
    entries: usize,
    elements: Vec<Element>,
}

#[derive(Debug, Serialize)]
struct Element {
    key: serde_json::Value,
    value: serde_json::Value,
    #[serde(skip)]
    text: (String, String),
}

/// The maps of an object that hold data: variables and constants of the program included, descriptors not. Array
/// elements that are all zero count as not there.
pub(crate) fn dump(loaded: &LoadedObject, limit: usize) -> Result<Vec<MapDump>, Failure> {
    let btf = loaded.spec().btf.as_deref();
    let mut dumps = Vec::new();
    for (spec, map) in loaded.spec().maps.iter().filter(|spec| spec.autocreate).zip(loaded.maps()) {
        let Some(info) = map.map_type().map(|map_type| map_type.info()) else { continue };
        let shown = matches!(info.value_kind, ValueKind::Data | ValueKind::PerCpu) && map.key_size() > 0;
        if !shown || (spec.origin.is_data() && spec.freeze) {
            continue;
        }
        let types = Types { btf, key: spec.key_type, value: spec.value_type };
        let mut dump = MapDump { name: spec.name.clone(), map_type: info.name, entries: 0, elements: Vec::new() };
        for (key, value) in sorted_entries(map)? {
            if info.index_key && !spec.origin.is_data() && value.iter().all(|byte| *byte == 0) {
                continue;
            }
            dump.entries += 1;
            if dump.elements.len() < limit {
                dump.elements.push(types.element(map, &key, &value));
            }
        }
        dumps.push(dump);
    }
    Ok(dumps)
}

/// A key and its value.
type Entry = (Vec<u8>, Vec<u8>);

/// All elements by key, so that two runs and two kernels print alike. Keys up to eight bytes are sorted as numbers.
fn sorted_entries(map: &RawMap) -> Result<Vec<Entry>, Failure> {
    let entries: Result<Vec<_>, _> = map.iter().collect();
    let mut entries = entries.map_err(|e| Failure::because("cannot read a map", &e))?;
    if map.key_size() <= 8 {
        entries.sort_by(|a, b| a.0.iter().rev().cmp(b.0.iter().rev()));
    } else {
        entries.sort();
    }
    // A map that changed meanwhile may have given a key twice.
    entries.dedup_by(|a, b| a.0 == b.0);
    Ok(entries)
}

/// How keys and values are typed.
struct Types<'a> {
    btf: Option<&'a Btf>,
    key: Option<TypeId>,
    value: Option<TypeId>,
}

impl Types<'_> {
    fn element(&self, map: &RawMap, key: &[u8], value: &[u8]) -> Element {
        let index = map.map_type().is_some_and(|map_type| map_type.info().index_key);
        let (key, key_text) = match (self.key, key.first_chunk::<4>()) {
            (None, Some(bytes)) if index => {
                let index = u32::from_ne_bytes(*bytes);
                (index.into(), index.to_string())
            }
            _ => self.render(self.key, key),
        };
        let (value, value_text) =
            if map.is_per_cpu() { self.per_cpu(map, value) } else { self.render(self.value, value) };
        Element { key, value, text: (key_text, value_text) }
    }

    /// One value per CPU: a list.
    fn per_cpu(&self, map: &RawMap, value: &[u8]) -> (serde_json::Value, String) {
        let stride = map.value_size().next_multiple_of(8).max(8);
        let values =
            value.chunks(stride).map(|cpu| self.render(self.value, cpu.get(..map.value_size()).unwrap_or(cpu)));
        let (json, text): (Vec<_>, Vec<_>) = values.unzip();
        (json.into(), format!("[{}]", text.join(", ")))
    }

    fn render(&self, id: Option<TypeId>, bytes: &[u8]) -> (serde_json::Value, String) {
        let typed = self.btf.zip(id).and_then(|(btf, id)| {
            let json = serde_json::from_str(&format::to_json(btf, id, bytes).ok()?).ok()?;
            Some((json, format::to_text(btf, id, bytes).ok()?))
        });
        typed.unwrap_or_else(|| {
            let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            (hex.join("").into(), hex.join(" "))
        })
    }
}

impl MapDump {
    pub(crate) fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let bold = style::TITLE;
        let plural = if self.entries == 1 { "entry" } else { "entries" };
        writeln!(out, "{bold}{}{bold:#} ({}, {} {plural})", self.name, self.map_type, self.entries)?;
        for element in &self.elements {
            writeln!(out, "  {}: {}", element.text.0, element.text.1.replace('\n', "\n  "))?;
        }
        let hidden = self.entries - self.elements.len();
        if hidden > 0 { writeln!(out, "  … {hidden} more (--all)") } else { Ok(()) }
    }
}

/// `MAP=KEY:VALUE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    map: String,
    key: String,
    value: String,
}

impl FromStr for Update {
    type Err = String;

    fn from_str(text: &str) -> Result<Update, String> {
        let (map, rest) = text.split_once('=').ok_or("expected MAP=KEY:VALUE")?;
        // A value never holds a colon but in a prefix (`be:`, `hex:`), a key may (IPv6).
        let cut =
            ["be:", "hex:"].iter().find_map(|prefix| rest.rfind(&format!(":{prefix}"))).or_else(|| rest.rfind(':'));
        let cut = cut.ok_or("expected MAP=KEY:VALUE")?;
        let (key, value) = (&rest[..cut], &rest[cut + 1..]);
        Ok(Update { map: map.to_owned(), key: key.to_owned(), value: value.to_owned() })
    }
}

impl Update {
    /// Sets the element; per-CPU maps get the value on every CPU.
    pub(crate) fn apply(&self, loaded: &LoadedObject) -> Result<(), Failure> {
        let failed =
            |e: &dyn std::error::Error| Failure::because(format!("cannot set an element of map '{}'", self.map), e);
        let map = loaded.map(&self.map).map_err(|e| failed(&e))?;
        let key =
            bytes(&self.key, map.key_size()).map_err(|e| Failure::new(format!("key of map '{}': {e}", self.map)))?;
        let value = bytes(&self.value, map.value_size())
            .map_err(|e| Failure::new(format!("value of map '{}': {e}", self.map)))?;
        let mut whole = value.clone();
        if map.is_per_cpu() {
            whole.resize(value.len().next_multiple_of(8), 0);
            whole = whole.repeat(map.user_value_size() / whole.len().max(1));
        }
        map.update(&key, &whole).map_err(|e| failed(&e))
    }
}

/// Bytes of a key or value: parts joined by `,`, each a number filling what is left (`22`, `0x16`, `be:22`, `u32:24`), an
/// address, or `hex:0a000001`.
fn bytes(text: &str, size: usize) -> Result<Vec<u8>, String> {
    let parts: Vec<&str> = text.split(',').collect();
    let mut bytes = Vec::with_capacity(size);
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        let left = size.saturating_sub(bytes.len());
        bytes.extend(part_bytes(part, last.then_some(left))?);
    }
    if bytes.len() == size { Ok(bytes) } else { Err(format!("'{text}' has {} bytes, {size} are needed", bytes.len())) }
}

/// One part; `left` is how many bytes a number without a width fills.
fn part_bytes(part: &str, left: Option<usize>) -> Result<Vec<u8>, String> {
    if let Some(hex) = part.strip_prefix("hex:") {
        return skep_engine::conformance::parse_hex(hex).map_err(|e| e.to_string());
    }
    if let Ok(address) = part.parse::<IpAddr>() {
        return Ok(match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        });
    }
    let (big, rest) = part.strip_prefix("be:").map_or((false, part), |rest| (true, rest));
    let widths = [("u8:", 1), ("u16:", 2), ("u32:", 4), ("u64:", 8)];
    let width = widths.iter().find_map(|(prefix, width)| Some((rest.strip_prefix(prefix)?, *width)));
    let (digits, width) = match (width, left) {
        (Some(found), _) => found,
        (None, Some(left)) => (rest, left),
        (None, None) => return Err(format!("'{part}' needs a width, such as u32:{rest}, since more follows")),
    };
    let number = match digits.strip_prefix("0x") {
        Some(hex) => u128::from_str_radix(hex, 16),
        None => digits.parse::<u128>(),
    };
    let number = number.map_err(|_| format!("'{digits}' is no number, address or hex:…"))?;
    if width < 16 && number >> (8 * width) != 0 {
        return Err(format!("{digits} does not fit {width} bytes"));
    }
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(width, 0);
    if big {
        bytes.reverse();
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_cut_at_the_right_colon() {
        let update = |text: &str| text.parse::<Update>().map(|u| (u.map, u.key, u.value));
        let owned = |m: &str, k: &str, v: &str| Ok((m.to_owned(), k.to_owned(), v.to_owned()));
        assert_eq!(update("ports=22:1"), owned("ports", "22", "1"));
        assert_eq!(update("ports=be:22:hex:01"), owned("ports", "be:22", "hex:01"));
        assert_eq!(update("prefixes=u32:64,2001:db8:::1"), owned("prefixes", "u32:64,2001:db8::", "1"));
        assert!(update("ports").is_err());
        assert!(update("ports=22").is_err());
    }

    #[test]
    fn bytes_have_the_map_s_size() {
        assert_eq!(bytes("22", 4), Ok(vec![22, 0, 0, 0]));
        assert_eq!(bytes("be:22", 2), Ok(vec![0, 22]));
        assert_eq!(bytes("u32:24,10.0.0.1", 8), Ok(vec![24, 0, 0, 0, 10, 0, 0, 1]));
        assert_eq!(bytes("hex:0a0b", 2), Ok(vec![10, 11]));
        assert!(bytes("300", 1).unwrap_err().contains("does not fit"));
        assert!(bytes("hex:0a", 2).unwrap_err().contains("has 1 bytes"));
        assert!(bytes("24,10.0.0.1", 8).unwrap_err().contains("needs a width"));
    }
}
