//! Fields of map values and of a program's own objects that belong to the kernel: locks, timers, kernel pointers, the
//! heads and nodes of lists and trees, found in BTF by type name and tag.
//!
//! Invariants of a [`Record`]: fields are sorted by offset and do not overlap; at most one lock; roots only beside a
//! lock. Source: `btf_parse_fields` in `kernel/bpf/btf.c` of Linux 6.18.

use crate::refusal::{E2BIG, EEXIST, EINVAL, ELOOP, ENOENT};
use skep_abi::special_field::{
    self, KERNEL_POINTER_TAGS, KernelPointerKind, SpecialCount, SpecialKind, SpecialPlace, SpecialStruct,
};
use skep_btf::{Array, Btf, Kind as BtfKind, Type, TypeId};

/// One special field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpecialField {
    /// Its name in messages: that of its type, or `kptr` and the like.
    pub(crate) name: &'static str,
    /// Which it is.
    pub(crate) kind: SpecialKind,
    /// Byte offset in the value.
    pub(crate) offset: u32,
    /// Bytes.
    pub(crate) size: u32,
    /// What else is known of it.
    pub(crate) detail: Detail,
}

/// What the kind of a field does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Nothing more.
    None,
    /// A kernel pointer.
    Pointer(KernelPointer),
    /// The head of a list or the root of a tree.
    Root(GraphRoot),
}

/// A pointer that the kernel looks after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KernelPointer {
    pub(crate) kind: KernelPointerKind,
    pub(crate) target: Target,
    /// Inside an RCU read section its object is alive.
    pub(crate) rcu_protected: bool,
}

/// What a kernel pointer points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A struct of the kernel's BTF.
    Kernel(TypeId),
    /// A struct of the BTF the field is in.
    Own(TypeId),
    /// One or the other: there is no kernel BTF to tell.
    Unknown,
}

/// What a list or a tree consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GraphRoot {
    /// The struct of its members, in the BTF the field is in.
    pub(crate) member: TypeId,
    /// Where in a member the node is.
    pub(crate) node_offset: u32,
}

/// The special fields of a type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    fields: Vec<SpecialField>,
}

impl Record {
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The first field of a kind.
    pub(crate) fn of_kind(&self, kind: SpecialKind) -> Option<&SpecialField> {
        self.fields.iter().find(|field| field.kind == kind)
    }

    /// The lock of either kind: one at most.
    pub(crate) fn lock(&self) -> Option<&SpecialField> {
        self.fields.iter().find(|field| is_lock(field.kind))
    }

    /// The field of a kind at an offset.
    pub(crate) fn at(&self, offset: i64, kind: SpecialKind) -> Option<&SpecialField> {
        self.fields.iter().find(|field| field.kind == kind && i64::from(field.offset) == offset)
    }

    /// The first field that a range of bytes touches.
    pub(crate) fn touched(&self, first: i64, end: i64) -> impl Iterator<Item = &SpecialField> {
        let touches =
            move |field: &&SpecialField| first < i64::from(field.offset + field.size) && i64::from(field.offset) < end;
        self.fields.iter().filter(touches)
    }
}

fn is_lock(kind: SpecialKind) -> bool {
    matches!(kind, SpecialKind::SpinLock | SpecialKind::ResilientSpinLock)
}

fn is_root(kind: SpecialKind) -> bool {
    matches!(kind, SpecialKind::ListHead | SpecialKind::TreeRoot)
}

fn is_node(kind: SpecialKind) -> bool {
    matches!(kind, SpecialKind::ListNode | SpecialKind::TreeNode)
}

impl SpecialField {
    fn root(&self) -> Option<GraphRoot> {
        match self.detail {
            Detail::Root(root) => Some(root),
            _ => None,
        }
    }
}

/// Why a type's special fields make no sense: a map's values then have none, and a program's BTF is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) reason: &'static str,
    pub(crate) errno: i32,
}

/// Malformed, with `EINVAL`.
const fn malformed(reason: &'static str) -> Malformed {
    Malformed { reason, errno: EINVAL }
}

/// How deep structs may nest (Linux: `MAX_RESOLVE_DEPTH`).
const MAX_DEPTH: usize = 32;
/// Fields of one type (Linux: `BTF_FIELDS_MAX`).
const MAX_FIELDS: usize = 11;
/// Members looked at in one type: structs within structs multiply.
const MAX_VISITS: usize = 1 << 16;

/// The special fields of a type.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn record(
    btf: &Btf,
    ty: TypeId,
    place: SpecialPlace,
    kernel_btf: Option<&Btf>,
) -> Result<Record, Malformed> {
    let mut search = Search { btf, place, kernel_btf, found: Vec::new(), visits: 0 };
    match btf.ty(ty) {
        Type::Struct(_) => search.members(ty, 0, 0)?,
        Type::DataSection(section) => {
            for entry in &section.entries {
                let Type::Variable(variable) = btf.ty(entry.ty) else { continue };
                let declaration = Declaration { holder: entry.ty, component: None };
                search.field(variable.ty, declaration, entry.offset, Some(entry.size), 0)?;
            }
        }
        _ => {}
    }
    let mut fields = search.found;
    fields.sort_by_key(|field| field.offset);
    check(&fields)?;
    Ok(Record { fields })
}

/// The special fields of objects of a struct: none unless one of its own members is special, or holds a kernel pointer.
/// What stands in structs within it is found only then.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn object_record(btf: &Btf, ty: TypeId, kernel_btf: Option<&Btf>) -> Result<Record, Malformed> {
    let Type::Struct(composite) = btf.ty(ty) else { return Ok(Record::default()) };
    if !composite.members.iter().any(|member| is_object_field(btf, member.ty)) {
        return Ok(Record::default());
    }
    record(btf, ty, SpecialPlace::Objects, kernel_btf)
}

/// Whether a member of that type makes the objects of its struct special.
fn is_object_field(btf: &Btf, ty: TypeId) -> bool {
    match btf.ty(ty) {
        Type::Struct(_) => {
            special_field::by_struct_name(btf.name(ty)).is_some_and(|row| row.place.includes(SpecialPlace::Objects))
        }
        _ => tagged_pointer(btf, ty).is_some_and(|pointer| {
            pointer.is_ok_and(|(kind, target)| {
                kind != KernelPointerKind::User && matches!(btf.ty(target), Type::Struct(_))
            })
        }),
    }
}

/// Why the BTF of a program is refused: a struct whose locks, lists, trees or kernel pointers make no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedType {
    /// The struct, and what is wrong with it.
    pub message: String,
    /// Linux's error number.
    pub errno: i32,
}

/// Whether the structs of a program's BTF make sense as objects: Linux asks when the BTF is loaded.
///
/// # Errors
/// The first that does not, and why.
pub fn check_object_types(btf: &Btf, kernel_btf: Option<&Btf>) -> Result<(), RefusedType> {
    check_objects(btf, kernel_btf).map_err(|(id, Malformed { reason, errno })| RefusedType {
        message: format!("struct {}: {reason}", btf.name(id)),
        errno,
    })
}

fn check_objects(btf: &Btf, kernel_btf: Option<&Btf>) -> Result<(), (TypeId, Malformed)> {
    let record_of = |id| object_record(btf, id, kernel_btf).map_err(|problem| (id, problem));
    for (id, _) in btf.own_types().filter(|(_, ty)| matches!(ty, Type::Struct(_))) {
        let record = record_of(id)?;
        let is_member = record.fields.iter().any(|field| is_node(field.kind));
        for root in record.fields.iter().filter_map(|field| field.root()).filter(|_| is_member) {
            // What owns objects may be owned only if those own nothing: so there are no cycles.
            if record_of(root.member)?.fields.iter().any(|field| is_root(field.kind)) {
                let problem = malformed("objects that lists or trees own, and that own such, own others that do");
                return Err((id, Malformed { errno: ELOOP, ..problem }));
            }
        }
    }
    Ok(())
}

/// What holds of the fields together.
fn check(fields: &[SpecialField]) -> Result<(), Malformed> {
    let overlap = fields.windows(2).any(|pair| pair[0].offset.saturating_add(pair[0].size) > pair[1].offset);
    let has = |wanted: fn(SpecialKind) -> bool| fields.iter().any(|field| wanted(field.kind));
    let two_of_one = fields.iter().enumerate().any(|(at, field)| {
        special_field::by_struct_name(field.name).is_some_and(|row| row.count == SpecialCount::One)
            && fields[..at].iter().any(|other| other.kind == field.kind)
    });
    let in_list = has(|kind| kind == SpecialKind::ListNode);
    let in_tree = has(|kind| kind == SpecialKind::TreeNode);
    if overlap {
        Err(Malformed { errno: EEXIST, ..malformed("special fields overlap") })
    } else if two_of_one {
        Err(Malformed { errno: E2BIG, ..malformed("there are two special fields of a kind of which there may be one") })
    } else if fields.iter().filter(|field| is_lock(field.kind)).count() > 1 {
        Err(malformed("there are two locks"))
    } else if has(is_root) && !has(is_lock) {
        Err(malformed("a list or tree needs a lock beside its root"))
    } else if in_list && in_tree && !has(|kind| kind == SpecialKind::ReferenceCount) {
        Err(malformed("an object that can be in a list and in a tree needs a reference count"))
    } else {
        Ok(())
    }
}

/// What a declaration tag of a field stands on.
#[derive(Clone, Copy)]
struct Declaration {
    holder: TypeId,
    component: Option<u32>,
}

struct Search<'a> {
    btf: &'a Btf,
    place: SpecialPlace,
    kernel_btf: Option<&'a Btf>,
    found: Vec<SpecialField>,
    visits: usize,
}

impl Search<'_> {
    fn members(&mut self, ty: TypeId, base: u32, depth: usize) -> Result<(), Malformed> {
        if depth >= MAX_DEPTH {
            return Err(Malformed { errno: E2BIG, ..malformed("structs nest too deep") });
        }
        let Type::Struct(composite) = self.btf.ty(ty) else { return Ok(()) };
        for (index, member) in composite.members.iter().enumerate() {
            // Bit fields are no special fields.
            if member.bit_offset % 8 != 0 {
                continue;
            }
            let declaration = Declaration { holder: ty, component: Some(index as u32) };
            self.field(member.ty, declaration, base.saturating_add(member.bit_offset / 8), None, depth)?;
        }
        Ok(())
    }

    fn field(
        &mut self,
        ty: TypeId,
        declaration: Declaration,
        offset: u32,
        expected_size: Option<u32>,
        depth: usize,
    ) -> Result<(), Malformed> {
        self.visits += 1;
        if self.visits > MAX_VISITS {
            return Err(Malformed { errno: E2BIG, ..malformed("the type is too complex") });
        }
        let (ty, count) = self.element(ty)?;
        if count == 0 {
            return Ok(());
        }
        let before = self.found.len();
        let size = match self.btf.ty(ty) {
            Type::Struct(composite) => match special_field::by_struct_name(self.btf.name(ty)) {
                Some(row) if row.place.includes(self.place) => {
                    self.special_struct(row, composite.size, declaration, offset)?;
                    row.size
                }
                _ => {
                    self.members(ty, offset, depth + 1)?;
                    composite.size
                }
            },
            Type::Pointer(_) | Type::Volatile(_) => {
                self.kernel_pointer(ty, offset)?;
                8
            }
            _ => return Ok(()),
        };
        if expected_size.is_some_and(|expected| u64::from(expected) != u64::from(size) * count) {
            self.found.truncate(before);
        }
        self.repeat(before, size, count)
    }

    /// What an array is of, and how many of that.
    fn element(&self, mut ty: TypeId) -> Result<(TypeId, u64), Malformed> {
        let mut count = 1_u64;
        for _ in 0..MAX_DEPTH {
            let Type::Array(Array { element, len, .. }) = self.btf.ty(ty) else { return Ok((ty, count)) };
            count = count.saturating_mul(u64::from(*len));
            ty = *element;
        }
        Err(Malformed { errno: E2BIG, ..malformed("arrays nest too deep") })
    }

    fn special_struct(
        &mut self,
        row: &'static SpecialStruct,
        size: u32,
        declaration: Declaration,
        offset: u32,
    ) -> Result<(), Malformed> {
        if size != row.size || !offset.is_multiple_of(row.alignment) {
            return Ok(());
        }
        let detail = match row.kind {
            SpecialKind::ListHead => Detail::Root(self.root(declaration, SpecialKind::ListNode)?),
            SpecialKind::TreeRoot => Detail::Root(self.root(declaration, SpecialKind::TreeNode)?),
            _ => Detail::None,
        };
        let SpecialStruct { name, kind, .. } = *row;
        self.push(SpecialField { name, kind, offset, size, detail })
    }

    fn push(&mut self, field: SpecialField) -> Result<(), Malformed> {
        if self.found.len() >= MAX_FIELDS {
            return Err(Malformed { errno: E2BIG, ..malformed("there are too many special fields") });
        }
        self.found.push(field);
        Ok(())
    }

    /// What was found in the first element of an array is in the others too.
    fn repeat(&mut self, first: usize, size: u32, count: u64) -> Result<(), Malformed> {
        let fields = self.found[first..].to_vec();
        if count == 1 || fields.is_empty() {
            return Ok(());
        }
        if fields
            .iter()
            .any(|field| special_field::by_struct_name(field.name).is_some_and(|row| row.count != SpecialCount::Arrays))
        {
            return Err(malformed("an array has elements with a special field that does not go in arrays"));
        }
        if count > MAX_FIELDS as u64 {
            return Err(Malformed { errno: E2BIG, ..malformed("there are too many special fields") });
        }
        for index in 1..count as u32 {
            for field in &fields {
                self.push(SpecialField { offset: field.offset.saturating_add(index.saturating_mul(size)), ..*field })?;
            }
        }
        Ok(())
    }

    /// The members of a list or tree: its declaration is tagged `contains:struct:field`.
    fn root(&self, declaration: Declaration, node: SpecialKind) -> Result<GraphRoot, Malformed> {
        let tag = self.btf.types().find_map(|(_, ty)| match ty {
            Type::DeclTag(tag) if tag.target == declaration.holder && tag.component == declaration.component => {
                self.btf.str(tag.name).strip_prefix("contains:")
            }
            _ => None,
        });
        let (name, field) =
            tag.and_then(|tag| tag.split_once(':')).ok_or(malformed("a list or tree does not say what it contains"))?;
        let missing = Malformed { errno: ENOENT, ..malformed("what a list or tree contains does not exist") };
        let member = self.btf.find(BtfKind::Struct, name).ok_or(missing)?;
        let Type::Struct(composite) = self.btf.ty(member) else { return Err(missing) };
        let mut nodes = composite.members.iter().filter(|m| !field.is_empty() && self.btf.str(m.name) == field);
        let found = nodes.next().ok_or(missing)?;
        let row = special_field::SPECIAL_STRUCTS.iter().find(|row| row.kind == node).ok_or(missing)?;
        let fits = self.btf.name(found.ty) == row.name
            && matches!(self.btf.ty(found.ty), Type::Struct(_))
            && found.bit_offset % 8 == 0
            && (found.bit_offset / 8).is_multiple_of(row.alignment)
            && nodes.next().is_none();
        if !fits {
            return Err(malformed("what a list or tree contains is no node"));
        }
        Ok(GraphRoot { member, node_offset: found.bit_offset / 8 })
    }

    /// A tagged pointer.
    fn kernel_pointer(&mut self, ty: TypeId, offset: u32) -> Result<(), Malformed> {
        let Some(pointer) = tagged_pointer(self.btf, ty).filter(|_| offset.is_multiple_of(8)) else { return Ok(()) };
        let (kind, target) = pointer?;
        if !matches!(self.btf.ty(target), Type::Struct(_)) {
            return Err(malformed("a kernel pointer points to something that is no struct"));
        }
        if kind == KernelPointerKind::User && self.place == SpecialPlace::Objects {
            return Ok(());
        }
        let pointer = self.pointer_to(kind, target)?;
        let detail = Detail::Pointer(pointer);
        let name = kind.name();
        self.push(SpecialField { name, kind: SpecialKind::KernelPointer, offset, size: 8, detail })
    }

    fn pointer_to(&self, kind: KernelPointerKind, target: TypeId) -> Result<KernelPointer, Malformed> {
        let own = KernelPointer { kind, target: Target::Own(target), rcu_protected: kind.is_owning() };
        if kind == KernelPointerKind::User {
            return Ok(own);
        }
        let Some(kernel) = self.kernel_btf else { return Ok(KernelPointer { target: Target::Unknown, ..own }) };
        let name = self.btf.name(target);
        let Some(id) = kernel.find(BtfKind::Struct, name) else { return Ok(own) };
        let row = special_field::ownable_struct(name);
        if kind == KernelPointerKind::Referenced && row.is_none() {
            return Err(malformed("maps cannot own references to this kernel struct"));
        }
        let rcu_protected = match kind {
            KernelPointerKind::PerCpu => true,
            KernelPointerKind::Referenced => row.is_some_and(|row| row.rcu_protected),
            KernelPointerKind::Untrusted | KernelPointerKind::User => false,
        };
        Ok(KernelPointer { kind, target: Target::Kernel(id), rcu_protected })
    }
}

/// The kind and the target of a pointer with a tag; `None` for all others.
fn tagged_pointer(btf: &Btf, ty: TypeId) -> Option<Result<(KernelPointerKind, TypeId), Malformed>> {
    let pointer = match btf.ty(ty) {
        Type::Volatile(inner) => *inner,
        _ => ty,
    };
    let Type::Pointer(pointee) = btf.ty(pointer) else { return None };
    let Type::TypeTag(tag) = btf.ty(*pointee) else { return None };
    if tag.attribute {
        return None;
    }
    if matches!(btf.ty(tag.target), Type::TypeTag(_)) {
        return Some(Err(malformed("a pointer has more than one tag")));
    }
    let name = btf.str(tag.name);
    let kind = KERNEL_POINTER_TAGS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    let target = btf.resolve(tag.target).0;
    Some(kind.map(|kind| (kind, target)).ok_or(malformed("a pointer has a tag that means nothing here")))
}
