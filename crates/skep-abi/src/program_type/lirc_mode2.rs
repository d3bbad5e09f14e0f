//! Infrared receivers. The context is one sample: kind in the upper 8 bits, microseconds below.

use super::prelude::*;

const FIELDS: &[ContextField] = &[field("sample", 0, 4, 4)];

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("lirc_mode2").attach(A::LircMode2).optional()],
    context: ContextInfo::Struct { name: "lirc_mode2_sample", size: 4, fields: FIELDS },
    helpers: &["rc_repeat", "rc_keydown", "rc_pointer_rel"],
    ..ProgramTypeInfo::new(
        ProgramType::LircMode2,
        "lirc_mode2",
        Version(4, 18),
        "Decodes the pulses of an infrared receiver.",
    )
};
