//! Any bytes as a classic program: what passes the check is translated, and the verifier accepts the translation.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_abi::program_type::ProgramType;
use skep_isa::classic::{ClassicInsn, Listing, SK_BUFF, check, run, translate};
use skep_isa::encode_program;
use skep_verifier::{Options, Program, verify};

/// `E2BIG`: too many paths.
const E2BIG: i32 = 7;

fuzz_target!(|bytes: &[u8]| {
    let program: Vec<_> = bytes.as_chunks().0.iter().map(|insn| ClassicInsn::from_le_bytes(*insn)).collect();
    let _ = Listing(&program).to_string();
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = ClassicInsn::read_numbers(text);
    }
    let Ok(checked) = check(&program) else { return };
    let _ = run(checked, bytes);
    let Ok(translation) = translate(checked, &SK_BUFF) else { return };
    let slots = encode_program(&translation.insns);
    match verify(&Program::new("classic", ProgramType::SocketFilter, &slots), &Options::default()) {
        Ok(_) => {}
        Err(rejection) => assert_eq!(rejection.errno, E2BIG, "{rejection}\n{}", Listing(&program)),
    }
});
