//! Frames of the delivery protocol, as peers send them: a length, then a SCALE-encoded message.
#![no_main]

use codec::{Decode, Encode, MaxEncodedLen};
use libfuzzer_sys::fuzz_target;
use streembit_delivery::{framing, wire};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => read::<wire::Hello>(bytes),
        1 => read::<wire::Subscribe>(bytes),
        2 => read::<wire::Credit>(bytes),
        _ => read::<wire::Frame>(bytes),
    }
});

/// Reads frames to the end of a stream. Each must be encoded to the same bytes, and none may be larger than its type
/// allows.
fn read<T: Decode + Encode + MaxEncodedLen>(bytes: &[u8]) {
    let mut rest = bytes;
    loop {
        let before = rest;
        let Ok(value) = futures::executor::block_on(framing::read::<T>(&mut rest)) else { break };
        let written = framing::encode(&value).expect("what was read can be written");
        assert_eq!(before[..before.len() - rest.len()], written);
        assert!(written.len() <= 4 + T::max_encoded_len());
    }
    // Decode the input as the content of a frame, without a length.
    let _ = framing::decode::<T>(bytes);
}
