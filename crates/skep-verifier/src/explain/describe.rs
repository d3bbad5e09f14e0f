//! What a register holds, in words.

use crate::domain::register::{Kind, Register};
use crate::domain::scalar::Scalar;
use crate::report::Names;

/// What a register holds.
pub(super) fn register(register: &Register, names: &Names<'_>) -> String {
    let mut text = match register.kind {
        Kind::Uninitialised => return "nothing: it was not set on this path".to_owned(),
        Kind::Scalar => return number(&register.value),
        Kind::Context => "a pointer to the program's context".to_owned(),
        Kind::Map(map) => format!("the map '{}'", names.maps.facts(map).name),
        Kind::MapValue(map) => {
            let map = names.maps.facts(map);
            format!("a pointer to a value of map '{}' ({} bytes)", map.name, map.value_size)
        }
        Kind::MapKey(map) => {
            let map = names.maps.facts(map);
            format!("a pointer to a key of map '{}' ({} bytes)", map.name, map.key_size)
        }
        Kind::Stack(_) => "a pointer to the stack".to_owned(),
        Kind::Packet { range: 0 } => "a pointer into the packet, of which no byte is known to exist".to_owned(),
        Kind::Packet { range } => {
            format!("a pointer into the packet, of which the first {range} bytes are known to exist")
        }
        Kind::PacketMeta { range } => format!("a pointer into the packet's metadata, {range} bytes known to exist"),
        Kind::PacketEnd => "a pointer to the end of the packet".to_owned(),
        Kind::Memory(bytes) => format!("a pointer to {bytes} bytes of memory"),
        Kind::Function(_) => "address of a function".to_owned(),
        Kind::Btf(ty) => format!("a pointer to a kernel object of type {}", names.type_name(ty)),
        _ => format!("a pointer of kind {}", register.type_name()),
    };
    match register.value.as_constant() {
        Some(variable) => {
            let offset = i64::from(register.offset).wrapping_add(variable as i64);
            if offset != 0 {
                text.push_str(&format!(", offset {offset}"));
            }
        }
        None => {
            let fixed = if register.offset == 0 { String::new() } else { format!("{} plus ", register.offset) };
            text.push_str(&format!(", offset {fixed}{}", number(&register.value)));
        }
    }
    if register.is_nullable() {
        text.push_str(", or NULL");
    }
    text
}

/// A set of numbers.
fn number(value: &Scalar) -> String {
    if let Some(constant) = value.as_constant() {
        return format!("the number {}", constant as i64);
    }
    let signed = value.smin != i64::MIN || value.smax != i64::MAX;
    let text = match () {
        () if value.smin >= 0 => format!("a number from {} to {}", value.smin, value.smax),
        () if signed && value.smax < 0 => format!("a negative number from {} to {}", value.smin, value.smax),
        () if value.umax != u64::MAX || value.umin != 0 => {
            format!("a number from {} to {}, unsigned", value.umin, value.umax)
        }
        () if value.smin != i64::MIN && value.smax != i64::MAX => {
            format!("a number from {} to {}, signed", value.smin, value.smax)
        }
        () if value.smin != i64::MIN => format!("a number of at least {}, signed", value.smin),
        () if value.smax != i64::MAX => format!("a number of at most {}, signed", value.smax),
        () => return "any number".to_owned(),
    };
    let unknown = value.bits.unknown;
    if unknown != 0 && unknown.trailing_zeros() > 0 && value.bits.value == 0 {
        return format!("{text}, a multiple of {}", 1u64 << unknown.trailing_zeros());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number(&Scalar::UNKNOWN), "any number");
        assert_eq!(number(&Scalar::constant(u64::MAX)), "the number -1");
        assert_eq!(number(&Scalar::of_size(1)), "a number from 0 to 255");
        assert_eq!(number(&Scalar::signed_range(-3, 5)), "a number from -3 to 5, signed");
    }
}
