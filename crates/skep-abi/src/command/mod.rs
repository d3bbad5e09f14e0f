//! The commands of `bpf(2)`: one variant per `enum bpf_cmd` of Linux 6.18, with slices where the ABI has pointers.
//!
//! [`Command`] is what a kernel gets. [`Command::encode`] makes the exact bytes of `union bpf_attr` from it and
//! [`Decoded`] makes a command from such bytes and a client's memory. A flag or number that this table does not know
//! passes through: the kernel that gets the command judges it.
//!
//! - An empty slice is a null pointer.
//! - Descriptors are `i32`; 0 is "none" where the ABI says so.
//! - Numbers inside buffers are in the byte order of the machine.

mod decode;
mod flags;
mod info;
mod info_request;
mod layout;
mod link_info;
mod links;
mod maps;
mod objects;
mod programs;
mod reply;

pub use decode::{Client, Decoded, MapSizes, check_attr};
pub use flags::{AttachFlags, ElementFlags, FileFlags, ProgramFlags, QueryFlags, TestRunFlags};
pub use info::{BtfInfo, InfoField, InfoPointer, MapInfo, ProgramInfo, TokenInfo};
pub use info_request::{
    BTF_POINTERS, InfoRequest, LinkBuffers, MAP_POINTERS, ObjGetInfoByFd, ObjectKind, PROGRAM_POINTERS, ProgramBuffers,
};
pub use layout::{ATTR_SIZE, Addresses, Attr, FieldKind, FieldSpec, Length, ObjectName, OwnAddresses};
pub use link_info::{LinkDetail, LinkInfo, LinkType, PerfEventDetail};
pub use links::{
    IterCreate, LinkCreate, LinkDetach, LinkGetFdById, LinkGetNextId, LinkOptions, LinkUpdate, RawTracepointOpen,
    Symbols,
};
pub use maps::{
    MapCreate, MapDeleteBatch, MapDeleteElem, MapFreeze, MapGetFdById, MapGetNextId, MapGetNextKey,
    MapLookupAndDeleteBatch, MapLookupAndDeleteElem, MapLookupBatch, MapLookupElem, MapUpdateBatch, MapUpdateElem,
};
pub use objects::{BtfGetFdById, BtfGetNextId, BtfLoad, EnableStats, ObjGet, ObjPin, TaskFdQuery, TokenCreate};
pub use programs::{
    ProgAttach, ProgBindMap, ProgDetach, ProgGetFdById, ProgGetNextId, ProgLoad, ProgQuery, ProgStreamRead, ProgTestRun,
};
pub use reply::{Failure, Reply};

use crate::Version;
use layout::{Buffers, CommandAttr};

macro_rules! commands {
    ($($name:ident $(<$lt:lifetime>)? = $number:literal, $text:literal, ($major:literal, $minor:literal);)*) => {
        /// `enum bpf_cmd`; the discriminants are the ABI's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "each is described by the struct of the same name")]
        pub enum CommandNumber { $($name = $number,)* ObjGetInfoByFd = 15 }

        impl CommandNumber {
            /// All of them, in no order.
            pub const ALL: &[CommandNumber] = &[$(CommandNumber::$name,)* CommandNumber::ObjGetInfoByFd];

            /// The name in the UAPI header without `BPF_`: `MAP_CREATE`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(CommandNumber::$name => $text,)*
                    CommandNumber::ObjGetInfoByFd => "OBJ_GET_INFO_BY_FD",
                }
            }

            /// First Linux release that has it.
            pub const fn since(self) -> Version {
                match self {
                    $(CommandNumber::$name => Version($major, $minor),)*
                    CommandNumber::ObjGetInfoByFd => Version(4, 13),
                }
            }

            /// Fields of its attr. `LINK_CREATE` has more, which [`CommandNumber::option_fields`] lists.
            #[allow(elided_lifetimes_in_paths, reason = "only some of the structs have one")]
            pub const fn fields(self) -> &'static [FieldSpec] {
                match self {
                    $(CommandNumber::$name => <$name as CommandAttr<'_>>::FIELDS,)*
                    CommandNumber::ObjGetInfoByFd => ObjGetInfoByFd::FIELDS,
                }
            }

            /// Where the last field that Linux 6.18 knows of it ends.
            #[allow(elided_lifetimes_in_paths, reason = "only some of the structs have one")]
            pub const fn attr_len(self) -> usize {
                match self {
                    $(CommandNumber::$name => <$name as CommandAttr<'_>>::LEN,)*
                    CommandNumber::ObjGetInfoByFd => ObjGetInfoByFd::LEN,
                }
            }
        }

        /// A command with its arguments.
        #[derive(Debug)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "each is described by the struct of the same name")]
        pub enum Command<'a> { $($name($name $(<$lt>)?),)* ObjGetInfoByFd(ObjGetInfoByFd<'a>) }

        impl<'a> Command<'a> {
            /// Which it is.
            pub const fn number(&self) -> CommandNumber {
                match self {
                    $(Command::$name(_) => CommandNumber::$name,)*
                    Command::ObjGetInfoByFd(_) => CommandNumber::ObjGetInfoByFd,
                }
            }

            fn encode_fields(&mut self, attr: &mut Attr, addresses: &mut dyn Addresses) {
                match self {
                    $(Command::$name(command) => CommandAttr::encode(command, attr, addresses),)*
                    Command::ObjGetInfoByFd(command) => command.encode(attr, addresses),
                }
            }

            /// `None` for `OBJ_GET_INFO_BY_FD`, whose struct needs a place of its own.
            fn decode_fields(number: CommandNumber, attr: &[u8; ATTR_SIZE], buffers: &mut Buffers<'a>) -> Option<Self> {
                Some(match number {
                    $(CommandNumber::$name => Command::$name(CommandAttr::decode(attr, buffers)),)*
                    CommandNumber::ObjGetInfoByFd => return None,
                })
            }
        }

        $(impl<'a> From<$name $(<$lt>)?> for Command<'a> {
            fn from(command: $name $(<$lt>)?) -> Self { Command::$name(command) }
        })*
    };
}

commands! {
    MapCreate<'a> = 0, "MAP_CREATE", (3, 18);
    MapLookupElem<'a> = 1, "MAP_LOOKUP_ELEM", (3, 18);
    MapUpdateElem<'a> = 2, "MAP_UPDATE_ELEM", (3, 18);
    MapDeleteElem<'a> = 3, "MAP_DELETE_ELEM", (3, 18);
    MapGetNextKey<'a> = 4, "MAP_GET_NEXT_KEY", (3, 18);
    ProgLoad<'a> = 5, "PROG_LOAD", (3, 18);
    ObjPin<'a> = 6, "OBJ_PIN", (4, 4);
    ObjGet<'a> = 7, "OBJ_GET", (4, 4);
    ProgAttach = 8, "PROG_ATTACH", (4, 10);
    ProgDetach = 9, "PROG_DETACH", (4, 10);
    ProgTestRun<'a> = 10, "PROG_TEST_RUN", (4, 12);
    ProgGetNextId = 11, "PROG_GET_NEXT_ID", (4, 13);
    MapGetNextId = 12, "MAP_GET_NEXT_ID", (4, 13);
    ProgGetFdById = 13, "PROG_GET_FD_BY_ID", (4, 13);
    MapGetFdById = 14, "MAP_GET_FD_BY_ID", (4, 13);
    ProgQuery<'a> = 16, "PROG_QUERY", (4, 15);
    RawTracepointOpen<'a> = 17, "RAW_TRACEPOINT_OPEN", (4, 17);
    BtfLoad<'a> = 18, "BTF_LOAD", (4, 18);
    BtfGetFdById = 19, "BTF_GET_FD_BY_ID", (4, 18);
    TaskFdQuery<'a> = 20, "TASK_FD_QUERY", (4, 18);
    MapLookupAndDeleteElem<'a> = 21, "MAP_LOOKUP_AND_DELETE_ELEM", (4, 20);
    MapFreeze = 22, "MAP_FREEZE", (5, 2);
    BtfGetNextId = 23, "BTF_GET_NEXT_ID", (5, 4);
    MapLookupBatch<'a> = 24, "MAP_LOOKUP_BATCH", (5, 6);
    MapLookupAndDeleteBatch<'a> = 25, "MAP_LOOKUP_AND_DELETE_BATCH", (5, 6);
    MapUpdateBatch<'a> = 26, "MAP_UPDATE_BATCH", (5, 6);
    MapDeleteBatch<'a> = 27, "MAP_DELETE_BATCH", (5, 6);
    LinkCreate<'a> = 28, "LINK_CREATE", (5, 7);
    LinkUpdate = 29, "LINK_UPDATE", (5, 7);
    LinkGetFdById = 30, "LINK_GET_FD_BY_ID", (5, 8);
    LinkGetNextId = 31, "LINK_GET_NEXT_ID", (5, 8);
    EnableStats = 32, "ENABLE_STATS", (5, 8);
    IterCreate = 33, "ITER_CREATE", (5, 8);
    LinkDetach = 34, "LINK_DETACH", (5, 9);
    ProgBindMap = 35, "PROG_BIND_MAP", (5, 10);
    TokenCreate = 36, "TOKEN_CREATE", (6, 9);
    ProgStreamRead<'a> = 37, "PROG_STREAM_READ_BY_FD", (6, 17);
}

impl<'a> From<ObjGetInfoByFd<'a>> for Command<'a> {
    fn from(command: ObjGetInfoByFd<'a>) -> Self {
        Command::ObjGetInfoByFd(command)
    }
}

impl CommandNumber {
    /// The command of that number.
    pub fn from_number(number: u32) -> Option<CommandNumber> {
        CommandNumber::ALL.iter().copied().find(|c| c.number() == number)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The lists of fields that `LINK_CREATE` may end with; empty for all others.
    pub fn option_fields(self) -> Vec<&'static [FieldSpec]> {
        match self {
            CommandNumber::LinkCreate => links::Shape::ALL.iter().map(|s| s.fields()).collect(),
            _ => Vec::new(),
        }
    }
}

impl Command<'_> {
    /// Writes the command as a `union bpf_attr`. The addresses in it are those that `addresses` gives; with
    /// [`OwnAddresses`] they point into this command's buffers and into `attr` itself.
    pub fn encode(&mut self, attr: &mut Attr, addresses: &mut dyn Addresses) {
        *attr = Attr::default();
        attr.len = self.number().attr_len();
        self.encode_fields(attr, addresses);
    }

    /// Reads what the kernel wrote into `attr`, once the call made of [`Command::encode`]'s bytes returned: the reply,
    /// and the info struct of `OBJ_GET_INFO_BY_FD`. `returned` is what the call returned, `None` if it failed.
    pub fn finish(&mut self, returned: Option<i32>, attr: &Attr) -> Reply {
        if let (Command::ObjGetInfoByFd(command), Some(_)) = (&mut *self, returned) {
            command.finish(attr);
        }
        Reply::read(self.number(), returned, &attr.bytes)
    }
}
