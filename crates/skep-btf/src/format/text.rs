//! Values in the words of a C initialiser: `{ .a = 1, .b = "text", .c = { 1, 2 } }`.

use super::{FormatError, Scalar, Shape, Visitor, visit};
use crate::btf::Btf;
use crate::types::TypeId;
use std::convert::Infallible;
use std::fmt::Write;

/// The value of type `id` in `bytes` as a C initialiser, on one line.
///
/// # Errors
/// As [`visit`].
pub fn to_text(btf: &Btf, id: TypeId, bytes: &[u8]) -> Result<String, FormatError> {
    let mut text = Text { out: String::new(), first: true };
    visit(btf, id, bytes, &mut text)?;
    Ok(text.out)
}

struct Text {
    out: String,
    /// Nothing stands before what comes next.
    first: bool,
}

impl Text {
    fn separate(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push_str(", ");
        }
    }
}

impl Visitor for Text {
    type Error = Infallible;

    fn scalar(&mut self, value: Scalar<'_>) -> Result<(), Infallible> {
        self.separate();
        // Writing to a string cannot fail.
        let _ = match value {
            Scalar::Signed(v) => write!(self.out, "{v}"),
            Scalar::Unsigned(v) => write!(self.out, "{v}"),
            Scalar::Bool(v) => write!(self.out, "{v}"),
            Scalar::Char(v) => write!(self.out, "'{}'", v.escape_ascii()),
            Scalar::Text(v) => write!(self.out, "{v:?}"),
            Scalar::Float(v) => write!(self.out, "{v:?}"),
            Scalar::Enumerator(Some(name), _) => self.out.write_str(name),
            Scalar::Enumerator(None, v) => write!(self.out, "{v}"),
            Scalar::Pointer(v) => write!(self.out, "{v:#x}"),
            Scalar::Opaque(bytes) => bytes.iter().try_for_each(|b| write!(self.out, "\\x{b:02x}")),
        };
        Ok(())
    }

    fn open(&mut self, _: Shape) -> Result<(), Infallible> {
        self.separate();
        self.out.push_str("{ ");
        self.first = true;
        Ok(())
    }

    fn field(&mut self, name: &str) -> Result<(), Infallible> {
        self.separate();
        if !name.is_empty() {
            let _ = write!(self.out, ".{name} = ");
        }
        self.first = true;
        Ok(())
    }

    fn close(&mut self, _: Shape) -> Result<(), Infallible> {
        self.out.push_str(if self.first { "}" } else { " }" });
        self.first = false;
        Ok(())
    }
}
