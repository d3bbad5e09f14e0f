//! The program that others are attached to (`freplace`, `fentry` of a program), as `skep check --target` names it.

use crate::error::Failure;
use crate::input;
use crate::offline::{Offline, Verdict, fill_kernel_settings};
use skep_btf::{Btf, Kind};
use skep_object::{ObjectSpec, ProgramSpec};
use skep_verifier::{AttachTarget, Options, TargetProgram};
use std::path::Path;
use std::sync::Arc;

/// The programs of an object that were accepted, as targets.
#[derive(Clone, Debug, Default)]
pub(crate) struct AttachedPrograms {
    programs: Vec<Arc<TargetProgram>>,
}

impl AttachedPrograms {
    /// Verifies the programs of an object; what is refused is no target.
    pub(crate) fn read(path: &Path, kernel: &Arc<Btf>, options: &Options<'_>) -> Result<Self, Failure> {
        let mut object =
            ObjectSpec::parse(&input::read(path)?).map_err(|e| Failure::file("read the target", path, &e))?;
        fill_kernel_settings(&mut object);
        let offline = Offline::new(&object, Arc::clone(kernel));
        let mut programs = Vec::new();
        let mut refused = String::new();
        for program in object.programs.iter().filter(|program| program.kind.is_some()) {
            match offline.check(program, options) {
                Verdict::Accept(verified) => programs.push(Arc::new(target(&object, program, verified.functions()))),
                Verdict::Reject(rejection) => refused = format!("{}: {rejection}", program.name),
                Verdict::Environment(reason) => refused = format!("{}: {reason}", program.name),
            }
        }
        if programs.is_empty() {
            let problem = format!("no program of {} is accepted, so nothing can be attached to it", path.display());
            return Err(Failure::new(problem).hint(refused));
        }
        Ok(AttachedPrograms { programs })
    }

    /// The function of that name.
    pub(crate) fn function(&self, name: &str) -> Option<AttachTarget> {
        self.programs.iter().find_map(|program| {
            let btf = program.btf.as_deref()?;
            let id = btf.find_all(Kind::Function, name).find(|id| program.functions.iter().any(|f| f.id == *id))?;
            let name = name.to_owned();
            Some(AttachTarget { name, id, interface: None, program: Some(Arc::clone(program)) })
        })
    }
}

fn target(object: &ObjectSpec, program: &ProgramSpec, functions: &[skep_verifier::FunctionTraits]) -> TargetProgram {
    let kind = program.kind.as_ref();
    let program_type = kind.map_or(skep_abi::program_type::ProgramType::SocketFilter, |kind| kind.program_type);
    TargetProgram {
        program_type,
        attach_type: kind.and_then(|kind| kind.attach_type),
        is_extension: program_type.info().extends_programs,
        traces_program: false,
        btf: object.btf.clone(),
        functions: functions.to_vec(),
    }
}
