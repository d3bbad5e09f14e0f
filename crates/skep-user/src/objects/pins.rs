//! Pins: names of objects in a tree of the kernel's own, in place of a mounted BPF file system.

use super::{Link, MapReference, Object, Program};
use crate::sync::lock;
use skep_abi::errno::Errno;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What can be pinned.
#[derive(Clone)]
enum Pinned {
    Map(MapReference),
    Program(Arc<Program>),
    Link(Arc<Link>),
}

/// Pinned objects by path. Directories need not be made first: they are where a path leads through.
#[derive(Default)]
pub(crate) struct Pins {
    objects: Mutex<BTreeMap<PathBuf, Pinned>>,
}

/// A path without `.` and `..`; relative ones start at the root.
fn normal(path: &CStr) -> Result<PathBuf, Errno> {
    let text = path.to_str().map_err(|_| Errno::ENOENT)?;
    let mut normal = PathBuf::from("/");
    for part in Path::new(text).components() {
        match part {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    if normal.parent().is_none() { Err(Errno::ENOENT) } else { Ok(normal) }
}

impl Pins {
    /// Gives an object a name.
    ///
    /// # Errors
    /// EEXIST if the name is taken; EPERM for a name with a dot in it, which the file system keeps to itself; ENOTDIR if
    /// the path leads through an object; EINVAL for what cannot be pinned.
    pub(crate) fn pin(&self, path: &CStr, object: Object) -> Result<(), Errno> {
        let pinned = match object {
            Object::Map(map) => Pinned::Map(map),
            Object::Program(program) => Pinned::Program(program),
            Object::Link(link) => Pinned::Link(link),
            _ => return Err(Errno::EINVAL),
        };
        let path = normal(path)?;
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().contains(&b'.')) {
            return Err(Errno::EPERM);
        }
        let mut objects = lock(&self.objects);
        if path.ancestors().skip(1).any(|above| objects.contains_key(above)) {
            return Err(Errno::ENOTDIR);
        }
        let taken = objects.range(path.clone()..).next().is_some_and(|(other, _)| other.starts_with(&path));
        if taken {
            return Err(Errno::EEXIST);
        }
        objects.insert(path, pinned);
        Ok(())
    }

    /// The object of that name.
    ///
    /// # Errors
    /// ENOENT.
    pub(crate) fn get(&self, path: &CStr) -> Result<Object, Errno> {
        let pinned = lock(&self.objects).get(&normal(path)?).cloned().ok_or(Errno::ENOENT)?;
        Ok(match pinned {
            Pinned::Map(map) => Object::Map(map),
            Pinned::Program(program) => Object::Program(program),
            Pinned::Link(link) => Object::Link(link),
        })
    }

    /// Takes a name away, as `unlink(2)`.
    ///
    /// # Errors
    /// ENOENT.
    pub(crate) fn unpin(&self, path: &CStr) -> Result<(), Errno> {
        let pinned = lock(&self.objects).remove(&normal(path)?);
        pinned.map(drop).ok_or(Errno::ENOENT)
    }

    /// All names.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        lock(&self.objects).keys().cloned().collect()
    }
}
