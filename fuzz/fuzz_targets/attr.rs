//! Any command number and attr of a client whose memory is the same bytes over and over: decode, answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_abi::command::{Client, Decoded, Failure, LinkType, MapSizes, ObjectKind, Reply};
use skep_abi::errno::Errno;

/// A client made of the fuzzer's bytes. The null page is not mapped.
struct Fuzzed<'a> {
    memory: &'a [u8],
}

impl Client for Fuzzed<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        if address < 4096 || self.memory.is_empty() {
            return Err(Errno::EFAULT);
        }
        let start = (address % self.memory.len() as u64) as usize;
        into.iter_mut().zip(self.memory.iter().cycle().skip(start)).for_each(|(to, from)| *to = *from);
        Ok(())
    }

    fn write(&mut self, address: u64, _bytes: &[u8]) -> Result<(), Errno> {
        if address < 4096 { Err(Errno::EFAULT) } else { Ok(()) }
    }

    fn map_sizes(&self, fd: i32) -> Option<MapSizes> {
        (fd >= 0).then_some(MapSizes { key: (fd & 0xff) as usize, value: (fd >> 8 & 0xfff) as usize })
    }

    fn object_kind(&self, fd: i32) -> Option<ObjectKind> {
        [ObjectKind::Program, ObjectKind::Map, ObjectKind::Btf, ObjectKind::Link].get(fd as usize & 7).copied()
    }

    fn link_type(&self, fd: i32) -> Option<LinkType> {
        LinkType::from_number(fd as u32 & 15)
    }
}

fuzz_target!(|input: (u8, Vec<u8>, Vec<u8>, bool)| {
    let (number, attr, memory, fails) = input;
    let mut client = Fuzzed { memory: &memory };
    let Ok(mut decoded) = Decoded::new(number.into(), &attr, &client) else { return };
    let _ = format!("{:?}", decoded.command());
    let outcome = if fails { Err(Failure::from(Errno::ENOENT)) } else { Ok(Reply::Done) };
    decoded.answer(outcome, 0x1000, attr.len(), &mut client);
});
