//! The context structs, from the program-type table.
//!
//! Program types that share a struct (`__sk_buff`) each list the fields they may use; the struct has all of them.

use super::layout::{KernelType as _, Ptr, TypeTable, Void};
use super::records::array_of;
use super::scalars::{BE16, U8, U32, U64};
use super::structs::{PtRegs, SkBuff};
use super::uapi_structs;
use skep_abi::program_type::{ContextField, ContextInfo, FieldKind, ProgramType};
use skep_btf::TypeId;
use std::collections::BTreeMap;

/// A struct: its size and its fields, by offset and name.
#[derive(Default)]
struct Context {
    size: u16,
    fields: BTreeMap<(u16, &'static str), &'static ContextField>,
}

/// Adds them all.
pub(super) fn describe_all(table: &mut TypeTable) {
    let mut contexts: BTreeMap<&str, Context> = BTreeMap::new();
    for program_type in ProgramType::ALL {
        if let ContextInfo::Struct { name, size, fields } = program_type.info().context {
            let context = contexts.entry(name).or_default();
            context.size = size;
            for field in fields {
                context.fields.entry((field.offset, field.name)).or_insert(field);
            }
        }
    }
    for (name, context) in contexts {
        context.describe(table, name);
    }
}

impl Context {
    fn describe(&self, table: &mut TypeTable, name: &str) {
        let fields: Vec<&ContextField> = self.fields.values().copied().collect();
        let mut members = Vec::new();
        // Fields that start in the same place are a union.
        for group in fields.chunk_by(|a, b| a.offset == b.offset) {
            let bit = group.first().map_or(0, |first| u32::from(first.offset) * 8);
            let described: Vec<_> = group.iter().map(|f| (f.name, member_type(table, f), 0, 0)).collect();
            match described.as_slice() {
                [(name, ty, ..)] => members.push((*name, *ty, bit, 0)),
                many => {
                    let size = group.iter().map(|f| u32::from(f.size)).max().unwrap_or(0);
                    members.push(("", table.builder().union("", size, many), bit, 0));
                }
            }
        }
        table.once(name, |builder| builder.structure(name, self.size.into(), &members));
    }
}

/// The type of a field: a number or as many as its size holds, or a pointer where there is room for one.
fn member_type(table: &mut TypeTable, field: &ContextField) -> TypeId {
    if field.name == "regs" {
        return PtRegs::describe(table);
    }
    if field.kind.is_pointer() && field.size == 8 {
        return pointer(table, field.kind);
    }
    let ty = match field.element {
        1 => U8.describe(table),
        2 => BE16.describe(table),
        4 => U32.describe(table),
        _ => U64.describe(table),
    };
    match u32::from(field.size) / u32::from(field.element.max(1)) {
        0 | 1 => ty,
        count => array_of(table, ty, count),
    }
}

fn pointer(table: &mut TypeTable, kind: FieldKind) -> TypeId {
    let target = match kind {
        FieldKind::Socket { .. } | FieldKind::SockCommonOrNull => uapi_structs::full_socket(table),
        FieldKind::FlowKeys => uapi_structs::flow_keys(table),
        FieldKind::BtfPtr { name: "sk_buff", .. } => return Ptr::<SkBuff>::describe(table),
        FieldKind::BtfPtr { name, .. } => table.once(name, |builder| builder.forward(name, false)),
        _ => return Ptr::<Void>::describe(table),
    };
    table.once(&format!("{} *", target.0), |builder| builder.pointer(target))
}
