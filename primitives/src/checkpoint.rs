//! Checkpoints: what a gateway says its log is at some size.

use crate::{hash::Domain, AccountId, Hash, PublicKey, Signature};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// One log of one gateway. A gateway that lost its log closes the epoch and opens the next.
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
    /// Which of its logs, from 0.
    pub epoch: u32,
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.gateway, self.epoch)
    }
}

/// The hash that a log is made with, so that another can follow.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum HashKind {
    /// BLAKE3 with the domains of [`crate::hash::Domain`].
    Blake3,
}

/// The state of a log at a size.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Checkpoint {
    /// Which log.
    pub log: LogId,
    /// How many entries.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
    /// The root of the map from each device to its last event ([`crate::heads`]); `None` of an empty log.
    pub heads_root: Option<Hash>,
    /// The gateway's clock, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// What it is hashed with.
    pub hash: HashKind,
}

impl Checkpoint {
    /// What is signed: the checkpoint, for one chain only.
    pub fn message(&self, genesis: &Hash) -> Hash {
        Domain::Checkpoint.hash_of(&(genesis, self))
    }
}

/// A checkpoint with its gateway's signature, not yet checked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct SignedCheckpoint {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The signature over [`Checkpoint::message`].
    pub signature: Signature,
}

impl SignedCheckpoint {
    /// Whether the log's gateway signed this for the chain with this genesis.
    pub fn verify(&self, genesis: &Hash) -> bool {
        let key = PublicKey::Sr25519(self.checkpoint.log.gateway.0);
        key.verify(Domain::Checkpoint, &self.checkpoint.message(genesis), &self.signature)
    }
}
