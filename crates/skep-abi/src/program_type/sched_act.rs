//! Traffic-control actions. The result is a `TC_ACT_*`.

use super::prelude::*;
use super::sched_cls;

pub(super) const INFO: ProgramTypeInfo = ProgramTypeInfo {
    sections: &[section("action")],
    // What a classifier sees and may call, an action does too.
    context: sched_cls::INFO.context,
    packet_read: true,
    packet_write: true,
    packet_to_helpers: true,
    packet_load: true,
    helpers: sched_cls::INFO.helpers,
    socket_map_helpers: &["map_update_elem", "map_delete_elem"],
    ..ProgramTypeInfo::new(
        ProgramType::SchedAct,
        "sched_act",
        Version(4, 1),
        "Acts on packets that a traffic-control filter chose.",
    )
};
