//! Any bytes as a capture file: frames to the end, or an error that says where.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_user::devices::{CaptureReader, MAX_FRAME_BYTES, PacketSource};

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = CaptureReader::new(bytes) else { return };
    while let Ok(Some(frame)) = reader.next_frame() {
        // Captures of raw IP get an Ethernet header in front.
        assert!(frame.data.len() <= MAX_FRAME_BYTES + 64, "a frame longer than any");
    }
    assert!(reader.position() <= bytes.len() as u64, "read more than there is");
});
