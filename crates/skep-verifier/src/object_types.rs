//! The types of objects that programs allocate: structs of BTF that came with the program or its maps.
//!
//! Invariant: a type stands here once, so that two registers hold pointers to the same type exactly if their
//! [`ObjectRef`]s are equal.

use crate::domain::register::ObjectRef;
use crate::refusal::E2BIG;
use crate::special_fields::{Malformed, Record, object_record};
use skep_btf::{Btf, TypeId};

/// One type.
#[derive(Debug)]
pub(crate) struct ObjectType<'a> {
    pub(crate) btf: &'a Btf,
    pub(crate) id: TypeId,
    /// Its special fields.
    pub(crate) record: Record,
}

impl<'a> ObjectType<'a> {
    pub(crate) fn name(&self) -> &'a str {
        self.btf.name(self.id)
    }
}

/// Types by [`ObjectRef`].
#[derive(Debug, Default)]
pub(crate) struct ObjectTypes<'a> {
    types: Vec<ObjectType<'a>>,
}

impl<'a> ObjectTypes<'a> {
    /// The type of that id in a BTF: BTFs are told apart by where they are.
    ///
    /// # Errors
    /// What is wrong with its special fields.
    pub(crate) fn intern(
        &mut self,
        btf: &'a Btf,
        id: TypeId,
        kernel_btf: Option<&Btf>,
    ) -> Result<ObjectRef, Malformed> {
        let known = self.types.iter().position(|ty| std::ptr::eq(ty.btf, btf) && ty.id == id);
        if let Some(index) = known {
            return Ok(ObjectRef(index as u16));
        }
        if self.types.len() > usize::from(u16::MAX) {
            return Err(Malformed { reason: "there are too many types of objects", errno: E2BIG });
        }
        let record = object_record(btf, id, kernel_btf)?;
        self.types.push(ObjectType { btf, id, record });
        Ok(ObjectRef((self.types.len() - 1) as u16))
    }

    pub(crate) fn get(&self, object: ObjectRef) -> &ObjectType<'a> {
        &self.types[usize::from(object.0)]
    }
}
