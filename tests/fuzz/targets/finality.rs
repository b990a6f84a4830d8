//! Finality proofs, as a node sends them: no block is accepted as final without votes for it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use streembit_primitives::{
    evidence::{AuthorityKey, AuthoritySet, FinalityProof, Justification, JustifiedBlock, Voter},
    Hash,
};

const RECORDED: &str = include_str!("../../../node/tests/justifications.json");

/// The voters of the recorded justifications: the development keys of Alice, Bob, Charlie and Dave.
const VOTERS: [&str; 4] = [
    "88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee",
    "d17c2d7823ebf260fd138f2d7e27d114c0145d968b5ff5006125f2414fadae69",
    "439660b36c6c03afafca027b910b4fecf99801834c62a5e6006f27d978de234f",
    "5e639b43e0052c47447dac87d6fd2b6ec50bdd4d0f614e4299c665249bbd09d9",
];

/// The headers of the recorded final blocks.
static FINAL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let all: Vec<serde_json::Value> = serde_json::from_str(RECORDED).expect("the recorded justifications");
    let field =
        |one: &serde_json::Value, name| hex::decode(one[name].as_str().unwrap_or_default()).expect("bytes");
    all.iter()
        .map(|one| {
            let justification = Justification::Full(field(one, "justification"));
            let block = JustifiedBlock { header: field(one, "header"), justification };
            block.verify(&AuthoritySet { id: 0, voters: recorded_voters() }).expect("recorded as final");
            block.header
        })
        .collect()
});

fn recorded_voters() -> Vec<Voter> {
    let key = |digits: &&str| {
        let bytes = hex::decode(digits).expect("a key");
        Voter { key: AuthorityKey(bytes.try_into().expect("32 bytes")), weight: 1 }
    };
    VOTERS.iter().map(key).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    // An empty set of voters must not make any block final.
    let voters = if kind % 2 == 0 { Vec::new() } else { recorded_voters() };
    let mut set = AuthoritySet { id: 0, voters };
    let before = set.clone();
    let Ok(proof) = FinalityProof::verify(bytes, &Hash::ZERO, &Hash::ZERO, &mut set) else { return };
    for link in &proof.blocks {
        assert!(FINAL.contains(&link.block.header), "final without votes: {link:?}");
    }
    if proof.blocks.iter().all(|link| !link.ends_set) {
        assert_eq!(set, before);
    }
});
