//! Evidence files from anywhere, against the trust root of the committed vectors: the verifier says what is wrong, and
//! calls nothing proven but what the vectors prove.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use streembit_primitives::{
    evidence::{file, EvidenceError, TrustRoot, VerifiedEvidence},
    Hash,
};

const ROOT: &str = include_str!("../../../primitives/vectors/trust-root.json");
const FILES: [&[u8]; 4] = [
    include_bytes!("../../../primitives/vectors/one-event.evidence"),
    include_bytes!("../../../primitives/vectors/signed-by-gateway.evidence"),
    include_bytes!("../../../primitives/vectors/full-justification.evidence"),
    include_bytes!("../../../primitives/vectors/many-events.evidence"),
];

static TRUST: LazyLock<TrustRoot> =
    LazyLock::new(|| serde_json::from_str(ROOT).expect("the vectors' trust root"));
static PROVEN: LazyLock<Vec<Hash>> = LazyLock::new(|| {
    FILES.iter().map(|file| check(file).expect("a vector is good").checkpoint.root).collect()
});

fuzz_target!(|bytes: &[u8]| {
    // Whole files, and what comes after the magic and the length, which chance seldom finds.
    look(bytes);
    if let Ok(length) = u32::try_from(bytes.len()) {
        for prelude in [length, length / 2, length.min(200)] {
            look(&[&file::MAGIC[..], &prelude.to_le_bytes(), bytes].concat());
        }
    }
});

fn look(file: &[u8]) {
    if let Ok(verdict) = check(file) {
        assert!(PROVEN.contains(&verdict.checkpoint.root), "proven, and nobody made it: {verdict:?}");
    }
}

fn check(mut bytes: &[u8]) -> Result<VerifiedEvidence, EvidenceError> {
    file::verify(&mut bytes, &TRUST, |_| {})
}
