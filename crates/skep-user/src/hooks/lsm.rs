//! Security hooks: the program gets the hook's arguments, typed by BTF, and may refuse.

use super::{Fate, Hook, Verdict};
use crate::kernel_types::{Cred, Dentry, File, Inode, Mount, Path, Ptr, QStr, SuperBlock};
use crate::run::{Context, Lent, Outcome, PlainContext};
use skep_abi::errno::Errno;
use skep_abi::program_type::ProgramType;

/// Below this r0 is no error number (Linux: `MAX_ERRNO`).
const LOWEST_ERROR: i32 = -4095;

/// Something is about to happen that a security hook is asked about.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum LsmEvent<'e> {
    /// `file_open`: a file is being opened.
    FileOpen(OpenFile<'e>),
    /// `file_permission`: an open file is being used. The mask says how: 4 reads, 2 writes, 1 executes.
    FilePermission(OpenFile<'e>, i32),
}

/// A file, as far as security hooks can see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenFile<'e> {
    /// Its path from the root.
    pub path: &'e str,
    /// Flags it is opened with (`O_…`).
    pub flags: u32,
    /// Kind and permissions.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Inode number.
    pub inode: u64,
    /// Size in bytes.
    pub size: i64,
}

/// A security hook.
#[derive(Debug, Default)]
pub struct Lsm {
    context: Option<PlainContext>,
    /// What the context's pointers point to.
    file: FileStructs,
}

impl Lsm {
    /// Any of the hooks of [`LsmEvent`]; the program must be attached to the one whose event it gets.
    pub fn new() -> Lsm {
        Lsm::default()
    }
}

impl LsmEvent<'_> {
    /// The function in the kernel's BTF that programs for this event are attached to.
    pub fn target(&self) -> &'static str {
        match self {
            LsmEvent::FileOpen(_) => "bpf_lsm_file_open",
            LsmEvent::FilePermission(..) => "bpf_lsm_file_permission",
        }
    }
}

impl Hook<LsmEvent<'_>> for Lsm {
    fn program_types(&self) -> &'static [ProgramType] {
        &[ProgramType::Lsm]
    }

    fn enter(&mut self, event: LsmEvent<'_>) -> &mut dyn Context {
        // No program runs on the old structs any more: a context is good for one run.
        let (file, mask) = match event {
            LsmEvent::FileOpen(file) => (file, None),
            LsmEvent::FilePermission(file, mask) => (file, Some(mask)),
        };
        self.file = FileStructs::new(&file);
        let mask = mask.map(|mask| i64::from(mask).cast_unsigned());
        // Behind the arguments: what the hooks asked before answered.
        let arguments: Vec<u64> = [self.file.address()].into_iter().chain(mask).chain([0]).collect();
        self.context.insert(PlainContext::typed(&arguments, self.file.lend()))
    }

    /// 0 allows; a negative error number refuses with it.
    fn verdict(&self, outcome: &Outcome) -> Verdict {
        match outcome.verdict() {
            number @ LOWEST_ERROR..=-1 => {
                let name = Errno(-number).name().map_or_else(|| number.to_string().into(), Into::into);
                Verdict { name, fate: Fate::Deny(-number) }
            }
            0 => Verdict::new("allow", Fate::Pass),
            number => Verdict::new(format!("allow ({number})"), Fate::Pass),
        }
    }
}

/// `struct file` and what its pointers lead to. Inodes of the directories on the way are not known: NULL.
#[derive(Debug, Default)]
struct FileStructs {
    file: Box<File>,
    inode: Box<Inode>,
    owner: Box<Cred>,
    mount: Box<Mount>,
    super_block: Box<SuperBlock>,
    /// From the root to the file.
    dentries: Box<[Dentry]>,
    /// Their names, each ended by NUL.
    names: Vec<Box<[u8]>>,
}

impl FileStructs {
    fn new(open: &OpenFile<'_>) -> FileStructs {
        let parts = open.path.split('/').filter(|part| !part.is_empty());
        let names: Vec<Box<[u8]>> =
            ["/"].into_iter().chain(parts).map(|part| [part.as_bytes(), b"\0"].concat().into()).collect();
        let mut structs =
            FileStructs { dentries: vec![Dentry::default(); names.len()].into(), names, ..FileStructs::default() };
        structs.inode.i_mode = open.mode;
        structs.inode.i_uid.val = open.uid;
        structs.inode.i_gid.val = open.gid;
        structs.inode.i_ino = open.inode;
        structs.inode.i_nlink = 1;
        structs.inode.i_size = open.size;
        structs.owner.uid.val = open.uid;
        structs.owner.gid.val = open.gid;
        structs.file.f_flags = open.flags;
        structs.connect();
        structs
    }

    /// Fills in the pointers.
    fn connect(&mut self) {
        let places: Vec<Ptr<Dentry>> = self.dentries.iter().map(Ptr::to).collect();
        let root = places.first().copied().unwrap_or_default();
        let super_block = Ptr::to(&*self.super_block);
        let file = places.len().saturating_sub(1);
        for (at, dentry) in self.dentries.iter_mut().enumerate() {
            let name = &self.names[at];
            *dentry = Dentry {
                d_parent: places[at.saturating_sub(1)],
                d_name: QStr { hash: 0, len: name.len() as u32 - 1, name: Ptr::to(&name[0]) },
                d_inode: if at == file { Ptr::to(&*self.inode) } else { Ptr::default() },
                d_sb: super_block,
                ..Dentry::default()
            };
        }
        self.inode.i_sb = super_block;
        self.super_block.s_root = root;
        *self.mount = Mount { mnt_root: root, mnt_sb: super_block, mnt_flags: 0 };
        self.file.f_inode = Ptr::to(&*self.inode);
        self.file.f_cred = Ptr::to(&*self.owner);
        let dentry = places.last().copied().unwrap_or_default();
        self.file.f_path = Path { mnt: Ptr::to(&*self.mount), dentry };
    }

    /// All of it, for the sandbox.
    fn lend(&self) -> Vec<Lent> {
        let structs = [
            Lent::read_only(&*self.file),
            Lent::read_only(&*self.inode),
            Lent::read_only(&*self.owner),
            Lent::read_only(&*self.mount),
            Lent::read_only(&*self.super_block),
            Lent::read_only(&*self.dentries),
        ];
        structs.into_iter().chain(self.names.iter().map(|name| Lent::read_only(&**name))).collect()
    }

    fn address(&self) -> u64 {
        Ptr::to(&*self.file).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_chain_of_entries() {
        let structs = FileStructs::new(&OpenFile { path: "/etc/ssh/sshd_config", uid: 7, ..OpenFile::default() });
        let names: Vec<&[u8]> = structs.names.iter().map(|name| &**name).collect();
        assert_eq!(names, [&b"/\0"[..], b"etc\0", b"ssh\0", b"sshd_config\0"]);
        let last = structs.dentries.last().expect("the file");
        assert_eq!((last.d_name.len, last.d_name.name.0), (11, structs.names[3].as_ptr() as u64));
        assert_eq!(last.d_parent.0, &raw const structs.dentries[2] as u64);
        assert_eq!(structs.dentries[0].d_parent.0, &raw const structs.dentries[0] as u64, "the root is its own parent");
        assert_eq!(structs.file.f_path.dentry.0, &raw const *last as u64);
        assert_eq!(structs.inode.i_uid.val, 7);
        assert_eq!(FileStructs::new(&OpenFile::default()).dentries.len(), 1);
    }
}
