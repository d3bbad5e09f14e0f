//! Types of a case, written like C, as BTF.
//!
//! ```text
//! c: struct node { struct bpf_list_node link; int key; };
//! c: struct value { struct bpf_spin_lock lock; struct bpf_list_head head __contains(node, link); };
//! c: int main(struct xdp_md *ctx)
//! c: static int f(int x)
//! ```
//!
//! A struct or function a line. Types are `void`, the integers `u8` to `u64` and `s8` to `s64`, `int`, `char`, `long`,
//! structs named before, and the kernel's structs for special fields, which need no line. Before the `*` of a
//! pointer may stand `__kptr`, `__kptr_untrusted`, `__percpu_kptr` or `__uptr`, parameters carry `__arg_…` behind their name.

use skep_btf::{Btf, BtfBuilder, FunctionLinkage, IntEncoding, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

/// The BTF of a case.
#[derive(Debug)]
pub(crate) struct Declarations {
    pub(crate) btf: Arc<Btf>,
    /// Functions, in the order of their lines.
    pub(crate) functions: Vec<TypeId>,
}

/// Size and alignment of the structs of special fields.
const SPECIAL_FIELDS: &[(&str, u32, u32)] = &[
    ("bpf_spin_lock", 4, 4),
    ("bpf_res_spin_lock", 8, 4),
    ("bpf_timer", 16, 8),
    ("bpf_wq", 16, 8),
    ("bpf_list_head", 16, 8),
    ("bpf_list_node", 24, 8),
    ("bpf_rb_root", 16, 8),
    ("bpf_rb_node", 32, 8),
    ("bpf_refcount", 4, 4),
];

const INTEGERS: &[(&str, u32, IntEncoding)] = &[
    ("int", 4, IntEncoding::SIGNED),
    ("char", 1, IntEncoding::SIGNED),
    ("long", 8, IntEncoding::SIGNED),
    ("u8", 1, IntEncoding::UNSIGNED),
    ("u16", 2, IntEncoding::UNSIGNED),
    ("u32", 4, IntEncoding::UNSIGNED),
    ("u64", 8, IntEncoding::UNSIGNED),
    ("s8", 1, IntEncoding::SIGNED),
    ("s16", 2, IntEncoding::SIGNED),
    ("s32", 4, IntEncoding::SIGNED),
    ("s64", 8, IntEncoding::SIGNED),
];

const POINTER_TAGS: &[(&str, &str)] =
    &[("__kptr", "kptr"), ("__kptr_untrusted", "kptr_untrusted"), ("__percpu_kptr", "percpu_kptr"), ("__uptr", "uptr")];

/// A type with its size and alignment.
#[derive(Clone, Copy)]
struct Laid {
    id: TypeId,
    size: u32,
    align: u32,
}

#[derive(Default)]
struct Parser {
    builder: Option<BtfBuilder>,
    tokens: Vec<String>,
    at: usize,
    known: HashMap<String, Laid>,
    functions: Vec<TypeId>,
}

/// Reads the lines of a case.
pub(crate) fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Declarations, String> {
    let mut parser = Parser { builder: Some(BtfBuilder::new()), ..Parser::default() };
    // Maps have numbers for keys.
    parser.named("int")?;
    for line in lines {
        parser.tokens = tokens(line);
        parser.at = 0;
        parser.line().map_err(|problem| format!("`{line}`: {problem}"))?;
    }
    let builder = parser.builder.take().ok_or("no types")?;
    let btf = Arc::new(builder.build().map_err(|error| error.to_string())?);
    Ok(Declarations { btf, functions: parser.functions })
}

fn tokens(line: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = false;
    for c in line.chars() {
        let part = c.is_alphanumeric() || c == '_';
        match tokens.last_mut() {
            Some(last) if part && word => last.push(c),
            _ if c.is_whitespace() => {}
            _ => tokens.push(c.to_string()),
        }
        word = part;
    }
    tokens
}

impl Parser {
    fn builder(&mut self) -> &mut BtfBuilder {
        self.builder.get_or_insert_with(BtfBuilder::new)
    }

    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        let token = self.peek().to_owned();
        self.at += 1;
        token
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.peek() == token;
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(format!("`{token}` expected, not `{}`", self.peek())) }
    }

    fn line(&mut self) -> Result<(), String> {
        let body = self.tokens.get(2).is_some_and(|token| token == "{");
        let parsed = if body && self.take("struct") { self.structure() } else { self.function() };
        parsed?;
        self.take(";");
        if self.at == self.tokens.len() { Ok(()) } else { Err(format!("`{}` is too much", self.peek())) }
    }

    fn structure(&mut self) -> Result<(), String> {
        let name = self.next();
        let (mut members, mut tags) = (Vec::new(), Vec::new());
        let (mut size, mut align) = (0_u32, 1);
        self.expect("{")?;
        while !self.take("}") {
            let (member, laid) = self.declarator()?;
            if self.take("__contains") {
                self.expect("(")?;
                let of = self.next();
                self.expect(",")?;
                let node = self.next();
                self.expect(")")?;
                tags.push((format!("contains:{of}:{node}"), members.len() as u32));
            }
            self.expect(";")?;
            let offset = size.next_multiple_of(laid.align);
            (size, align) = (offset + laid.size, align.max(laid.align));
            members.push((member, laid.id, offset * 8, 0));
        }
        let size = size.next_multiple_of(align);
        let members: Vec<(&str, TypeId, u32, u8)> =
            members.iter().map(|(n, t, o, b)| (n.as_str(), *t, *o, *b)).collect();
        let id = self.builder().structure(&name, size, &members);
        for (tag, member) in tags {
            self.builder().decl_tag(&tag, id, Some(member));
        }
        self.known.insert(format!("struct {name}"), Laid { id, size, align });
        Ok(())
    }

    fn function(&mut self) -> Result<(), String> {
        let linkage = if self.take("static") { FunctionLinkage::Static } else { FunctionLinkage::Global };
        let (name, returned) = self.declarator()?;
        self.expect("(")?;
        let (mut parameters, mut tags) = (Vec::new(), Vec::new());
        while !self.take(")") {
            let (parameter, laid) = self.declarator()?;
            while let Some(tag) = self.peek().strip_prefix("__arg_").map(str::to_owned) {
                tags.push((format!("arg:{tag}"), parameters.len() as u32));
                self.at += 1;
            }
            parameters.push((parameter, laid.id));
            self.take(",");
        }
        let parameters: Vec<(&str, TypeId)> = parameters.iter().map(|(name, ty)| (name.as_str(), *ty)).collect();
        let prototype = self.builder().prototype(returned.id, &parameters);
        let id = self.builder().function(&name, prototype, linkage);
        for (tag, parameter) in tags {
            self.builder().decl_tag(&tag, id, Some(parameter));
        }
        self.functions.push(id);
        Ok(())
    }

    /// A type and a name.
    fn declarator(&mut self) -> Result<(String, Laid), String> {
        let mut laid = self.base()?;
        loop {
            if self.take("*") {
                laid = Laid { id: self.builder().pointer(laid.id), size: 8, align: 8 };
            } else if let Some((_, tag)) = POINTER_TAGS.iter().find(|(word, _)| *word == self.peek()) {
                self.at += 1;
                laid.id = self.builder().type_tag(tag, laid.id);
            } else {
                break;
            }
        }
        let name = self.next();
        if self.take("[") {
            let len: u32 = self.next().parse().map_err(|_| "an array needs its length")?;
            self.expect("]")?;
            let index = self.named("int")?;
            let id = self.builder().array(laid.id, index.id, len);
            laid = Laid { id, size: laid.size * len, align: laid.align };
        }
        Ok((name, laid))
    }

    fn base(&mut self) -> Result<Laid, String> {
        let constant = self.take("const");
        let word = self.next();
        let name = if word == "struct" { format!("struct {}", self.next()) } else { word };
        let mut laid = self.named(&name)?;
        if constant {
            laid.id = self.builder().constant(laid.id);
        }
        Ok(laid)
    }

    fn named(&mut self, name: &str) -> Result<Laid, String> {
        if name == "void" {
            return Ok(Laid { id: TypeId::VOID, size: 0, align: 1 });
        }
        if let Some(laid) = self.known.get(name) {
            return Ok(*laid);
        }
        let laid = self.make(name)?;
        self.known.insert(name.to_owned(), laid);
        Ok(laid)
    }

    /// Types that need no line.
    fn make(&mut self, name: &str) -> Result<Laid, String> {
        if let Some((name, size, encoding)) = INTEGERS.iter().copied().find(|(known, ..)| *known == name) {
            return Ok(Laid { id: self.builder().int(name, size, encoding), size, align: size });
        }
        let tag = name.strip_prefix("struct ").ok_or_else(|| format!("no type `{name}`"))?;
        let special = SPECIAL_FIELDS.iter().copied().find(|(known, ..)| *known == tag);
        let (size, align) = special.map_or((0, 1), |(_, size, align)| (size, align));
        Ok(Laid { id: self.builder().structure(tag, size, &[]), size, align })
    }
}
