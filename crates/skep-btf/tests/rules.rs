//! The kernel's rules beyond structure. Each row was tried against `BPF_BTF_LOAD` of Linux 6.18.

use skep_btf::{
    BtfBuilder, FunctionLinkage, IntEncoding, Kind, Problem, Rule, SectionEntry, Type, TypeId, VariableLinkage,
};

/// Types 1 to 3 of every row: `int`, `struct s { int a; }`, `int (int a)`.
const INT: TypeId = TypeId(1);
const STRUCT: TypeId = TypeId(2);
const PROTOTYPE: TypeId = TypeId(3);

fn verdict(add: impl FnOnce(&mut BtfBuilder)) -> Option<Rule> {
    let mut builder = BtfBuilder::new();
    builder.int("int", 4, IntEncoding::SIGNED);
    builder.structure("s", 4, &[("a", INT, 0, 0)]);
    builder.prototype(INT, &[("a", INT)]);
    add(&mut builder);
    match builder.build().unwrap().validate() {
        Ok(()) => None,
        Err(error) => match error.problem {
            Problem::Rule(rule) => Some(rule),
            other => panic!("{other}"),
        },
    }
}

/// Accepts `add` and refuses it for the given reason.
macro_rules! rules {
    ($($name:ident: $add:expr => $pattern:pat,)*) => {
        $(#[test] fn $name() {
            let found = verdict(|b| { let add: fn(&mut BtfBuilder) = $add; add(b) });
            let $pattern = found else { panic!("{found:?}") };
        })*
    };
}

rules! {
    nothing_wrong: |_| () => None,
    int_too_small_for_its_bits: |b| {
        b.int("x", 1, IntEncoding::UNSIGNED);
        if let Some(Type::Int(int)) = b.type_mut(TypeId(4)) { int.bits = 9; }
    } => Some(Rule::IntBits { bits: 9, .. }),
    int_signed_and_boolean: |b| { b.int("x", 1, IntEncoding(5)); } => Some(Rule::IntEncoding(5)),
    int_without_name: |b| { b.int("", 4, IntEncoding::SIGNED); } => None,
    array_of_void: |b| { b.array(TypeId::VOID, INT, 1); } => Some(Rule::NoSize { .. }),
    array_indexed_by_struct: |b| { b.array(INT, STRUCT, 1); } => Some(Rule::ArrayIndex(STRUCT)),
    array_too_long: |b| { b.array(INT, INT, 1 << 30); } => Some(Rule::ArraySize),
    member_outside: |b| { b.structure("t", 4, &[("a", INT, 8, 0)]); } => Some(Rule::MemberBounds { index: 0, .. }),
    member_of_void: |b| { b.structure("t", 4, &[("a", TypeId::VOID, 0, 0)]); } => Some(Rule::Member(0, _)),
    member_between_bytes: |b| { b.structure("t", 8, &[("b", INT, 0, 1), ("a", INT, 1, 0)]); } => Some(Rule::Member(1, _)),
    members_out_of_order: |b| { b.structure("t", 8, &[("a", INT, 32, 0), ("b", INT, 0, 0)]); } => Some(Rule::Member(1, _)),
    bit_field_of_struct: |b| { b.structure("t", 8, &[("a", STRUCT, 0, 3)]); } => Some(Rule::Member(0, _)),
    bit_field_too_wide: |b| { b.structure("t", 8, &[("a", INT, 0, 33)]); } => Some(Rule::Member(0, _)),
    union_member_not_at_zero: |b| { b.union("t", 8, &[("a", INT, 32, 0)]); } => Some(Rule::Member(0, _)),
    struct_name_with_blank: |b| { b.structure("a b", 0, &[]); } => Some(Rule::NameInvalid(Kind::Struct, _)),
    enum_of_three_bytes: |b| { b.enumeration("e", 3, &[]); } => Some(Rule::Size(Kind::Enum, 3)),
    enumerator_without_name: |b| { b.enumeration("e", 4, &[("", 1)]); } => Some(Rule::NameInvalid(Kind::Enum, _)),
    typedef_without_name: |b| { b.typedef("", INT); } => Some(Rule::NameInvalid(Kind::Typedef, _)),
    function_of_int: |b| { b.function("f", INT, FunctionLinkage::Static); } => Some(Rule::Reference { .. }),
    function_with_unnamed_parameter: |b| {
        let prototype = b.prototype(TypeId::VOID, &[("", INT)]);
        b.function("f", prototype, FunctionLinkage::Static);
    } => Some(Rule::Parameter(0, _)),
    prototype_returns_function: |b| { b.prototype(PROTOTYPE, &[]); } => Some(Rule::NoSize { .. }),
    prototype_with_void_in_the_middle: |b| { b.prototype(INT, &[("", TypeId::VOID), ("a", INT)]); } => Some(Rule::Parameter(0, _)),
    variable_of_void: |b| { b.variable("v", TypeId::VOID, VariableLinkage::Global); } => Some(Rule::Reference { .. }),
    variable_elsewhere: |b| { b.variable("v", INT, VariableLinkage::Extern); } => Some(Rule::ExternVariable),
    section_with_overlap: |b| {
        let ty = b.variable("v", INT, VariableLinkage::Global);
        let entry = |offset| SectionEntry { ty, offset, size: 4 };
        b.data_section(".data", 8, &[entry(0), entry(2)]);
    } => Some(Rule::SectionEntry(1, _)),
    section_without_size: |b| { b.data_section(".data", 0, &[]); } => Some(Rule::Size(Kind::DataSection, 0)),
    float_of_three_bytes: |b| { b.float("f", 3); } => Some(Rule::Size(Kind::Float, 3)),
    tag_of_a_member_there_is_not: |b| { b.decl_tag("t", STRUCT, Some(1)); } => Some(Rule::Component(1)),
    tag_of_an_int: |b| { b.decl_tag("t", INT, None); } => Some(Rule::Reference { .. }),
    type_tag_behind_const: |b| {
        let tag = b.type_tag("t", INT);
        b.constant(tag);
    } => Some(Rule::TypeTagOrder),
    pointer_to_a_tag: |b| {
        let tag = b.type_tag("t", INT);
        b.pointer(tag);
    } => None,
}
