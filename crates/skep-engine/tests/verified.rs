//! From text over the verifier to a run: the interpreter on native addresses and the sandbox on other ones agree.

use proptest::prelude::*;
use skep_abi::program_type::ProgramType;
use skep_engine::{Executable, NoEnvironment, Region, Sandbox};
use skep_verifier::{Options, Program, Verified, verify};

fn verified(program_type: ProgramType, text: &str) -> Verified {
    let insns = skep_isa::text::assemble(text).expect("the text assembles");
    let program = Program::new("test", program_type, &insns);
    verify(&program, &Options::default()).unwrap_or_else(|rejection| panic!("{rejection}"))
}

/// Sums up the bytes of an XDP packet after its Ethernet header, at most 64 of them.
const SUM: &str = "
    r2 = *(u32 *)(r1 + 0)
    r3 = *(u32 *)(r1 + 4)
    r2 += 14
    r0 = 0
    r4 = 0
    if r4 == 64 goto +8
    r5 = r2
    r5 += 1
    if r5 > r3 goto +5
    r1 = *(u8 *)(r2 + 0)
    r0 += r1
    r2 = r5
    r4 += 1
    goto -9
    exit
";

/// A running `struct xdp_md` with its pointer slots.
fn xdp_context(data: u64, len: u64) -> Vec<u8> {
    const DATA: u16 = 0;
    const DATA_END: u16 = 4;
    let info = &ProgramType::Xdp.info().context;
    let mut context = vec![0; info.running_size()];
    for (field, address) in [(DATA, data), (DATA_END, data + len)] {
        let slot = info.pointer_slot(field).expect("a pointer");
        context[slot..slot + 8].copy_from_slice(&address.to_le_bytes());
    }
    context
}

fn run_natively(program: &Executable, packet: &mut [u8]) -> u64 {
    let context = xdp_context(packet.as_mut_ptr().expose_provenance() as u64, packet.len() as u64);
    // SAFETY: the verifier accepted the program for XDP, and the context is one of XDP over a living packet.
    unsafe { program.run(&mut NoEnvironment, context.as_ptr().expose_provenance() as u64) }.expect("no fault")
}

fn run_in_sandbox(program: &Executable, packet: &mut [u8]) -> u64 {
    let mut context = xdp_context(0x10_0000, packet.len() as u64);
    let mut sandbox = Sandbox::new(10_000);
    sandbox.lend(Region::read_only(packet).at(0x10_0000));
    let context = sandbox.lend(Region::writable(&mut context).at(0x20_0000));
    sandbox.run(program, &mut NoEnvironment, [context, 0, 0, 0, 0]).expect("no fault")
}

proptest! {
    #[test]
    fn a_verified_program_reads_just_its_packet(mut packet in prop::collection::vec(any::<u8>(), 0..120)) {
        let program = Executable::from_verified(&verified(ProgramType::Xdp, SUM), |_| None).expect("no maps");
        prop_assert!(program.is_verified());
        let sum: u64 = packet.iter().skip(14).take(64).map(|byte| u64::from(*byte)).sum();
        prop_assert_eq!(run_natively(&program, &mut packet), sum);
        prop_assert_eq!(run_in_sandbox(&program, &mut packet), sum);
    }
}

#[test]
fn subprograms_get_the_stack_that_the_verifier_found() {
    let program = verified(
        ProgramType::SocketFilter,
        "r1 = 5
         call pc+4
         r6 = r0
         r1 = 6
         call pc+1
         exit
         *(u64 *)(r10 - 480) = r1
         r0 = *(u64 *)(r10 - 480)
         r0 += r1
         exit",
    );
    let stack: Vec<u16> = program.subprograms().iter().map(|s| s.stack_bytes).collect();
    assert_eq!((stack.len(), stack[1]), (2, 480));
    let executable = Executable::from_verified(&program, |_| None).expect("no maps");
    // SAFETY: the verifier accepted the program; it does not use its context.
    assert_eq!(unsafe { executable.run(&mut NoEnvironment, 0) }, Ok(12));
}
