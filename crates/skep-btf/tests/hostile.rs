//! Input that lies: errors that say where, never a panic, a hang or a large allocation; and round trips of random BTF.

use proptest::prelude::*;
use skep_btf::{
    Array, Btf, BtfBuilder, BtfExt, CDumpOptions, Composite, CoreRelocation, DataSection, DeclTag, Endian, Enum,
    Enum64, Enumerator, Enumerator64, Float, Forward, FuncInfo, Function, FunctionLinkage, FunctionPrototype, Group,
    Int, IntEncoding, LineInfo, MAX_DEPTH, Member, Parameter, Problem, RelocationKind, Section, SectionEntry,
    StringOffset, Type, TypeId, TypeTag, Typedef, Variable, VariableLinkage,
};

/// Types 1 to `TYPES` are built; references go to any of them.
const TYPES: u32 = 12;
const NAMES: [&str; 6] = ["", "a", "b", "c___x", "struct", "naïve"];

/// Everything that can be done with a BTF, to see that it ends.
fn exercise(btf: &Btf) {
    let _ = btf.validate();
    let _ = btf.dump_c(&CDumpOptions::default());
    btf.dump_raw(&mut String::new()).unwrap();
    let _ = btf.dedup();
    for (id, _) in btf.types() {
        let _ = (btf.size_of(id), btf.align_of(id), btf.members(id).take(100).count());
        let _ = (btf.find_member(id, "a"), btf.field_at(id, 3), skep_btf::format::to_json(btf, id, &[1; 64]));
        for kind in RelocationKind::ALL {
            let relocation = CoreRelocation { insn_offset: 0, type_id: id, access_spec: StringOffset(1), kind };
            let _ = skep_btf::core_relocation::resolve(btf, &relocation, &[btf]);
        }
    }
}

fn type_strategy() -> impl Strategy<Value = Type> {
    // Offsets of the names, in the order that `build` adds them.
    let name = prop::sample::select(vec![0u32, 5, 7, 9, 15, 22]).prop_map(StringOffset);
    let id = (0..=TYPES).prop_map(TypeId);
    let size = prop::sample::select(vec![0u32, 1, 2, 4, 8, 16, 24]);
    let member = (name.clone(), id.clone(), 0u32..256, prop::sample::select(vec![0u8, 0, 0, 1, 7, 33]))
        .prop_map(|(name, ty, bit_offset, bitfield_size)| Member { name, ty, bit_offset, bitfield_size });
    let composite =
        (name.clone(), size.clone(), prop::collection::vec(member, 0..5)).prop_map(|(name, size, members)| {
            let kind_flag = members.iter().any(|m| m.bitfield_size != 0);
            Composite { name, size, kind_flag, members: members.into() }
        });
    let target = (name.clone(), id.clone());
    prop_oneof![
        (name.clone(), size.clone(), 0u8..8, 0u8..9, 0u8..129).prop_map(|(name, size, e, bit_offset, bits)| {
            Type::Int(Int { name, size, encoding: IntEncoding(e), bit_offset, bits })
        }),
        id.clone().prop_map(Type::Pointer),
        (id.clone(), id.clone(), prop::sample::select(vec![0u32, 1, 3, u32::MAX]))
            .prop_map(|(element, index, len)| Type::Array(Array { element, index, len })),
        composite.clone().prop_map(Type::Struct),
        composite.prop_map(Type::Union),
        (name.clone(), size.clone(), any::<bool>(), prop::collection::vec((name.clone(), any::<u32>()), 0..4))
            .prop_map(|(name, size, signed, values)| {
                let values = values.into_iter().map(|(name, value)| Enumerator { name, value }).collect();
                Type::Enum(Enum { name, size, signed, values })
            }),
        (name.clone(), size.clone(), any::<bool>(), prop::collection::vec((name.clone(), any::<u64>()), 0..4))
            .prop_map(|(name, size, signed, values)| {
                let values = values.into_iter().map(|(name, value)| Enumerator64 { name, value }).collect();
                Type::Enum64(Enum64 { name, size, signed, values })
            }),
        (name.clone(), any::<bool>()).prop_map(|(name, union)| Type::Forward(Forward { name, union })),
        target.clone().prop_map(|(name, target)| Type::Typedef(Typedef { name, target })),
        id.clone().prop_map(Type::Volatile),
        id.clone().prop_map(Type::Const),
        id.clone().prop_map(Type::Restrict),
        target.clone().prop_map(|(name, prototype)| {
            Type::Function(Function { name, prototype, linkage: FunctionLinkage::Global })
        }),
        (id.clone(), prop::collection::vec((name.clone(), id.clone()), 0..4)).prop_map(|(ret, parameters)| {
            let parameters = parameters.into_iter().map(|(name, ty)| Parameter { name, ty }).collect();
            Type::FunctionPrototype(FunctionPrototype { ret, parameters })
        }),
        target.clone().prop_map(|(name, ty)| Type::Variable(Variable { name, ty, linkage: VariableLinkage::Extern })),
        (name.clone(), size.clone(), prop::collection::vec((id, 0u32..64, 0u32..16), 0..3)).prop_map(
            |(name, size, entries)| {
                let entries = entries.into_iter().map(|(ty, offset, size)| SectionEntry { ty, offset, size }).collect();
                Type::DataSection(DataSection { name, size, entries })
            }
        ),
        (name.clone(), size).prop_map(|(name, size)| Type::Float(Float { name, size })),
        (target.clone(), prop::option::of(0u32..4), any::<bool>()).prop_map(
            |((name, target), component, attribute)| Type::DeclTag(DeclTag { name, target, component, attribute })
        ),
        (target, any::<bool>()).prop_map(|((name, target), attribute)| Type::TypeTag(TypeTag {
            name,
            target,
            attribute
        })),
    ]
}

/// With `ordered`, references go back only, so that there are no cycles.
fn build(types: Vec<Type>, ordered: bool) -> Result<Btf, skep_btf::BtfError> {
    let mut builder = BtfBuilder::new();
    builder.string("0:1");
    NAMES.iter().for_each(|n| {
        builder.string(n);
    });
    for (index, mut ty) in types.into_iter().enumerate() {
        ty.for_each_id_mut(|id| id.0 %= if ordered { index as u32 + 1 } else { TYPES + 1 });
        builder.add(ty);
    }
    let built = builder.build();
    assert!(built.is_ok() || !ordered, "{built:?}");
    built
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_types_round_trip_and_nothing_hangs(types in prop::collection::vec(type_strategy(), TYPES as usize), ordered in any::<bool>()) {
        if let Ok(btf) = build(types, ordered) {
            for endian in [Endian::Little, Endian::Big] {
                let bytes = btf.to_bytes(endian).unwrap();
                let parsed = Btf::parse(&bytes).unwrap();
                prop_assert_eq!(parsed.to_bytes(btf.endian()).unwrap(), btf.to_bytes(btf.endian()).unwrap());
                if endian == btf.endian() {
                    prop_assert_eq!(&parsed, &btf);
                }
            }
            exercise(&btf);
            let dedup = btf.dedup().map(|d| d.btf);
            if let Ok(dedup) = dedup {
                prop_assert_eq!(&dedup.dedup().unwrap().btf, &dedup);
            }
        }
    }

    #[test]
    fn damaged_bytes_are_an_error_or_sound(
        types in prop::collection::vec(type_strategy(), TYPES as usize),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        if let Ok(btf) = build(types, true) {
            let mut bytes = btf.to_bytes(Endian::Little).unwrap();
            prop_assert!(Btf::parse(&bytes[..cut.index(bytes.len())]).is_err());
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Ok(btf) = Btf::parse(&bytes) {
                exercise(&btf);
            }
        }
    }

    #[test]
    fn random_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..256), header in any::<bool>()) {
        if header {
            let len = bytes.len() as u32;
            let mut start = vec![0x9f, 0xeb, 1, 0, 24, 0, 0, 0];
            for word in [0, len & !3, len & !3, len % 4] {
                start.extend_from_slice(&word.to_le_bytes());
            }
            start.append(&mut bytes);
            bytes = start;
        }
        let _ = Btf::parse(&bytes);
        let _ = BtfExt::parse(&bytes, &Btf::default());
    }

    #[test]
    fn ext_round_trips(offsets in prop::collection::vec(0u32..1000, 1..5), line_number in 0u32..(1 << 22), column in 0u16..1024) {
        let mut builder = BtfBuilder::new();
        let int = builder.int("int", 4, IntEncoding::SIGNED);
        let section = builder.string(".text");
        let btf = builder.build().unwrap();
        let at = |o: &u32| o * 8;
        let ext = BtfExt {
            functions: vec![Group { section, records: offsets.iter().map(|o| FuncInfo { insn_offset: at(o), type_id: int }).collect() }],
            lines: vec![Group { section, records: offsets.iter().map(|o| LineInfo { insn_offset: at(o), file_name: section, line: section, line_number, column }).collect() }],
            relocations: vec![Group { section, records: offsets.iter().map(|o| CoreRelocation { insn_offset: at(o), type_id: int, access_spec: section, kind: RelocationKind::TypeMatches }).collect() }],
        };
        for endian in [Endian::Little, Endian::Big] {
            let bytes = ext.to_bytes(endian).unwrap();
            prop_assert_eq!(&BtfExt::parse(&bytes, &btf).unwrap(), &ext);
            for end in 0..bytes.len() {
                prop_assert!(BtfExt::parse(&bytes[..end], &btf).is_err());
            }
        }
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}

/// BTF from the words of its type section; strings are `\0x\0`.
fn file(types: &[u32]) -> Vec<u8> {
    let len = types.len() as u32 * 4;
    let mut bytes = words(&[0x0001_eb9f, 24, 0, len, len, 3]);
    bytes.extend(words(types));
    bytes.extend(b"\0x\0");
    bytes
}

fn problem(types: &[u32]) -> (Option<u32>, usize, Problem) {
    let error = Btf::parse(&file(types)).unwrap_err();
    assert_eq!(error.section, Section::Types);
    (error.type_id.map(|t| t.0), error.offset, error.problem)
}

#[test]
fn errors_name_type_offset_and_cause() {
    assert_eq!(problem(&[0, 2 << 24, 7]), (Some(1), 0, Problem::TypeIdRange { id: 7, last: 1 }));
    assert_eq!(problem(&[0, 2 << 24, 0, 9, 8 << 24, 0]), (Some(2), 12, Problem::StringOffset { offset: 9, len: 3 }));
    assert_eq!(
        problem(&[0, 4 << 24 | 2, 8, 1, 0, 0]),
        (Some(1), 12, Problem::Truncated { what: "members", needed: 24, available: 12 })
    );
    assert_eq!(problem(&[0, 31 << 24, 0]), (Some(1), 0, Problem::UnknownKind(31)));
    assert_eq!(problem(&[0, 10 << 24, 2, 0, 9 << 24, 1]).2, Problem::Cycle(TypeId(1)), "const volatile const …");
    assert_eq!(problem(&[0, 2 << 24, 1]).2, Problem::Cycle(TypeId(1)), "a pointer to itself");
    let array = [0, 3 << 24, 0, 1, 0, 4];
    assert_eq!(problem(&array).2, Problem::Cycle(TypeId(1)), "an array of itself");
    let structure = [1, 4 << 24 | 1, 8, 1, 1, 0];
    assert_eq!(problem(&structure).2, Problem::Cycle(TypeId(1)), "a struct in itself");
}

#[test]
fn headers_that_lie_are_refused() {
    let good = file(&[0, 2 << 24, 0]);
    Btf::parse(&good).unwrap();
    let with = |at: usize, value: u32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        Btf::parse(&bytes).unwrap_err().problem
    };
    assert_eq!(with(0, 0x0002_eb9f), Problem::Version(2));
    assert_eq!(with(0, 0x0101_eb9f), Problem::Flags(1));
    assert_eq!(with(0, 0x464c_457f), Problem::Magic(0x457f));
    assert_eq!(with(4, 20), Problem::HeaderLength(20, 24));
    assert!(matches!(with(4, u32::MAX), Problem::Truncated { .. }));
    assert!(matches!(with(12, u32::MAX), Problem::SectionBounds { section: Section::Types, .. }));
    assert!(matches!(with(16, 4), Problem::SectionOverlap));
    assert_eq!(with(20, 2), Problem::LastString);
    assert!(matches!(with(20, 0), Problem::FirstString));
}

#[test]
fn a_longer_header_is_fine_while_its_new_words_are_zero() {
    let extended = |word: u32| {
        let mut bytes = file(&[0, 2 << 24, 0]);
        bytes[4..8].copy_from_slice(&28u32.to_le_bytes());
        bytes.splice(24..24, word.to_le_bytes());
        Btf::parse(&bytes)
    };
    assert_eq!(extended(0).unwrap().type_count(), 2);
    let error = extended(0x100).unwrap_err();
    assert_eq!((error.section, error.offset, error.problem), (Section::Header, 25, Problem::HeaderExtension(4)));
}

#[test]
fn deep_nesting_is_refused_and_the_deepest_allowed_is_walked() {
    let chain = |len: u32| {
        let mut builder = BtfBuilder::new();
        let mut id = builder.int("int", 4, IntEncoding::SIGNED);
        for _ in 0..len {
            id = builder.array(id, TypeId(1), 1);
            id = builder.structure("", 4, &[("", id, 0, 0)]);
        }
        builder.build()
    };
    exercise(&chain(MAX_DEPTH / 2 - 1).unwrap());
    let error = chain(50_000).unwrap_err();
    assert_eq!(error.problem, Problem::Depth(MAX_DEPTH));
}

#[test]
fn nested_unions_without_names_do_not_explode() {
    let mut builder = BtfBuilder::new();
    let mut id = builder.int("int", 4, IntEncoding::SIGNED);
    for _ in 0..60 {
        id = builder.union("", 4, &[("", id, 0, 0), ("", id, 0, 0)]);
    }
    builder.typedef("t", id);
    let btf = builder.build().unwrap();
    assert_eq!(btf.find_member(id, "a"), None);
    assert_eq!(btf.align_of(id), Some(4));
    assert_eq!(skep_btf::format::to_text(&btf, id, &[0; 4]), Err(skep_btf::format::FormatError::TooMany));
    assert!(skep_btf::core_relocation::types_match(&btf, id, &btf, id));
}

#[test]
fn strings_that_are_not_utf8_are_kept() {
    let mut bytes = file(&[0, 2 << 24, 0]);
    bytes.truncate(bytes.len() - 3);
    bytes.extend(b"\0x\xe9y\0");
    bytes[20..24].copy_from_slice(&5u32.to_le_bytes());
    let btf = Btf::parse(&bytes).unwrap();
    assert_eq!(btf.string(StringOffset(1)), Some("x?y"));
    assert_eq!(btf.to_bytes(Endian::Little).unwrap(), bytes);
}

#[test]
fn a_hole_between_records_is_skipped_when_they_are_longer_than_known() {
    let btf = Btf::default();
    // Records of 12 bytes where 8 are known.
    let bytes = words(&[0x0001_eb9f, 24, 0, 36, 36, 0, 12, 0, 2, 0, 0, 77, 8, 0, 78]);
    let ext = BtfExt::parse(&bytes, &btf).unwrap();
    let offsets: Vec<_> = ext.functions[0].records.iter().map(|r| r.insn_offset).collect();
    assert_eq!(offsets, [0, 8]);
}
