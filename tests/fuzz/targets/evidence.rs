//! Evidence files, verified against the trust root of the committed vectors: nothing verifies except what the vectors
//! prove.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use streembit_primitives::{
    evidence::{file, EvidenceError, TrustRoot, VerifiedEvidence},
    Hash,
};

const ROOT: &str = include_str!("../../../primitives/vectors/trust-root.json");
const FILES: [&[u8]; 5] = [
    include_bytes!("../../../primitives/vectors/one-event.evidence"),
    include_bytes!("../../../primitives/vectors/signed-by-gateway.evidence"),
    include_bytes!("../../../primitives/vectors/full-justification.evidence"),
    include_bytes!("../../../primitives/vectors/many-events.evidence"),
    include_bytes!("../../../primitives/vectors/whole-life.evidence"),
];

static TRUST: LazyLock<TrustRoot> =
    LazyLock::new(|| serde_json::from_str(ROOT).expect("the trust root of the vectors"));
static PROVEN: LazyLock<Vec<Vec<[Hash; 2]>>> =
    LazyLock::new(|| FILES.iter().map(|file| proven(&verify(file).expect("the vector verifies"))).collect());

fuzz_target!(|bytes: &[u8]| {
    // Try the input as a whole file, and after the magic and a length, which the fuzzer seldom finds by chance.
    check_verdict(bytes);
    if let Ok(length) = u32::try_from(bytes.len()) {
        for prelude in [length, length / 2, length.min(200)] {
            check_verdict(&[&file::MAGIC[..], &prelude.to_le_bytes(), bytes].concat());
        }
    }
});

fn check_verdict(file: &[u8]) {
    if let Ok(verdict) = verify(file) {
        assert!(PROVEN.contains(&proven(&verdict)), "verified, but not a vector: {verdict:?}");
    }
}

/// Returns the root of each segment's log, and the block that proves it.
fn proven(verdict: &VerifiedEvidence) -> Vec<[Hash; 2]> {
    verdict.segments.iter().map(|segment| [segment.checkpoint.root, segment.proven.block.hash]).collect()
}

fn verify(mut bytes: &[u8]) -> Result<VerifiedEvidence, EvidenceError> {
    file::verify(&mut bytes, &TRUST, |_| {})
}
