//! The text that `bpftool btf dump file FILE` prints: one line per type, its parts on lines that start with a tab.

use crate::btf::Btf;
use crate::types::{
    Composite, FunctionLinkage, FunctionPrototype, IntEncoding, StringOffset, Type, TypeId, VariableLinkage,
};
use std::fmt::{self, Write};

impl Btf {
    /// Writes all types of its own in the form of `bpftool btf dump`.
    ///
    /// # Errors
    /// Only those of `out`.
    pub fn dump_raw(&self, out: &mut dyn Write) -> fmt::Result {
        for (id, ty) in self.own_types() {
            write!(out, "[{}] {} '{}'", id.0, ty.kind(), self.shown(ty.name()))?;
            self.dump_raw_type(out, ty)?;
            out.write_char('\n')?;
        }
        Ok(())
    }

    fn shown(&self, name: StringOffset) -> &str {
        if name.is_empty() { "(anon)" } else { self.str(name) }
    }

    fn dump_raw_type(&self, out: &mut dyn Write, ty: &Type) -> fmt::Result {
        match ty {
            Type::Void => Ok(()),
            Type::Int(t) => {
                let encoding = encoding_name(t.encoding);
                write!(out, " size={} bits_offset={} nr_bits={} encoding={encoding}", t.size, t.bit_offset, t.bits)
            }
            Type::Pointer(t) | Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => target(out, *t),
            Type::Typedef(t) => target(out, t.target),
            Type::TypeTag(t) => target(out, t.target),
            Type::Array(a) => {
                write!(out, " type_id={} index_type_id={} nr_elems={}", a.element.0, a.index.0, a.len)
            }
            Type::Struct(c) | Type::Union(c) => self.dump_raw_composite(out, c),
            Type::Enum(e) => {
                write!(out, " encoding={} size={} vlen={}", sign_name(e.signed), e.size, e.values.len())?;
                e.values.iter().try_for_each(|v| match e.signed {
                    true => write!(out, "\n\t'{}' val={}", self.shown(v.name), v.value as i32),
                    false => write!(out, "\n\t'{}' val={}", self.shown(v.name), v.value),
                })
            }
            Type::Enum64(e) => {
                write!(out, " encoding={} size={} vlen={}", sign_name(e.signed), e.size, e.values.len())?;
                e.values.iter().try_for_each(|v| match e.signed {
                    true => write!(out, "\n\t'{}' val={}LL", self.shown(v.name), v.value as i64),
                    false => write!(out, "\n\t'{}' val={}ULL", self.shown(v.name), v.value),
                })
            }
            Type::Forward(t) => write!(out, " fwd_kind={}", if t.union { "union" } else { "struct" }),
            Type::Function(f) => {
                write!(out, " type_id={} linkage={}", f.prototype.0, function_linkage_name(f.linkage))
            }
            Type::FunctionPrototype(p) => self.dump_raw_prototype(out, p),
            Type::Variable(v) => {
                write!(out, " type_id={}, linkage={}", v.ty.0, variable_linkage_name(v.linkage))
            }
            Type::DataSection(s) => {
                write!(out, " size={} vlen={}", s.size, s.entries.len())?;
                s.entries.iter().try_for_each(|e| {
                    let entry = self.ty(e.ty);
                    write!(out, "\n\ttype_id={} offset={} size={}", e.ty.0, e.offset, e.size)?;
                    write!(out, " ({} '{}')", entry.kind(), self.shown(entry.name()))
                })
            }
            Type::Float(t) => write!(out, " size={}", t.size),
            Type::DeclTag(t) => {
                write!(out, " type_id={} component_idx=", t.target.0)?;
                match t.component {
                    Some(index) => write!(out, "{index}"),
                    None => out.write_str("-1"),
                }
            }
        }
    }

    fn dump_raw_composite(&self, out: &mut dyn Write, composite: &Composite) -> fmt::Result {
        write!(out, " size={} vlen={}", composite.size, composite.members.len())?;
        composite.members.iter().try_for_each(|m| {
            write!(out, "\n\t'{}' type_id={} bits_offset={}", self.shown(m.name), m.ty.0, m.bit_offset)?;
            if m.bitfield_size == 0 { Ok(()) } else { write!(out, " bitfield_size={}", m.bitfield_size) }
        })
    }

    fn dump_raw_prototype(&self, out: &mut dyn Write, prototype: &FunctionPrototype) -> fmt::Result {
        write!(out, " ret_type_id={} vlen={}", prototype.ret.0, prototype.parameters.len())?;
        prototype.parameters.iter().try_for_each(|p| write!(out, "\n\t'{}' type_id={}", self.shown(p.name), p.ty.0))
    }
}

fn target(out: &mut dyn Write, id: TypeId) -> fmt::Result {
    write!(out, " type_id={}", id.0)
}

fn encoding_name(encoding: IntEncoding) -> &'static str {
    match encoding {
        IntEncoding::UNSIGNED => "(none)",
        IntEncoding::SIGNED => "SIGNED",
        IntEncoding::CHAR => "CHAR",
        IntEncoding::BOOL => "BOOL",
        _ => "UNKN",
    }
}

fn sign_name(signed: bool) -> &'static str {
    if signed { "SIGNED" } else { "UNSIGNED" }
}

fn function_linkage_name(linkage: FunctionLinkage) -> &'static str {
    match linkage {
        FunctionLinkage::Static => "static",
        FunctionLinkage::Global => "global",
        FunctionLinkage::Extern => "extern",
    }
}

fn variable_linkage_name(linkage: VariableLinkage) -> &'static str {
    match linkage {
        VariableLinkage::Static => "static",
        VariableLinkage::Global => "global",
        VariableLinkage::Extern => "extern",
    }
}
