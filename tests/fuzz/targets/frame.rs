//! Frames as peers send them: a length, then SCALE of what the protocol expects there.
#![no_main]

use codec::{Decode, Encode, MaxEncodedLen};
use libfuzzer_sys::fuzz_target;
use streembit_delivery::{frame, wire};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => read::<wire::Hello>(bytes),
        1 => read::<wire::Subscribe>(bytes),
        2 => read::<wire::Credit>(bytes),
        _ => read::<wire::Frame>(bytes),
    }
});

/// Reads frames to the end of a stream; each is written as it was read, and none is larger than its type allows.
fn read<T: Decode + Encode + MaxEncodedLen>(bytes: &[u8]) {
    let mut rest = bytes;
    loop {
        let before = rest;
        let Ok(value) = futures::executor::block_on(frame::read::<T>(&mut rest)) else { break };
        let written = frame::encode(&value).expect("what was read can be written");
        assert_eq!(before[..before.len() - rest.len()], written);
        assert!(written.len() <= 4 + T::max_encoded_len());
    }
    // The body of a frame alone, which needs no right length.
    let _ = frame::decode::<T>(bytes);
}
