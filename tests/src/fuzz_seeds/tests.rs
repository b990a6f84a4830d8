//! Each seed must be accepted by the decoder that its target fuzzes. A seed that is refused would be of no use.

use super::*;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use codec::DecodeAll as _;
use std::collections::BTreeSet;
use streembit_delivery::framing;
use streembit_evidence::cose::Statement;
use streembit_primitives::{
    evidence::{file, AuthorityKey, AuthoritySet, FinalityProof, TrustRoot, Voter},
    hash::Domain,
    note::{SignedNote, VerifierKey},
    tlog_proof::TlogProof,
    Body, Hash, LogEntry, SignedCheckpoint, SignedEvent,
};

/// The voters of the recorded justifications: the development keys of Alice, Bob, Charlie and Dave.
const VOTERS: [&str; 4] = [
    "88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee",
    "d17c2d7823ebf260fd138f2d7e27d114c0145d968b5ff5006125f2414fadae69",
    "439660b36c6c03afafca027b910b4fecf99801834c62a5e6006f27d978de234f",
    "5e639b43e0052c47447dac87d6fd2b6ec50bdd4d0f614e4299c665249bbd09d9",
];

fn trust_root() -> TrustRoot {
    let text = fs::read_to_string(repository("primitives/vectors/trust-root.txt")).unwrap();
    text.trim_end().parse().unwrap()
}

fn recorded_voters() -> AuthoritySet {
    let voter = |key: &str| {
        let key = AuthorityKey(hex::decode(key).unwrap().try_into().unwrap());
        Voter { key, weight: 1 }
    };
    AuthoritySet { id: 0, voters: VOTERS.into_iter().map(voter).collect() }
}

/// Returns true if a text is a trust root, also without its beginning or checksum.
fn is_trust_root(bytes: &[u8]) -> bool {
    let root = trust_root();
    let text = root.to_text().unwrap();
    let checksum = Domain::TrustRoot.hash(bytes);
    let with_checksum = [bytes, &checksum.0[..4]].concat();
    let digits = Base64UrlUnpadded::encode_string(&with_checksum);
    bytes == text.as_bytes()
        || text.strip_prefix("streembit-root-1-").is_some_and(|rest| rest.as_bytes() == bytes)
        || text == format!("streembit-root-1-{digits}")
}

fn is_event(bytes: &[u8]) -> bool {
    Vec::<(SignedEvent, Body)>::decode_all(&mut &*bytes).is_ok()
        || <(SignedEvent, Body)>::decode_all(&mut &*bytes).is_ok()
        || LogEntry::decode_all(&mut &*bytes).is_ok()
        || SignedCheckpoint::decode_all(&mut &*bytes).is_ok()
}

/// Reads the frames of a stream up to its end.
fn are_frames<T: codec::Decode + codec::MaxEncodedLen>(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        if futures::executor::block_on(framing::read::<T>(&mut bytes)).is_err() {
            return false;
        }
    }
    true
}

fn is_frame(bytes: &[u8]) -> bool {
    match bytes.split_first() {
        Some((0, bytes)) => are_frames::<wire::Hello>(bytes),
        Some((1, bytes)) => are_frames::<wire::Subscribe>(bytes),
        Some((2, bytes)) => are_frames::<wire::Credit>(bytes),
        Some((3, bytes)) => are_frames::<wire::Frame>(bytes),
        _ => false,
    }
}

fn is_of_a_log(bytes: &[u8]) -> bool {
    SignedNote::parse(bytes).is_ok()
        || TlogProof::parse(bytes).is_ok()
        || Statement::decode(bytes).is_ok()
        || std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<VerifierKey>().is_ok())
}

fn is_accepted(Seed { target, bytes, .. }: &Seed) -> bool {
    match *target {
        "evidence" => file::verify(&mut bytes.as_slice(), &trust_root(), |_| {}).is_ok(),
        "trust_root" => is_trust_root(bytes),
        "finality" => {
            FinalityProof::verify(&bytes[1..], &Hash::ZERO, &Hash::ZERO, &mut recorded_voters()).is_ok()
        }
        "event" => is_event(bytes),
        "frame" => is_frame(bytes),
        "tlog" => is_of_a_log(bytes),
        // Their decoders read any bytes, or belong to the gateway.
        "obd" => bytes.ends_with(b">"),
        "config" => std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<toml::Table>().is_ok()),
        _ => false,
    }
}

#[test]
fn every_seed_is_accepted_by_its_decoder() {
    for seed in all().unwrap() {
        assert!(is_accepted(&seed), "{} {}", seed.target, seed.name);
    }
}

/// Without such seeds, the fuzzer never gets behind the comparison of the body's hash.
#[test]
fn the_bodies_of_some_events_are_those_of_their_headers() {
    let pairs = all().unwrap().into_iter().filter(|seed| seed.name.starts_with("event-"));
    let mut count = 0;
    for seed in pairs {
        let (event, body) = <(SignedEvent, Body)>::decode_all(&mut &*seed.bytes).unwrap();
        assert_eq!(event.header.verify_body(&body), Ok(()), "{}", seed.name);
        count += 1;
    }
    assert!(count > 4, "{count}");
}

#[test]
fn every_target_has_seeds_or_a_committed_corpus() {
    let seeded: BTreeSet<String> = all().unwrap().into_iter().map(|seed| seed.target.to_owned()).collect();
    let targets: BTreeSet<String> = fs::read_dir(repository("tests/fuzz/targets"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let without: Vec<_> = targets.difference(&seeded).collect();
    assert_eq!(without, ["senml"], "its corpus is in tests/fuzz/corpus.tar.xz");
    assert!(seeded.is_subset(&targets), "{seeded:?}");
}

#[test]
fn the_seeds_are_the_same_each_time_and_have_different_names() {
    let seeds = all().unwrap();
    assert_eq!(seeds, all().unwrap());
    let names: BTreeSet<_> = seeds.iter().map(|seed| (seed.target, &seed.name)).collect();
    assert_eq!(names.len(), seeds.len());
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(write(folder.path()).unwrap(), seeds.len());
    let first = &seeds[0];
    let path = folder.path().join(first.target).join(format!("seed-{}", first.name));
    assert_eq!(fs::read(path).unwrap(), first.bytes);
}
