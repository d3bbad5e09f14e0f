//! Types of a kernel: of a small one made here, with the functions that the cases call, or of the Linux that runs.

use skep_btf::{Btf, BtfBuilder, FunctionLinkage, IntEncoding, TypeId};
use std::sync::LazyLock;

/// The small kernel.
pub(crate) static SMALL: LazyLock<Btf> = LazyLock::new(small);

/// The Linux that runs the tests, if it has BTF.
pub(crate) static LINUX: LazyLock<Option<Btf>> =
    LazyLock::new(|| Btf::parse(&std::fs::read("/sys/kernel/btf/vmlinux").ok()?).ok());

/// A task, what RCU protects of it, and a tracepoint; the pointer to it.
fn tasks(builder: &mut BtfBuilder, int: TypeId, long_pointer: TypeId) -> TypeId {
    let task = builder.pointer(TypeId(builder.next_id().0 + 5));
    let byte = builder.int("char", 1, IntEncoding::SIGNED);
    let void = builder.pointer(TypeId::VOID);
    let name = builder.array(byte, int, 16);
    let word = builder.int("unsigned long", 8, IntEncoding::UNSIGNED);
    let members = [
        ("flags", word, 0, 0),
        ("stack", void, 64, 0),
        ("group_leader", task, 128, 0),
        ("last_wakee", task, 192, 0),
        ("comm", name, 256, 0),
        ("pid", int, 384, 0),
        ("user_cpus_ptr", long_pointer, 448, 0),
    ];
    builder.structure("task_struct", 64, &members);
    builder.structure("task_struct__safe_rcu", 8, &[("group_leader", task, 0, 0)]);
    let raise = builder.prototype(TypeId::VOID, &[("__data", void), ("tsk", task), ("pi_task", task)]);
    let raise = builder.pointer(raise);
    builder.typedef("btf_trace_sched_pi_setprio", raise);
    task
}

fn small() -> Btf {
    let mut builder = BtfBuilder::new();
    let int = builder.int("int", 4, IntEncoding::SIGNED);
    let long = builder.int("unsigned long long", 8, IntEncoding::UNSIGNED);
    let (int_pointer, long_pointer) = (builder.pointer(int), builder.pointer(long));
    let void = TypeId::VOID;
    for (name, words) in [("num", 1), ("bits", 2)] {
        let array = builder.array(long, int, words);
        let iterator = builder.structure(&format!("bpf_iter_{name}"), 8 * words, &[("__opaque", array, 0, 0)]);
        let it = ("it", builder.pointer(iterator));
        let begin: &[(&str, TypeId)] = match name {
            "num" => &[it, ("start", int), ("end", int)],
            _ => &[it, ("unsafe_ptr__ign", long_pointer), ("nr_words", int)],
        };
        function(&mut builder, &format!("bpf_iter_{name}_new"), int, begin);
        function(&mut builder, &format!("bpf_iter_{name}_next"), int_pointer, &[it]);
        function(&mut builder, &format!("bpf_iter_{name}_destroy"), void, &[it]);
    }
    // What holds a pointer cannot be passed as plain memory.
    let task = tasks(&mut builder, int, long_pointer);
    function(&mut builder, "bpf_task_from_pid", task, &[("pid", int)]);
    function(&mut builder, "bpf_task_acquire", task, &[("p", task)]);
    function(&mut builder, "bpf_task_release", void, &[("p", task)]);
    let cpumask = builder.structure("cpumask", 8, &[("bits", long, 0, 0)]);
    let counted = builder.structure("bpf_cpumask", 16, &[("cpumask", cpumask, 0, 0), ("usage", int, 64, 0)]);
    let (cpumask, counted) = (builder.pointer(cpumask), builder.pointer(counted));
    function(&mut builder, "bpf_cpumask_create", counted, &[]);
    function(&mut builder, "bpf_cpumask_release", void, &[("cpumask", counted)]);
    function(&mut builder, "bpf_cpumask_first", int, &[("cpumask", cpumask)]);
    for name in ["bpf_rcu_read_lock", "bpf_rcu_read_unlock", "bpf_preempt_disable", "bpf_preempt_enable"] {
        function(&mut builder, name, void, &[]);
    }
    for name in ["bpf_local_irq_save", "bpf_local_irq_restore"] {
        function(&mut builder, name, void, &[("flags__irq_flag", long_pointer)]);
    }
    let void_pointer = builder.pointer(void);
    let copy: &[(&str, TypeId)] =
        &[("dst", void_pointer), ("dst__sz", int), ("unsafe_ptr__ign", void_pointer), ("flags", long)];
    function(&mut builder, "bpf_copy_from_user_str", int, copy);
    dynptr_functions(&mut builder, int, long_pointer);
    function(&mut builder, "bpf_throw", void, &[("cookie", long)]);
    let map = builder.structure("bpf_map", 16, &[("max_entries", int, 0, 0), ("ops", long_pointer, 64, 0)]);
    argument_functions(&mut builder, int, long_pointer, map);
    iterator_targets(&mut builder, int, [map, task]);
    let pages = [("p__map", void_pointer), ("addr__ign", void_pointer), ("page_cnt", int)];
    let allocate = [pages.as_slice(), &[("node_id", int), ("flags", long)]].concat();
    function(&mut builder, "bpf_arena_alloc_pages", void_pointer, &allocate);
    function(&mut builder, "bpf_arena_free_pages", void, &pages);
    function(&mut builder, "bpf_arena_reserve_pages", int, &pages);
    let _packet = builder.structure("xdp_buff", 16, &[("data", long_pointer, 0, 0), ("frame_sz", int, 64, 0)]);
    function(&mut builder, "bpf_cast_to_kern_ctx", void_pointer, &[("obj", void_pointer)]);
    function(&mut builder, "bpf_rdonly_cast", void_pointer, &[("obj__ign", void_pointer), ("btf_id__k", int)]);
    interfaces(&mut builder, int, task);
    object_functions(&mut builder, int, long);
    builder.build().expect("the types fit together")
}

/// Functions about objects of the program's own, and lists of them.
fn object_functions(builder: &mut BtfBuilder, int: TypeId, long: TypeId) {
    let void = builder.pointer(TypeId::VOID);
    let head = builder.structure("bpf_list_head", 16, &[("__opaque", long, 0, 0)]);
    let node = builder.structure("bpf_list_node", 24, &[("__opaque", long, 0, 0)]);
    let (head, node) = (builder.pointer(head), builder.pointer(node));
    function(builder, "bpf_obj_new_impl", void, &[("local_type_id__k", long), ("meta__ign", void)]);
    function(builder, "bpf_obj_drop_impl", TypeId::VOID, &[("p__alloc", void), ("meta__ign", void)]);
    let push = [("head", head), ("node", node), ("meta__ign", void), ("off", long)];
    function(builder, "bpf_list_push_front_impl", int, &push);
}

/// Interfaces that programs implement; the last one is not registered.
fn interfaces(builder: &mut BtfBuilder, int: TypeId, task: TypeId) {
    let sock = builder.structure("sock", 16, &[("sk_family", int, 0, 0)]);
    let _tcp =
        builder.structure("tcp_sock", 64, &[("sk", sock, 0, 0), ("snd_cwnd", int, 128, 0), ("mss_cache", int, 160, 0)]);
    let state = builder.structure("bpf_dummy_ops_state", 4, &[("val", int, 0, 0)]);
    let (sock, state) = (builder.pointer(sock), builder.pointer(state));
    let mut member = |ret: TypeId, parameters: &[(&str, TypeId)]| {
        let prototype = builder.prototype(ret, parameters);
        builder.pointer(prototype)
    };
    let (of_sock, number_of_sock) = (member(TypeId::VOID, &[("sk", sock)]), member(int, &[("sk", sock)]));
    let test_1 = member(int, &[("cb", state)]);
    let test_2 = member(int, &[("cb", state), ("a1", int)]);
    let (take, give) = (member(int, &[("task", task), ("other", task)]), member(task, &[("task", task)]));
    let congestion = [
        ("ssthresh", number_of_sock, 0, 0),
        ("init", of_sock, 64, 0),
        ("release", of_sock, 128, 0),
        ("get_info", number_of_sock, 192, 0),
        ("key", int, 256, 0),
    ];
    let dummy = [("test_1", test_1, 0, 0), ("test_2", test_2, 64, 0), ("test_sleepable", test_1, 128, 0)];
    for (name, members) in [
        ("tcp_congestion_ops", congestion.as_slice()),
        ("bpf_dummy_ops", &dummy),
        ("task_ops", &[("take", take, 0, 0), ("give", give, 64, 0)]),
    ] {
        let size = 8 * members.len() as u32;
        let interface = builder.structure(name, size, members);
        builder.structure(&format!("bpf_struct_ops_{name}"), size, &[("data", interface, 0, 0)]);
    }
    builder.structure("Qdisc_ops", 8, &[("init", test_1, 0, 0)]);
    function(builder, "bpf_dummy_ops__test_1", int, &[("cb__nullable", state)]);
    function(builder, "task_ops__take", int, &[("task__ref", task), ("other__nullable", task)]);
    function(builder, "task_ops__give", task, &[("task__ref", task)]);
}

fn function(builder: &mut BtfBuilder, name: &str, ret: TypeId, parameters: &[(&str, TypeId)]) {
    let prototype = builder.prototype(ret, parameters);
    builder.function(name, prototype, FunctionLinkage::Static);
}

fn dynptr_functions(builder: &mut BtfBuilder, int: TypeId, long_pointer: TypeId) {
    let dynptr = builder.structure("bpf_dynptr", 16, &[]);
    let dynptr = builder.pointer(dynptr);
    let bytes = builder.pointer(TypeId::VOID);
    for (name, context) in [("skb", "__sk_buff"), ("skb_meta", "__sk_buff"), ("xdp", "xdp_md")] {
        // Programs see their context as a struct of numbers and pointers.
        let context = builder.structure(context, 8, &[("data", long_pointer, 0, 0)]);
        let context = builder.pointer(context);
        let parameters = [("s", context), ("flags", int), ("ptr__uninit", dynptr)];
        function(builder, &format!("bpf_dynptr_from_{name}"), int, &parameters);
    }
    let slice = [("p", dynptr), ("offset", int), ("buffer__opt", bytes), ("buffer__szk", int)];
    function(builder, "bpf_dynptr_slice", bytes, &slice);
    function(builder, "bpf_dynptr_slice_rdwr", bytes, &slice);
    function(builder, "bpf_dynptr_clone", int, &[("p", dynptr), ("clone__uninit", dynptr)]);
    function(builder, "bpf_dynptr_size", int, &[("p", dynptr)]);
    let copy = [("dst_ptr", dynptr), ("dst_off", int), ("src_ptr", dynptr), ("src_off", int), ("size", int)];
    function(builder, "bpf_dynptr_copy", int, &copy);
}

/// Functions about arguments that types alone do not describe.
fn argument_functions(builder: &mut BtfBuilder, int: TypeId, long_pointer: TypeId, map: TypeId) {
    let (text, bytes) = (builder.pointer(int), builder.pointer(TypeId::VOID));
    let map = builder.pointer(map);
    function(builder, "bpf_map_sum_elem_count", int, &[("map", map)]);
    let print = [("stream_id", int), ("fmt__str", text), ("args", bytes), ("len__sz", int), ("aux__prog", bytes)];
    function(builder, "bpf_stream_vprintk_impl", int, &print);
    let context = builder.structure("xdp_md", 8, &[("data", long_pointer, 0, 0)]);
    let context = builder.pointer(context);
    function(builder, "bpf_xdp_pull_data", int, &[("x", context), ("len", int)]);
    function(builder, "bpf_xdp_metadata_rx_timestamp", int, &[("ctx", context), ("timestamp", long_pointer)]);
    function(builder, "bpf_session_cookie", long_pointer, &[]);
}

/// What iterators over kernel objects hand to their programs.
fn iterator_targets(builder: &mut BtfBuilder, int: TypeId, [map, task]: [TypeId; 2]) {
    let bytes = builder.pointer(TypeId::VOID);
    let meta = builder.structure("bpf_iter_meta", 8, &[("session_id", int, 0, 0)]);
    let (meta, map) = (builder.pointer(meta), builder.pointer(map));
    let element = [("meta", meta), ("map", map), ("key", bytes), ("value", bytes)];
    function(builder, "bpf_iter_bpf_map_elem", int, &element);
    function(builder, "bpf_iter_task", int, &[("meta", meta), ("task", task)]);
}
