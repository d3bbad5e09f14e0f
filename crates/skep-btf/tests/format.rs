//! Values shown by their types, and what stands at an offset.

use skep_btf::format::{FormatError, to_json, to_text};
use skep_btf::{Btf, BtfBuilder, Endian, IntEncoding, Step, TypeId};

/// A struct with one of everything, and bytes for it.
fn sample() -> (Btf, TypeId, Vec<u8>) {
    let mut b = BtfBuilder::new();
    b.set_endian(Endian::Little);
    let int = b.int("int", 4, IntEncoding::SIGNED);
    let unsigned = b.int("unsigned int", 4, IntEncoding::UNSIGNED);
    let character = b.int("char", 1, IntEncoding::SIGNED);
    let boolean = b.int("_Bool", 1, IntEncoding::BOOL);
    let wide = b.int("unsigned __int128", 16, IntEncoding::UNSIGNED);
    let double = b.float("double", 8);
    let pointer = b.pointer(TypeId::VOID);
    let text = b.array(character, int, 8);
    let pair = b.array(int, int, 2);
    let color = b.enumeration("color", 4, &[("RED", -1), ("GREEN", 2)]);
    let inner = b.structure("", 8, &[("x", int, 0, 0), ("y", int, 32, 0)]);
    let either = b.union("", 8, &[("all", pair, 0, 0), ("", inner, 0, 0)]);
    let constant = b.constant(color);
    let id = b.structure(
        "sample",
        88,
        &[
            ("low", unsigned, 0, 3),
            ("high", int, 3, 5),
            ("flag", boolean, 8, 0),
            ("letter", character, 16, 0),
            ("color", constant, 32, 0),
            ("other", color, 64, 0),
            ("text", text, 96, 0),
            ("", either, 160, 0),
            ("pointer", pointer, 256, 0),
            ("double", double, 320, 0),
            ("raw", text, 384, 0),
            ("wide", wide, 512, 0),
        ],
    );
    let mut bytes = vec![0xfd, 1, b'q', 0, 0xff, 0xff, 0xff, 0xff, 7, 0, 0, 0];
    bytes.extend(b"hi\"\0zzzz");
    bytes.extend([5, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend(0x1234u64.to_le_bytes());
    bytes.extend(1.5f64.to_le_bytes());
    bytes.extend([1, 2, 3, 4, 5, 6, 7, 8]);
    bytes.resize(64, 0);
    bytes.extend((1u128 << 100).to_le_bytes());
    bytes.resize(88, 0);
    (b.build().unwrap(), id, bytes)
}

#[test]
fn text_is_a_c_initialiser() {
    let (btf, id, bytes) = sample();
    let expected = "{ .low = 5, .high = -1, .flag = true, .letter = 'q', .color = RED, .other = 7, \
                    .text = \"hi\\\"\", { .all = { 5, -2 }, { .x = 5, .y = -2 } }, .pointer = 0x1234, .double = 1.5, \
                    .raw = { '\\x01', '\\x02', '\\x03', '\\x04', '\\x05', '\\x06', '\\x07', '\\x08' }, \
                    .wide = 1267650600228229401496703205376 }";
    assert_eq!(to_text(&btf, id, &bytes).unwrap(), expected);
}

#[test]
fn json_has_anonymous_members_in_the_outer_object() {
    let (btf, id, bytes) = sample();
    let expected = "{\"low\":5,\"high\":-1,\"flag\":true,\"letter\":\"q\",\"color\":\"RED\",\"other\":7,\
                    \"text\":\"hi\\\"\",\"all\":[5,-2],\"x\":5,\"y\":-2,\"pointer\":\"0x1234\",\"double\":1.5,\
                    \"raw\":[1,2,3,4,5,6,7,8],\"wide\":\"0x10000000000000000000000000\"}";
    assert_eq!(to_json(&btf, id, &bytes).unwrap(), expected);
}

#[test]
fn too_few_bytes_are_an_error_that_says_where() {
    let (btf, id, bytes) = sample();
    for len in 0..80 {
        assert!(matches!(to_text(&btf, id, &bytes[..len]), Err(FormatError::TooShort { .. })), "{len} bytes");
    }
    let error = to_text(&btf, id, &bytes[..6]).unwrap_err();
    assert_eq!(error.to_string(), "type [10] takes 4 bytes at byte 4, but the value has only 6");
    assert_eq!(to_text(&btf, TypeId::VOID, &[]), Err(FormatError::NoValue(TypeId::VOID)));
}

#[test]
fn bit_fields_of_big_endian_data_count_from_the_top() {
    let mut b = BtfBuilder::new();
    b.set_endian(Endian::Big);
    let int = b.int("unsigned int", 4, IntEncoding::UNSIGNED);
    let id = b.structure("s", 8, &[("a", int, 0, 4), ("b", int, 4, 12), ("c", int, 32, 0)]);
    let text = to_text(&b.build().unwrap(), id, &[0x12, 0x34, 0, 0, 0, 0, 1, 2]).unwrap();
    assert_eq!(text, "{ .a = 1, .b = 564, .c = 258 }");
}

#[test]
fn the_field_at_an_offset_is_the_innermost() {
    let (btf, id, _) = sample();
    let at = |offset| btf.field_at(id, offset).map(|f| (btf.path_text(id, &f.steps), f.remainder));
    assert_eq!(at(0), Some(("low".into(), 0)));
    assert_eq!(at(4), Some(("color".into(), 0)));
    assert_eq!(at(15), Some(("text[3]".into(), 0)));
    assert_eq!(at(26), Some(("all[1]".into(), 2)));
    assert_eq!(at(30), None, "padding");
    assert_eq!(at(88), None, "outside");
    let field = btf.field_at(id, 24).unwrap();
    assert_eq!(field.steps, [Step::Member(7), Step::Member(0), Step::Element(1)]);
    assert_eq!(field.bit_offset, 24 * 8);
    assert_eq!(btf.find_member(id, "y").map(|f| (f.path, f.bit_offset)), Some((vec![7, 1, 1], 24 * 8)));
    let names: Vec<_> = btf.members(id).map(|f| btf.member_name(id, &f.path).to_owned()).collect();
    let expected = ["low", "high", "flag", "letter", "color", "other", "text", "all", "x", "y", "pointer", "double"];
    assert_eq!(names[..12], expected);
}
