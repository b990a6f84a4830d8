//! Evidence: one file that proves a device's history offline, and its verifier.
//!
//! The way goes from the events up: leaves of a log, the log's root in a checkpoint, the checkpoint in the chain's state
//! (with the device's key and owner), the state in a block, the block final by GRANDPA's justification, the voters of
//! that justification handed on from set to set since the genesis. What is trusted at the start is a [`TrustRoot`]: it is
//! in the chain's specification.
//!
//! A file is a [`Prelude`] and a stream of [`Item`]s, verified in one pass and in memory that does not grow with the
//! number of events: see [`Verifier`], and [`mod@file`] for the bytes. `docs/evidence.md` is the format for those who write
//! a verifier of their own.

mod block;
mod error;
pub mod file;
mod grandpa;
mod state;
mod verdict;
mod verifier;
mod warp;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use block::{time_of_slot, Block, BlockFault, SLOT_MILLISECONDS};
pub use error::{BlockRole, EventFault, EvidenceError};
pub use grandpa::{AuthorityKey, AuthoritySet, FinalityFault, Justification, Vote, Voter};
pub use state::{anchor_key, device_key, genesis_key, StateProof};
pub use verdict::{EventAt, Final, Shares, Verdict};
pub use verifier::{Batch, Inline, Signatures, Verifier};
pub use warp::{FinalityProof, Link};

use crate::{
    body::{Disclosure, MAX_PARTS},
    heads::HeadProof,
    Body, DeviceId, Hash, LogEntry, LogId,
};
use alloc::vec::Vec;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode};

/// What is believed at the start: a chain, and who decides on its blocks. Both are in the chain's specification.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TrustRoot {
    /// The hash of the chain's first block.
    pub genesis: Hash,
    /// The voters of the first set.
    pub authorities: AuthoritySet,
}

/// Everything of a file but its events. Not yet checked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub struct Prelude {
    /// The hash of the chain's first block.
    pub genesis: Hash,
    /// The log that the events are in.
    pub log: LogId,
    /// Whose events they are.
    pub device: DeviceId,
    /// The chain's part.
    pub chain: ChainPart,
    /// The device's last event at the checkpoint.
    pub head: HeadProof,
}

/// What proves the checkpoint and the device from the [`TrustRoot`] on. Not yet checked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub struct ChainPart {
    /// The last block of each set of voters, in order: each names the next set.
    pub changes: Vec<FinalBlock>,
    /// A block at or after the one that accepted the checkpoint.
    pub last: FinalBlock,
    /// What the state after that block says.
    pub state: StateProof,
}

/// A block with what makes it final. Not yet checked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub struct FinalBlock {
    /// The SCALE encoding of its header.
    pub header: Vec<u8>,
    /// The votes for it.
    pub justification: Justification,
}

/// One step through the log, from its first entry to its last.
#[allow(
    clippy::large_enum_variant,
    reason = "taken one by one and never stored; a box would cost an allocation each"
)]
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub enum Item {
    /// A complete subtree of the log, of `2^level` entries, without an event of this evidence.
    #[codec(index = 0)]
    Skip {
        /// 0 for a leaf.
        level: u8,
        /// Its root.
        hash: Hash,
    },
    /// The next entry of the log, an event of the device.
    #[codec(index = 1)]
    Event {
        /// The entry.
        entry: LogEntry,
        /// What is shown of its body.
        body: Shown,
    },
    /// The end of the log and of the file.
    #[codec(index = 2)]
    End,
}

/// What is shown of an event's body. `Withheld` and `Erased` are the word of whoever made the file: neither is proven.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub enum Shown {
    /// Nothing: whoever made the file keeps it.
    #[codec(index = 0)]
    Withheld,
    /// Nothing: it was erased for good.
    #[codec(index = 1)]
    Erased,
    /// All of it.
    #[codec(index = 2)]
    Whole(Body),
    /// Some of its parts, in their order; at least one.
    #[codec(index = 3)]
    Parts(BoundedVec<Disclosure, ConstU32<MAX_PARTS>>),
}
