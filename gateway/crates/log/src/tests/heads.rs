//! Tests that the heads map at any size is the map of the entries up to that size.

use super::support::{filled, log_id, open, Device};
use crate::{CheckpointError, LogReader, OutOfRangeError};
use proptest::prelude::*;
use streembit_primitives::{
    heads::{HeadEntry, HeadsMap},
    Checkpoint, DeviceId, Hash, Signature, SignedCheckpoint, Version,
};

/// Derives the map from the entries alone.
fn derived(log: &LogReader, size: u64) -> HeadsMap {
    let entries = (0..size).map(|index| log.stored(index).unwrap().unwrap().entry.event.header);
    entries
        .map(|header| HeadEntry { device: header.device, sequence: header.sequence, hash: header.hash() })
        .collect()
}

#[test]
fn the_map_of_every_size_matches_the_entries() {
    let folder = filled(50);
    let log = open(&folder);
    for size in 0..=50 {
        let map = log.heads_map(size).unwrap();
        assert_eq!(map, derived(&log, size), "at {size}");
        let root = log.heads_root(size).unwrap();
        assert_eq!(root, map.root());
        for head in map.entries() {
            let proof = log.head_proof(&head.device, size).unwrap().unwrap();
            assert_eq!(proof.entry, *head);
            assert!(proof.verify(&root));
        }
        let unknown = DeviceId([9; 32]);
        assert_eq!(log.head_proof(&unknown, size).unwrap(), None);
        let absence = log.absence_proof(&unknown, size).unwrap();
        assert_eq!(absence.is_some_and(|proof| proof.verify(&unknown, &root)), size > 0);
        for known in map.entries() {
            assert_eq!(log.absence_proof(&known.device, size).unwrap(), None);
        }
        let (findings, heads) = log.verify_with_heads(size).unwrap();
        assert_eq!((findings, heads), (vec![], Some(map)));
    }
    assert_eq!(log.heads_root(51), Err(OutOfRangeError { asked: 51, size: 50 }.into()));
}

#[test]
fn a_checkpoint_with_another_heads_map_is_refused() {
    let folder = filled(20);
    let log = open(&folder);
    let signed = |heads_root| SignedCheckpoint {
        checkpoint: Checkpoint {
            version: Version,
            log: log_id(),
            size: 11,
            root: log.root(11).unwrap(),
            heads_root,
            time: 1,
        },
        signature: Signature::Sr25519([1; 64]),
    };
    log.put_checkpoint(&signed(log.heads_root(11).unwrap())).unwrap();
    // The root of the map at the current size, and a made-up root.
    for other in [log.heads_root(20).unwrap(), Hash([3; 32])] {
        let error = log.put_checkpoint(&signed(other)).unwrap_err();
        assert!(matches!(error, CheckpointError::DifferentHeads { size: 11, .. }), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_map_matches_for_any_order_of_devices(turns in proptest::collection::vec(0u8..6, 1..120)) {
        let folder = tempfile::tempdir().unwrap();
        let log = open(&folder);
        let mut devices: Vec<_> = (0..6).map(|n| Device::ed25519(n + 1)).collect();
        let entries: Vec<_> = turns.iter().map(|n| devices[usize::from(*n)].next_entry(0)).collect();
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(log.append(entries)).unwrap();
        for size in 0..=log.size() {
            prop_assert_eq!(log.heads_map(size).unwrap(), derived(&log, size));
        }
    }
}
