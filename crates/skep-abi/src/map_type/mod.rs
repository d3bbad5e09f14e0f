//! The map-type table: one row per `BPF_MAP_TYPE_*` of Linux 6.18.

mod table;

pub use table::MAP_TYPES;

use crate::Version;
use bitflags::bitflags;
use std::fmt;

/// How a key or value size may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeRule {
    /// Exactly so many bytes.
    Exactly(u32),
    /// Between these, inclusive.
    Range(u32, u32),
    /// A multiple of the first, between the second and third.
    MultipleOf(u32, u32, u32),
    /// One of two sizes (`devmap` values).
    OneOf(u32, u32),
}

/// How `max_entries` may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntriesRule {
    /// Must be zero.
    Zero,
    /// At least one.
    NonZero,
    /// Zero means "one per possible CPU" (libbpf fills it in), else any.
    DefaultCpus,
    /// A power of two, and a multiple of the page size.
    PowerOfTwoPages,
}

bitflags! {
    /// What user space may do with elements by command.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct MapOps: u32 {
        /// `BPF_MAP_LOOKUP_ELEM`
        const LOOKUP = 1 << 0;
        /// `BPF_MAP_UPDATE_ELEM`
        const UPDATE = 1 << 1;
        /// `BPF_MAP_DELETE_ELEM`
        const DELETE = 1 << 2;
        /// `BPF_MAP_GET_NEXT_KEY`
        const NEXT_KEY = 1 << 3;
        /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM`
        const LOOKUP_AND_DELETE = 1 << 4;
        /// `BPF_MAP_LOOKUP_BATCH`, `BPF_MAP_UPDATE_BATCH`
        const BATCH = 1 << 5;
        /// `mmap` of its memory
        const MMAP = 1 << 6;
        /// `BPF_MAP_FREEZE`
        const FREEZE = 1 << 7;
        /// `BPF_MAP_DELETE_BATCH`
        const DELETE_BATCH = 1 << 8;
        /// `BPF_MAP_LOOKUP_AND_DELETE_BATCH`
        const LOOKUP_AND_DELETE_BATCH = 1 << 9;
    }
}

bitflags! {
    /// `BPF_F_*` of `BPF_MAP_CREATE`. Values are the ABI's.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct MapFlags: u32 {
        /// No preallocation of elements.
        const NO_PREALLOC = 1 << 0;
        /// One LRU list per CPU.
        const NO_COMMON_LRU = 1 << 1;
        /// Allocate on `numa_node`.
        const NUMA_NODE = 1 << 2;
        /// User space may only read.
        const RDONLY = 1 << 3;
        /// User space may only write.
        const WRONLY = 1 << 4;
        /// Stack traces as build id and offset.
        const STACK_BUILD_ID = 1 << 5;
        /// Hash seed is zero.
        const ZERO_SEED = 1 << 6;
        /// Programs may only read.
        const RDONLY_PROG = 1 << 7;
        /// Programs may only write.
        const WRONLY_PROG = 1 << 8;
        /// Clone with the socket.
        const CLONE = 1 << 9;
        /// Values can be mapped.
        const MMAPABLE = 1 << 10;
        /// Keep perf events past their opener.
        const PRESERVE_ELEMS = 1 << 11;
        /// Inner maps may differ in `max_entries`.
        const INNER_MAP = 1 << 12;
        /// Create a link (struct_ops).
        const LINK = 1 << 13;
        /// Path file descriptor given.
        const PATH_FD = 1 << 14;
        /// `value_type_btf_obj_fd` given.
        const VTYPE_BTF_OBJ_FD = 1 << 15;
        /// Token given.
        const TOKEN_FD = 1 << 16;
        /// Fault in arena pages as segfault.
        const SEGV_ON_FAULT = 1 << 17;
        /// Arena: no user conversion.
        const NO_USER_CONV = 1 << 18;
    }
}

/// What kind of thing a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// Bytes of the program's own.
    Data,
    /// One value per possible CPU, each rounded up to 8 bytes for user space.
    PerCpu,
    /// A file descriptor of a program.
    ProgramFd,
    /// A file descriptor of a map.
    MapFd,
    /// A file descriptor of a perf event.
    PerfEventFd,
    /// A file descriptor of a cgroup.
    CgroupFd,
    /// A socket; a program that looks one up holds a reference to it.
    Socket,
    /// An AF_XDP socket.
    XdpSocket,
    /// A net device or CPU to redirect to.
    Redirect,
    /// Belongs to a kernel object that is the key (socket, task, inode, cgroup).
    LocalStorage,
    /// Pages shared with user space at one address, and no elements.
    Pages,
    /// No elements (rings, struct_ops).
    None,
}

/// What every map is to kernel functions.
pub const KERNEL_STRUCT: &str = "bpf_map";

/// Helpers that change socket maps only in the program types that say so
/// ([`crate::program_type::ProgramTypeInfo::socket_map_helpers`]): elsewhere the socket may be locked.
pub const SOCKET_MAP_CHANGES: &[&str] = &["map_update_elem", "map_delete_elem"];

/// One map type.
#[derive(Clone, Copy, Debug)]
pub struct MapTypeInfo {
    /// The type.
    pub map_type: MapType,
    /// bpftool's name.
    pub name: &'static str,
    /// Rule for `key_size`.
    pub key: SizeRule,
    /// Rule for `value_size`.
    pub value: SizeRule,
    /// What values are.
    pub value_kind: ValueKind,
    /// Rule for `max_entries`.
    pub entries: EntriesRule,
    /// Flags that creation accepts.
    pub flags: MapFlags,
    /// Flags that creation demands.
    pub required_flags: MapFlags,
    /// Operations from user space.
    pub ops: MapOps,
    /// The kernel's struct for such a map: what a program sees that reads through a map pointer.
    pub kernel_struct: &'static str,
    /// Helpers, by name as in the helper table, that accept this map as their map argument.
    pub helpers: &'static [&'static str],
    /// Programs may take the address of a value directly (`BPF_PSEUDO_MAP_VALUE`).
    pub direct_value: bool,
    /// Keys are indices below `max_entries`: lookup never fails inside the bounds.
    pub index_key: bool,
    /// May be the inner map of a map of maps.
    pub inner: bool,
    /// Creation demands BTF for key and value.
    pub needs_btf: bool,
    /// Sleepable programs may use it.
    pub sleepable: bool,
    /// A program may use one such map only.
    pub one_per_program: bool,
    /// Programs may use it at all.
    pub programs: bool,
    /// First Linux release that has it.
    pub since: Version,
    /// One line about what it is.
    pub doc: &'static str,
}

impl MapTypeInfo {
    /// What is wrong with the sizes of a map as an object defines it, in words; `None` when nothing is. Such definitions
    /// may leave to the loader what it can fill in: "one entry per CPU", a whole number of pages.
    pub fn misfit(&self, key_size: u32, value_size: u32, max_entries: u32) -> Option<String> {
        let name = self.name;
        if !self.key.allows(key_size) {
            return Some(format!("key_size is {key_size}; {name} maps take {}", self.key));
        }
        if !self.value.allows(value_size) {
            return Some(format!("value_size is {value_size}; {name} maps take {}", self.value));
        }
        match (self.entries, max_entries) {
            (EntriesRule::NonZero | EntriesRule::PowerOfTwoPages, 0) => {
                Some(format!("max_entries is 0; {name} maps need at least 1"))
            }
            (EntriesRule::Zero, 1..) => Some(format!("max_entries is {max_entries}; {name} maps take 0")),
            _ => None,
        }
    }
}

impl fmt::Display for SizeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SizeRule::Exactly(only) => write!(f, "{only}"),
            SizeRule::Range(least, most) => write!(f, "{least} to {most}"),
            SizeRule::MultipleOf(of, least, most) => write!(f, "a multiple of {of} from {least} to {most}"),
            SizeRule::OneOf(one, other) => write!(f, "{one} or {other}"),
        }
    }
}

impl SizeRule {
    /// Whether a size follows the rule.
    pub const fn allows(self, size: u32) -> bool {
        match self {
            SizeRule::Exactly(only) => size == only,
            SizeRule::Range(least, most) => least <= size && size <= most,
            SizeRule::MultipleOf(of, least, most) => size.is_multiple_of(of) && least <= size && size <= most,
            SizeRule::OneOf(one, other) => size == one || size == other,
        }
    }
}

impl EntriesRule {
    /// Whether the kernel takes that `max_entries`, with pages of `page_size` bytes.
    pub const fn allows(self, entries: u32, page_size: u32) -> bool {
        match self {
            EntriesRule::Zero => entries == 0,
            EntriesRule::NonZero | EntriesRule::DefaultCpus => entries > 0,
            EntriesRule::PowerOfTwoPages => entries.is_power_of_two() && entries.is_multiple_of(page_size),
        }
    }
}

impl MapType {
    /// Its row in the table.
    pub const fn info(self) -> &'static MapTypeInfo {
        &MAP_TYPES[self as usize - 1]
    }

    /// The type of that name (bpftool's: `percpu_hash`).
    pub fn from_name(name: &str) -> Option<MapType> {
        MAP_TYPES.iter().find(|row| row.name == name).map(|row| row.map_type)
    }
}

/// Defines [`MapType`].
macro_rules! map_types {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        /// `enum bpf_map_type`; the discriminants are the ABI's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        #[non_exhaustive]
        pub enum MapType { $($(#[$doc])* $name = $value,)* }

        impl MapType {
            /// All of them, in order.
            pub const ALL: &[MapType] = &[$(MapType::$name,)*];

            /// The type of that number.
            pub const fn from_number(number: u32) -> Option<MapType> {
                match number { $($value => Some(MapType::$name),)* _ => None }
            }

            /// Its number.
            pub const fn number(self) -> u32 { self as u32 }
        }
    };
}

map_types! {
    /// Hash table.
    Hash = 1,
    /// Array of values.
    Array = 2,
    /// Array of programs for tail calls.
    ProgArray = 3,
    /// Array of perf events.
    PerfEventArray = 4,
    /// Hash table with a value per CPU.
    PerCpuHash = 5,
    /// Array with a value per CPU.
    PerCpuArray = 6,
    /// Stack traces by id.
    StackTrace = 7,
    /// Array of cgroups.
    CgroupArray = 8,
    /// Hash table that evicts the least recently used element.
    LruHash = 9,
    /// The same with a value per CPU.
    LruPerCpuHash = 10,
    /// Longest-prefix-match trie.
    LpmTrie = 11,
    /// Array of maps.
    ArrayOfMaps = 12,
    /// Hash table of maps.
    HashOfMaps = 13,
    /// Array of net devices to redirect to.
    Devmap = 14,
    /// Array of sockets.
    Sockmap = 15,
    /// Array of CPUs to redirect to.
    Cpumap = 16,
    /// Array of AF_XDP sockets.
    Xskmap = 17,
    /// Hash table of sockets.
    Sockhash = 18,
    /// Storage per cgroup and attachment (deprecated).
    CgroupStorage = 19,
    /// Array of listening sockets.
    ReuseportSockarray = 20,
    /// The per-CPU form of `CgroupStorage` (deprecated).
    PerCpuCgroupStorage = 21,
    /// First in, first out.
    Queue = 22,
    /// Last in, first out.
    Stack = 23,
    /// Storage per socket.
    SkStorage = 24,
    /// Hash table of net devices.
    DevmapHash = 25,
    /// Implementation of a kernel interface.
    StructOps = 26,
    /// Ring buffer to user space.
    Ringbuf = 27,
    /// Storage per inode.
    InodeStorage = 28,
    /// Storage per task.
    TaskStorage = 29,
    /// Bloom filter.
    BloomFilter = 30,
    /// Ring buffer from user space.
    UserRingbuf = 31,
    /// Storage per cgroup.
    CgrpStorage = 32,
    /// Sparse memory shared with user space.
    Arena = 33,
}
