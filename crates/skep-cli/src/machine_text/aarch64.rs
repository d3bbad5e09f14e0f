//! aarch64, in Arm's notation. Numbers that are put together from parts are shown where the last part is added.

use super::{Line, Names, hexadecimal};
use yaxpeax_arch::{Arch, Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::{ARMv8, Instruction, Opcode, Operand};

pub(super) fn disassemble(code: &[u8], base: u64, names: Names<'_>) -> Vec<Line> {
    let decoder = <ARMv8 as Arch>::Decoder::default();
    let words: Vec<(usize, u32)> = code
        .chunks_exact(4)
        .enumerate()
        .map(|(at, word)| (4 * at, u32::from_le_bytes([word[0], word[1], word[2], word[3]])))
        .collect();
    let mut lines = Vec::new();
    let mut rest = &words[..];
    while let Some(((offset, word), after)) = rest.split_first() {
        let (value, parts) = constant(rest);
        if let Some(name) = value.and_then(&names) {
            let bytes = "..".repeat(4 * parts);
            lines.push(Line { offset: *offset, text: format!("mov x{}, {name}", word & 31), bytes });
            rest = &rest[parts..];
            continue;
        }
        let bytes = word.to_le_bytes();
        let text = match decoder.decode(&mut U8Reader::new(&bytes)) {
            Ok(instruction) => branch(&instruction, *offset, code.len(), base, names),
            Err(_) => format!(".word {word:#010x}"),
        };
        lines.push(Line { offset: *offset, text, bytes: hexadecimal(&bytes, 0..0) });
        rest = after;
    }
    lines
}

/// The number that a run of moves of 16 bits each puts into one register, and how many they are.
fn constant(words: &[(usize, u32)]) -> (Option<u64>, usize) {
    // movn, movz: the first; movk: the others. All with 64-bit registers.
    let kind = |word: u32| word & 0xff80_0000;
    let (shift, part) = (|word: u32| (word >> 21 & 3) * 16, |word: u32| u64::from(word >> 5 & 0xffff));
    let Some((_, first)) = words.first() else { return (None, 0) };
    let mut value = match kind(*first) {
        0x9280_0000 => !(part(*first) << shift(*first)),
        0xd280_0000 => part(*first) << shift(*first),
        _ => return (None, 0),
    };
    let more = words[1..].iter().take_while(|(_, word)| kind(*word) == 0xf280_0000 && word & 31 == first & 31);
    let mut parts = 1;
    for (_, word) in more {
        value = value & !(0xffff << shift(*word)) | part(*word) << shift(*word);
        parts += 1;
    }
    (Some(value), parts)
}

/// An instruction, and for a jump where it leads to.
fn branch(instruction: &Instruction, offset: usize, len: usize, base: u64, names: Names<'_>) -> String {
    let text = instruction.to_string();
    let displacement = instruction.operands.iter().find_map(|operand| match operand {
        Operand::PCOffset(displacement) => Some(*displacement),
        _ => None,
    });
    let Some(displacement) = displacement.filter(|_| instruction.opcode != Opcode::ADRP) else { return text };
    let target = (offset as u64).wrapping_add_signed(displacement);
    let outside = (target > len as u64).then(|| names(base.wrapping_add(target))).flatten();
    let place = outside.unwrap_or_else(|| format!("{target:#x}"));
    match text.rsplit_once([' ', ',']) {
        Some((operation, _)) => format!("{operation} {place}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_names_and_jumps_offsets() {
        // mov x9, 0x7f0012345678 in three parts; blr x9; mov x0, 7; b -12
        let words = [0xd28a_cf09_u32, 0xf2a2_4689, 0xf2cf_e009, 0xd63f_0120, 0xd280_00e0, 0x17ff_fffd];
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let names = |value: u64| (value == 0x7f00_1234_5678).then(|| "call_helper".to_owned());
        let lines = disassemble(&code, 0x40_0000, &names);
        let shown: Vec<_> = lines.iter().map(|line| (line.offset, &*line.text)).collect();
        assert_eq!(shown, [(0, "mov x9, call_helper"), (12, "blr x9"), (16, "mov x0, #0x7"), (20, "b 0x8")]);
        assert_eq!((&*lines[0].bytes, &*lines[1].bytes), ("........................", "20013fd6"));
    }
}
