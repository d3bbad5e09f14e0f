//! Externs: what an object wants from the kernel it is loaded into.

use super::Contents;
use skep_btf::TypeId;
use std::fmt;

/// A variable or function that the kernel, not the object, defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternSpec {
    /// Name in the object: `CONFIG_HZ`, `bpf_prog_active`, `bpf_task_acquire___v2`.
    pub name: String,
    /// May be missing; what refers to it then sees zero, or dead code.
    pub weak: bool,
    /// What it is.
    pub kind: ExternKind,
}

impl ExternSpec {
    /// A setting of the kernel's configuration.
    pub fn is_kconfig(&self) -> bool {
        matches!(self.kind, ExternKind::Kconfig { .. })
    }

    /// The kernel's name for it: a `___flavor` suffix is the object's own.
    pub fn kernel_name(&self) -> &str {
        skep_btf::essential_name(&self.name)
    }
}

/// What an extern is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternKind {
    /// A kernel configuration value, in the `.kconfig` map.
    Kconfig {
        /// Byte offset in the map's value.
        offset: u32,
        /// How the value is stored.
        value: KconfigKind,
    },
    /// A kernel variable with a type: becomes a typed pointer.
    Variable {
        /// Its `VAR` in the object's BTF.
        var: TypeId,
        /// The variable's type.
        type_id: TypeId,
    },
    /// A kernel symbol without a type (`extern const void x __ksym`): becomes its address.
    Address,
    /// A kernel function.
    Function {
        /// Its `FUNC` in the object's BTF.
        func: TypeId,
        /// The function's `FUNC_PROTO`.
        prototype: TypeId,
    },
}

/// How a configuration value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KconfigKind {
    /// `bool`, one byte.
    Bool,
    /// `enum libbpf_tristate`: 0 no, 1 yes, 2 module.
    Tristate,
    /// `char`: `y`, `n`, `m` as a letter, or a number.
    Char {
        /// Signed in the object's BTF.
        signed: bool,
    },
    /// An integer.
    Int {
        /// 1, 2, 4 or 8.
        size: u8,
        /// Signed.
        signed: bool,
    },
    /// A string with its terminating zero.
    String {
        /// Bytes of the array; longer values are cut.
        size: u32,
    },
}

impl KconfigKind {
    /// Size in bytes.
    pub fn size(self) -> u32 {
        match self {
            KconfigKind::Bool | KconfigKind::Char { .. } => 1,
            KconfigKind::Tristate => 4,
            KconfigKind::Int { size, .. } => size.into(),
            KconfigKind::String { size } => size,
        }
    }
}

/// A configuration value as `/proc/config.gz` and friends write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KconfigValue {
    /// `y`
    Yes,
    /// `n`, or `is not set`
    No,
    /// `m`
    Module,
    /// A number, decimal or hexadecimal.
    Number(i128),
    /// `"text"`
    String(String),
}

impl KconfigValue {
    /// Reads the right-hand side of `CONFIG_X=…`.
    pub fn parse(text: &str) -> Option<KconfigValue> {
        let text = text.trim();
        match text {
            "y" => return Some(KconfigValue::Yes),
            "n" => return Some(KconfigValue::No),
            "m" => return Some(KconfigValue::Module),
            _ => {}
        }
        if let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
            return Some(KconfigValue::String(inner.replace("\\\"", "\"").replace("\\\\", "\\")));
        }
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |t| (true, t));
        let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => digits.parse::<u64>(),
        };
        number.ok().map(|n| KconfigValue::Number(if negative { -i128::from(n) } else { i128::from(n) }))
    }
}

impl fmt::Display for KconfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KconfigValue::Yes => f.write_str("y"),
            KconfigValue::No => f.write_str("n"),
            KconfigValue::Module => f.write_str("m"),
            KconfigValue::Number(n) => write!(f, "{n}"),
            KconfigValue::String(s) => write!(f, "{s:?}"),
        }
    }
}

impl ExternKind {
    /// Writes a configuration value into the `.kconfig` contents.
    ///
    /// # Errors
    /// A sentence that says why the value does not fit the variable.
    pub fn store_kconfig(&self, contents: &mut Contents, value: &KconfigValue) -> Result<(), String> {
        let ExternKind::Kconfig { offset, value: kind } = *self else {
            return Err("not a .kconfig variable".to_owned());
        };
        let bytes = encode_kconfig(kind, value)?;
        contents.write(offset, &bytes).ok_or_else(|| format!("offset {offset} is outside the .kconfig map"))
    }
}

fn encode_kconfig(kind: KconfigKind, value: &KconfigValue) -> Result<Vec<u8>, String> {
    use KconfigValue as V;
    let wrong = |want: &str| Err(format!("the value {value} does not fit a variable that holds {want}"));
    match kind {
        KconfigKind::Bool => match value {
            V::Yes => Ok(vec![1]),
            V::No => Ok(vec![0]),
            V::Number(n @ (0 | 1)) => Ok(vec![*n as u8]),
            _ => wrong("a bool"),
        },
        KconfigKind::Tristate => match value {
            V::No => Ok(0u32.to_le_bytes().to_vec()),
            V::Yes => Ok(1u32.to_le_bytes().to_vec()),
            V::Module => Ok(2u32.to_le_bytes().to_vec()),
            _ => wrong("a tristate"),
        },
        KconfigKind::Char { signed } => match value {
            V::Yes => Ok(vec![b'y']),
            V::No => Ok(vec![b'n']),
            V::Module => Ok(vec![b'm']),
            V::Number(n) => encode_number(*n, 1, signed).ok_or(()).or_else(|()| wrong("one byte")),
            V::String(_) => wrong("one character"),
        },
        KconfigKind::Int { size, signed } => match value {
            V::Number(n) => encode_number(*n, size, signed).ok_or(()).or_else(|()| wrong("an integer of its size")),
            _ => wrong("an integer"),
        },
        KconfigKind::String { size } => match value {
            V::String(text) => {
                let room = (size as usize).saturating_sub(1);
                let mut bytes = text.as_bytes().get(..room.min(text.len())).unwrap_or_default().to_vec();
                bytes.resize(size as usize, 0);
                Ok(bytes)
            }
            _ => wrong("a string"),
        },
    }
}

fn encode_number(n: i128, size: u8, signed: bool) -> Option<Vec<u8>> {
    let bits = u32::from(size) * 8;
    let (min, max) =
        if signed { (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1) } else { (0, (1i128 << bits) - 1) };
    (min..=max).contains(&n).then(|| n.to_le_bytes()[..usize::from(size)].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(value: KconfigKind, text: &str) -> Option<Vec<u8>> {
        let mut contents = Contents::zeros(value.size());
        let kind = ExternKind::Kconfig { offset: 0, value };
        kind.store_kconfig(&mut contents, &KconfigValue::parse(text)?).ok()?;
        Some(contents.to_vec())
    }

    #[test]
    fn values_are_stored_as_their_variable_wants() {
        let int = |size, signed| KconfigKind::Int { size, signed };
        assert_eq!(stored(KconfigKind::Bool, "y"), Some(vec![1]));
        assert_eq!(stored(KconfigKind::Bool, "m"), None);
        assert_eq!(stored(KconfigKind::Tristate, "m"), Some(vec![2, 0, 0, 0]));
        assert_eq!(stored(KconfigKind::Char { signed: true }, "m"), Some(vec![b'm']));
        assert_eq!(stored(KconfigKind::Char { signed: true }, "128"), None);
        assert_eq!(stored(KconfigKind::Char { signed: false }, "128"), Some(vec![128]));
        assert_eq!(stored(int(2, false), "0x1234"), Some(vec![0x34, 0x12]));
        assert_eq!(stored(int(2, false), "65536"), None);
        assert_eq!(stored(int(2, false), "-1"), None);
        assert_eq!(stored(int(8, true), "-1"), Some(vec![0xff; 8]));
        assert_eq!(stored(int(8, false), "18446744073709551615"), Some(vec![0xff; 8]));
        assert_eq!(stored(KconfigKind::String { size: 5 }, "\"a\\\"b\""), Some(b"a\"b\0\0".to_vec()));
        assert_eq!(stored(KconfigKind::String { size: 3 }, "\"abcdef\""), Some(b"ab\0".to_vec()));
        assert_eq!(stored(KconfigKind::String { size: 3 }, "y"), None);
        assert_eq!(stored(int(4, true), "12monkeys"), None);
    }
}
