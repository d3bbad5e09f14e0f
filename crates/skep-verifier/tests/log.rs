//! The log in Linux's form. The expectations are what Linux 6.18 prints for these programs, but for the addresses of
//! maps, the lines that tell how precision is found, and the time.

use skep_abi::program_type::ProgramType;
use skep_verifier::{LogLevel, Options, Program, verify};

fn log(text: &str, level: LogLevel) -> String {
    let insns = skep_isa::text::assemble(text).unwrap();
    let program = Program::new("logged", ProgramType::SocketFilter, &insns);
    let options = Options { log_level: level, ..Options::default() };
    match verify(&program, &options) {
        Ok(verified) => verified.log().to_owned(),
        Err(rejection) => rejection.log,
    }
}

/// Two paths, the second of which fails.
const FAILS: &str =
    "r6 = *(u32 *)(r1 + 0)\n*(u64 *)(r10 - 8) = r6\nif r6 > 5 goto fails\nr0 = 0\nexit\nfails:\nr0 = r7\nexit";

#[test]
fn every_path() {
    let expected = "\
func#0 @0
Live regs before insn:
      0: .1.....7.. (61) r6 = *(u32 *)(r1 +0)
      1: ......67.. (7b) *(u64 *)(r10 -8) = r6
      2: ......67.. (25) if r6 > 0x5 goto pc+2
      3: .......... (b7) r0 = 0
      4: 0......... (95) exit
      5: .......7.. (bf) r0 = r7
      6: 0......... (95) exit
0: R1=ctx() R10=fp0
0: (61) r6 = *(u32 *)(r1 +0)          ; R1=ctx() R6=scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))
1: (7b) *(u64 *)(r10 -8) = r6         ; R6=scalar(id=1,smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff)) R10=fp0 fp-8=scalar(id=1,smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))
2: (25) if r6 > 0x5 goto pc+2         ; R6=scalar(id=1,smin=smin32=0,smax=umax=smax32=umax32=5,var_off=(0x0; 0x7))
3: (b7) r0 = 0                        ; R0=0
4: (95) exit

from 2 to 5: R1=ctx() R6=scalar(id=1,smin=umin=umin32=6,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff)) R10=fp0 fp-8=scalar(id=1,smin=umin=umin32=6,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))
5: R1=ctx() R6=scalar(id=1,smin=umin=umin32=6,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff)) R10=fp0 fp-8=scalar(id=1,smin=umin=umin32=6,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))
5: (bf) r0 = r7
R7 !read_ok
processed 6 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
";
    assert_eq!(log(FAILS, LogLevel::STATES), expected);
}

#[test]
fn the_failing_path() {
    let expected = "\
0: R1=ctx() R10=fp0
0: (61) r6 = *(u32 *)(r1 +0)          ; R1=ctx() R6=scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))
1: (7b) *(u64 *)(r10 -8) = r6         ; R6=scalar(id=1,smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff)) R10=fp0 fp-8=scalar(id=1,smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))
2: (25) if r6 > 0x5 goto pc+2
5: R1=ctx() R6=scalar(id=1,smin=umin=umin32=6,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff)) R10=fp0 fp-8=scalar(id=1,smin=umin=umin32=6,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))
5: (bf) r0 = r7
R7 !read_ok
processed 6 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
";
    assert_eq!(log(FAILS, LogLevel::INSTRUCTIONS), expected);
}

/// A function of the program, with a stack of its own.
const CALLS: &str = "r1 = 3\ncall double\nr0 = 0\nexit\ndouble:\n*(u64 *)(r10 - 16) = r1\nr0 = r1\nr0 += r1\nexit";

#[test]
fn calls_and_returns() {
    let log = log(CALLS, LogLevel::STATES);
    let expected = "\
1: (85) call pc+2
caller:
 R10=fp0
callee:
 frame1: R1=3 R10=fp0
4: frame1: R1=3 R10=fp0
4: (7b) *(u64 *)(r10 -16) = r1        ; frame1: R1=3 R10=fp0 fp-16=3
5: (bf) r0 = r1                       ; frame1: R0=3 R1=3
6: (0f) r0 += r1                      ; frame1: R0=6 R1=3
7: (95) exit
returning from callee:
 frame1: R0=6 R1=3 R10=fp0 fp-16=3
to caller at 2:
 R0=6 R10=fp0

from 7 to 2: R0=6 R10=fp0
2: (b7) r0 = 0                        ; R0=0
3: (95) exit
";
    assert!(log.contains(expected), "{log}");
}

#[test]
fn statistics() {
    let log = log(CALLS, LogLevel::STATISTICS);
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].starts_with("verification time ") && lines[0].ends_with(" usec"), "{log}");
    assert_eq!(lines[1], "stack depth 0+16");
    assert!(lines[2].starts_with("processed 8 insns (limit 1000000) max_states_per_insn "), "{log}");
    assert_eq!(lines.len(), 3);
}
