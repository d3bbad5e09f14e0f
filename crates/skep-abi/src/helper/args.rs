//! Short names for what the rows of the helper table are made of.

use super::{ArgKind, Callback, CallbackArg, DynptrKind, HelperVariant, MemAccess, ReturnKind};
use crate::program_type::ProgramType;

pub(super) const MAP: ArgKind = ArgKind::ConstMapPtr;
pub(super) const KEY: ArgKind = ArgKind::MapKey;
pub(super) const VAL: ArgKind = ArgKind::MapValue;
pub(super) const VALU: ArgKind = ArgKind::MapValueUninit;
pub(super) const MVN: ArgKind = ArgKind::MapValueOrNull;
pub(super) const CTX: ArgKind = ArgKind::Context;
pub(super) const CTXN: ArgKind = ArgKind::ContextOrNull;
pub(super) const ANY: ArgKind = ArgKind::Anything;
/// Memory read, filled, filled and kept, read and written; `N`: or NULL.
pub(super) const RD: ArgKind = ArgKind::Mem { or_null: false, access: MemAccess::Read };
pub(super) const RDN: ArgKind = ArgKind::Mem { or_null: true, access: MemAccess::Read };
pub(super) const WR: ArgKind = ArgKind::Mem { or_null: false, access: MemAccess::Write };
pub(super) const WRN: ArgKind = ArgKind::Mem { or_null: true, access: MemAccess::Write };
pub(super) const RW: ArgKind = ArgKind::Mem { or_null: false, access: MemAccess::ReadWrite };
pub(super) const SZ: ArgKind = ArgKind::Size;
pub(super) const SZ0: ArgKind = ArgKind::SizeOrZero;
/// Memory of fixed size.
pub(super) const F8W: ArgKind = ArgKind::FixedMem { size: 8, aligned: true, access: MemAccess::Write };
pub(super) const F4RW: ArgKind = ArgKind::FixedMem { size: 4, aligned: true, access: MemAccess::ReadWrite };
pub(super) const F20R: ArgKind = ArgKind::FixedMem { size: 20, aligned: false, access: MemAccess::Read };
pub(super) const F40R: ArgKind = ArgKind::FixedMem { size: 40, aligned: false, access: MemAccess::Read };
pub(super) const CASZ: ArgKind = ArgKind::ConstAllocSizeOrZero;
pub(super) const AM: ArgKind = ArgKind::AllocMem;
pub(super) const LOCK: ArgKind = ArgKind::SpinLock;
pub(super) const TIMER: ArgKind = ArgKind::Timer;
pub(super) const KPTR: ArgKind = ArgKind::Kptr;
pub(super) const OBN: ArgKind = ArgKind::OwnedBtfPtrOrNull;
pub(super) const FUNC: ArgKind = ArgKind::Function;
pub(super) const STN: ArgKind = ArgKind::StackOrNull;
pub(super) const STR: ArgKind = ArgKind::ConstString;
pub(super) const SKC: ArgKind = ArgKind::SockCommon;
pub(super) const BSK: ArgKind = ArgKind::BtfSockCommon;
pub(super) const PCB: ArgKind = ArgKind::PerCpuBtfPtr;
/// Any dynptr, read-only ones included.
pub(super) const DYNR: ArgKind = ArgKind::Dynptr { uninit: false, read_only: true, kind: None };

pub(super) const fn dynptr(kind: DynptrKind) -> ArgKind {
    ArgKind::Dynptr { uninit: false, read_only: false, kind: Some(kind) }
}

pub(super) const fn new_dynptr(kind: DynptrKind) -> ArgKind {
    ArgKind::Dynptr { uninit: true, read_only: false, kind: Some(kind) }
}

pub(super) const fn btf(name: &'static str) -> ArgKind {
    ArgKind::BtfPtr { name, or_null: false }
}

pub(super) const fn btf_or_null(name: &'static str) -> ArgKind {
    ArgKind::BtfPtr { name, or_null: true }
}

pub(super) const fn btf_result(name: &'static str) -> ReturnKind {
    ReturnKind::BtfPtr { name, or_null: false, trusted: false }
}

pub(super) const fn trusted_result(name: &'static str) -> ReturnKind {
    ReturnKind::BtfPtr { name, or_null: false, trusted: true }
}

pub(super) const fn btf_or_null_result(name: &'static str) -> ReturnKind {
    ReturnKind::BtfPtr { name, or_null: true, trusted: false }
}

/// Zero goes on, one stops.
const GO_ON_OR_STOP: (i64, i64) = (0, 1);

pub(super) const FOR_EACH_ELEMENT: Callback = Callback {
    args: &[CallbackArg::MapPtr, CallbackArg::MapKey, CallbackArg::MapValue, CallbackArg::HelperArg(3)],
    returns: GO_ON_OR_STOP,
};
pub(super) const TIMER_EXPIRY: Callback =
    Callback { args: &[CallbackArg::MapPtr, CallbackArg::MapKey, CallbackArg::MapValue], returns: (0, 0) };
pub(super) const FIND_VMA: Callback = Callback {
    args: &[CallbackArg::BtfPtr("task_struct"), CallbackArg::BtfPtr("vm_area_struct"), CallbackArg::HelperArg(4)],
    returns: GO_ON_OR_STOP,
};
pub(super) const LOOP: Callback =
    Callback { args: &[CallbackArg::Number, CallbackArg::HelperArg(3)], returns: GO_ON_OR_STOP };
pub(super) const USER_RINGBUF: Callback =
    Callback { args: &[CallbackArg::Dynptr, CallbackArg::HelperArg(3)], returns: GO_ON_OR_STOP };

/// Programs that know sockets by BTF only.
const BY_BTF: &[ProgramType] = &[ProgramType::Tracing, ProgramType::Lsm, ProgramType::StructOps, ProgramType::Syscall];

const COOKIE_BY_BTF: &[ProgramType] =
    &[ProgramType::Tracing, ProgramType::Lsm, ProgramType::StructOps, ProgramType::Syscall, ProgramType::SkReuseport];
pub(super) const SOCKET_COOKIE: &[HelperVariant] =
    &[HelperVariant { program_types: COOKIE_BY_BTF, args: &[ArgKind::BtfSockCommonOrNull] }];
const SOCKET_OPTION_BY_BTF: &[ProgramType] =
    &[ProgramType::Tracing, ProgramType::Lsm, ProgramType::StructOps, ProgramType::CgroupSockopt];
pub(super) const SET_SOCKET_OPTION: &[HelperVariant] =
    &[HelperVariant { program_types: SOCKET_OPTION_BY_BTF, args: &[BSK, ANY, ANY, RD, SZ] }];
pub(super) const GET_SOCKET_OPTION: &[HelperVariant] =
    &[HelperVariant { program_types: SOCKET_OPTION_BY_BTF, args: &[BSK, ANY, ANY, WR, SZ] }];
pub(super) const SK_STORAGE: &[HelperVariant] = &[
    HelperVariant { program_types: &[ProgramType::CgroupSock], args: &[MAP, CTX, MVN, ANY] },
    HelperVariant { program_types: &[ProgramType::Tracing], args: &[MAP, btf_or_null("sock_common"), MVN, ANY] },
];
pub(super) const SK_STORAGE_DELETE: &[HelperVariant] =
    &[HelperVariant { program_types: &[ProgramType::Tracing], args: &[MAP, btf_or_null("sock_common")] }];
pub(super) const SK_ASSIGN: &[HelperVariant] =
    &[HelperVariant { program_types: &[ProgramType::SkLookup], args: &[CTX, ArgKind::SocketOrNull, ANY] }];
pub(super) const FRAME_LENGTH: &[HelperVariant] = &[HelperVariant { program_types: BY_BTF, args: &[btf("xdp_buff")] }];
