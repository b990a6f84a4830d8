//! Notes, proofs of entries and COSE statements: what is read is written as the same bytes, and no random signature
//! verifies.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use streembit_evidence::cose::Statement;
use streembit_primitives::{
    note::{Origin, SignedNote, VerifierKey},
    tlog_proof::TlogProof,
    AccountId, Hash, LogId, LogKey,
};

/// The verifier key of a log. Its key is the base point of the curve, for which no input is a signature by chance.
static KEY: LazyLock<VerifierKey> = LazyLock::new(|| {
    let origin = Origin { genesis: Hash([1; 32]), log: LogId::first(AccountId([2; 32])) };
    let mut key = [0x66; 32];
    key[0] = 0x58;
    VerifierKey::new(origin, &LogKey(key)).expect("the base point is a key")
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = SignedNote::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
        assert!(note.verify(&KEY).is_err(), "a random signature verifies");
    }
    for bytes in [bytes.to_vec(), [b"c2sp.org/tlog-proof@v1\n", bytes].concat()] {
        if let Ok(proof) = TlogProof::parse(&bytes) {
            assert_eq!(proof.to_string().as_bytes(), bytes);
            assert!(proof.verify(&Hash::ZERO, &KEY).is_err(), "a random signature verifies");
        }
    }
    if let Ok(statement) = Statement::decode(bytes) {
        assert_eq!(statement.encode().expect("a decoded statement"), bytes);
        assert!(statement.verify(&Hash::ZERO, &KEY).is_err(), "a random signature verifies");
    }
    if let Some(key) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<VerifierKey>().ok()) {
        assert_eq!(key.to_string().as_bytes(), bytes);
    }
});
