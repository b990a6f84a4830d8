//! Judges a signed note of a log by what the chain has anchored of this log.
//!
//! A gateway signs a note of its log at each anchored size. A signed note with another root than the anchored log had
//! at this size proves, with the gateway's own signature, that the gateway showed two histories: a fork.

use serde::Serialize;
use streembit_primitives::{
    checkpoint::{Anchor, AnchoredRoot},
    merkle::{ConsistencyProof, NodeHash as _, LOG_TREE},
    note::VerifiedCheckpoint,
    Hash,
};

/// What the anchors of a log say about a signed note of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum NoteVerdict {
    /// The anchored log had the note's root at the note's size.
    Confirmed {
        /// How the root of the log at this size is known.
        by: RootSource,
    },
    /// The log had another root at the note's size, so the gateway signed two histories.
    Fork {
        /// The root that the log had at this size.
        known_root: Hash,
        /// How this root is known.
        by: RootSource,
    },
    /// The note is larger than the latest anchor. Nothing contradicts it, and the chain does not confirm it.
    NotAnchoredYet {
        /// The size of the log at its latest anchor, or 0 if it has none.
        anchored_size: u64,
        /// True if a log that agrees with the latest anchor has the note's root.
        in_log: bool,
    },
    /// The note is smaller than the latest anchor, but the log's root at this size is not known. Nothing contradicts the
    /// note, and nothing confirms it.
    Unknown {
        /// The size of the log at its latest anchor.
        anchored_size: u64,
    },
}

/// How the root of a log at the size of a note is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum RootSource {
    /// Every log without entries has this root.
    EmptyLog,
    /// The chain accepted an anchor of this size.
    Anchor {
        /// The number of the block that accepted it, or 0 if it is a block of a chain that this chain continues.
        block: u32,
    },
    /// A proof shows that the latest anchor, which is larger, extends a log with this root.
    LaterAnchor {
        /// The size of the latest anchor.
        anchored_size: u64,
        /// The number of the block that accepted it, or 0 if it is a block of a chain that this chain continues.
        block: u32,
    },
    /// A log that extends the latest anchor has this root. No anchor covers it yet.
    UnanchoredLog,
}

/// The root of a log at some size, proven to agree with the log's latest anchor. Only [`LogRoot::verify`] constructs
/// this type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogRoot {
    size: u64,
    root: Hash,
}

impl LogRoot {
    /// Verifies that a log with `root` at `size` agrees with its latest anchor: that the anchor extends this log, or this
    /// log the anchor. `proof` leads from the smaller of the two sizes to the larger one. Returns `None` if it does not.
    pub fn verify(size: u64, root: Hash, proof: &ConsistencyProof, latest: Option<&Anchor>) -> Option<Self> {
        let (anchored_size, anchored_root) = match latest {
            Some(Anchor { checkpoint, .. }) => (checkpoint.size, checkpoint.root),
            None => (0, LOG_TREE.empty()),
        };
        let agrees = if size <= anchored_size {
            proof.verify(size, &root, anchored_size, &anchored_root)
        } else {
            proof.verify(anchored_size, &anchored_root, size, &root)
        };
        agrees.then_some(Self { size, root })
    }
}

/// Judges a note by roots at anchored sizes and the latest anchor, both of the note's log and from one finalized state,
/// and by the root of the log at the note's size, if the log is at hand.
///
/// `anchored` needs to hold only the root at the note's size; roots at other sizes are ignored.
pub fn judge_note(
    note: &VerifiedCheckpoint,
    anchored: &[AnchoredRoot],
    latest: Option<&Anchor>,
    log: Option<&LogRoot>,
) -> NoteVerdict {
    let compare = |known_root: Hash, by: RootSource| {
        if known_root == *note.root() {
            NoteVerdict::Confirmed { by }
        } else {
            NoteVerdict::Fork { known_root, by }
        }
    };
    let size = note.size();
    if size == 0 {
        return compare(LOG_TREE.empty(), RootSource::EmptyLog);
    }
    if let Some(anchor) = anchored.iter().find(|anchor| anchor.size == size) {
        return compare(anchor.root, RootSource::Anchor { block: anchor.block });
    }
    let log_root = log.filter(|log| log.size == size).map(|log| log.root);
    match (latest, log_root) {
        (Some(Anchor { checkpoint, block }), _) if checkpoint.size == size => {
            compare(checkpoint.root, RootSource::Anchor { block: *block })
        }
        (Some(Anchor { checkpoint, block }), Some(root)) if checkpoint.size > size => {
            compare(root, RootSource::LaterAnchor { anchored_size: checkpoint.size, block: *block })
        }
        (Some(Anchor { checkpoint, .. }), None) if checkpoint.size > size => {
            NoteVerdict::Unknown { anchored_size: checkpoint.size }
        }
        (latest, root) => match root {
            Some(known_root) if known_root != *note.root() => {
                NoteVerdict::Fork { known_root, by: RootSource::UnanchoredLog }
            }
            root => NoteVerdict::NotAnchoredYet {
                anchored_size: latest.map_or(0, |anchor| anchor.checkpoint.size),
                in_log: root.is_some(),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;
    use streembit_primitives::{
        merkle::{leaf_hash, NodeId, NodeStore, Tree},
        note::{Origin, SignedNote, VerifierKey},
        AccountId, Checkpoint, LogId, LogKey, Version,
    };

    const LOG: LogId = LogId::first(AccountId([3; 32]));

    /// The leaves of a log.
    struct TestLog(Vec<Hash>);

    impl NodeStore for TestLog {
        type Error = std::convert::Infallible;

        fn node(&self, NodeId { level, index }: NodeId) -> Result<Hash, Self::Error> {
            if level == 0 {
                return Ok(self.0[usize::try_from(index).unwrap()]);
            }
            let child = |index| self.node(NodeId { level: level - 1, index });
            Ok(LOG_TREE.node(&child(2 * index)?, &child(2 * index + 1)?))
        }
    }

    impl TestLog {
        fn new(entries: u8) -> Self {
            Self::forked(entries, entries)
        }

        /// A log whose entries from `from` on differ from those of [`Self::new`].
        fn forked(entries: u8, from: u8) -> Self {
            let other = |entry: u8| if entry < from { entry } else { entry | 0x80 };
            Self((0..entries).map(|entry| leaf_hash(&Hash([other(entry); 32]))).collect())
        }

        fn root(&self, size: u64) -> Hash {
            Tree::new(self, size).root().unwrap()
        }

        fn note(&self, size: u64) -> VerifiedCheckpoint {
            note(size, self.root(size))
        }

        fn anchored(&self, size: u64, block: u32) -> AnchoredRoot {
            AnchoredRoot { size, root: self.root(size), time: 1_000, block }
        }

        fn anchor(&self, size: u64, block: u32) -> Anchor {
            let root = self.root(size);
            let checkpoint =
                Checkpoint { version: Version, log: LOG, size, root, heads_root: Hash::ZERO, time: 1 };
            Anchor { checkpoint, block }
        }

        /// The root at `size`, with the proof from this log that it agrees with `latest`.
        fn log_root(&self, size: u64, latest: Option<&Anchor>) -> Option<LogRoot> {
            let anchored = latest.map_or(0, |anchor| anchor.checkpoint.size);
            let tree = Tree::new(self, size.max(anchored));
            let proof = tree.prove_consistency(size.min(anchored)).unwrap();
            LogRoot::verify(size, self.root(size), &proof, latest)
        }
    }

    fn note(size: u64, root: Hash) -> VerifiedCheckpoint {
        let key = SigningKey::from_bytes(&[8; 32]);
        let origin = Origin { genesis: Hash([1; 32]), log: LOG };
        let verifier = VerifierKey::new(origin, &LogKey(key.verifying_key().to_bytes())).unwrap();
        SignedNote::sign(&origin, size, root, &key).verify(&verifier).unwrap()
    }

    #[test]
    fn an_anchor_of_the_same_size_confirms_or_refutes() {
        let (log, fork) = (TestLog::new(20), TestLog::forked(20, 7));
        let (anchored, latest) = ([log.anchored(5, 2), log.anchored(10, 3)], log.anchor(10, 3));
        let judge = |note: &VerifiedCheckpoint| judge_note(note, &anchored, Some(&latest), None);
        let by = RootSource::Anchor { block: 3 };
        assert_eq!(judge(&log.note(10)), NoteVerdict::Confirmed { by });
        assert_eq!(judge(&log.note(5)), NoteVerdict::Confirmed { by: RootSource::Anchor { block: 2 } });
        assert_eq!(judge(&fork.note(10)), NoteVerdict::Fork { known_root: log.root(10), by });
        // The fork begins later than this size.
        assert_eq!(judge(&fork.note(5)), NoteVerdict::Confirmed { by: RootSource::Anchor { block: 2 } });
        // The latest anchor is enough.
        assert_eq!(
            judge_note(&fork.note(10), &[], Some(&latest), None),
            NoteVerdict::Fork { known_root: log.root(10), by }
        );
    }

    #[test]
    fn without_the_root_at_this_size_nothing_is_claimed() {
        let fork = TestLog::forked(20, 0);
        let log = TestLog::new(20);
        let (anchored, latest) = ([log.anchored(5, 2), log.anchored(10, 3)], log.anchor(10, 3));
        for log in [&log, &fork] {
            for size in [1, 4, 6, 9] {
                assert_eq!(
                    judge_note(&log.note(size), &anchored, Some(&latest), None),
                    NoteVerdict::Unknown { anchored_size: 10 }
                );
            }
            assert_eq!(
                judge_note(&log.note(11), &anchored, Some(&latest), None),
                NoteVerdict::NotAnchoredYet { anchored_size: 10, in_log: false }
            );
            assert_eq!(
                judge_note(&log.note(11), &[], None, None),
                NoteVerdict::NotAnchoredYet { anchored_size: 0, in_log: false }
            );
        }
    }

    #[test]
    fn the_log_gives_the_roots_that_the_chain_does_not_keep() {
        let (log, fork) = (TestLog::new(20), TestLog::forked(20, 7));
        let latest = log.anchor(15, 4);
        let judge = |note: &VerifiedCheckpoint| {
            let root = log.log_root(note.size(), Some(&latest)).unwrap();
            judge_note(note, &[], Some(&latest), Some(&root))
        };
        let by = RootSource::LaterAnchor { anchored_size: 15, block: 4 };
        assert_eq!(judge(&log.note(9)), NoteVerdict::Confirmed { by });
        assert_eq!(judge(&fork.note(7)), NoteVerdict::Confirmed { by });
        assert_eq!(judge(&fork.note(9)), NoteVerdict::Fork { known_root: log.root(9), by });
        assert_eq!(judge(&log.note(18)), NoteVerdict::NotAnchoredYet { anchored_size: 15, in_log: true });
        assert_eq!(
            judge(&fork.note(18)),
            NoteVerdict::Fork { known_root: log.root(18), by: RootSource::UnanchoredLog }
        );
        // A root at another size says nothing.
        let other = log.log_root(8, Some(&latest)).unwrap();
        assert_eq!(
            judge_note(&fork.note(9), &[], Some(&latest), Some(&other)),
            NoteVerdict::Unknown { anchored_size: 15 }
        );
    }

    #[test]
    fn a_log_that_differs_from_its_anchor_judges_nothing() {
        let (log, fork) = (TestLog::new(20), TestLog::forked(20, 7));
        let latest = log.anchor(15, 4);
        for size in [8, 15, 18] {
            assert_eq!(fork.log_root(size, Some(&latest)), None, "size {size}");
        }
        // A wrong root is noticed, also if the rest of the log is the anchored one.
        let proof = Tree::new(&log, 15).prove_consistency(8).unwrap();
        assert_eq!(LogRoot::verify(8, Hash::ZERO, &proof, Some(&latest)), None);
        assert!(log.log_root(18, None).is_some());
    }

    #[test]
    fn the_empty_log_has_one_root() {
        let by = RootSource::EmptyLog;
        let known_root = LOG_TREE.empty();
        assert_eq!(judge_note(&note(0, known_root), &[], None, None), NoteVerdict::Confirmed { by });
        assert_eq!(judge_note(&note(0, Hash::ZERO), &[], None, None), NoteVerdict::Fork { known_root, by });
    }

    proptest! {
        /// An honest note is never called a fork, and one of another history never confirmed, whatever is at hand.
        #[test]
        fn verdicts_are_never_false(
            from in 0u8..40,
            size in 1u64..=40,
            anchors in prop::collection::btree_set(1u64..=40, 0..6),
            with_log: bool,
        ) {
            let (log, fork) = (TestLog::new(40), TestLog::forked(40, from));
            let anchored: Vec<_> = anchors.iter().map(|size| log.anchored(*size, 7)).collect();
            let latest = anchors.last().map(|size| log.anchor(*size, 7));
            let root = with_log.then(|| log.log_root(size, latest.as_ref()).unwrap());
            let judge = |note| judge_note(&note, &anchored, latest.as_ref(), root.as_ref());
            let is_fork = matches!(judge(log.note(size)), NoteVerdict::Fork { .. });
            prop_assert!(!is_fork);
            if size > u64::from(from) {
                let verdict = judge(fork.note(size));
                let is_confirmed = matches!(verdict, NoteVerdict::Confirmed { .. });
                prop_assert!(!is_confirmed);
                prop_assert_eq!(
                    matches!(verdict, NoteVerdict::Fork { .. }),
                    with_log || anchors.contains(&size)
                );
            }
        }
    }
}
