//! Headers of the chain, as far as evidence needs them.

use super::grandpa::Voter;
use crate::Hash;
use alloc::vec::Vec;
use codec::{Decode, DecodeAll, DecodeWithMemTracking, Encode};
use core::fmt;

/// How long a slot of the chain's block production is; fixed in its runtime.
pub const SLOT_MILLISECONDS: u64 = 2_000;

const AURA: [u8; 4] = *b"aura";
const GRANDPA: [u8; 4] = *b"FRNK";

/// When a slot begins, in milliseconds since 1970-01-01 UTC.
pub fn time_of_slot(slot: u64) -> u64 {
    slot.saturating_mul(SLOT_MILLISECONDS)
}

/// A header's content, from its SCALE encoding.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub(super) struct Header {
    pub(super) parent: Hash,
    #[codec(compact)]
    pub(super) number: u32,
    pub(super) state_root: Hash,
    pub(super) extrinsics_root: Hash,
    pub(super) digest: Vec<DigestItem>,
}

/// One entry of a header's digest; the numbers are those of `sp_runtime::generic::DigestItem`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub(super) enum DigestItem {
    #[codec(index = 0)]
    Other(Vec<u8>),
    #[codec(index = 4)]
    Consensus([u8; 4], Vec<u8>),
    #[codec(index = 5)]
    Seal([u8; 4], Vec<u8>),
    #[codec(index = 6)]
    PreRuntime([u8; 4], Vec<u8>),
    #[codec(index = 8)]
    RuntimeEnvironmentUpdated,
}

/// What GRANDPA says in a digest; the numbers are those of `sp_consensus_grandpa::ConsensusLog`.
#[derive(Encode, Decode)]
pub(super) enum ConsensusLog {
    #[codec(index = 1)]
    Scheduled(Vec<Voter>, u32),
    #[codec(index = 2)]
    Forced(u32, Vec<Voter>, u32),
    #[codec(index = 3)]
    Disabled(u64),
    #[codec(index = 4)]
    Pause(u32),
    #[codec(index = 5)]
    Resume(u32),
}

/// A block by number and hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Block {
    /// Its number.
    pub number: u32,
    /// Its hash.
    pub hash: Hash,
}

/// What is wrong with a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockFault {
    /// The bytes are no header.
    Malformed,
    /// Not above the block before it.
    Order {
        /// The number of the block before.
        before: u32,
    },
    /// Names no next set of voters, though it is given as the last block of one.
    NoChange,
    /// The change of voters takes effect later than at this block: this chain makes none such.
    Delayed {
        /// By how many blocks.
        delay: u32,
    },
    /// The voters were changed by force, not by their own votes: nothing after it can be proven from the genesis.
    Forced,
    /// A digest of GRANDPA that is none.
    Digest,
}

impl fmt::Display for BlockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("its bytes are no header"),
            Self::Order { before } => write!(f, "it is not above block {before}, which comes before it"),
            Self::NoChange => f.write_str("it names no next set of voters, as the last block of a set does"),
            Self::Delayed { delay } => {
                write!(
                    f,
                    "its change of voters waits for {delay} blocks; only immediate changes can be proven"
                )
            }
            Self::Forced => f.write_str(
                "it changes the voters by force: nothing after it can be proven from the genesis on",
            ),
            Self::Digest => f.write_str("its digest of GRANDPA cannot be read"),
        }
    }
}

impl core::error::Error for BlockFault {}

impl Header {
    /// From all of some bytes.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BlockFault> {
        Self::decode_all(&mut &*bytes).map_err(|_| BlockFault::Malformed)
    }

    /// The block's hash. A SCALE encoding is unique, so that this is also the hash of the bytes read.
    pub(super) fn hash(&self) -> Hash {
        self.using_encoded(|bytes| Hash(sp_crypto_hashing::blake2_256(bytes)))
    }

    pub(super) fn block(&self) -> Block {
        Block { number: self.number, hash: self.hash() }
    }

    /// When the block's slot began, in milliseconds since 1970-01-01 UTC; `None` without a slot.
    pub(super) fn time(&self) -> Option<u64> {
        self.digest.iter().find_map(|item| match item {
            DigestItem::PreRuntime(AURA, slot) => {
                u64::decode_all(&mut slot.as_slice()).ok().map(time_of_slot)
            }
            _ => None,
        })
    }

    /// The next set's voters where this is the last block of a set. As in `sc-consensus-grandpa`, the first scheduled
    /// change counts.
    pub(super) fn next_voters(&self) -> Result<Option<Vec<Voter>>, BlockFault> {
        let mut next = None;
        for item in &self.digest {
            let DigestItem::Consensus(GRANDPA, log) = item else { continue };
            match ConsensusLog::decode_all(&mut log.as_slice()).map_err(|_| BlockFault::Digest)? {
                ConsensusLog::Forced(..) => return Err(BlockFault::Forced),
                ConsensusLog::Scheduled(_, delay) if delay != 0 => return Err(BlockFault::Delayed { delay }),
                ConsensusLog::Scheduled(voters, _) if next.is_none() => next = Some(voters),
                _ => {}
            }
        }
        Ok(next)
    }
}
