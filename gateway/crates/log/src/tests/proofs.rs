//! Tests of proofs from the stored tree, and of checkpoints and anchors.

use super::support::{filled, log_id, open};
use crate::{CheckpointError, LogReader, OutOfRangeError};
use streembit_primitives::{
    checkpoint::Anchor, AccountId, Checkpoint, Hash, LogId, Signature, SignedCheckpoint, Version,
};

/// A checkpoint with the log's heads map at this size, or at the log's own size if the log is smaller.
pub(super) fn checkpoint(log: &LogReader, size: u64, root: Hash) -> Checkpoint {
    let heads_root = log.heads_root(size.min(log.size())).unwrap();
    Checkpoint { version: Version, log: log_id(), size, root, heads_root, time: 1 }
}

fn anchor(log: &LogReader, size: u64, root: Hash) -> Anchor {
    Anchor { checkpoint: checkpoint(log, size, root), block: 7 }
}

#[test]
fn every_inclusion_and_consistency_proof_verifies() {
    let folder = filled(45);
    let log = open(&folder);
    let roots: Vec<Hash> = (0..=45).map(|size| log.root(size).unwrap()).collect();
    for size in [1, 2, 3, 31, 32, 33, 45u64] {
        for index in 0..size {
            let leaf = log.stored(index).unwrap().unwrap().entry.leaf();
            assert!(log.prove_inclusion(index, size).unwrap().verify(
                leaf,
                index,
                size,
                &roots[size as usize]
            ));
        }
        for old in 0..=size {
            let proof = log.prove_consistency(old, size).unwrap();
            assert!(proof.verify(old, &roots[old as usize], size, &roots[size as usize]));
        }
    }
    assert_eq!(log.root(46), Err(OutOfRangeError { asked: 46, size: 45 }.into()));
    assert_eq!(log.prove_inclusion(45, 45), Err(OutOfRangeError { asked: 45, size: 45 }.into()));
    assert!(log.prove_inclusion(0, 46).is_err() && log.prove_consistency(46, 45).is_err());
}

#[test]
fn a_log_that_differs_from_its_anchor_is_refused() {
    let folder = filled(20);
    let log = open(&folder);
    let root = log.root(13).unwrap();
    assert_eq!(log.check_against(&anchor(&log, 13, root)), Ok(()));
    assert_eq!(
        log.check_against(&anchor(&log, 21, root)),
        Err(CheckpointError::ShorterThanAnchor { size: 20, anchored: 21 })
    );
    let different =
        CheckpointError::DifferentFromAnchor { anchored: 13, found: root, expected: Hash([5; 32]) };
    assert_eq!(log.put_anchor(&anchor(&log, 13, Hash([5; 32]))), Err(different.clone()));
    for error in [different, CheckpointError::ShorterThanAnchor { size: 20, anchored: 21 }] {
        assert!(error.to_string().contains("Restore the data folder"), "{error}");
        assert!(error.to_string().contains("open the next epoch"), "{error}");
    }
    let mut foreign = anchor(&log, 13, root);
    foreign.checkpoint.log = LogId::first(AccountId([0; 32]));
    assert!(matches!(log.check_against(&foreign), Err(CheckpointError::ForeignCheckpoint { .. })));
}

#[test]
fn the_largest_checkpoint_and_anchor_are_returned() {
    let folder = filled(300);
    let log = open(&folder);
    assert_eq!((log.last_anchor().unwrap(), log.last_checkpoint().unwrap()), (None, None));
    let signed = |size| SignedCheckpoint {
        checkpoint: checkpoint(&log, size, log.root(size).unwrap()),
        signature: Signature::Sr25519([1; 64]),
    };
    // In little-endian keys 256 would sort before 255.
    for size in [256, 255] {
        log.put_checkpoint(&signed(size)).unwrap();
        log.put_anchor(&anchor(&log, size, log.root(size).unwrap())).unwrap();
    }
    let expected = signed(256);
    drop(log);
    let log = open(&folder);
    assert_eq!(log.last_checkpoint().unwrap(), Some(expected));
    assert_eq!(log.last_anchor().unwrap().unwrap().checkpoint.size, 256);
}
