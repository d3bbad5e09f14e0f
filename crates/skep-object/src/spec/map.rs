//! Maps as an object defines them.

use super::{Contents, MapIndex, ProgramIndex};
use skep_abi::map_type::{MapFlags, MapType};
use skep_btf::TypeId;

/// Where a map's definition comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapOrigin {
    /// A variable in `.maps`, described by its BTF type.
    BtfDefined,
    /// A `struct bpf_map_def` in `maps`.
    Legacy,
    /// A `.data` section.
    Data,
    /// A `.rodata` section.
    ReadOnlyData,
    /// A `.bss` section.
    Bss,
    /// Externs in `.kconfig`.
    Kconfig,
}

impl MapOrigin {
    /// Made from a section of variables rather than from a definition.
    pub fn is_data(self) -> bool {
        !matches!(self, MapOrigin::BtfDefined | MapOrigin::Legacy)
    }
}

/// Whether a map is shared through the BPF file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pinning {
    /// It is not.
    #[default]
    None,
    /// `LIBBPF_PIN_BY_NAME`: pinned under its name in the pin directory, reused if it is there already.
    ByName,
}

/// What a map of maps or of programs holds from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotValue {
    /// A map of the same object.
    Map(MapIndex),
    /// A program of the same object.
    Program(ProgramIndex),
}

/// One element of a map of maps or of programs that is set before the first program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InitialValue {
    /// Key.
    pub key: u32,
    /// Value.
    pub value: SlotValue,
}

/// A map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapSpec {
    /// Name: the C variable's, or the section's (`.rodata`).
    pub name: String,
    /// Where the definition comes from.
    pub origin: MapOrigin,
    /// Section of the definition.
    pub section: String,
    /// Byte offset of the definition in its section.
    pub section_offset: u32,
    /// `enum bpf_map_type`, as written. See [`MapSpec::map_type`].
    pub type_number: u32,
    /// Key size in bytes.
    pub key_size: u32,
    /// Value size in bytes.
    pub value_size: u32,
    /// Number of elements; 0 where the loader chooses (one per CPU for a perf event array).
    pub max_entries: u32,
    /// Creation flags.
    pub flags: MapFlags,
    /// NUMA node, with [`MapFlags::NUMA_NODE`].
    pub numa_node: Option<u32>,
    /// Type-specific extra: hash functions of a bloom filter, address of an arena.
    pub map_extra: u64,
    /// Type of a key in the object's BTF.
    pub key_type: Option<TypeId>,
    /// Type of a value in the object's BTF; the section itself for data maps.
    pub value_type: Option<TypeId>,
    /// Pinning.
    pub pinning: Pinning,
    /// To be created unless asked otherwise. Programs that refer to a map without it cannot be linked.
    pub autocreate: bool,
    /// What the maps in a map of maps look like.
    pub inner: Option<Box<MapSpec>>,
    /// Elements of a map of maps or of programs.
    pub initial_values: Vec<InitialValue>,
    /// Contents of a data map; of an arena, its first bytes.
    pub contents: Option<Contents>,
    /// To be frozen for user space once filled (`.rodata`, `.kconfig`).
    pub freeze: bool,
}

impl MapSpec {
    /// Its type, if it is one that this build knows.
    pub fn map_type(&self) -> Option<MapType> {
        MapType::from_number(self.type_number)
    }

    /// The name to give the kernel, at most 15 bytes. Plain data sections get the start of the object's name in front
    /// (`firewall.rodata`), as every loader does; characters the kernel refuses become `_`.
    pub fn kernel_name(&self, object_name: &str) -> String {
        const LIMIT: usize = 15;
        let plain = self.origin.is_data() && !self.name.trim_start_matches('.').contains('.');
        let full = if plain {
            let room = LIMIT.saturating_sub(self.name.len()).min(8).min(object_name.len());
            object_name.chars().take(room).chain(self.name.chars()).collect()
        } else {
            self.name.clone()
        };
        let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '.' { c } else { '_' };
        full.chars().map(allowed).take(LIMIT).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::parse::data_map;
    use crate::spec::{Contents, MapOrigin};

    #[test]
    fn names_for_the_kernel_are_those_that_every_loader_gives() {
        let name =
            |section: &str, object: &str| data_map(section, MapOrigin::Data, Contents::zeros(4)).kernel_name(object);
        assert_eq!(name(".rodata", "firewall_long"), "firewall.rodata");
        assert_eq!(name(".bss", "x"), "x.bss");
        assert_eq!(name(".kconfig", "firewall"), "firewal.kconfig");
        assert_eq!(name(".data", "a-b"), "a_b.data");
        assert_eq!(name(".data.settings_of_all", "x"), ".data.settings_");
    }
}
