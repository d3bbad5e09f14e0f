//! How types and constants are called: C has one name space for tags and one for all else.

use crate::btf::Btf;
use crate::types::{Kind, Type, TypeId};
use std::collections::{BTreeMap, HashMap};

/// Names given so far.
pub(super) struct Names<'a> {
    btf: &'a Btf,
    /// How many structs, unions and enums have a name.
    tags: HashMap<String, u32>,
    /// How many typedefs and enumerators have a name.
    ordinary: HashMap<String, u32>,
    given: BTreeMap<TypeId, String>,
    /// Forward declarations are the struct or union of the same name, whatever its number.
    records: HashMap<(bool, String), String>,
}

const KEYWORDS: &[&str] = &[
    "auto",
    "break",
    "case",
    "char",
    "const",
    "continue",
    "default",
    "do",
    "double",
    "else",
    "enum",
    "extern",
    "float",
    "for",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "register",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "struct",
    "switch",
    "typedef",
    "typeof",
    "union",
    "unsigned",
    "void",
    "volatile",
    "while",
    "asm",
    "_Alignas",
    "_Alignof",
    "_Atomic",
    "_Bool",
    "_Complex",
    "_Generic",
    "_Noreturn",
    "_Static_assert",
];

/// Words that make up the names of C's own arithmetic types.
const SCALAR_WORDS: &[&str] =
    &["char", "short", "int", "long", "signed", "unsigned", "_Bool", "float", "double", "__int128", "_Float16"];

/// A name that C accepts: other characters become underscores, keywords get one behind.
pub(super) fn identifier(name: &str) -> String {
    let clean = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let mut text: String = name.chars().map(clean).collect();
    if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) {
        text.insert(0, '_');
    }
    if KEYWORDS.contains(&text.as_str()) {
        text.push('_');
    }
    text
}

/// For a scalar whose name is not C's: the C type it is.
pub(super) fn standard_scalar(btf: &Btf, id: TypeId) -> Option<&'static str> {
    let name = btf.name(id);
    if name.split(' ').all(|word| SCALAR_WORDS.contains(&word)) {
        return None;
    }
    Some(match btf.ty(id) {
        Type::Int(int) if int.encoding.is_bool() => "_Bool",
        Type::Int(int) => match (int.size, int.encoding.is_signed()) {
            (1, true) => "signed char",
            (1, false) => "unsigned char",
            (2, true) => "short",
            (2, false) => "unsigned short",
            (4, true) => "int",
            (4, false) => "unsigned int",
            (8, true) => "long",
            (8, false) => "unsigned long",
            (_, true) => "__int128",
            (_, false) => "unsigned __int128",
        },
        Type::Float(float) if float.size == 4 => "float",
        _ => "double",
    })
}

impl<'a> Names<'a> {
    pub(super) fn new(btf: &'a Btf) -> Self {
        // Compilers define this one themselves, each target in its own way.
        let ordinary = HashMap::from([("__builtin_va_list".to_owned(), 1)]);
        Names { btf, tags: HashMap::new(), ordinary, given: BTreeMap::new(), records: HashMap::new() }
    }

    pub(super) fn spellings(self) -> BTreeMap<TypeId, String> {
        self.given
    }

    /// How a named type is spelled, decided at first use.
    pub(super) fn spelling(&mut self, id: TypeId) -> String {
        if let Some(name) = self.given.get(&id) {
            return name.clone();
        }
        let spelling = self.decide(id);
        self.given.insert(id, spelling.clone());
        spelling
    }

    fn decide(&mut self, id: TypeId) -> String {
        let btf = self.btf;
        let name = btf.name(id);
        let record = |union: bool| if union { "union" } else { "struct" };
        match btf.ty(id) {
            Type::Struct(_) | Type::Union(_) => {
                let union = btf.kind(id) == Kind::Union;
                let unique = if self.records.contains_key(&(union, name.to_owned())) && !self.defined(union, name) {
                    // A forward declaration took the name: this is what it declares.
                    identifier(name)
                } else {
                    numbered(&mut self.tags, &identifier(name))
                };
                self.records.insert((union, name.to_owned()), unique.clone());
                format!("{} {unique}", record(union))
            }
            Type::Forward(forward) => {
                let key = (forward.union, name.to_owned());
                let known = self.records.get(&key).cloned();
                let unique = known.unwrap_or_else(|| numbered(&mut self.tags, &identifier(name)));
                self.records.entry(key).or_insert_with(|| unique.clone());
                format!("{} {unique}", record(forward.union))
            }
            Type::Enum(_) | Type::Enum64(_) => format!("enum {}", numbered(&mut self.tags, &identifier(name))),
            Type::Int(_) | Type::Float(_) if standard_scalar(btf, id).is_none() => name.to_owned(),
            _ => numbered(&mut self.ordinary, &identifier(name)),
        }
    }

    /// Whether a struct or union of that name was spelled already.
    fn defined(&self, union: bool, name: &str) -> bool {
        let kind = if union { Kind::Union } else { Kind::Struct };
        self.btf.find_all(kind, name).any(|id| self.given.contains_key(&id))
    }

    pub(super) fn enumerator(&mut self, name: &str) -> String {
        numbered(&mut self.ordinary, &identifier(name))
    }

    /// Whether a typedef or enumerator has a name.
    pub(super) fn is_ordinary(&self, name: &str) -> bool {
        self.ordinary.contains_key(name)
    }
}

/// The name itself the first time, `name___2` the second, and so on.
fn numbered(given: &mut HashMap<String, u32>, name: &str) -> String {
    match given.get_mut(name) {
        None => {
            given.insert(name.to_owned(), 1);
            name.to_owned()
        }
        Some(count) => {
            *count += 1;
            format!("{name}___{count}")
        }
    }
}
