//! x86-64, in Intel's notation.

use super::{Line, Names, hexadecimal};
use iced_x86::{
    Decoder, DecoderOptions, Formatter as _, Instruction, IntelFormatter, OpKind, SymbolResolver, SymbolResult,
};
use std::collections::HashMap;

pub(super) fn disassemble(code: &[u8], base: u64, names: Names<'_>) -> Vec<Line> {
    let instructions: Vec<Instruction> = Decoder::with_ip(64, code, 0, DecoderOptions::NONE).into_iter().collect();
    let mut known = HashMap::new();
    for instruction in &instructions {
        for value in immediates(instruction) {
            known.extend(names(value).map(|name| (value, name)));
        }
        // Offsets from the beginning of the code; what lies elsewhere is known by its address.
        let target = instruction.near_branch_target();
        if instruction.op0_kind() == OpKind::NearBranch64 && target > code.len() as u64 {
            known.extend(names(base.wrapping_add(target)).map(|name| (target, name)));
        }
    }
    let mut formatter = IntelFormatter::with_options(Some(Box::new(Known(known.clone()))), None);
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_branch_leading_zeros(false);
    options.set_space_after_operand_separator(true);
    options.set_show_branch_size(false);
    options.set_show_symbol_address(false);
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    instructions
        .iter()
        .map(|instruction| {
            let mut text = String::new();
            formatter.format(instruction, &mut text);
            let offset = instruction.ip() as usize;
            let hidden = hidden(&mut decoder, instruction, &known);
            let bytes = hexadecimal(&code[offset..offset + instruction.len()], hidden);
            Line { offset, text, bytes }
        })
        .collect()
}

fn immediates(instruction: &Instruction) -> impl Iterator<Item = u64> {
    (0..instruction.op_count()).filter_map(|operand| instruction.try_immediate(operand).ok())
}

/// Where in an instruction the number stands that is shown by name.
fn hidden(
    decoder: &mut Decoder<'_>,
    instruction: &Instruction,
    known: &HashMap<u64, String>,
) -> std::ops::Range<usize> {
    let branches = instruction.op0_kind() == OpKind::NearBranch64;
    let named = immediates(instruction).any(|value| known.contains_key(&value))
        || branches && known.contains_key(&instruction.near_branch_target());
    if !named {
        return 0..0;
    }
    // The offsets are those of the instruction that was decoded last.
    if decoder.set_position(instruction.ip() as usize).is_err() {
        return 0..instruction.len();
    }
    let decoded = decoder.decode();
    let offsets = decoder.get_constant_offsets(&decoded);
    let begin = offsets.immediate_offset();
    begin..begin + offsets.immediate_size()
}

/// Names by number.
struct Known(HashMap<u64, String>);

impl SymbolResolver for Known {
    fn symbol(
        &mut self,
        _instruction: &Instruction,
        _operand: u32,
        _instruction_operand: Option<u32>,
        address: u64,
        _address_size: u32,
    ) -> Option<SymbolResult<'_>> {
        self.0.get(&address).map(|name| SymbolResult::with_str(address, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_names_and_jumps_offsets() {
        // mov rax, 0x7f0012345678; call rax; mov eax, 7; jmp -7; call 0x1000 behind the end
        let code = [
            &[0x48, 0xb8, 0x78, 0x56, 0x34, 0x12, 0, 0x7f, 0, 0][..],
            &[0xff, 0xd0, 0xb8, 7, 0, 0, 0, 0xeb, 0xf9],
            &[0xe8, 0, 0x10, 0, 0],
        ]
        .concat();
        let names = |value: u64| match value {
            0x7f00_1234_5678 => Some("call_helper".to_owned()),
            value if value == 0x40_0000 + 24 + 0x1000 => Some("outside".to_owned()),
            _ => None,
        };
        let lines = disassemble(&code, 0x40_0000, &names);
        let shown: Vec<_> = lines.iter().map(|line| (line.offset, &*line.text, &*line.bytes)).collect();
        assert_eq!(
            shown,
            [
                (0, "mov rax, call_helper", "48b8................"),
                (10, "call rax", "ffd0"),
                (12, "mov eax, 7", "b807000000"),
                (17, "jmp 0xc", "ebf9"),
                (19, "call outside", "e8........"),
            ]
        );
    }
}
