//! Programs attached to programs: what `PROG_LOAD` makes of `attach_prog_fd`.

use skep_abi::command::{BtfLoad, ProgLoad};
use skep_abi::program_type::ProgramType;
use skep_btf::{BtfBuilder, Endian, FunctionLinkage, IntEncoding, TypeId};
use skep_isa::Slot;
use skep_kernel::{Errno, Handle, Kernel, calls};
use skep_user::{Config, UserKernel};
use std::sync::Arc;

/// A BTF with one global function: `int NAME(struct xdp_md *ctx)`, or with a number in the context's place.
fn btf(kernel: &Arc<dyn Kernel>, name: &str, takes_context: bool) -> (Handle, TypeId) {
    let mut builder = BtfBuilder::new();
    let int = builder.int("int", 4, IntEncoding::SIGNED);
    let context = builder.structure("xdp_md", 0, &[]);
    let context = builder.pointer(context);
    let prototype = builder.prototype(int, &[("x", if takes_context { context } else { int })]);
    let function = builder.function(name, prototype, FunctionLinkage::Global);
    let bytes = builder.build().expect("a BTF").to_bytes(Endian::Little).expect("its bytes");
    (calls::btf_load(kernel, BtfLoad { btf: &bytes, ..BtfLoad::default() }).expect("loads").0, function)
}

/// Loads `return n` as a function of a BTF, attached to a function of a program.
fn load(
    kernel: &Arc<dyn Kernel>,
    program_type: ProgramType,
    (btf, function): &(Handle, TypeId),
    target: Option<(&Handle, TypeId)>,
) -> Result<Handle, (Errno, String)> {
    let insns = Slot::write_program(&skep_isa::text::assemble("r0 = 2\nexit").expect("a program"));
    let mut log = vec![0; 4096];
    let command = ProgLoad {
        prog_type: program_type.number(),
        insns: &insns,
        license: Some(c"GPL"),
        log_level: 1,
        log_buf: &mut log,
        prog_btf_fd: btf.fd(),
        func_info_rec_size: 8,
        func_info: &[0_u32.to_ne_bytes(), function.0.to_ne_bytes()].concat(),
        attach_prog_fd: target.map_or(0, |(program, _)| program.fd()),
        attach_btf_id: target.map_or(0, |(_, id)| id.0),
        ..ProgLoad::default()
    };
    let loaded = calls::prog_load(kernel, command).map(|(program, _)| program);
    loaded.map_err(|failure| {
        let text = log.split(|byte| *byte == 0 || *byte == b'\n').next().unwrap_or_default();
        (failure.errno, String::from_utf8_lossy(text).into_owned())
    })
}

#[test]
fn an_extension_is_loaded_for_a_function_of_a_loaded_program() {
    let kernel: Arc<dyn Kernel> = UserKernel::new(Config::default());
    let types = btf(&kernel, "main", true);
    let target = load(&kernel, ProgramType::Xdp, &types, None).expect("the target loads");

    let good = btf(&kernel, "other", true);
    let extension = load(&kernel, ProgramType::Ext, &good, Some((&target, types.1))).expect("loads");
    let info = calls::prog_info(&*kernel, extension.fd()).expect("information");
    let target_types = calls::btf_info(&*kernel, types.0.fd()).expect("information").id;
    assert_eq!((info.attach_btf_obj_id, info.attach_btf_id), (target_types, types.1.0));

    let refused = |extension| load(&kernel, ProgramType::Ext, extension, Some((&target, types.1))).map(|_| ());
    let message = "arg0 in other() is INT while main() has PTR".to_owned();
    assert_eq!(refused(&btf(&kernel, "other", false)), Err((Errno::EINVAL, message)));

    let again = load(&kernel, ProgramType::Ext, &good, Some((&extension, good.1))).map(|_| ());
    assert_eq!(again, Err((Errno::EINVAL, "Cannot recursively attach".to_owned())));
    let kernel_function = load(&kernel, ProgramType::Ext, &good, None).map(|_| ());
    assert_eq!(kernel_function, Err((Errno::EINVAL, "Tracing programs must provide btf_id".to_owned())));
    let xdp = load(&kernel, ProgramType::Xdp, &good, Some((&target, types.1))).map(|_| ());
    assert_eq!(xdp, Err((Errno::EINVAL, String::new())));
}
