//! Rules as text, and in the program's maps.

use std::net::IpAddr;
use std::str::FromStr;

use skep::LoadedObject;
use skep_examples::Error;
use zerocopy::{Immutable, IntoBytes};

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// Packets to a port.
    Port { protocol: u8, number: u16 },
    /// Packets from addresses that begin with so many bits.
    Prefix { address: IpAddr, bits: u32 },
}

/// `block tcp 23`, `allow udp 514`, `block 10.66.7.0/24`; with `100:` in front, from the hundredth packet on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The first packet it is for.
    pub(crate) from_packet: u64,
    block: bool,
    subject: Subject,
}

const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Rule, String> {
        let (from_packet, rest) = match text.split_once(": ") {
            Some((number, rest)) => {
                (number.trim().parse().map_err(|_| format!("`{number}` is not a packet's number"))?, rest)
            }
            None => (1, text),
        };
        let words: Vec<&str> = rest.split_whitespace().collect();
        let (action, subject) = match words[..] {
            [action, "tcp", port] => (action, Subject::port(IPPROTO_TCP, port)?),
            [action, "udp", port] => (action, Subject::port(IPPROTO_UDP, port)?),
            [action, prefix] => (action, Subject::prefix(prefix)?),
            _ => return Err("a rule is like `block tcp 23`, `allow udp 53` or `block 10.0.0.0/8`".into()),
        };
        let block = match action {
            "block" => true,
            "allow" => false,
            other => return Err(format!("`{other}` is neither block nor allow")),
        };
        Ok(Rule { from_packet, block, subject })
    }
}

impl Subject {
    fn port(protocol: u8, number: &str) -> Result<Subject, String> {
        let number = number.parse().map_err(|_| format!("`{number}` is not a port"))?;
        Ok(Subject::Port { protocol, number })
    }

    fn prefix(text: &str) -> Result<Subject, String> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| format!("`{address}` is not an address"))?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits =
            bits.map_or(Ok(all), |bits| bits.parse().map_err(|_| format!("`{bits}` is not a number of bits")))?;
        if bits > all { Err(format!("{address} has only {all} bits")) } else { Ok(Subject::Prefix { address, bits }) }
    }
}

/// `struct port_key`
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct PortKey {
    number: u16,
    protocol: u8,
    unused: u8,
}

/// `struct ipv4_key` or `struct ipv6_key`: how many bits, then the address.
fn prefix_key(bits: u32, address: &[u8]) -> Vec<u8> {
    [&bits.to_ne_bytes(), address].concat()
}

impl Rule {
    /// Puts what it blocks into a map, or takes it out.
    pub(crate) fn apply(&self, firewall: &LoadedObject) -> Result<(), Error> {
        match self.subject {
            Subject::Port { protocol, number } => {
                self.set(firewall, "blocked_ports", PortKey { number, protocol, unused: 0 }.as_bytes())
            }
            Subject::Prefix { address: IpAddr::V4(address), bits } => {
                self.set(firewall, "blocked_ipv4", &prefix_key(bits, &address.octets()))
            }
            Subject::Prefix { address: IpAddr::V6(address), bits } => {
                self.set(firewall, "blocked_ipv6", &prefix_key(bits, &address.octets()))
            }
        }
    }

    fn set(&self, firewall: &LoadedObject, map: &str, key: &[u8]) -> Result<(), Error> {
        let map = firewall.map(map)?;
        if self.block {
            map.update(key, &[1])?;
        } else {
            map.delete(key)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        let rule: Rule = "block tcp 23".parse().expect("a rule");
        assert_eq!(rule.subject, Subject::Port { protocol: IPPROTO_TCP, number: 23 });
        assert_eq!((rule.from_packet, rule.block), (1, true));
        let rule: Rule = "100: allow fd66::/16".parse().expect("a rule");
        assert_eq!((rule.from_packet, rule.block), (100, false));
        assert_eq!(rule.subject, Subject::Prefix { address: "fd66::".parse().expect("an address"), bits: 16 });
        let host: Rule = "block 10.0.0.1".parse().expect("a rule");
        assert!(matches!(host.subject, Subject::Prefix { bits: 32, .. }));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", "block", "drop tcp 1", "block tcp 65536", "block 10.0.0.0/33", "x: block tcp 1", "block sctp 1"]
        {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }
}
