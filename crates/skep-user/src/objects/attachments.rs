//! What is attached where.

use super::{Link, Program};
use crate::sync::{lock, read, write};
use skep_abi::attach_type::AttachType;
use skep_abi::errno::Errno;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock, Weak};

/// A place where programs can be attached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttachPoint {
    /// A network interface by its index: XDP, tcx, netkit.
    Interface(u32, AttachType),
    /// A cgroup by its id.
    Cgroup(u64, AttachType),
    /// A network namespace (flow dissector, socket lookup), by number.
    Namespace(u32, AttachType),
    /// A kernel tracepoint: `category/name`.
    Tracepoint(String),
    /// A tracepoint with raw arguments.
    RawTracepoint(String),
    /// Entry of a kernel function, or its return.
    Kprobe {
        /// The function.
        symbol: String,
        /// At the return.
        returns: bool,
    },
    /// A place in a binary.
    Uprobe {
        /// The binary.
        path: PathBuf,
        /// Offset in the file.
        offset: u64,
        /// At the return.
        returns: bool,
    },
    /// A timer or counter, by the id of its perf event.
    PerfEvent(u64),
    /// A kernel function or hook that BTF describes (fentry, LSM, tp_btf, iterators).
    Btf(String, AttachType),
}

/// A program at an attach point.
#[derive(Debug)]
pub(crate) struct Attached {
    /// The program.
    pub(crate) program: Arc<Program>,
    /// The link's id, 0 without one.
    pub(crate) link_id: u32,
    /// What `bpf_get_attach_cookie` gives.
    pub(crate) cookie: u64,
}

/// Who attached a program.
#[derive(Clone)]
enum Attachment {
    /// A link, while it lives.
    Link(u32, Weak<Link>),
    /// `PROG_ATTACH` or a perf event, until it is taken off.
    Program(Arc<Program>, u64),
}

impl Attachment {
    fn attached(&self) -> Option<Attached> {
        match self {
            Attachment::Link(link_id, link) => {
                let link = link.upgrade()?;
                Some(Attached { program: link.program()?, link_id: *link_id, cookie: link.cookie })
            }
            Attachment::Program(program, cookie) => {
                Some(Attached { program: program.clone(), link_id: 0, cookie: *cookie })
            }
        }
    }
}

struct Place {
    attachments: Vec<Attachment>,
    revision: u64,
}

/// What is attached where, in the order of running.
#[derive(Default)]
pub(crate) struct Attachments {
    places: RwLock<HashMap<AttachPoint, Place>>,
    /// Keeps a look and the change that follows from it together.
    changes: Mutex<()>,
}

impl Attachments {
    /// Adds a link at its points.
    ///
    /// # Errors
    /// EBUSY if a point takes only one program and has it.
    pub(crate) fn add_link(&self, link: &Arc<Link>) -> Result<(), Errno> {
        let _change = lock(&self.changes);
        let only_one = |point: &&AttachPoint| matches!(point, AttachPoint::Interface(_, AttachType::Xdp));
        if link.points.iter().filter(only_one).any(|point| !self.at(point).is_empty()) {
            return Err(Errno::EBUSY);
        }
        for point in &link.points {
            self.change(point, |list| list.push(Attachment::Link(link.id, Arc::downgrade(link))));
        }
        Ok(())
    }

    /// Adds a program at a point.
    ///
    /// # Errors
    /// EEXIST if it is there already.
    pub(crate) fn add_program(&self, point: &AttachPoint, program: Arc<Program>, cookie: u64) -> Result<(), Errno> {
        let _change = lock(&self.changes);
        if self.at(point).iter().any(|attached| Arc::ptr_eq(&attached.program, &program)) {
            return Err(Errno::EEXIST);
        }
        self.change(point, |list| list.push(Attachment::Program(program, cookie)));
        Ok(())
    }

    /// Takes a program off that [`Attachments::add_program`] put there; any, if none is named.
    ///
    /// # Errors
    /// ENOENT if it is not there.
    pub(crate) fn remove_program(&self, point: &AttachPoint, program: Option<&Arc<Program>>) -> Result<(), Errno> {
        let _change = lock(&self.changes);
        let mut removed = false;
        self.change(point, |list| {
            list.retain(|attachment| {
                let hit = match attachment {
                    Attachment::Program(there, _) => program.is_none_or(|program| Arc::ptr_eq(program, there)),
                    Attachment::Link(..) => false,
                };
                removed |= hit;
                !hit
            });
        });
        if removed { Ok(()) } else { Err(Errno::ENOENT) }
    }

    /// Takes a link off its points.
    ///
    /// Called when links drop, which may be anywhere: it takes no lock that is held while links are looked at.
    pub(crate) fn remove_link(&self, id: u32, points: &[AttachPoint]) {
        for point in points {
            self.change(point, |list| {
                list.retain(|attachment| !matches!(attachment, Attachment::Link(link, _) if *link == id));
            });
        }
    }

    fn change(&self, point: &AttachPoint, change: impl FnOnce(&mut Vec<Attachment>)) {
        let mut places = write(&self.places);
        let place = places.entry(point.clone()).or_insert_with(|| Place { attachments: Vec::new(), revision: 1 });
        let before = place.attachments.len();
        change(&mut place.attachments);
        if place.attachments.len() != before {
            place.revision += 1;
        }
    }

    /// The programs at a point.
    pub(crate) fn at(&self, point: &AttachPoint) -> Vec<Attached> {
        let list = read(&self.places).get(point).map_or_else(Vec::new, |place| place.attachments.clone());
        list.iter().filter_map(Attachment::attached).collect()
    }

    /// Counts the changes of a point's list, from 1.
    pub(crate) fn revision(&self, point: &AttachPoint) -> u64 {
        read(&self.places).get(point).map_or(1, |place| place.revision)
    }
}
