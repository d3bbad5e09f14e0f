//! Flag words of the commands. Unknown bits are kept: the kernel that gets the command judges them.

use bitflags::bitflags;

bitflags! {
    /// `flags` of element lookups and updates.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ElementFlags: u64 {
        /// Only create.
        const NOEXIST = 1;
        /// Only change.
        const EXIST = 2;
        /// Hold the value's spin lock meanwhile.
        const LOCK = 4;
        const _ = !0;
    }
}

impl ElementFlags {
    /// Create or change.
    pub const ANY: ElementFlags = ElementFlags::empty();
}

bitflags! {
    /// `prog_flags` of `PROG_LOAD`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ProgramFlags: u32 {
        /// Check alignment as on machines that fault on unaligned accesses.
        const STRICT_ALIGNMENT = 1 << 0;
        /// Do not check alignment.
        const ANY_ALIGNMENT = 1 << 1;
        /// For tests of the kernel: randomise upper halves.
        const TEST_RND_HI32 = 1 << 2;
        /// For tests of the kernel: keep a state at every instruction.
        const TEST_STATE_FREQ = 1 << 3;
        /// The program may sleep.
        const SLEEPABLE = 1 << 4;
        /// The XDP program understands packets in fragments.
        const XDP_HAS_FRAGS = 1 << 5;
        /// The XDP program is bound to its device but not offloaded.
        const XDP_DEV_BOUND_ONLY = 1 << 6;
        /// For tests of the kernel: broken range invariants are errors.
        const TEST_REG_INVARIANTS = 1 << 7;
        /// `prog_token_fd` is set.
        const TOKEN_FD = 1 << 16;
        const _ = !0;
    }
}

bitflags! {
    /// `attach_flags` of `PROG_ATTACH` and `flags` of `LINK_CREATE` where hooks keep a list of programs.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct AttachFlags: u32 {
        /// A sub-cgroup may replace it.
        const ALLOW_OVERRIDE = 1 << 0;
        /// Programs of sub-cgroups run as well.
        const ALLOW_MULTI = 1 << 1;
        /// Replace the program of `replace_bpf_fd`.
        const REPLACE = 1 << 2;
        /// Put it before the relative program.
        const BEFORE = 1 << 3;
        /// Put it after the relative program.
        const AFTER = 1 << 4;
        /// The relative program is given by id.
        const ID = 1 << 5;
        /// Run it before those of sub-cgroups.
        const PREORDER = 1 << 6;
        /// The relative program is given by its link.
        const LINK = 1 << 13;
        const _ = !0;
    }
}

bitflags! {
    /// `query_flags` of `PROG_QUERY`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct QueryFlags: u32 {
        /// What runs there, inherited programs included.
        const EFFECTIVE = 1 << 0;
        const _ = !0;
    }
}

bitflags! {
    /// `flags` of `PROG_TEST_RUN`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TestRunFlags: u32 {
        /// Run on the CPU that is given.
        const RUN_ON_CPU = 1 << 0;
        /// XDP: send the frames for real.
        const XDP_LIVE_FRAMES = 1 << 1;
        /// The packet's checksum is known to be right.
        const SKB_CHECKSUM_COMPLETE = 1 << 2;
        const _ = !0;
    }
}

bitflags! {
    /// `file_flags` of `OBJ_PIN` and `OBJ_GET`, `open_flags` of `MAP_GET_FD_BY_ID`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FileFlags: u32 {
        /// Only read through this descriptor.
        const RDONLY = 1 << 3;
        /// Only write through this descriptor.
        const WRONLY = 1 << 4;
        /// `path_fd` is set.
        const PATH_FD = 1 << 14;
        /// `fd_by_id_token_fd` is set.
        const TOKEN_FD = 1 << 16;
        const _ = !0;
    }
}
