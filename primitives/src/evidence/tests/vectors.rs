//! The files in `primitives/vectors`: for whoever writes a verifier of their own.

use super::*;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

/// Name and plan of each.
fn vectors() -> [(&'static str, Plan); 4] {
    let all = |body: &Body, _| Shown::Whole(body.clone());
    let many: Vec<u64> = (0..200).map(|n| 3 * n + n % 2).collect();
    [
        ("one-event", Plan { shown: 2..3, bodies: all, ..Plan::default() }),
        ("signed-by-gateway", Plan { key: Signing::Gateway, changes: 0, ..Plan::default() }),
        ("full-justification", Plan { key: Signing::Ed25519, twist: Twist::Descendant, ..Plan::default() }),
        ("many-events", Plan { size: 1_000, shown: 50..200, events: many, changes: 3, ..Plan::default() }),
    ]
}

#[test]
fn the_vectors_hold() {
    let trust: TrustRoot = serde_json::from_slice(&std::fs::read(path("trust-root.json")).unwrap()).unwrap();
    for (name, _) in vectors() {
        let bytes = std::fs::read(path(&format!("{name}.evidence"))).unwrap();
        let verdict = file::verify(&mut bytes.as_slice(), &trust, |_| {}).unwrap();
        let expected: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path(&format!("{name}.json"))).unwrap()).unwrap();
        assert_eq!(serde_json::to_value(verdict).unwrap(), expected, "{name}");
    }
}

/// `cargo test -p streembit-primitives --lib -- --ignored write_the_vectors`, after a change of the format only.
#[test]
#[ignore = "writes files"]
fn write_the_vectors() {
    std::fs::create_dir_all(path("")).unwrap();
    let pretty = |value: &serde_json::Value| format!("{value:#}\n");
    for (name, plan) in vectors() {
        let evidence = plan.make();
        let verdict = evidence.verify().unwrap();
        std::fs::write(path(&format!("{name}.evidence")), evidence.bytes()).unwrap();
        let verdict = serde_json::to_value(verdict).unwrap();
        std::fs::write(path(&format!("{name}.json")), pretty(&verdict)).unwrap();
        let trust = serde_json::to_value(evidence.trust).unwrap();
        std::fs::write(path("trust-root.json"), pretty(&trust)).unwrap();
    }
}
