//! From a row to memory and to BTF.

use skep_btf::{Btf, BtfBuilder, BtfError, Composite, IntEncoding, Member, Type, TypeId};
use std::collections::HashMap;
use std::marker::PhantomData;

/// Builds BTF, each named type once.
#[derive(Default)]
pub(crate) struct TypeTable {
    builder: BtfBuilder,
    known: HashMap<String, TypeId>,
}

impl TypeTable {
    /// The type of that key, made on first use.
    pub(crate) fn once(&mut self, key: &str, make: impl FnOnce(&mut BtfBuilder) -> TypeId) -> TypeId {
        if let Some(id) = self.known.get(key) {
            return *id;
        }
        let id = make(&mut self.builder);
        self.known.insert(key.to_owned(), id);
        id
    }

    /// A struct whose members may point back to it.
    pub(crate) fn structure(
        &mut self,
        name: &str,
        size: usize,
        members: impl FnOnce(&mut TypeTable) -> Vec<(&'static str, TypeId, usize)>,
    ) -> TypeId {
        if let Some(id) = self.known.get(name) {
            return *id;
        }
        let id = self.once(name, |builder| builder.structure(name, size as u32, &[]));
        let members = members(self);
        let members: Vec<Member> = members
            .into_iter()
            .map(|(name, ty, offset)| {
                let name = self.builder.string(name);
                Member { name, ty, bit_offset: offset as u32 * 8, bitfield_size: 0 }
            })
            .collect();
        if let Some(Type::Struct(Composite { members: place, .. })) = self.builder.type_mut(id) {
            *place = members.into();
        }
        id
    }

    /// A struct that has a name only as a `typedef`.
    pub(crate) fn typedef_structure(
        &mut self,
        name: &str,
        size: usize,
        members: impl FnOnce(&mut TypeTable) -> Vec<(&'static str, TypeId, usize)>,
    ) -> TypeId {
        if let Some(id) = self.known.get(name) {
            return *id;
        }
        let members: Vec<_> =
            members(self).into_iter().map(|(name, ty, offset)| (name, ty, offset as u32 * 8, 0)).collect();
        let structure = self.builder.structure("", size as u32, &members);
        self.once(name, |builder| builder.typedef(name, structure))
    }

    /// The builder, for what has no key.
    pub(crate) fn builder(&mut self) -> &mut BtfBuilder {
        &mut self.builder
    }

    /// The BTF.
    pub(crate) fn build(self) -> Result<Btf, BtfError> {
        self.builder.build()
    }
}

/// A type that has a place in kernel memory.
pub(crate) trait KernelType {
    /// Its BTF.
    fn describe(table: &mut TypeTable) -> TypeId;
}

macro_rules! integers {
    ($($ty:ty = $name:literal, $size:literal, $encoding:expr;)*) => {$(
        impl KernelType for $ty {
            fn describe(table: &mut TypeTable) -> TypeId {
                table.once($name, |builder| builder.int($name, $size, $encoding))
            }
        }
    )*};
}

integers! {
    u8 = "unsigned char", 1, IntEncoding::default();
    i8 = "char", 1, IntEncoding::SIGNED;
    u16 = "unsigned short", 2, IntEncoding::default();
    i32 = "int", 4, IntEncoding::SIGNED;
    u32 = "unsigned int", 4, IntEncoding::default();
    i64 = "long", 8, IntEncoding::SIGNED;
    u64 = "unsigned long", 8, IntEncoding::default();
}

impl<T: KernelType, const N: usize> KernelType for [T; N] {
    fn describe(table: &mut TypeTable) -> TypeId {
        let (element, index) = (T::describe(table), u32::describe(table));
        table.once(&format!("{} [{N}]", element.0), |builder| builder.array(element, index, N as u32))
    }
}

/// `void`, behind pointers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Void;

impl KernelType for Void {
    fn describe(_table: &mut TypeTable) -> TypeId {
        TypeId(0)
    }
}

/// A pointer in kernel memory.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Ptr<T>(pub(crate) u64, PhantomData<fn() -> T>);

impl<T> Clone for Ptr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ptr<T> {}

impl<T> Default for Ptr<T> {
    fn default() -> Self {
        Ptr(0, PhantomData)
    }
}

impl<T> Ptr<T> {
    /// To an instance that outlives whoever follows the pointer.
    pub(crate) fn to(target: &T) -> Ptr<T> {
        Ptr(std::ptr::from_ref(target).expose_provenance() as u64, PhantomData)
    }
}

impl<T: KernelType> KernelType for Ptr<T> {
    fn describe(table: &mut TypeTable) -> TypeId {
        let target = T::describe(table);
        table.once(&format!("{} *", target.0), |builder| builder.pointer(target))
    }
}

/// How a struct is named: `struct x`, or `x` alone.
macro_rules! naming {
    () => {
        $crate::kernel_types::layout::TypeTable::structure
    };
    (typedef) => {
        $crate::kernel_types::layout::TypeTable::typedef_structure
    };
}
pub(super) use naming;

/// One row per field: the struct's memory and its BTF.
macro_rules! kernel_structs {
    ($($(#[$doc:meta])* $rust:ident = $($form:ident)? $name:literal { $($field:ident $(= $c_name:literal)?: $ty:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default)]
            #[repr(C)]
            #[allow(missing_docs, dead_code, reason = "the fields are Linux's; programs read them")]
            pub(crate) struct $rust { $(pub(crate) $field: $ty,)* }

            impl $crate::kernel_types::layout::KernelType for $rust {
                fn describe(table: &mut $crate::kernel_types::layout::TypeTable) -> skep_btf::TypeId {
                    $crate::kernel_types::layout::naming!($($form)?)(table, $name, size_of::<$rust>(), |table| vec![
                        $((
                            [$($c_name,)? stringify!($field)][0],
                            <$ty as $crate::kernel_types::layout::KernelType>::describe(table),
                            std::mem::offset_of!($rust, $field),
                        ),)*
                    ])
                }
            }
        )*

        /// Adds all structs to the BTF.
        pub(super) fn describe_all(table: &mut $crate::kernel_types::layout::TypeTable) {
            $(<$rust as $crate::kernel_types::layout::KernelType>::describe(table);)*
        }
    };
}
pub(super) use kernel_structs;
