//! The structural check behind the invariants of [`Btf`].

use crate::btf::Btf;
use crate::encode::type_offset;
use crate::error::{BtfError, Problem};
use crate::strings::offset_problem;
use crate::types::{Type, TypeId};

/// Deepest nesting of types, by value or in one declaration. C code stays below 50.
pub const MAX_DEPTH: u32 = 256;

/// Checks that references and names are in range and that every walk over types ends.
pub(crate) fn check(btf: &Btf) -> Result<(), BtfError> {
    check_references(btf)?;
    Nesting::check(btf, |ty, visit| by_value(ty, visit))?;
    Nesting::check(btf, |ty, visit| in_declaration(ty, visit))
}

fn check_references(btf: &Btf) -> Result<(), BtfError> {
    let end = btf.end();
    for (id, ty) in btf.own_types() {
        let mut problem = None;
        ty.for_each_id(|target| {
            if target.0 >= end {
                problem = Some(Problem::TypeIdRange { id: target.0, last: end.saturating_sub(1) });
            }
        });
        ty.for_each_string(|name| {
            if !btf.has_string(name) && !name.is_empty() {
                problem = Some(offset_problem(name, btf.strings_end() as usize));
            }
        });
        if let Some(problem) = problem {
            return Err(BtfError::at_type(type_offset(btf, id), id, problem));
        }
    }
    Ok(())
}

/// Types that are part of a value or description of this one.
fn by_value(ty: &Type, visit: &mut dyn FnMut(TypeId)) {
    match ty {
        Type::Pointer(_) | Type::FunctionPrototype(_) => {}
        // The index says nothing about the value, but walks look at it.
        _ => ty.for_each_id(visit),
    }
}

/// Types that the declaration of this one spells out.
fn in_declaration(ty: &Type, visit: &mut dyn FnMut(TypeId)) {
    match ty {
        Type::Struct(_) | Type::Union(_) => {}
        _ => ty.for_each_id(visit),
    }
}

/// Depth-first search for cycles, without recursion.
struct Nesting<'a, F> {
    btf: &'a Btf,
    edges: F,
    /// Per type of its own: 0 not seen, `OPEN` on the path, else one more than its depth.
    depth: Vec<u32>,
}

const OPEN: u32 = u32::MAX;

impl<'a, F: Fn(&Type, &mut dyn FnMut(TypeId))> Nesting<'a, F> {
    fn check(btf: &'a Btf, edges: F) -> Result<(), BtfError> {
        let mut nesting = Nesting { btf, edges, depth: vec![0; btf.types.len()] };
        let (mut path, mut pending) = (Vec::new(), Vec::new());
        for (id, _) in btf.own_types() {
            nesting.visit(id, &mut path, &mut pending)?;
        }
        Ok(())
    }

    /// The base was checked by itself and cannot refer to the types that continue it. Its depth counts as 1, which
    /// bounds a walk to `MAX_DEPTH` per BTF in the chain of bases.
    fn slot(&self, id: TypeId) -> Option<usize> {
        id.0.checked_sub(self.btf.first).map(|i| i as usize)
    }

    fn visit(
        &mut self,
        root: TypeId,
        path: &mut Vec<(TypeId, usize)>,
        pending: &mut Vec<TypeId>,
    ) -> Result<(), BtfError> {
        if self.slot(root).is_none_or(|s| self.depth[s] != 0) {
            return Ok(());
        }
        self.open(root, path, pending);
        while let Some((id, start)) = path.last().copied() {
            if pending.len() == start {
                path.pop();
                self.close(id)?;
                continue;
            }
            let Some(next) = pending.pop() else { break };
            match self.slot(next).map(|s| self.depth[s]) {
                Some(0) => self.open(next, path, pending),
                Some(OPEN) => return Err(self.error(id, Problem::Cycle(next))),
                _ => {}
            }
        }
        Ok(())
    }

    fn open(&mut self, id: TypeId, path: &mut Vec<(TypeId, usize)>, pending: &mut Vec<TypeId>) {
        if let Some(slot) = self.slot(id) {
            self.depth[slot] = OPEN;
        }
        path.push((id, pending.len()));
        (self.edges)(self.btf.ty(id), &mut |target| pending.push(target));
    }

    /// All that `id` refers to is known: one deeper than the deepest of it.
    fn close(&mut self, id: TypeId) -> Result<(), BtfError> {
        let mut deepest = 0;
        (self.edges)(self.btf.ty(id), &mut |target| {
            deepest = deepest.max(self.slot(target).map_or(1, |s| self.depth[s]));
        });
        if deepest >= MAX_DEPTH {
            return Err(self.error(id, Problem::Depth(MAX_DEPTH)));
        }
        if let Some(slot) = self.slot(id) {
            self.depth[slot] = deepest + 1;
        }
        Ok(())
    }

    fn error(&self, id: TypeId, problem: Problem) -> BtfError {
        BtfError::at_type(type_offset(self.btf, id), id, problem)
    }
}
