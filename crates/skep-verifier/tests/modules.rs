//! Functions and variables of kernel modules: their BTF continues the kernel's, calls name it by an index, variables by
//! a descriptor.
//!
//! The modules are made here. What Linux says of calls that name no module is compared with the Linux that runs.

mod common;

use common::linux;
use skep_abi::command::{BtfLoad, ProgLoad};
use skep_abi::program_type::ProgramType;
use skep_btf::{Btf, BtfBuilder, Endian, FunctionLinkage, IntEncoding, TypeId, VariableLinkage};
use skep_isa::text::{Names, assemble_with};
use skep_isa::{CallTarget, Insn, Slot, encode_program};
use skep_kernel::{Handle, calls};
use skep_verifier::{ModuleTypes, Options, Program, verify};
use std::sync::{Arc, LazyLock};

/// A kernel of a few types.
static KERNEL: LazyLock<Arc<Btf>> = LazyLock::new(|| {
    let mut builder = BtfBuilder::new();
    let int = builder.int("int", 4, IntEncoding::SIGNED);
    let long = builder.int("unsigned long long", 8, IntEncoding::UNSIGNED);
    let _context = builder.structure("xdp_md", 8, &[("data", long, 0, 0)]);
    let prototype = builder.prototype(long, &[]);
    builder.function("bpf_get_nothing", prototype, FunctionLinkage::Static);
    let read = builder.prototype(TypeId::VOID, &[]);
    builder.function("bpf_rcu_read_lock", read, FunctionLinkage::Static);
    builder.function("bpf_rcu_read_unlock", read, FunctionLinkage::Static);
    let _ = int;
    Arc::new(builder.build().expect("a BTF"))
});

/// Connection tracking as a module: an object with a lock of its own, and functions that find it and give it back.
static TRACKING: LazyLock<Btf> = LazyLock::new(|| {
    let mut builder = BtfBuilder::split(KERNEL.clone());
    let find = |kind, name| KERNEL.find(kind, name).expect("a type of the kernel");
    let int = find(skep_btf::Kind::Int, "int");
    let context = builder.pointer(find(skep_btf::Kind::Struct, "xdp_md"));
    let zone = builder.structure("zone", 4, &[("id", int, 0, 0)]);
    let entry = builder.structure("nf_conn", 16, &[("zone", zone, 0, 0), ("mark", int, 64, 0)]);
    let entry = builder.pointer(entry);
    let tuple = builder.structure("bpf_sock_tuple", 12, &[("port", int, 0, 0)]);
    let tuple = builder.pointer(tuple);
    let options = builder.structure("bpf_ct_opts", 12, &[("error", int, 0, 0)]);
    let options = builder.pointer(options);
    let arguments = [("ctx", context), ("tuple", tuple), ("tuple__sz", int), ("opts", options), ("opts__sz", int)];
    let lookup = builder.prototype(entry, &arguments);
    builder.function("bpf_xdp_ct_lookup", lookup, FunctionLinkage::Static);
    let release = builder.prototype(TypeId::VOID, &[("nfct", entry)]);
    builder.function("bpf_ct_release", release, FunctionLinkage::Static);
    builder.variable("tracked", int, VariableLinkage::Global);
    builder.build().expect("a BTF")
});

/// Another module, whose ids are the same numbers as those of the first.
static TRANSFORM: LazyLock<Btf> = LazyLock::new(|| {
    let mut builder = BtfBuilder::split(KERNEL.clone());
    let int = KERNEL.find(skep_btf::Kind::Int, "int").expect("a type of the kernel");
    let state = builder.structure("xfrm_state", 8, &[("id", int, 0, 0)]);
    let state = builder.pointer(state);
    let context = builder.pointer(KERNEL.find(skep_btf::Kind::Struct, "xdp_md").expect("a type of the kernel"));
    let options = builder.structure("bpf_xfrm_state_opts", 8, &[("error", int, 0, 0)]);
    let options = builder.pointer(options);
    let get = builder.prototype(state, &[("ctx", context), ("opts", options), ("opts__sz", int)]);
    builder.function("bpf_xdp_get_xfrm_state", get, FunctionLinkage::Static);
    let release = builder.prototype(TypeId::VOID, &[("x", state)]);
    builder.function("bpf_xdp_xfrm_state_release", release, FunctionLinkage::Static);
    builder.build().expect("a BTF")
});

/// Functions by name, in the kernel or in the modules.
struct Externs<'a>(&'a [ModuleTypes<'a>]);

impl Names for Externs<'_> {
    fn kfunc(&self, name: &str) -> Option<(i32, i16)> {
        let find = |btf: &Btf| btf.find(skep_btf::Kind::Function, name).map(|id| id.0.cast_signed());
        find(&KERNEL).map(|id| (id, 0)).or_else(|| self.0.iter().find_map(|m| Some((find(m.btf)?, m.index))))
    }

    fn helper(&self, _: &str) -> Option<i32> {
        None
    }

    fn map(&self, _: &str) -> Option<i32> {
        None
    }
}

fn modules() -> [ModuleTypes<'static>; 2] {
    [ModuleTypes { index: 3, fd: 30, btf: &TRACKING }, ModuleTypes { index: 1, fd: 10, btf: &TRANSFORM }]
}

fn verdict(code: &str, modules: &[ModuleTypes<'_>]) -> Result<(), (i32, String)> {
    let insns = assemble_with(code, &Externs(&self::modules())).expect("a program").slots;
    verdict_of(&insns, modules)
}

fn verdict_of(insns: &[Slot], modules: &[ModuleTypes<'_>]) -> Result<(), (i32, String)> {
    let program = Program { modules, ..Program::new("modules", ProgramType::Xdp, insns) };
    let options = Options { kernel_btf: Some(&KERNEL), ..Options::default() };
    verify(&program, &options).map(|_| ()).map_err(|rejection| (rejection.errno, rejection.message))
}

const LOOKUP: &str = "
    *(u64 *)(r10 - 16) = 0
    *(u64 *)(r10 - 8) = 0
    r2 = r10
    r2 += -16
    r3 = 12
    r4 = r2
    r5 = 12
    call bpf_xdp_ct_lookup";

#[test]
fn what_a_module_gives_goes_back_to_it() {
    let code = format!(
        "{LOOKUP}
    if r0 == 0 goto out
    r1 = r0
    r6 = *(u32 *)(r0 + 8)
    call bpf_ct_release
out:
    r0 = 2
    exit"
    );
    assert_eq!(verdict(&code, &modules()), Ok(()));
    assert_eq!(verdict(&code, &modules()[..1]), Ok(()), "a single module");
}

#[test]
fn the_rules_of_references_hold_for_modules() {
    let leak = format!("{LOOKUP}\n    r0 = 2\n    exit");
    let message = "BPF_EXIT instruction in main prog would lead to reference leak".to_owned();
    assert_eq!(verdict(&leak, &modules()), Err((22, message)));
    let unchecked = format!("{LOOKUP}\n    r1 = r0\n    call bpf_ct_release\n    r0 = 2\n    exit");
    assert_eq!(verdict(&unchecked, &modules()), Err((13, "Possibly NULL pointer passed to trusted arg0".to_owned())));
    let beyond = format!("{LOOKUP}\n    if r0 == 0 goto out\n    r6 = *(u64 *)(r0 + 16)\nout:\n    r0 = 2\n    exit");
    let message = "access beyond struct nf_conn at off 16 size 8".to_owned();
    assert_eq!(verdict(&beyond, &modules()), Err((13, message)));
}

#[test]
fn types_of_two_modules_are_told_apart() {
    let code = format!(
        "{LOOKUP}
    if r0 == 0 goto out
    r1 = r0
    call bpf_xdp_xfrm_state_release
out:
    r0 = 2
    exit"
    );
    let message = "kernel function bpf_xdp_xfrm_state_release args#0 expected pointer to STRUCT xfrm_state but R1 has a \
                   pointer to STRUCT nf_conn";
    assert_eq!(verdict(&code, &modules()), Err((22, message.to_owned())));
}

#[test]
fn variables_of_modules_are_read() {
    let id = TRACKING.find(skep_btf::Kind::Variable, "tracked").expect("the variable").0;
    let code = |fd: i32| format!("r1 = btf[id:{id},fd:{fd}] ll\nr0 = *(u32 *)(r1 + 0)\nr0 = 2\nexit");
    assert_eq!(verdict(&code(30), &modules()), Ok(()));
    let wrong = Err((22, "invalid module BTF object FD specified.".to_owned()));
    assert_eq!(verdict(&code(31), &modules()), wrong);
}

/// A program that calls a function with some id and index, on a path that is not taken.
fn call(id: i32, index: i16) -> Vec<Slot> {
    encode_program(&[Insn::Call(CallTarget::Kfunc { id, btf: index }), Insn::Exit])
}

#[test]
fn calls_that_name_no_module_are_refused_as_linux_does() {
    let own_kernel = [ModuleTypes { index: 1, fd: 10, btf: &KERNEL }];
    let other = [ModuleTypes { index: 2, fd: 10, btf: &TRACKING }];
    let ours = [
        verdict_of(&call(5, 1), &[]),
        verdict_of(&call(5, -1), &other),
        verdict_of(&call(5, 1), &other),
        verdict_of(&call(5, 1), &own_kernel),
    ];
    let expected = [
        (71, "kfunc offset > 0 without fd_array is invalid"),
        (22, "negative offset disallowed for kernel module function call"),
        (9, "invalid module BTF fd specified"),
        (22, "BTF fd for kfunc is not a module BTF"),
    ];
    let expected = expected.map(|(errno, message)| Err((errno, message.to_owned())));
    assert_eq!(ours, expected);

    let Some(kernel) = linux::kernel() else { return };
    let bytes = KERNEL.to_bytes(Endian::Little).expect("its bytes");
    let btf = calls::btf_load(&kernel, BtfLoad { btf: &bytes, ..BtfLoad::default() }).expect("loads").0;
    let load = |index: i16, fds: &[i32]| -> Result<Handle, (i32, String)> {
        let insns = Slot::write_program(&call(5, index));
        let mut log = vec![0; 4096];
        let fds: Vec<u8> = fds.iter().copied().flat_map(i32::to_ne_bytes).collect();
        let command = ProgLoad {
            prog_type: ProgramType::Xdp.number(),
            insns: &insns,
            license: Some(c"GPL"),
            log_level: 1,
            log_buf: &mut log,
            fd_array: &fds,
            ..ProgLoad::default()
        };
        calls::prog_load(&kernel, command).map(|(program, _)| program).map_err(|failure| {
            let line = log.split(|byte| matches!(byte, 0 | b'\n')).next().unwrap_or_default();
            (failure.errno.0, String::from_utf8_lossy(line).into_owned())
        })
    };
    let theirs = [load(1, &[]), load(-1, &[0, btf.fd()]), load(1, &[0, -1]), load(1, &[0, btf.fd()])];
    let theirs = theirs.map(|answer| answer.map(|_| ()));
    assert_eq!(theirs, expected);
}
