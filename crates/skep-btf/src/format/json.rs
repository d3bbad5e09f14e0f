//! Values as JSON, in the manner of `bpftool map dump`: objects, arrays, text as strings, enums by name.

use super::{FormatError, Scalar, Shape, Visitor, visit};
use crate::btf::Btf;
use crate::types::TypeId;
use std::convert::Infallible;
use std::fmt::Write;

/// The value of type `id` in `bytes` as JSON, on one line.
///
/// Integers beyond 64 bits, pointers and bytes without a meaning are strings of hexadecimal digits; members of
/// anonymous structs and unions stand in the object around them, under the key they would have in C.
///
/// # Errors
/// As [`visit`].
pub fn to_json(btf: &Btf, id: TypeId, bytes: &[u8]) -> Result<String, FormatError> {
    let mut json = Json { out: String::new(), first: true, splice: false, open: Vec::new() };
    visit(btf, id, bytes, &mut json)?;
    Ok(json.out)
}

struct Json {
    out: String,
    first: bool,
    /// The next value is an anonymous struct or union.
    splice: bool,
    /// Whether each open value has braces of its own.
    open: Vec<bool>,
}

impl Json {
    fn separate(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(',');
        }
    }
}

impl Visitor for Json {
    type Error = Infallible;

    fn scalar(&mut self, value: Scalar<'_>) -> Result<(), Infallible> {
        self.separate();
        // Writing to a string cannot fail.
        let _ = match value {
            Scalar::Signed(v) if i64::try_from(v).is_ok() => write!(self.out, "{v}"),
            Scalar::Signed(v) => write!(self.out, "\"{v:#x}\""),
            Scalar::Unsigned(v) if u64::try_from(v).is_ok() => write!(self.out, "{v}"),
            Scalar::Unsigned(v) => write!(self.out, "\"{v:#x}\""),
            Scalar::Bool(v) => write!(self.out, "{v}"),
            Scalar::Char(v) if v.is_ascii_graphic() || v == b' ' => string(&mut self.out, &char::from(v).to_string()),
            Scalar::Char(v) => write!(self.out, "{v}"),
            Scalar::Text(v) => string(&mut self.out, v),
            Scalar::Float(v) if v.is_finite() => write!(self.out, "{v:?}"),
            Scalar::Float(v) => write!(self.out, "\"{v}\""),
            Scalar::Enumerator(Some(name), _) => string(&mut self.out, name),
            Scalar::Enumerator(None, v) => write!(self.out, "{v}"),
            Scalar::Pointer(v) => write!(self.out, "\"{v:#x}\""),
            Scalar::Opaque(bytes) => {
                self.out.push('"');
                bytes.iter().for_each(|b| self.out.push_str(&format!("{b:02x}")));
                self.out.write_char('"')
            }
        };
        Ok(())
    }

    fn open(&mut self, shape: Shape) -> Result<(), Infallible> {
        let own = !std::mem::replace(&mut self.splice, false);
        self.open.push(own);
        if own {
            self.separate();
            self.out.push(if shape == Shape::Array { '[' } else { '{' });
            self.first = true;
        }
        Ok(())
    }

    fn field(&mut self, name: &str) -> Result<(), Infallible> {
        self.splice = name.is_empty();
        if !self.splice {
            self.separate();
            let _ = string(&mut self.out, name);
            self.out.push(':');
            self.first = true;
        }
        Ok(())
    }

    fn close(&mut self, shape: Shape) -> Result<(), Infallible> {
        if self.open.pop().unwrap_or(true) {
            self.out.push(if shape == Shape::Array { ']' } else { '}' });
            self.first = false;
        }
        Ok(())
    }
}

fn string(out: &mut String, text: &str) -> std::fmt::Result {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if u32::from(c) < 0x20 => write!(out, "\\u{:04x}", u32::from(c))?,
            c => out.push(c),
        }
    }
    out.write_char('"')
}
