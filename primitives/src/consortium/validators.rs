//! Validators: their session keys, their state, and the offences proven against them.

use crate::AccountId;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The fewest validators with which the chain goes on if one of them fails or cheats: 3f + 1 for f = 1.
pub const MIN_FAULT_TOLERANT_VALIDATORS: u32 = 4;

/// One of the two public keys of a validator's node.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct SessionKey(pub [u8; 32]);

crate::hex_id::impl_hex_text!(SessionKey, 32);

/// The public keys of a validator's node.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SessionKeys {
    /// The sr25519 key that signs blocks.
    pub aura: SessionKey,
    /// The Ed25519 key that signs votes on finality.
    pub grandpa: SessionKey,
}

/// The state of a validator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum ValidatorState {
    /// It makes blocks with its current keys.
    Active,
    /// It makes blocks, and its new keys take effect with the next sessions.
    Rotating,
    /// It will make blocks from the next sessions on.
    Joining,
    /// It was removed, and makes blocks until the next sessions start.
    Leaving,
}

/// A validator.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Validator {
    /// The account of the validator.
    pub account: AccountId,
    /// The party that it belongs to: the validator itself, or the party of the gateway.
    pub party: Option<AccountId>,
    /// The state of the validator.
    pub state: ValidatorState,
    /// The current keys, or the future ones if it is not active yet.
    pub keys: SessionKeys,
}

/// An equivocation: something that a validator did twice although it may do it only once.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Offence {
    /// It voted for two blocks in one round of GRANDPA.
    Votes {
        /// The number of the voter set, counted from the genesis.
        set: u64,
        /// The round.
        round: u64,
    },
    /// It made two blocks in one slot.
    Blocks {
        /// The slot.
        slot: u64,
    },
}

/// An equivocation of a validator that was proven on chain.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Equivocation {
    /// The account of the validator.
    pub account: AccountId,
    /// The offence.
    pub offence: Offence,
    /// The number of the block that accepted the proof.
    pub block: u32,
}
