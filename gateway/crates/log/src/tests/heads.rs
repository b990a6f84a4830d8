//! The heads map of any size of the log is that of its entries.

use super::support::{filled, log_id, open, Device};
use crate::{LogError, LogReader};
use proptest::prelude::*;
use streembit_primitives::{
    checkpoint::HashAlgorithm,
    heads::{HeadEntry, HeadsMap},
    Checkpoint, DeviceId, Hash, Signature, SignedCheckpoint,
};

/// The map from the entries alone, one after the other.
fn derived(log: &LogReader, size: u64) -> HeadsMap {
    let entries = (0..size).map(|index| log.stored(index).unwrap().unwrap().entry.event.header);
    entries
        .map(|header| HeadEntry { device: header.device, sequence: header.sequence, hash: header.hash() })
        .collect()
}

#[test]
fn every_size_has_its_own_map() {
    let folder = filled(50);
    let log = open(&folder);
    assert_eq!(log.heads_root(0).unwrap(), None);
    for size in 0..=50 {
        let map = log.heads_map(size).unwrap();
        assert_eq!(map, derived(&log, size), "at {size}");
        let Some(root) = log.heads_root(size).unwrap() else { continue };
        for head in map.entries() {
            let proof = log.head_proof(&head.device, size).unwrap().unwrap();
            assert_eq!(proof.entry, *head);
            assert!(proof.verify(&root));
        }
        let (strange, known) = (DeviceId([9; 32]), map.entries()[0].device);
        assert!(log.absence_proof(&strange, size).unwrap().unwrap().verify(&strange, &root));
        assert_eq!(log.absence_proof(&known, size).unwrap(), None);
        assert_eq!(log.head_proof(&strange, size).unwrap(), None);
        let (findings, heads) = log.verify_with_heads(size).unwrap();
        assert_eq!((findings, heads), (vec![], Some(map)));
    }
    assert_eq!(log.heads_root(51), Err(LogError::OutOfRange { asked: 51, size: 50 }));
}

#[test]
fn a_checkpoint_with_another_map_is_not_kept() {
    let folder = filled(20);
    let log = open(&folder);
    let signed = |heads_root| SignedCheckpoint {
        checkpoint: Checkpoint {
            log: log_id(),
            size: 11,
            root: log.root(11).unwrap(),
            heads_root,
            time: 1,
            hash: HashAlgorithm::Blake3,
        },
        signature: Signature::Sr25519([1; 64]),
    };
    log.put_checkpoint(&signed(log.heads_root(11).unwrap())).unwrap();
    // That of the log as it is now, and one that is made up.
    for other in [log.heads_root(20).unwrap(), Some(Hash([3; 32]))] {
        let error = log.put_checkpoint(&signed(other)).unwrap_err();
        assert!(matches!(error, LogError::DifferentHeads { size: 11, .. }), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn however_devices_take_turns(turns in proptest::collection::vec(0u8..6, 1..120)) {
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
