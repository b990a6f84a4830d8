//! Checkpoints of a log, as its gateway signs them, and anchors, which are checkpoints that the chain accepted.

use crate::{hash::Domain, AccountId, Hash, PublicKey, Signature, Version};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Identifies a log of a gateway. A gateway that lost its log closes the epoch and opens the next one.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogId {
    /// The gateway's account.
    pub gateway: AccountId,
    /// The number of the log among the gateway's logs, counted from 0.
    pub epoch: u32,
}

impl LogId {
    /// Returns the id of the first log of `gateway`.
    pub const fn first(gateway: AccountId) -> Self {
        Self { gateway, epoch: 0 }
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.gateway, self.epoch)
    }
}

/// The log that a gateway writes now, or wrote last.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EpochState {
    /// The number of the log among the gateway's logs, counted from 0.
    pub number: u32,
    /// False if the log is closed: it has its last anchor, and the gateway has not opened the next log.
    pub open: bool,
}

impl Default for EpochState {
    /// Returns the state of a gateway that has never closed a log.
    fn default() -> Self {
        Self { number: 0, open: true }
    }
}

impl EpochState {
    /// Returns the open log of the gateway whose state this is, or `None` if its log is closed.
    pub fn log(&self, gateway: AccountId) -> Option<LogId> {
        self.open.then_some(LogId { gateway, epoch: self.number })
    }
}

/// The state of a log at some size.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Checkpoint {
    /// The version of this format.
    pub version: Version<2>,
    /// The log.
    pub log: LogId,
    /// The number of entries.
    pub size: u64,
    /// The root of the log's tree (RFC 9162 with SHA-256).
    pub root: Hash,
    /// The root of the map from each device to its last event ([`crate::heads`]).
    pub heads_root: Hash,
    /// When the gateway made the checkpoint by its own clock, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
}

impl Checkpoint {
    /// Returns the message that the gateway signs. It binds the checkpoint to one chain.
    pub fn message(&self, genesis: &Hash) -> Hash {
        Domain::Checkpoint.hash_of(&(genesis, self))
    }
}

/// A checkpoint that the chain accepted.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Anchor {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The number of the block that accepted it.
    pub block: u32,
}

/// The root of a log at an anchored size, and when the chain accepted it.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AnchoredRoot {
    /// The number of entries.
    pub size: u64,
    /// The root of the log's tree.
    pub root: Hash,
    /// The chain's time in the block that accepted it, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// The number of that block, or 0 if it is a block of a chain that this chain continues.
    pub block: u32,
}

/// A checkpoint with the signature of its gateway. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct SignedCheckpoint {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The signature over [`Checkpoint::message`].
    pub signature: Signature,
}

impl SignedCheckpoint {
    /// Returns true if the log's gateway signed this for the chain with this genesis.
    pub fn verify(&self, genesis: &Hash) -> bool {
        let key = PublicKey::Sr25519(self.checkpoint.log.gateway.0);
        key.verify(Domain::Checkpoint, &self.checkpoint.message(genesis), &self.signature)
    }
}
