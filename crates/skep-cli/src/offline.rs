//! Verifying an object's programs without any kernel: maps become facts, references become small numbers.

use crate::attached_program::AttachedPrograms;
use skep_abi::attach_type::AttachType;
use skep_abi::command::ProgramFlags;
use skep_abi::map_type::{MapFlags, MapType};
use skep_abi::program_type::ProgramType;
use skep_btf::{Btf, Kind, TypeId};
use skep_object::{
    ExternSpec, KconfigValue, KernelObject, LinkedProgram, MapIndex, MapOrigin, MapSpec, ObjectSpec, ProgramKind,
    ProgramSpec, Resolver,
};
use skep_verifier::observe::Observer;
use skep_verifier::{AttachTarget, LineInfo, MapFacts, ModuleTypes, Options, Program, ProgramBtf, Rejection, Verified};
use std::sync::Arc;

/// What became of a program.
pub(crate) enum Verdict {
    /// The verifier accepts it.
    Accept(Box<Verified>),
    /// The verifier refuses it.
    Reject(Box<Rejection>),
    /// Something outside of the program is missing, so the question could not be put.
    Environment(String),
}

/// An object and the kernel types it is checked against.
pub(crate) struct Offline<'a> {
    object: &'a ObjectSpec,
    /// The kernel's own, then those of its modules.
    kernel_types: Vec<Arc<Btf>>,
    maps: Vec<(i32, MapFacts)>,
    /// Maps whose type is unknown, by index.
    unusable: Vec<(MapIndex, String)>,
    /// Why the object's BTF cannot be loaded.
    refused_btf: Option<String>,
    /// Programs that others are attached to.
    targets: AttachedPrograms,
}

/// The file descriptor that stands for a map.
fn descriptor(map: MapIndex) -> i32 {
    // Real descriptors never reach this: 0 to 2 would look like the standard streams in messages.
    i32::try_from(map.0).unwrap_or(i32::MAX - 3) + 3
}

/// The file descriptor that stands for the BTF of a module, by its place among the types.
fn module_descriptor(place: usize) -> i32 {
    i32::try_from(place).unwrap_or(i32::MAX)
}

/// An address that is no address, for kernel symbols whose place does not matter to the verifier.
const SOME_KERNEL_ADDRESS: u64 = 0xffff_ffff_8100_0000;

impl<'a> Offline<'a> {
    pub(crate) fn new(object: &'a ObjectSpec, kernel: Arc<Btf>) -> Self {
        let mut maps = Vec::new();
        let mut unusable = Vec::new();
        for (index, spec) in object.maps.iter().enumerate() {
            match facts(object, spec) {
                Ok(facts) => maps.push((descriptor(MapIndex(index)), facts)),
                Err(reason) => unusable.push((MapIndex(index), reason)),
            }
        }
        let refused = |btf: &Arc<Btf>| skep_verifier::check_object_types(btf, Some(&kernel)).err();
        let refused_btf = object.btf.as_ref().and_then(refused).map(|problem| {
            let errno = std::io::Error::from_raw_os_error(problem.errno);
            format!("cannot load the object's BTF ({}): {errno}", problem.message)
        });
        Offline {
            object,
            kernel_types: vec![kernel],
            maps,
            unusable,
            refused_btf,
            targets: AttachedPrograms::default(),
        }
    }

    /// With the programs that those of this object replace functions of, or watch.
    pub(crate) fn attached_to(self, targets: AttachedPrograms) -> Self {
        Offline { targets, ..self }
    }

    /// With the types of modules of the kernel.
    pub(crate) fn with_modules(mut self, modules: impl IntoIterator<Item = Arc<Btf>>) -> Self {
        self.kernel_types.extend(modules);
        self
    }

    /// The name of the map that a file descriptor stands for.
    pub(crate) fn map_name(&self, fd: i32) -> &str {
        self.maps.iter().find(|(known, _)| *known == fd).map_or("?", |(_, facts)| &facts.name)
    }

    /// Links and verifies one program, under the flags of its load.
    pub(crate) fn check(&self, program: &ProgramSpec, options: &Options<'_>) -> Verdict {
        self.check_observed(program, options, None)
    }

    /// The same, while `observer` watches.
    pub(crate) fn check_observed(
        &self,
        program: &ProgramSpec,
        options: &Options<'_>,
        observer: Option<&mut dyn Observer>,
    ) -> Verdict {
        let Some(kind) = &program.kind else {
            return Verdict::Environment(format!("section '{}' names no known program type", program.section));
        };
        if let Some(reason) = &self.refused_btf {
            return Verdict::Environment(reason.clone());
        }
        if let Some((_, reason)) = self.unusable.iter().find(|(map, _)| program.maps().contains(map)) {
            return Verdict::Environment(reason.clone());
        }
        let attach_target = match self.attach_target(program, kind) {
            Ok(target) => target,
            Err(reason) => return Verdict::Environment(reason),
        };
        let linked = match program.link(self.object, self) {
            Ok(linked) => linked,
            Err(error) => return Verdict::Environment(error.to_string()),
        };
        let modules = self.kernel_types.iter().enumerate().skip(1);
        let modules: Vec<ModuleTypes<'_>> = modules
            .map(|(place, btf)| ModuleTypes { index: place as i16, fd: module_descriptor(place), btf })
            .collect();
        let functions: Vec<(u32, TypeId)> =
            program.functions.iter().filter_map(|f| Some((f.start, f.type_id?))).collect();
        let lines = self.lines(program);
        let input = Program {
            name: &program.name,
            insns: &linked.insns,
            program_type: kind.program_type,
            attach_type: kind.attach_type,
            attach_target,
            gpl_compatible: self.object.license.as_deref().is_some_and(skep_abi::license::is_gpl_compatible),
            sleepable: kind.sleepable || program.load_flags.contains(ProgramFlags::SLEEPABLE),
            xdp_has_frags: kind.xdp_has_frags || program.load_flags.contains(ProgramFlags::XDP_HAS_FRAGS),
            maps: &self.maps,
            modules: &modules,
            btf: self.object.btf.as_deref().map(|btf| ProgramBtf { btf, functions: &functions, lines: &lines }),
        };
        let options = Options {
            kernel_btf: self.kernel_types.first().map(|btf| &**btf),
            strict_alignment: program.load_flags.contains(ProgramFlags::STRICT_ALIGNMENT),
            any_alignment: program.load_flags.contains(ProgramFlags::ANY_ALIGNMENT),
            test_state_frequency: program.load_flags.contains(ProgramFlags::TEST_STATE_FREQ),
            ..options.clone()
        };
        let outcome = match observer {
            Some(observer) => skep_verifier::verify_observed(&input, &options, observer),
            None => skep_verifier::verify(&input, &options),
        };
        match outcome {
            Ok(verified) => Verdict::Accept(Box::new(verified)),
            Err(rejection) => Verdict::Reject(Box::new(with_poison(rejection, &linked))),
        }
    }

    fn attach_target(&self, program: &ProgramSpec, kind: &ProgramKind) -> Result<Option<AttachTarget>, String> {
        if kind.program_type == ProgramType::StructOps {
            return self.interface_member(program);
        }
        let watches = matches!(kind.attach_type, Some(AttachType::TraceFentry | AttachType::TraceFexit));
        if (kind.program_type.info().extends_programs || watches)
            && let Some(target) = kind.attach_to.as_deref().and_then(|name| self.targets.function(name))
        {
            return Ok(Some(target));
        }
        if kind.program_type.info().extends_programs {
            let function = kind.attach_to.as_deref().unwrap_or("?");
            return Err(format!(
                "it replaces function '{function}' of another program: name that one's object by --target"
            ));
        }
        let (Some(rule), true) = (kind.attach_type.and_then(|t| t.btf_target()), kind.attach_btf) else {
            return Ok(None);
        };
        let Some(name) = kind.attach_to.as_deref() else {
            return Err("the section does not name what the program is attached to".to_owned());
        };
        let wanted = format!("{}{name}", rule.prefix);
        let btf_kind = if rule.is_typedef { Kind::Typedef } else { Kind::Function };
        match self.kernel_types.iter().find_map(|btf| btf.find(btf_kind, &wanted)) {
            Some(id) => Ok(Some(AttachTarget { name: wanted, id, interface: None, program: None })),
            None => Err(format!("the kernel's BTF has no '{wanted}' to attach to")),
        }
    }

    /// The member of a kernel interface that a program implements, by the variables that name it.
    fn interface_member(&self, program: &ProgramSpec) -> Result<Option<AttachTarget>, String> {
        let Some(at) = self.object.programs.iter().position(|other| other.name == program.name) else {
            return Ok(None);
        };
        let implemented = self.object.struct_ops.iter().find_map(|interface| {
            let member = interface.members.iter().find(|member| member.program.0 == at)?;
            Some((skep_btf::essential_name(&interface.type_name), &member.name))
        });
        let Some((interface, name)) = implemented else { return Ok(None) };
        let found = self.kernel_types.iter().find_map(|btf| {
            let id = btf.find(Kind::Struct, interface)?;
            Some(btf.find_member(id, name)?.ty)
        });
        match found {
            Some(id) => {
                Ok(Some(AttachTarget { name: name.clone(), id, interface: Some(interface.to_owned()), program: None }))
            }
            None => Err(format!("the kernel has no interface '{interface}' with a member '{name}'")),
        }
    }

    fn lines(&self, program: &ProgramSpec) -> Vec<LineInfo> {
        let Some(btf) = &self.object.btf else { return Vec::new() };
        let text = |offset| Arc::from(btf.string(offset).unwrap_or_default());
        let line = |record: &skep_object::LineRecord| LineInfo {
            slot: record.slot,
            file: text(record.file),
            text: text(record.text),
            line: record.line,
            column: record.column.into(),
        };
        program.lines.iter().map(line).collect()
    }
}

impl Resolver for Offline<'_> {
    fn map_fd(&self, map: MapIndex) -> Option<i32> {
        Some(descriptor(map))
    }

    fn kernel_object(&self, external: &ExternSpec) -> Option<KernelObject> {
        KernelObject::find(external, &self.kernel_types, module_descriptor)
    }

    fn kernel_address(&self, _name: &str) -> Option<u64> {
        Some(SOME_KERNEL_ADDRESS)
    }

    fn kernel_types(&self) -> &[Arc<Btf>] {
        &self.kernel_types
    }
}

/// A refusal at an instruction that the loader had to poison is really about what the kernel lacks.
fn with_poison(mut rejection: Rejection, linked: &LinkedProgram) -> Rejection {
    if let Some(poisoned) = linked.poisoned.iter().find(|p| Some(p.slot) == rejection.slot) {
        rejection.hint = Some(format!("{}; test for it before this code runs", poisoned.reason));
    }
    rejection
}

/// What the verifier must know of a map, as it will be when it is created.
fn facts(object: &ObjectSpec, spec: &MapSpec) -> Result<MapFacts, String> {
    let map_type = MapType::from_number(spec.type_number)
        .ok_or_else(|| format!("map '{}' has the unknown type {}", spec.name, spec.type_number))?;
    if let Some(misfit) = map_type.info().misfit(spec.key_size, spec.value_size, spec.max_entries) {
        return Err(format!("map '{}' cannot be created: {misfit}", spec.name));
    }
    let inner = spec.inner.as_deref().map(|inner| facts(object, inner)).transpose()?.map(Box::new);
    let frozen = (spec.freeze && spec.flags.contains(MapFlags::RDONLY_PROG))
        .then(|| spec.contents.as_ref().map(|contents| contents.to_vec().into()))
        .flatten();
    Ok(MapFacts {
        name: spec.name.clone(),
        map_type,
        key_size: spec.key_size,
        value_size: spec.value_size,
        max_entries: spec.max_entries.max(1),
        flags: spec.flags,
        value_type: object.btf.clone().zip(spec.value_type),
        frozen,
        inner,
    })
}

/// Writes the settings that are known of any kernel into the `.kconfig` map. What depends on a kernel's configuration
/// stays zero, as in a kernel built without it.
pub(crate) fn fill_kernel_settings(object: &mut ObjectSpec) {
    let Some(map) = object.maps.iter_mut().find(|map| map.origin == MapOrigin::Kconfig) else { return };
    let Some(contents) = map.contents.as_mut() else { return };
    for external in &object.externs {
        // A value that does not fit its variable is the loader's to complain about.
        _ = kernel_setting(external.kernel_name()).map(|value| external.kind.store_kconfig(contents, &value));
    }
}

fn kernel_setting(name: &str) -> Option<KconfigValue> {
    match name {
        "LINUX_KERNEL_VERSION" => {
            Some(KconfigValue::Number(running_version_code().unwrap_or(DEFAULT_VERSION_CODE).into()))
        }
        "LINUX_HAS_SYSCALL_WRAPPER" | "LINUX_HAS_BPF_COOKIE" => Some(KconfigValue::Yes),
        _ => None,
    }
}

/// Linux 6.18: what the tables describe.
const DEFAULT_VERSION_CODE: u32 = 6 << 16 | 18 << 8;

/// `LINUX_KERNEL_VERSION` of the system this runs on, if it is a Linux.
fn running_version_code() -> Option<u32> {
    let system = rustix::system::uname();
    let release = system.release().to_str().ok()?;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let mut next = || numbers.next()?.ok();
    let (major, minor, patch) = (next()?, next()?, next().unwrap_or(0));
    system.sysname().to_bytes().eq(b"Linux").then(|| major << 16 | minor << 8 | patch.min(255))
}
