//! Evidence: one file that proves a device's history offline, and the verifier for it.
//!
//! The proof leads from the events up to a [`TrustRoot`], which is part of the chain's specification:
//!
//! 1. Each event is a leaf of a gateway's log.
//! 2. The root of the log is in a checkpoint.
//! 3. The checkpoint and the device's record are in the chain's state. The record names the device's keys, owners and
//!    logs, each with the sequence or time from which it counts.
//! 4. The state root is in a block header.
//! 5. A GRANDPA justification makes the block final.
//! 6. Each set of voters was appointed by the set before it, in a block that names the chain, back to the genesis.
//!
//! A device may change its log in the course of its life. Evidence has one [`Segment`] for each log, in the order of the
//! device's events: each segment continues where the one before it ends. The last segment is proven by the newest block of
//! the file, together with the device's record. Each segment before it has a [`FormerProof`], by a block of its own time,
//! because its gateway may be gone when the evidence is continued.
//!
//! A file is a [`Prelude`] followed by a stream of [`Item`]s. [`Verifier`] checks it in one pass, and its memory use does
//! not grow with the number of events. [`mod@file`] reads and writes the bytes. `docs/formats/evidence.md` describes the
//! format for authors of other verifiers.
//!
//! | file | holds |
//! |---|---|
//! | `file.rs` | the bytes of an evidence file |
//! | `verifier.rs` | the verifier of the items |
//! | `prelude.rs` | the verification of the prelude: blocks, state and heads |
//! | `segments.rs` | the progress of the verifier from one segment to the next |
//! | `signatures.rs` | batches of event signatures, and the interface for verifying them on other threads |
//! | `verified.rs` | the result of a successful verification |
//! | `error.rs` | the reasons why evidence is rejected |
//! | `trust_root.rs` | the trust root and its text |
//! | `state_proof.rs` | the proof of the checkpoints and the device in the chain's state |
//! | `header.rs` | block headers |
//! | `grandpa.rs` | GRANDPA justifications |
//! | `votes.rs` | batches of the signatures of votes |
//! | `finality_proof.rs` | reading a node's proof of its newest final block |

mod error;
pub mod file;
mod finality_proof;
mod grandpa;
mod header;
mod prelude;
mod segments;
mod signatures;
mod state_proof;
mod trust_root;
mod verified;
mod verifier;
mod votes;

#[cfg(test)]
mod tests;

pub use error::{BlockRole, EvidenceError, EvidenceEventError};
pub use finality_proof::{FinalityProof, ProvenBlock};
pub use grandpa::{AuthorityKey, AuthoritySet, FinalityError, Justification, Vote, Voter};
pub use header::{BlockRef, HeaderError, CHAIN_ENGINE_ID, SLOT_MILLISECONDS};
pub use segments::EventSpans;
pub use signatures::{InlineVerifier, SignatureBatch, SignatureVerifier};
pub use state_proof::{anchor_storage_key, device_storage_key, genesis_storage_key, StateProof};
pub use trust_root::{ParseTrustRootError, TrustRoot, TrustRootError};
pub use verified::{BodyCounts, EventPosition, EventSpan, FinalizedBlock, VerifiedEvidence, VerifiedSegment};
pub use verifier::Verifier;

use crate::{
    body::{Disclosure, MAX_PARTS},
    heads::HeadProof,
    Body, DeviceId, Hash, LogEntry, LogId,
};
use alloc::vec::Vec;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode};

/// Everything in an evidence file except its events. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub struct Prelude {
    /// The hash of the chain's first block.
    pub genesis: Hash,
    /// The device whose events they are.
    pub device: DeviceId,
    /// Proves the checkpoints and the device.
    pub chain: ChainEvidence,
    /// The logs that the events are in, in the order of the events.
    pub segments: Vec<Segment>,
}

/// The part of the evidence that is in one log. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub struct Segment {
    /// The log.
    pub log: LogId,
    /// The device's last event at the log's checkpoint.
    pub head: HeadProof,
}

/// Proves the checkpoints and the device, starting from the [`TrustRoot`]. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub struct ChainEvidence {
    /// The last block of each voter set, in order. Each of them names the next set and the chain.
    pub changes: Vec<JustifiedBlock>,
    /// The proof of each segment except the last one, in the order of the segments. Their blocks ascend.
    pub former: Vec<FormerProof>,
    /// The newest block: at or after the one that accepted the checkpoint of the last segment, and the former blocks.
    pub last: JustifiedBlock,
    /// The proof of that checkpoint and of the device's record in the state of that block.
    pub state: StateProof,
}

/// Proves the checkpoint of a log that the device has left, by a block of that time. Not yet verified.
///
/// The log may have been anchored again since, so the state of the newest block need not have this checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub struct FormerProof {
    /// The number of [`ChainEvidence::changes`] before the block. It says which voter set made the block final.
    #[codec(compact)]
    pub changes: u32,
    /// A block at or after the one that accepted the checkpoint.
    pub block: JustifiedBlock,
    /// The proof of the checkpoint in the state of that block. The device's record is the one of that time, and only the
    /// record in the newest block counts.
    pub state: StateProof,
}

/// A block header with the votes that make the block final. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub struct JustifiedBlock {
    /// The SCALE encoding of the header.
    pub header: Vec<u8>,
    /// The votes for the block.
    pub justification: Justification,
}

/// One step through the log of a segment, from its first entry to its last.
#[allow(
    clippy::large_enum_variant,
    reason = "items are processed one by one and never stored; a box would cost an allocation for each"
)]
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub enum Item {
    /// A complete subtree of the log with `2^level` entries, none of which is an event of this evidence.
    #[codec(index = 0)]
    Skip {
        /// The height of the subtree: 0 for a single leaf.
        level: u8,
        /// The root of the subtree.
        hash: Hash,
    },
    /// The next entry of the log, an event of the device.
    #[codec(index = 1)]
    Event {
        /// The entry.
        entry: LogEntry,
        /// The disclosed part of its body.
        body: ShownBody,
    },
    /// The end of the segment's log. The next segment follows.
    #[codec(index = 2)]
    NextSegment,
    /// The end of the last segment's log and of the file.
    #[codec(index = 3)]
    End,
}

/// The disclosed part of an event's body. `Withheld` and `Erased` are claims of the file's author; neither is proven.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub enum ShownBody {
    /// Nothing. The author of the file has the body but does not disclose it.
    #[codec(index = 0)]
    Withheld,
    /// Nothing. The body was erased.
    #[codec(index = 1)]
    Erased,
    /// The whole body.
    #[codec(index = 2)]
    Whole(Body),
    /// Some of its parts, at least one, in ascending order.
    #[codec(index = 3)]
    Parts(BoundedVec<Disclosure, ConstU32<MAX_PARTS>>),
}
