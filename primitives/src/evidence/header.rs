//! Block headers: decoding, the time of a block, and the change of voters that its digest announces.

use super::grandpa::Voter;
use crate::Hash;
use alloc::vec::Vec;
use codec::{Decode, DecodeAll, DecodeWithMemTracking, Encode};
use core::fmt;

/// The length of an Aura slot, in milliseconds. It is short so that an anchor is soon final. This is its only definition.
///
/// These follow from it, and have to be looked at again if it changes:
///
/// - **Chains that run.** A slot of a block's header is multiplied by this number to get its time, here and in Aura. With
///   another number, all earlier blocks and evidence have other times, and Aura makes no block. So a chain keeps the
///   number that it was founded with.
/// - **The runtime** (`runtime/src/configs.rs`): how much a block may hold (a quarter of a slot, `BLOCK_MILLISECONDS`), and
///   so the default quota; the least time between two blocks; how many blocks a motion can be voted on (`MOTION_BLOCKS`);
///   how long a session lasts at least (`MIN_SESSION`, in blocks). A quota period has to begin with a slot.
/// - **Every call** has to fit into the smaller block: `runtime/src/tests/limits.rs`. Half a slot halves the room.
/// - **The node**: when a block counts as late or early (`consensus/clock_skew.rs`), how long a block has to become final
///   before another one follows (`consensus/idle.rs`), and the time for a round of votes (`GOSSIP_DURATION`).
/// - **Clocks**: a validator refuses blocks that are dated later than the next slot of its own clock. With shorter slots,
///   smaller errors of a clock put a validator out. A Raspberry Pi without a real-time clock has to wait for NTP.
/// - **The gateway**: how long an equivocation is an alarm (`gateway/crates/chain/src/equivocations.rs`).
///
/// `docs/benchmarks.md` says how to measure what another length gains and costs.
pub const SLOT_MILLISECONDS: u64 = 2_000;

/// The engine of the digest item that names the chain, by its genesis hash (32 bytes). Every block that changes the
/// voters has one, because the voters' signatures do not say which chain they are for.
pub const CHAIN_ENGINE_ID: [u8; 4] = *b"STRM";

const AURA: [u8; 4] = *b"aura";
const GRANDPA: [u8; 4] = *b"FRNK";

/// Returns when a slot begins, in milliseconds since 1970-01-01 UTC.
pub(super) fn slot_start(slot: u64) -> u64 {
    slot.saturating_mul(SLOT_MILLISECONDS)
}

/// A decoded block header.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub(super) struct Header {
    pub(super) parent: Hash,
    #[codec(compact)]
    pub(super) number: u32,
    pub(super) state_root: Hash,
    pub(super) extrinsics_root: Hash,
    pub(super) digest: Vec<DigestItem>,
}

/// An entry of a header's digest. The indices are those of `sp_runtime::generic::DigestItem`.
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

/// A GRANDPA entry of a digest. The indices are those of `sp_consensus_grandpa::ConsensusLog`.
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

/// The number and hash of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BlockRef {
    /// The block number.
    pub number: u32,
    /// The block hash.
    pub hash: Hash,
}

/// Why a block header is rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderError {
    /// The bytes do not decode as a header.
    Malformed,
    /// The block number is not greater than that of the previous block.
    Order {
        /// The number of the previous block.
        before: u32,
    },
    /// The block is given as the last one of a voter set, but announces no next set.
    NoChange,
    /// The change of voters is delayed. This chain only makes immediate changes.
    Delayed {
        /// The delay, in blocks.
        delay: u32,
    },
    /// The voters were replaced by a forced change, without votes of the previous set. Nothing after it can be proven
    /// from the genesis.
    Forced,
    /// A GRANDPA entry of the digest does not decode.
    Digest,
    /// The block changes the voters, but its digest does not name its chain.
    NoChain,
    /// The block changes the voters of another chain.
    OtherChain {
        /// The genesis hash of that chain.
        genesis: Hash,
    },
    /// The block changes the voters, but its digest names its chain more than once, or not by a genesis hash.
    ChainItem,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("its header cannot be decoded"),
            Self::Order { before } => {
                write!(f, "its number is not greater than {before}, the number of the previous block")
            }
            Self::NoChange => {
                f.write_str("it announces no next voter set, but is given as the last block of a set")
            }
            Self::Delayed { delay } => {
                write!(
                    f,
                    "its change of voters is delayed by {delay} blocks; only immediate changes can be proven"
                )
            }
            Self::Forced => f.write_str(
                "it forces a change of voters, so that nothing after it can be proven from the genesis",
            ),
            Self::Digest => f.write_str("a GRANDPA entry of its digest cannot be decoded"),
            Self::NoChain => f.write_str(
                "it changes the voters without naming its chain, so the change may be of another chain with the same voters",
            ),
            Self::OtherChain { genesis } => {
                write!(f, "it changes the voters of another chain, the one with genesis {genesis}")
            }
            Self::ChainItem => f.write_str(
                "it changes the voters, but names its chain more than once, or not by a genesis hash",
            ),
        }
    }
}

impl core::error::Error for HeaderError {}

impl Header {
    /// Decodes a header that takes up all of `bytes`.
    pub(super) fn decode_exact(bytes: &[u8]) -> Result<Self, HeaderError> {
        Self::decode_all(&mut &*bytes).map_err(|_| HeaderError::Malformed)
    }

    /// Returns the block hash. SCALE encodings are canonical, so this is also the hash of the bytes that were decoded.
    pub(super) fn hash(&self) -> Hash {
        self.using_encoded(|bytes| Hash(sp_crypto_hashing::blake2_256(bytes)))
    }

    /// Returns the block's number and hash.
    pub(super) fn block(&self) -> BlockRef {
        BlockRef { number: self.number, hash: self.hash() }
    }

    /// Returns when the block's slot began, in milliseconds since 1970-01-01 UTC, or `None` if it has no slot.
    pub(super) fn time(&self) -> Option<u64> {
        self.digest.iter().find_map(|item| match item {
            DigestItem::PreRuntime(AURA, slot) => u64::decode_all(&mut slot.as_slice()).ok().map(slot_start),
            _ => None,
        })
    }

    /// Returns the voters of the next set, or `None` if this is not the last block of a set. The first scheduled change
    /// counts, as in `sc-consensus-grandpa`. The digest must name the chain with this genesis hash as the block's chain.
    pub(super) fn next_voters(&self, genesis: &Hash) -> Result<Option<Vec<Voter>>, HeaderError> {
        let mut next = None;
        for log in self.consensus_items(GRANDPA) {
            match ConsensusLog::decode_all(&mut &*log).map_err(|_| HeaderError::Digest)? {
                ConsensusLog::Forced(..) => return Err(HeaderError::Forced),
                ConsensusLog::Scheduled(_, delay) if delay != 0 => {
                    return Err(HeaderError::Delayed { delay })
                }
                ConsensusLog::Scheduled(voters, _) if next.is_none() => next = Some(voters),
                ConsensusLog::Scheduled(..)
                | ConsensusLog::Disabled(_)
                | ConsensusLog::Pause(_)
                | ConsensusLog::Resume(_) => {}
            }
        }
        if next.is_some() {
            self.ensure_names_chain(genesis)?;
        }
        Ok(next)
    }

    /// Ensures that the digest has exactly one item that names a chain, and that it is the chain with this genesis hash.
    fn ensure_names_chain(&self, genesis: &Hash) -> Result<(), HeaderError> {
        let mut items = self.consensus_items(CHAIN_ENGINE_ID);
        let item = items.next().ok_or(HeaderError::NoChain)?;
        if items.next().is_some() {
            return Err(HeaderError::ChainItem);
        }
        match <[u8; 32]>::try_from(item).map(Hash) {
            Ok(named) if named == *genesis => Ok(()),
            Ok(genesis) => Err(HeaderError::OtherChain { genesis }),
            Err(_) => Err(HeaderError::ChainItem),
        }
    }

    /// Returns the digest's consensus items of an engine.
    fn consensus_items(&self, engine: [u8; 4]) -> impl Iterator<Item = &[u8]> {
        self.digest.iter().filter_map(move |item| match item {
            DigestItem::Consensus(of, bytes) if *of == engine => Some(bytes.as_slice()),
            _ => None,
        })
    }
}
