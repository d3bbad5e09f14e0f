//! Programs here break the contract of compiled code in ways that the processor notices.

use super::*;
use crate::compile_options::CompileOptions;
use crate::direct::References;
use crate::environment::{Environment, NoEnvironment};
use crate::stack;

/// Compiled with the frames of the interpreter; not verified.
fn compiled(text: &str) -> Executable {
    let slots = skep_isa::text::assemble(text).expect("the text assembles");
    let executable = Executable::link(&slots, |_| None).expect("it links");
    // SAFETY: not true. Where it is not, the processor notices, which is what these tests are about.
    let executable = unsafe { executable.trusted() };
    executable.compile_trusted(&slots, &mut References(|_| None), &CompileOptions::default()).expect("it compiles")
}

fn run(executable: &Executable, environment: &mut dyn Environment, args: [u64; 5]) -> Result<u64, Fault> {
    let mut chunk = stack::new_chunk();
    let machine = Machine::compiled_in(executable, &mut chunk);
    let code = executable.code().expect("compiled").main();
    // SAFETY: as above.
    unsafe { executable.run_compiled(machine, code, environment, args) }
}

fn stopped(slot: u32, exception: Exception, address: Option<u64>) -> Result<u64, Fault> {
    Err(Fault::Exception { program: None, slot: Some(slot), exception, address })
}

/// Reads what r1 points to, in a function that a function calls, after both have changed r6 to r9.
const DEEP: &str = "
    r6 = 1
    r7 = 2
    call pc+1
    exit
    r6 = 3
    *(u64 *)(r10 - 64) = r6
    r8 = r1
    call pc+3
    r0 += r6
    exit
    exit
    r9 = 5
    *(u64 *)(r10 - 512) = r9
    r0 = *(u64 *)(r1 + 8)
    r0 += r9
    exit
";

#[test]
fn an_access_to_nothing_ends_the_run_with_its_slot_and_address() {
    let program = compiled(DEEP);
    let memory = [0_u64, 40];
    let good = memory.as_ptr().expose_provenance() as u64;
    let total: u64 = (0..1000_u64)
        .map(|n| {
            assert_eq!(
                run(&program, &mut NoEnvironment, [4096 * n; 5]),
                stopped(13, Exception::Memory, Some(4096 * n + 8))
            );
            run(&program, &mut NoEnvironment, [good; 5]).expect("nothing is wrong")
        })
        .sum();
    // Whoever runs the program has its own registers back each time.
    assert_eq!(total, 48 * 1000);
}

#[test]
fn stores_and_atomics_are_told_like_loads() {
    let read_only: &'static u64 = &7;
    let address = std::ptr::from_ref(read_only).expose_provenance() as u64;
    for (text, slot) in [
        ("r2 = 1; *(u64 *)(r1 + 0) = r2; exit", 1),
        ("*(u8 *)(r1 + 0) = 5; exit", 0),
        ("r2 = 1; r3 = 2; lock *(u64 *)(r1 + 0) += r2; exit", 2),
    ] {
        let program = compiled(&text.replace("; ", "\n"));
        assert_eq!(run(&program, &mut NoEnvironment, [address; 5]), stopped(slot, Exception::Memory, Some(address)));
    }
}

/// The processor does not tell an address that has more bits than addresses have.
#[test]
#[cfg(target_arch = "x86_64")]
fn an_impossible_address_is_not_known() {
    let program = compiled("r0 = *(u64 *)(r1 + 0)\nexit");
    assert_eq!(run(&program, &mut NoEnvironment, [1 << 60; 5]), stopped(0, Exception::Memory, None));
}

#[test]
fn threads_do_not_disturb_each_other() {
    let program = compiled(DEEP);
    std::thread::scope(|scope| {
        for thread in 1..8_u64 {
            let program = &program;
            scope.spawn(move || {
                for n in 0..2000 {
                    let address = 64 * (thread + 8 * (n % 64));
                    let expected = stopped(13, Exception::Memory, Some(address + 8));
                    assert_eq!(run(program, &mut NoEnvironment, [address; 5]), expected);
                }
            });
        }
    });
}

/// A helper that calls the function it was given, and says what came of it.
#[derive(Default)]
struct CallsBack {
    outcomes: Vec<Result<u64, Fault>>,
    swallows: bool,
}

impl Environment for CallsBack {
    fn call_helper(&mut self, _id: u32, args: [u64; 5], machine: &mut Machine<'_>) -> Result<u64, Fault> {
        let [function, address, ..] = args;
        let outcome = machine.call_back(self, function, [address; 5]);
        self.outcomes.push(outcome.clone());
        if self.swallows { Ok(outcome.unwrap_or(99)) } else { outcome }
    }
}

#[test]
fn a_callback_that_is_ended_is_the_fault_of_the_helper() {
    // r0 = helper(function, r1) + 1, and the function reads.
    let program = compiled(
        "r6 = 1
         r2 = r1
         r1 = subprog[+4] ll
         call 1
         r0 += r6
         exit
         r6 = 2
         r0 = *(u64 *)(r1 + 0)
         exit",
    );
    let expected = stopped(8, Exception::Memory, Some(16));
    let mut environment = CallsBack::default();
    assert_eq!(run(&program, &mut environment, [16; 5]), expected);
    assert_eq!(environment.outcomes, std::slice::from_ref(&expected));
    // The helper may go on: the outer run is as it was.
    let mut environment = CallsBack { swallows: true, ..CallsBack::default() };
    assert_eq!(run(&program, &mut environment, [16; 5]), Ok(100));
    assert_eq!(environment.outcomes, [expected]);
}

/// Replaces the code of a program that returns at once.
#[cfg(target_arch = "x86_64")]
fn with_code(code: &[u8]) -> Executable {
    use crate::jit::{CodeMemory, Compiled};
    let compiled = compiled("r0 = 0\nexit");
    let memory = CodeMemory::new(code).expect("memory");
    let made = Compiled {
        enter: crate::jit::stubs().expect("stubs").enter,
        needs_machine: true,
        uses_facts: false,
        memory,
        offsets: [(0, 0), (code.len() as u32 - 1, 1)].into(),
        functions: [(0, 0)].into(),
        symbols: Default::default(),
        _announced: None,
        frames: crate::jit::Frames::Lent,
    };
    compiled.replace_code(made)
}

#[test]
#[cfg(target_arch = "x86_64")]
fn divisions_and_unknown_instructions_are_told_apart() {
    // xor ecx, ecx; div ecx; ret
    let division = with_code(&[0x31, 0xc9, 0xf7, 0xf1, 0xc3]);
    assert_eq!(run(&division, &mut NoEnvironment, [0; 5]), stopped(0, Exception::Division, None));
    // ud2; ret
    let unknown = with_code(&[0x0f, 0x0b, 0xc3]);
    assert_eq!(run(&unknown, &mut NoEnvironment, [0; 5]), stopped(0, Exception::Instruction, None));
}

/// Code that uses up the stack: its thread has a stack for signals.
#[test]
#[cfg(target_arch = "x86_64")]
fn the_end_of_the_stack_is_an_error_too() {
    // push rax; jmp -3
    let endless = with_code(&[0x50, 0xeb, 0xfd, 0xc3]);
    let outcome = run(&endless, &mut NoEnvironment, [0; 5]);
    assert!(
        matches!(outcome, Err(Fault::Exception { slot: Some(0), exception: Exception::Memory, address: Some(_), .. })),
        "{outcome:?}"
    );
}

#[test]
fn messages_say_where() {
    let program = compiled("r0 = *(u64 *)(r1 + 0)\nexit");
    let fault = run(&program, &mut NoEnvironment, [16; 5]).expect_err("nothing is there");
    assert_eq!(fault.to_string(), "slot 0: invalid access to memory at 0x10");
}
