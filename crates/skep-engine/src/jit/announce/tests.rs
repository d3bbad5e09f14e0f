use super::*;
use crate::compile_options::CompileOptions;
use crate::{Environment, Executable, Fault, Machine, NoEnvironment, References};
use skep_abi::program_type::ProgramType;
use skep_verifier::{Options, Program, Verified, verify};
use std::process::Command;

fn verified(text: &str) -> Verified {
    let insns = skep_isa::text::assemble(text).expect("the text assembles");
    verify(&Program::new("test", ProgramType::SocketFilter, &insns), &Options::default()).expect("accepted")
}

fn compiled(verified: &Verified, name: &str, announce: Announce) -> Executable {
    let options = CompileOptions { name: Some(name.into()), announce, ..CompileOptions::default() };
    Executable::compile_with(verified, &mut References(|_| None), &options).expect("it compiles")
}

/// With a function that calls a helper.
const TWO_FUNCTIONS: &str = "call pc+2\nr0 += 1\nexit\ncall 7\nr0 &= 1\nexit";

#[test]
fn the_variable_names_who_is_told() {
    let parsed = ["", "perf", "gdb", "perf, gdb", "everyone"].map(Announce::parse);
    let told = parsed.map(|Announce { perf_map, debugger }| (perf_map, debugger));
    assert_eq!(told, [(false, false), (true, false), (false, true), (true, true), (false, false)]);
}

#[test]
fn perf_finds_functions_by_their_addresses() {
    let announce = Announce { perf_map: true, debugger: false };
    let program = compiled(&verified(TWO_FUNCTIONS), "skep_prog_1234_perf\nmap", announce);
    let code = program.machine_code().expect("compiled");
    let text = std::fs::read_to_string(perf_map::path()).expect("the map is there");
    let ours = |line: &&str| line.contains("skep_prog_1234_perf_map");
    let hex = |text: &str| u64::from_str_radix(text, 16).expect("hexadecimal");
    let lines: Vec<Vec<&str>> = text.lines().filter(ours).map(|line| line.split(' ').collect()).collect();
    let [[start, len, name], [next, next_len, next_name]] = [&*lines[0], &*lines[1]] else {
        panic!("{lines:?}");
    };
    assert_eq!((*name, *next_name), ("skep_prog_1234_perf_map", "skep_prog_1234_perf_map_f3"));
    assert_eq!(hex(start), code.address());
    assert_eq!(hex(start) + hex(len), hex(next));
    assert_eq!(hex(next) + hex(next_len), code.address() + code.bytes().len() as u64);
    assert_eq!(lines.len(), 2);
    // In a mapping without a name: elsewhere, perf takes the name of the file for that of the code.
    let maps = std::fs::read_to_string("/proc/self/maps").expect("there is /proc");
    let mapping = maps.lines().find(|line| line.starts_with(&format!("{:x}-", code.address()))).expect("mapped");
    assert!(mapping.contains("r-xp") && mapping.ends_with(" 0 "), "{mapping}");
    std::fs::remove_file(perf_map::path()).expect("ours to remove");
}

/// Run under a debugger by the test below.
#[test]
#[ignore = "does nothing without a debugger"]
fn debugged() {
    struct Random;
    impl Environment for Random {
        fn call_helper(&mut self, _id: u32, _args: [u64; 5], _machine: &mut Machine<'_>) -> Result<u64, Fault> {
            Ok(5)
        }
    }
    let announce = Announce { perf_map: false, debugger: true };
    let other = compiled(&verified("r0 = 0\nexit"), "skep_prog_00_other", announce);
    let program = compiled(&verified(TWO_FUNCTIONS), "skep_prog_1234_debugged", announce);
    // SAFETY: verified; they do not use their context.
    assert_eq!(unsafe { other.run(&mut NoEnvironment, 0) }, Ok(0));
    drop(other);
    // SAFETY: as above.
    assert_eq!(unsafe { program.run(&mut Random, 0) }, Ok(2));
}

#[test]
fn gdb_stops_in_programs_by_their_names() {
    let Ok(version) = Command::new("gdb").arg("--version").output() else {
        return skep_testing::skip("there is no gdb");
    };
    assert!(version.status.success());
    // Both programs are registered before the breakpoints in them are set.
    let commands = [
        "set debuginfod enabled off",
        "break __jit_debug_register_code",
        "run",
        "continue",
        "finish",
        "delete 1",
        "break skep_prog_00_other",
        "break skep_prog_1234_debugged_f3",
        "continue",
        "info symbol $pc",
        "continue",
        "info symbol $pc",
        "break skep_prog_00_other",
        "continue",
    ];
    let output = Command::new("gdb")
        .args(["-nx", "-batch"])
        .args(commands.iter().flat_map(|command| ["-ex", command]))
        .arg("--args")
        .arg(std::env::current_exe().expect("it has a path"))
        .args(["--ignored", "--exact", "jit::announce::tests::debugged"])
        .output()
        .expect("gdb runs");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if text.contains("ptrace") && text.contains("not permitted") {
        return skep_testing::skip("gdb may not trace processes here");
    }
    for expected in
        ["skep_prog_00_other in section .text", "skep_prog_1234_debugged_f3 in section .text", "exited normally"]
    {
        assert!(text.contains(expected), "no `{expected}` in:\n{text}");
    }
    let gone = text.contains("Function \"skep_prog_00_other\" not defined");
    assert!(gone, "it is forgotten when it is dropped:\n{text}");
}
