//! Whether what is at an offset in a struct is a given struct (Linux: `btf_struct_ids_match`).

use skep_btf::{Array, Btf, Type, TypeId};

/// Steps from a struct into its members.
const MAX_STEPS: usize = 64;

/// Whether the struct `outer` has at `offset` the struct `inner`, itself being one at offset 0.
pub(crate) fn has_at(btf: &Btf, outer: TypeId, offset: u32, inner: TypeId) -> bool {
    let (mut at, mut offset) = (outer, offset);
    if offset == 0 && at == inner {
        return true;
    }
    for _ in 0..MAX_STEPS {
        let Some((member, start)) = struct_around(btf, at, offset) else { return false };
        offset -= start;
        at = member;
        if offset == 0 && at == inner {
            return true;
        }
    }
    false
}

/// The member of a struct that is a struct, or an array of such, around an offset; and where it begins.
fn struct_around(btf: &Btf, outer: TypeId, offset: u32) -> Option<(TypeId, u32)> {
    let composite = btf.ty(outer).composite()?;
    composite.members.iter().find_map(|member| {
        let start = member.bit_offset / 8;
        let size = btf.size_of(member.ty)?;
        if member.bitfield_size != 0 || offset < start || u64::from(offset - start) >= size {
            return None;
        }
        let (mut id, mut ty) = btf.resolve(member.ty);
        let mut begin = start;
        while let Type::Array(Array { element, .. }) = ty {
            let bytes = u32::try_from(btf.size_of(*element)?).ok().filter(|bytes| *bytes > 0)?;
            begin += (offset - begin) / bytes * bytes;
            (id, ty) = btf.resolve(*element);
        }
        ty.composite().map(|_| (id, begin))
    })
}
