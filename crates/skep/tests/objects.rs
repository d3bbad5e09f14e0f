//! Objects in both kernels: variables, loading, refusals, test runs, what the kernel fills in.

mod common;

use common::{Ids, PACKET, with_object};
use skep::{Error, LoadOptions, TestRun};

#[test]
fn variables_are_set_before_and_read_after() {
    with_object("library.bpf.c", |kernel, mut object| {
        assert_eq!(object.global::<u64>("runs").unwrap(), 100);
        assert_eq!(object.global::<u32>("step").unwrap(), 1);
        assert_eq!(object.global::<[u8; 8]>("word").unwrap(), *b"skep\0\0\0\0");
        object.set_global("runs", &1000u64).unwrap();
        object.set_global("step", &7u32).unwrap();
        object.set_global("word", b"\x21ong\0\0\0\0").unwrap();

        let loaded = object.load(kernel).unwrap();
        assert_eq!(loaded.global::<u64>("runs").unwrap(), 1000);
        let count = loaded.program("count").unwrap();
        let output = count.test_run(&TestRun::new().data(PACKET).repeat(3)).unwrap();
        assert_eq!(output.return_value, 0x21);
        // Linux gives a socket filter's packet back with an empty Ethernet header.
        assert_eq!(output.data[14..], PACKET[14..]);
        assert_eq!(loaded.global::<u64>("runs").unwrap(), 1021);
        assert_eq!(loaded.global::<u64>("sum").unwrap() % 3, 0);
        // A constant is what it was set to, and the kernel's copy of it too.
        assert_eq!(loaded.global::<u32>("step").unwrap(), 7);
        assert_eq!(loaded.global::<u64>("hidden_runs").unwrap(), 3);
    });
}

#[test]
fn wrong_names_and_sizes_are_named() {
    with_object("library.bpf.c", |kernel, mut object| {
        let text = |error: Error| error.to_string();
        assert!(text(object.set_global("nothing", &1u32).unwrap_err()).contains("nothing"));
        let wrong = text(object.set_global("runs", &1u32).unwrap_err());
        assert!(wrong.contains("runs") && wrong.contains('8') && wrong.contains('4'), "{wrong}");
        assert!(object.global::<u8>("runs").is_err());
        let missing = text(object.program_mut("nothing").unwrap_err());
        assert!(missing.contains("no program 'nothing'") && missing.contains("to_ring"), "{missing}");
        let loaded = object.load(kernel).unwrap();
        let missing = text(loaded.map("nothing").unwrap_err());
        assert!(missing.contains("no map 'nothing'") && missing.contains("by_length"), "{missing}");
        // Not loaded, since its section starts with '?'.
        assert!(matches!(loaded.program("refused"), Err(Error::Missing { what: "program", .. })));
    });
}

#[test]
fn a_refused_program_says_why() {
    with_object("library.bpf.c", |kernel, mut object| {
        object.program_mut("refused").unwrap().autoload = true;
        let error = object.load(kernel).unwrap_err();
        let Error::Program(refused) = &error else { panic!("{error:?}") };
        assert_eq!(refused.name, "refused");
        assert!(refused.is_rejection());
        assert_eq!(refused.message(), Some("R0 invalid mem access 'map_value_or_null'"), "{}", refused.log);
        assert!(error.to_string().contains("'refused'") && error.to_string().contains("map_value_or_null"), "{error}");
        assert!(refused.log.contains("return *found"), "the log has the source: {}", refused.log);

        // The others load all the same if asked to.
        let options = LoadOptions { keep_going: true, ..LoadOptions::default() };
        let loaded = object.load_with(kernel, &options).unwrap();
        assert!(loaded.program("count").is_ok());
        let names: Vec<&str> = loaded.refused().map(|refused| &*refused.name).collect();
        assert_eq!(names, ["refused"]);
    });
}

#[test]
fn the_log_of_an_accepted_program_is_kept_when_asked_for() {
    with_object("library.bpf.c", |kernel, object| {
        let options = LoadOptions { log_level: 4, ..LoadOptions::default() };
        let loaded = object.load_with(kernel, &options).unwrap();
        let log = loaded.program("count").unwrap().log();
        assert!(log.contains("processed ") && log.contains(" insns"), "{log:?}");
        assert_eq!(object.load(kernel).unwrap().program("count").unwrap().log(), "");
    });
}

#[test]
fn nothing_stays_behind() {
    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        let ids = Ids::of(&loaded);
        let clone = loaded.map("by_length").unwrap().try_clone().unwrap();
        drop(loaded);
        // A clone keeps its map alone alive.
        clone.typed::<u32, u64>().unwrap().insert(&1, &2).unwrap();
        drop(clone);
        ids.expect_gone(kernel);
    });
}

#[test]
fn a_packet_comes_back_as_the_program_left_it() {
    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        let output = loaded.program("grow").unwrap().test_run(&TestRun::new().data(PACKET)).unwrap();
        assert_eq!(output.return_value, 2);
        assert_eq!(output.data.len(), PACKET.len() + 4);
        assert_eq!(output.data[..4], [0xaa, 0xbb, 0xcc, 0xdd]);
        assert_eq!(output.data[4..], *PACKET);
        // Too short for an Ethernet header.
        let error = loaded.program("count").unwrap().test_run(&TestRun::new().data(&[0; 3])).unwrap_err();
        assert!(matches!(&error, Error::Kernel(e) if e.errno == skep::Errno::EINVAL), "{error}");
        assert!(error.to_string().contains("test-run program 'count'"), "{error}");
    });
}

#[test]
fn maps_of_maps_and_programs_have_their_initial_values() {
    with_object("library.bpf.c", |kernel, mut object| {
        object.set_global("which", &2u32).unwrap();
        let loaded = object.load(kernel).unwrap();
        let run =
            |name: &str| loaded.program(name).unwrap().test_run(&TestRun::new().data(PACKET)).unwrap().return_value;
        assert_eq!(run("from_inner"), 0);
        loaded.map("inner_b").unwrap().typed::<u32, u64>().unwrap().insert(&0, &31).unwrap();
        loaded.map("inner_a").unwrap().typed::<u32, u64>().unwrap().insert(&0, &30).unwrap();
        assert_eq!(run("from_inner"), 31);
        // An empty slot: the tail call fails and the program goes on.
        assert_eq!(run("caller"), 5);

        let mut again = object.clone();
        again.set_global("which", &3u32).unwrap();
        let loaded = again.load(kernel).unwrap();
        let caller = loaded.program("caller").unwrap();
        let output = caller.test_run(&TestRun::new().data(PACKET)).unwrap();
        let callee = loaded.program("callee").unwrap().test_run(&TestRun::new().data(PACKET)).unwrap();
        assert_eq!(output.return_value, callee.return_value);
        assert!(output.return_value > 14, "{output:?}");
    });
}

#[test]
fn the_kernel_fills_in_its_settings() {
    with_object("library.bpf.c", |kernel, object| {
        let loaded = object.load(kernel).unwrap();
        loaded.program("kernel_facts").unwrap().test_run(&TestRun::new().data(PACKET)).unwrap();
        assert_eq!(loaded.global::<u64>("version").unwrap(), u64::from(kernel.version_code()));
        let hertz = kernel.config("CONFIG_HZ").ok().flatten().map_or(0, |text| text.parse::<u64>().unwrap());
        assert_eq!(loaded.global::<u64>("hertz").unwrap(), hertz);
        assert_eq!(loaded.global::<u64>("not_there").unwrap(), 0);
        assert_eq!(loaded.global::<u64>("symbol").unwrap(), 0);
    });
}
