//! What a program may do with its context.

use crate::attach_type::AttachType;

/// What loading a context field gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A number.
    Scalar,
    /// Start of the packet, or of another buffer that is treated as one.
    PacketData,
    /// Start of the packet's metadata.
    PacketMeta,
    /// End of the packet.
    PacketEnd,
    /// `struct bpf_sock *`; NULL is possible where `or_null`.
    Socket {
        /// May be NULL.
        or_null: bool,
    },
    /// `struct bpf_sock_common *` or NULL.
    SockCommonOrNull,
    /// Flow keys.
    FlowKeys,
    /// Trusted BTF pointer to the named kernel struct, or NULL where `or_null`.
    BtfPtr {
        /// Kernel struct.
        name: &'static str,
        /// May be NULL.
        or_null: bool,
    },
}

pub(super) const SOCK: FieldKind = FieldKind::Socket { or_null: false };
pub(super) const SOCK_OR_NULL: FieldKind = FieldKind::Socket { or_null: true };

impl FieldKind {
    /// Whether the loaded value is a pointer.
    pub const fn is_pointer(self) -> bool {
        !matches!(self, FieldKind::Scalar)
    }
}

/// How a field may be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldAccess {
    /// Only read.
    Read,
    /// Read and write.
    ReadWrite,
    /// Only written.
    Write,
}

/// Which loads narrower than an element are allowed. All are aligned to their size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narrow {
    /// None.
    No,
    /// Of its first bytes.
    Start,
    /// Of any of its bytes, at least so many at once.
    From(u8),
}

/// One way to access one field of a context. A field that several rows name may be accessed as any of them says.
#[derive(Clone, Copy, Debug)]
pub struct ContextField {
    /// Name in the UAPI header.
    pub name: &'static str,
    /// Byte offset in the ABI struct.
    pub offset: u16,
    /// Size in bytes, whole arrays included (`cb`: 20).
    pub size: u16,
    /// Natural access size: element size of arrays.
    pub element: u8,
    /// What it holds.
    pub kind: FieldKind,
    /// Read, write.
    pub access: FieldAccess,
    /// Loads narrower than `element`.
    pub narrow: Narrow,
    /// Stores narrower than `element` are allowed.
    pub narrow_store: bool,
    /// Loads and stores of 8 bytes over an array of 4-byte elements are allowed.
    pub wide: bool,
    /// Only for these attach types; empty is all.
    pub attach_types: &'static [AttachType],
    /// Only for loaders with CAP_BPF.
    pub privileged: bool,
}

/// A number that can only be read, whole.
pub(super) const fn field(name: &'static str, offset: u16, size: u16, element: u8) -> ContextField {
    ContextField {
        name,
        offset,
        size,
        element,
        kind: FieldKind::Scalar,
        access: FieldAccess::Read,
        narrow: Narrow::No,
        narrow_store: false,
        wide: false,
        attach_types: &[],
        privileged: false,
    }
}

impl ContextField {
    pub(super) const fn gives(self, kind: FieldKind) -> Self {
        ContextField { kind, ..self }
    }

    pub(super) const fn narrow(self, narrow: Narrow) -> Self {
        ContextField { narrow, ..self }
    }

    pub(super) const fn writable(self) -> Self {
        ContextField { access: FieldAccess::ReadWrite, ..self }
    }

    pub(super) const fn narrow_store(self) -> Self {
        ContextField { narrow_store: true, ..self }
    }

    pub(super) const fn wide(self) -> Self {
        ContextField { wide: true, ..self }
    }

    pub(super) const fn privileged(self) -> Self {
        ContextField { privileged: true, ..self }
    }

    pub(super) const fn only(self, attach_types: &'static [AttachType]) -> Self {
        ContextField { attach_types, ..self }
    }

    /// Whether this row allows an access of `size` bytes at `offset` of the struct.
    pub fn allows(&self, offset: u32, size: u8, write: bool) -> bool {
        let (Some(within), wanted) = (offset.checked_sub(u32::from(self.offset)), u32::from(size)) else {
            return false;
        };
        let inside = wanted > 0 && within < u32::from(self.size) && wanted <= u32::from(self.size) - within;
        let direction = match self.access {
            FieldAccess::Read => !write,
            FieldAccess::Write => write,
            FieldAccess::ReadWrite => true,
        };
        inside && direction && offset.is_multiple_of(wanted) && self.allows_size(within, size, write)
    }

    fn allows_size(&self, within: u32, size: u8, write: bool) -> bool {
        let at_start = within.is_multiple_of(u32::from(self.element));
        match size.cmp(&self.element) {
            std::cmp::Ordering::Equal => at_start,
            std::cmp::Ordering::Greater => self.wide && size == 8,
            std::cmp::Ordering::Less if write => self.narrow_store,
            std::cmp::Ordering::Less => match self.narrow {
                Narrow::No => false,
                Narrow::Start => at_start,
                Narrow::From(least) => size >= least,
            },
        }
    }
}

/// How the context of a type is given.
#[derive(Clone, Copy, Debug)]
pub enum ContextInfo {
    /// A fixed struct of the UAPI.
    Struct {
        /// C name: `xdp_md`.
        name: &'static str,
        /// Size in bytes.
        size: u16,
        /// Fields in order of offset; what none of them covers may not be touched.
        fields: &'static [ContextField],
    },
    /// Arguments of 8 bytes each, read as numbers of any size, aligned.
    Arguments {
        /// How many there may be.
        max: u16,
        /// The first one is a pointer to a buffer that the program may read and write.
        buffer: bool,
    },
    /// Bytes that may be read as numbers of any size, aligned (`pt_regs`, the record of a tracepoint).
    Bytes {
        /// C name: `pt_regs`.
        name: &'static str,
        /// First byte that may be read.
        start: u16,
        /// Where readable bytes end.
        limit: u16,
    },
    /// Arguments typed by the BTF of the attach target (fentry, LSM, tp_btf, struct_ops, iterators).
    Btf,
    /// The context of the program that is extended (`freplace`).
    Target,
    /// A buffer of the caller's, read and written freely (`syscall`).
    Buffer,
}

impl ContextInfo {
    /// The row that allows an access of `size` bytes at `offset`, of a struct context. `None` means that Linux says
    /// `invalid bpf_context access`.
    pub fn field(
        &self,
        offset: u32,
        size: u8,
        write: bool,
        attach_type: Option<AttachType>,
        privileged: bool,
    ) -> Option<&'static ContextField> {
        let ContextInfo::Struct { fields, .. } = self else { return None };
        fields.iter().find(|f| {
            f.allows(offset, size, write)
                && (f.attach_types.is_empty() || attach_type.is_some_and(|t| f.attach_types.contains(&t)))
                && (privileged || !f.privileged)
        })
    }

    /// The first row of that name, of a struct context.
    pub fn field_by_name(&self, name: &str) -> Option<&'static ContextField> {
        let ContextInfo::Struct { fields, .. } = self else { return None };
        fields.iter().find(|f| f.name == name)
    }

    /// Bytes of the ABI struct, rounded up to eight: where the pointer slots begin.
    pub const fn pointer_slots_offset(&self) -> usize {
        match self {
            ContextInfo::Struct { size, .. } => (*size as usize).next_multiple_of(8),
            _ => 0,
        }
    }

    /// Byte offset, in the running context, of the `u64` that stands for the 4-byte pointer field at ABI offset
    /// `offset`; `None` when that field is not such a pointer.
    pub fn pointer_slot(&self, offset: u16) -> Option<usize> {
        self.slots().position(|slot| slot == offset).map(|i| self.pointer_slots_offset() + 8 * i)
    }

    /// Bytes of the running context; 0 where the type does not fix it.
    pub fn running_size(&self) -> usize {
        self.pointer_slots_offset() + 8 * self.slots().count()
    }

    /// ABI offsets of the 4-byte pointer fields.
    fn slots(&self) -> impl Iterator<Item = u16> {
        let fields: &[ContextField] = match self {
            ContextInfo::Struct { fields, .. } => fields,
            _ => &[],
        };
        fields.iter().filter(|f| f.kind.is_pointer() && f.size == 4).map(|f| f.offset)
    }
}
