//! The test vectors in `primitives/vectors`, for authors of other verifiers.

use super::*;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

/// The name of each vector and the evidence in it.
fn vectors() -> [(&'static str, Evidence); 5] {
    let all = |body: &Body, _| ShownBody::Whole(body.clone());
    let many: Vec<u64> = (0..200).map(|n| 3 * n + n % 2).collect();
    let make = |(name, spec): (_, EvidenceSpec)| (name, spec.make());
    let [one, signed, full, many] = [
        ("one-event", EvidenceSpec { shown: 2..3, bodies: all, ..EvidenceSpec::default() }),
        (
            "signed-by-gateway",
            EvidenceSpec { key: DeviceKeyKind::Gateway, changes: 0, ..EvidenceSpec::default() },
        ),
        (
            "full-justification",
            EvidenceSpec {
                key: DeviceKeyKind::Ed25519,
                tampering: Tampering::Descendant,
                ..EvidenceSpec::default()
            },
        ),
        (
            "many-events",
            EvidenceSpec { size: 1_000, shown: 50..200, events: many, changes: 3, ..EvidenceSpec::default() },
        ),
    ]
    .map(make);
    [one, signed, full, many, ("whole-life", segments::whole_life())]
}

#[test]
fn the_vectors_verify() {
    let trust: TrustRoot = serde_json::from_slice(&std::fs::read(path("trust-root.json")).unwrap()).unwrap();
    let text = std::fs::read_to_string(path("trust-root.txt")).unwrap();
    assert_eq!(text.strip_suffix('\n').unwrap().parse(), Ok(trust.clone()));
    for (name, _) in vectors() {
        let bytes = std::fs::read(path(&format!("{name}.evidence"))).unwrap();
        let verified = file::verify(&mut bytes.as_slice(), &trust, |_| {}).unwrap();
        let expected: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path(&format!("{name}.json"))).unwrap()).unwrap();
        assert_eq!(serde_json::to_value(verified).unwrap(), expected, "{name}");
    }
}

#[test]
fn the_vectors_are_the_only_encoding_of_their_content() {
    for (name, _) in vectors() {
        let bytes = std::fs::read(path(&format!("{name}.evidence"))).unwrap();
        let mut input = bytes.as_slice();
        let mut encoded = file::encode_prelude(&file::read_prelude(&mut input).unwrap()).unwrap();
        while !input.is_empty() {
            file::read_item(&mut input, 0).unwrap().encode_to(&mut encoded);
        }
        assert!(encoded == bytes, "{name}");
    }
}

/// The chapters on formats name the version of the files.
#[test]
fn the_documents_name_the_version_of_the_file() {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let read = |name: &str| std::fs::read_to_string(docs.join(name)).unwrap();
    let magic = std::str::from_utf8(&file::MAGIC).unwrap();
    let version = &magic[7..];
    assert!(read("formats/evidence.md").contains(&format!("`{magic}`")), "{magic}");
    assert!(read("formats.md").contains(&format!("| evidence file | {version} |")), "version {version}");
}

/// `cargo test -p streembit-primitives --lib -- --ignored write_the_vectors`, only after a change of the format.
#[test]
#[ignore = "writes files"]
fn write_the_vectors() {
    std::fs::create_dir_all(path("")).unwrap();
    let pretty = |value: &serde_json::Value| format!("{value:#}\n");
    for (name, evidence) in vectors() {
        let verified = evidence.verify().unwrap();
        std::fs::write(path(&format!("{name}.evidence")), evidence.bytes()).unwrap();
        let verified = serde_json::to_value(verified).unwrap();
        std::fs::write(path(&format!("{name}.json")), pretty(&verified)).unwrap();
        let text = evidence.trust.to_text().unwrap();
        let trust = serde_json::to_value(evidence.trust).unwrap();
        std::fs::write(path("trust-root.json"), pretty(&trust)).unwrap();
        std::fs::write(path("trust-root.txt"), format!("{text}\n")).unwrap();
    }
}
