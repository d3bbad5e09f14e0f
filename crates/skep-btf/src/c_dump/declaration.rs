//! The text of declarations and definitions.

use super::layout::{Place, padding};
use super::names::identifier;
use super::{CDumpError, Dump, MAX_NESTING, MAX_TEXT};
use crate::types::{FunctionPrototype, Kind, Member, Type, TypeId};
use std::fmt::Write;

/// Most unnamed bit fields written for one gap; longer ones become an array of bytes.
const MAX_PADDING_FIELDS: usize = 64;

fn tabs(level: usize) -> String {
    "\t".repeat(level)
}

impl Dump<'_> {
    /// `const char *name[4]` and the like. Structs and enums without a name are written out at `level`.
    pub(super) fn declaration(&mut self, id: TypeId, name: &str, level: usize) -> Result<String, CDumpError> {
        self.declarator(id, name.to_owned(), "", level)
    }

    /// Wraps the declarator `inner` in type `id`; `qualifiers` apply to that type.
    fn declarator(&mut self, id: TypeId, inner: String, qualifiers: &str, level: usize) -> Result<String, CDumpError> {
        let btf = self.btf;
        match btf.ty(id) {
            Type::Const(t) => self.declarator(*t, inner, &with(qualifiers, "const"), level),
            Type::Volatile(t) => self.declarator(*t, inner, &with(qualifiers, "volatile"), level),
            // C has it for pointers only.
            Type::Restrict(t) if btf.kind(btf.skip_qualifiers(*t)) == Kind::Pointer => {
                self.declarator(*t, inner, &with(qualifiers, "restrict"), level)
            }
            Type::Restrict(t) => self.declarator(*t, inner, qualifiers, level),
            Type::TypeTag(t) => {
                let tag = btf.str(t.name);
                let attribute = match t.attribute {
                    true => format!("__attribute__(({tag}))"),
                    false => format!("__attribute__((btf_type_tag(\"{}\")))", tag.escape_default()),
                };
                self.declarator(t.target, inner, &with(qualifiers, &attribute), level)
            }
            Type::Pointer(target) => {
                let star = match (qualifiers, inner.as_str()) {
                    ("", _) => format!("*{inner}"),
                    (_, "") => format!("*{qualifiers}"),
                    _ => format!("*{qualifiers} {inner}"),
                };
                // Qualifiers of functions and arrays vanish or go to the element, so they do not part `*` from them.
                let postfix = matches!(btf.kind(btf.skip_qualifiers(*target)), Kind::Array | Kind::FunctionPrototype);
                self.declarator(*target, if postfix { format!("({star})") } else { star }, "", level)
            }
            Type::Array(array) => self.declarator(array.element, format!("{inner}[{}]", array.len), qualifiers, level),
            Type::FunctionPrototype(prototype) => {
                let parameters = self.parameters(prototype, false)?;
                self.declarator(prototype.ret, format!("{inner}({parameters})"), "", level)
            }
            _ => {
                let base = self.base(id, level)?;
                let blank = if inner.is_empty() { "" } else { " " };
                let space = if qualifiers.is_empty() { "" } else { " " };
                Ok(format!("{qualifiers}{space}{base}{blank}{inner}"))
            }
        }
    }

    /// The text of a type that is no pointer, array or function.
    fn base(&mut self, id: TypeId, level: usize) -> Result<String, CDumpError> {
        let ty = self.btf.ty(id);
        Ok(match ty.kind() {
            Kind::Struct | Kind::Union if ty.name().is_empty() => self.composite_text(id, false, level)?,
            Kind::Enum | Kind::Enum64 if ty.name().is_empty() => self.enum_text(id, level),
            Kind::Struct
            | Kind::Union
            | Kind::Forward
            | Kind::Enum
            | Kind::Enum64
            | Kind::Typedef
            | Kind::Int
            | Kind::Float => self.names.spelling(id),
            _ => "void".to_owned(),
        })
    }

    fn parameters(&mut self, prototype: &FunctionPrototype, named: bool) -> Result<String, CDumpError> {
        let count = prototype.parameters.len();
        if count == 0 {
            return Ok("void".to_owned());
        }
        let mut all = Vec::with_capacity(count);
        for (index, parameter) in prototype.parameters.iter().enumerate() {
            if index + 1 == count && prototype.is_variadic() {
                // Without anything in front, C says it with empty parentheses.
                if index > 0 {
                    all.push("...".to_owned());
                }
                continue;
            }
            let name = identifier(self.btf.str(parameter.name));
            // A parameter must not hide a type that a later one needs.
            let name = if named && !self.names.is_ordinary(&name) { name } else { String::new() };
            all.push(self.declaration(parameter.ty, &name, 0)?);
        }
        Ok(all.join(", "))
    }

    /// `int name(struct file *file)`.
    pub(super) fn function_text(&mut self, prototype: TypeId, name: &str) -> Result<String, CDumpError> {
        let Type::FunctionPrototype(prototype) = self.btf.ty(prototype) else {
            return Ok(format!("void {name}(void)"));
        };
        let parameters = self.parameters(prototype, true)?;
        self.declaration(prototype.ret, &format!("{name}({parameters})"), 0)
    }

    /// `enum name { … }`, with the attribute that gives it its size.
    pub(super) fn enum_text(&mut self, id: TypeId, level: usize) -> String {
        let btf = self.btf;
        let ty = btf.ty(id);
        let mut text = if ty.name().is_empty() { "enum".to_owned() } else { self.names.spelling(id) };
        let (size, values) = match ty {
            Type::Enum(e) if e.signed => {
                (e.size, e.values.iter().map(|v| (v.name, (v.value as i32).to_string())).collect())
            }
            Type::Enum(e) => (e.size, e.values.iter().map(|v| (v.name, v.value.to_string())).collect()),
            Type::Enum64(e) => {
                let value = |v: u64| match e.signed {
                    // The least value has no literal of its own.
                    true if v as i64 == i64::MIN => "(-9223372036854775807LL - 1)".to_owned(),
                    true => format!("{}LL", v as i64),
                    false => format!("{v}ULL"),
                };
                (e.size, e.values.iter().map(|v| (v.name, value(v.value))).collect())
            }
            _ => (4, Vec::new()),
        };
        // An enum without values is declared only.
        if values.is_empty() {
            return text;
        }
        text.push_str(" {\n");
        for (name, value) in values {
            let name = self.names.enumerator(btf.str(name));
            let _ = writeln!(text, "{}{name} = {value},", tabs(level + 1));
        }
        let _ = write!(text, "{}}}", tabs(level));
        // Compilers take four bytes, or eight where values need them.
        match size {
            1 => text.push_str(" __attribute__((mode(QI)))"),
            2 => text.push_str(" __attribute__((mode(HI)))"),
            8 => text.push_str(" __attribute__((mode(DI)))"),
            _ => {}
        }
        text
    }

    /// `struct name { … }` with all padding; without its name where it stands for an anonymous member.
    pub(super) fn composite_text(&mut self, id: TypeId, named: bool, level: usize) -> Result<String, CDumpError> {
        let btf = self.btf;
        let ty = btf.ty(id);
        let Some(composite) = ty.composite() else { return Ok(String::new()) };
        if level > MAX_NESTING as usize {
            return Err(CDumpError::Depth(id));
        }
        let union = ty.kind() == Kind::Union;
        let layout = self.layouts.layout(id);
        let mut text = match (named, union) {
            (true, _) => self.names.spelling(id),
            (false, true) => "union".to_owned(),
            (false, false) => "struct".to_owned(),
        };
        text.push_str(" {\n");
        let mut end = 0;
        for member in &composite.members {
            let Some(place) = self.layouts.place(composite, member) else { continue };
            let cursor = if union { 0 } else { end };
            if place.start < cursor || place.end() > u64::from(composite.size) * 8 && place.len > 0 {
                let name = identifier(btf.str(member.name));
                let _ = writeln!(text, "{}/* {name} overlaps another member or the end */", tabs(level + 1));
                continue;
            }
            if place.natural(cursor, layout.packed) != place.start {
                pad(&mut text, cursor, place.start, level + 1);
            }
            self.member_text(&mut text, member, place, level + 1)?;
            end = place.end().max(end);
            if text.len() > MAX_TEXT {
                return Err(CDumpError::TooLong);
            }
        }
        let size = u64::from(composite.size) * 8;
        let natural = end.next_multiple_of(if layout.packed { 8 } else { layout.align });
        if natural < size {
            self.pad_end(&mut text, union, end, size, level);
        }
        let _ = write!(text, "{}}}", tabs(level));
        if layout.packed {
            text.push_str(" __attribute__((packed))");
        }
        Ok(text)
    }

    fn pad_end(&self, text: &mut String, union: bool, end: u64, size: u64, level: usize) {
        if !union {
            return pad(text, end, size, level + 1);
        }
        // A member without names, as long as the union.
        let _ = writeln!(text, "{}struct {{", tabs(level + 1));
        pad(text, 0, size, level + 2);
        let _ = writeln!(text, "{}}};", tabs(level + 1));
    }

    fn member_text(
        &mut self,
        text: &mut String,
        member: &Member,
        place: Place,
        level: usize,
    ) -> Result<(), CDumpError> {
        let btf = self.btf;
        let declaration = if member.name.is_empty() {
            // Only a struct written out on the spot lends its members to the outer one.
            self.composite_text(btf.skip_modifiers(member.ty), false, level)?
        } else {
            self.declaration(member.ty, &identifier(btf.str(member.name)), level)?
        };
        let _ = match place.unit {
            Some(_) => writeln!(text, "{}{declaration}: {};", tabs(level), place.len),
            None => writeln!(text, "{}{declaration};", tabs(level)),
        };
        Ok(())
    }
}

/// One more qualifier; the constant elements of a constant array are constant once.
fn with(qualifiers: &str, more: &str) -> String {
    if qualifiers.is_empty() {
        more.to_owned()
    } else if qualifiers.split(' ').any(|q| q == more) {
        qualifiers.to_owned()
    } else {
        format!("{qualifiers} {more}")
    }
}

fn pad(text: &mut String, cursor: u64, end: u64, level: usize) {
    // Hostile sizes would otherwise fill the memory with padding.
    let start = cursor.next_multiple_of(8);
    let long = (end - start.min(end)) / 64 > MAX_PADDING_FIELDS as u64;
    for (unit, bits) in padding(cursor, if long { start } else { end }) {
        let _ = writeln!(text, "{}{unit}: {bits};", tabs(level));
    }
    if long {
        let _ = writeln!(text, "{}char _padding_{}[{}];", tabs(level), start / 8, (end - start) / 8);
    }
}

#[cfg(test)]
mod tests {
    use crate::{BtfBuilder, CDumpOptions, IntEncoding, TypeId};

    fn dump(build: impl FnOnce(&mut BtfBuilder)) -> String {
        let mut builder = BtfBuilder::new();
        build(&mut builder);
        let options = CDumpOptions { preserve_access_index: false, ..CDumpOptions::default() };
        let text = builder.build().unwrap().dump_c(&options).unwrap().text;
        let lines: Vec<_> = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).collect();
        lines.join("\n")
    }

    #[test]
    fn declarators_nest_as_in_c() {
        let text = dump(|b| {
            let int = b.int("int", 4, IntEncoding::SIGNED);
            let row = b.array(int, int, 3);
            let table = b.array(row, int, 2);
            b.typedef("table", table);
            let to_row = b.pointer(row);
            b.typedef("to_row", to_row);
            let callback = b.prototype(int, &[("a", int), ("", TypeId::VOID)]);
            let to_callback = b.pointer(callback);
            let constant = b.constant(to_callback);
            let many = b.array(constant, int, 4);
            b.typedef("callbacks", many);
            let returns = b.prototype(to_callback, &[]);
            let to_returns = b.pointer(returns);
            b.typedef("returns", to_returns);
        });
        let expected = "typedef int table[2][3];\n\
                        typedef int (*to_row)[3];\n\
                        typedef int (*const callbacks[4])(int, ...);\n\
                        typedef int (*(*returns)(void))(int, ...);";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_packed_struct_says_so_and_a_gap_is_padded() {
        let text = dump(|b| {
            let int = b.int("int", 4, IntEncoding::SIGNED);
            b.structure("packed", 5, &[("x", int, 8, 0)]);
            b.structure("gap", 16, &[("x", int, 0, 0), ("y", int, 64, 3), ("z", int, 69, 2)]);
        });
        let expected = "struct packed {\n\tchar: 8;\n\tint x;\n} __attribute__((packed));\n\
                        struct gap {\n\tint x;\n\tint: 32;\n\tint y: 3;\n\tchar: 2;\n\tint z: 2;\n\tchar: 1;\n\
                        \tchar: 8;\n\tshort: 16;\n\tint: 32;\n};";
        assert_eq!(text, expected);
    }

    #[test]
    fn equal_names_are_numbered() {
        let text = dump(|b| {
            let int = b.int("int", 4, IntEncoding::SIGNED);
            b.typedef("a", int);
            b.typedef("a", int);
            b.enumeration("e", 1, &[("a", -1)]);
            b.structure("e", 0, &[]);
        });
        let expected = "typedef int a;\ntypedef int a___2;\n\
                        enum e {\n\ta___3 = -1,\n} __attribute__((mode(QI)));\n\
                        struct e___2 {\n};";
        assert_eq!(text, expected);
    }

    #[test]
    fn names_of_other_languages_become_c() {
        let text = dump(|b| {
            let word = b.int("u32", 4, IntEncoding::UNSIGNED);
            let flag = b.int("bool", 1, IntEncoding::BOOL);
            b.structure("Option<u32>", 8, &[("__0", word, 0, 0), ("register", flag, 32, 0)]);
            b.structure("Option u32 ", 0, &[]);
        });
        let expected = "typedef unsigned int u32;\ntypedef _Bool bool;\n\
                        struct Option_u32_ {\n\tu32 __0;\n\tbool register_;\n};\n\
                        struct Option_u32____2 {\n};";
        assert_eq!(text, expected);
    }

    #[test]
    fn types_without_name_that_hold_themselves_are_an_error() {
        let mut builder = BtfBuilder::new();
        let next = TypeId(builder.next_id().0 + 1);
        let pointer = builder.pointer(next);
        builder.structure("", 8, &[("self", pointer, 0, 0)]);
        builder.typedef("t", next);
        let btf = builder.build().unwrap();
        assert_eq!(btf.dump_c(&CDumpOptions::default()), Err(crate::CDumpError::Cycle(next)));
    }
}
