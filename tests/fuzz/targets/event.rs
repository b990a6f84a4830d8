//! Events, bodies, log entries and checkpoints, as devices and peers send them: decoding and encoding gives the same
//! bytes, and no random signature verifies.
#![no_main]

use codec::{DecodeAll as _, Encode as _};
use libfuzzer_sys::fuzz_target;
use streembit_primitives::{Body, DeviceKey, LogEntry, PublicKey, SignedCheckpoint, SignedEvent};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(many) = Vec::<(SignedEvent, Body)>::decode_all(&mut &*bytes) {
        assert_eq!(many.encode(), bytes);
        for (event, body) in many {
            check(event, &body);
        }
    }
    if let Ok((event, body)) = <(SignedEvent, Body)>::decode_all(&mut &*bytes) {
        check(event, &body);
    }
    if let Ok(entry) = LogEntry::decode_all(&mut &*bytes) {
        assert_eq!(entry.encode(), bytes);
    }
    if let Ok(checkpoint) = SignedCheckpoint::decode_all(&mut &*bytes) {
        assert_eq!(checkpoint.encode(), bytes);
    }
});

fn check(event: SignedEvent, body: &Body) {
    let header = &event.header;
    let is_body = body.hash() == header.body_hash && body.parts.iter().all(|part| header.kind.allows(part));
    assert_eq!(header.verify_body(body).is_ok(), is_body);
    for reading in body.readings() {
        let _ = format!("{} {:?}", reading.name, reading.value);
    }
    let mut compressed = [2; 33];
    compressed[1..].copy_from_slice(&event.header.device.0);
    for key in [PublicKey::Ed25519(event.header.device.0), PublicKey::P256(compressed)] {
        assert!(event.clone().verify(&DeviceKey::Own(key)).is_err(), "a random signature verifies");
    }
}
