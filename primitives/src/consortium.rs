//! Who belongs to the consortium, and how that changes: what is proposed, voted and answered.

use crate::{AccountId, Hash};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The fewest validators with which one may fail or cheat and the others go on: 3f + 1 for f = 1.
pub const SAFE_VALIDATORS: u32 = 4;

/// The longest code of a runtime that the council can bring in, in bytes: three quarters of a block, so that one transaction
/// carries it.
pub const MAX_CODE: u32 = 3 * 256 * 1024;

/// What a party may spend on transactions in one period, all its gateways included.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Quota {
    /// The time that the transactions take to execute, as they are weighed, in microseconds.
    pub microseconds: u64,
    /// Their length in bytes.
    pub bytes: u64,
}

impl Quota {
    /// What is left of this when something is spent.
    pub fn without(&self, spent: &Self) -> Self {
        Self {
            microseconds: self.microseconds.saturating_sub(spent.microseconds),
            bytes: self.bytes.saturating_sub(spent.bytes),
        }
    }

    /// Both together.
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            microseconds: self.microseconds.saturating_add(other.microseconds),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// What a party has left to spend.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct QuotaLeft {
    /// Who spends: the party, or the member of the council that is none.
    pub payer: AccountId,
    /// What it has in every period.
    pub quota: Quota,
    /// What is left of it in this one.
    pub left: Quota,
    /// When it has all of it again, by the chain's clock: in milliseconds since 1970-01-01 UTC.
    pub refills: u64,
}

/// Why the chain's own check refuses a transaction before it is in a block: the codes of `InvalidTransaction::Custom`.
pub mod refusal {
    /// What is left of the quota's time is too little.
    pub const TIME: u8 = 1;
    /// What is left of the quota's bytes is too little.
    pub const BYTES: u8 = 2;
    /// The call is the council's, and who signed it is not in the council.
    pub const NOT_IN_COUNCIL: u8 = 3;
    /// There is no such motion, or it is closed.
    pub const NO_SUCH_MOTION: u8 = 4;
    /// The member of the council has voted just so already.
    pub const VOTED_ALREADY: u8 = 5;
    /// The council has not decided on this code, or it was brought in already.
    pub const NOT_DECIDED: u8 = 6;
}

/// A change that the council votes on.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Change {
    /// The account becomes a party: it may submit, take gateways in, own devices.
    AddParty(AccountId),
    /// The account is no party any more, nor are its gateways anybody's; those of them that validate stop.
    RemoveParty(AccountId),
    /// The account, a party's or a gateway's, makes blocks and votes on their finality.
    AddValidator(AccountId),
    /// The account stops making blocks.
    RemoveValidator(AccountId),
    /// The party may spend so much in every period; `None`: as much as any party whose quota nobody set.
    SetQuota {
        /// The party.
        party: AccountId,
        /// How much.
        quota: Option<Quota>,
    },
    /// The chain may go on with another runtime, as soon as somebody who belongs submits its code.
    Upgrade {
        /// The BLAKE2-256 hash of the code, as it is submitted.
        code: Hash,
    },
}

impl Change {
    /// Whom it is about; `None` of what is about nobody.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::AddParty(account)
            | Self::RemoveParty(account)
            | Self::AddValidator(account)
            | Self::RemoveValidator(account)
            | Self::SetQuota { party: account, .. } => Some(*account),
            Self::Upgrade { .. } => None,
        }
    }
}

/// That an account is a party.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Membership {
    /// The block since which it is, 0 for the founders; `None` where it became one before runtime 3, which recorded it first.
    pub since: Option<u32>,
}

/// A motion that the council votes on.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Motion {
    /// Its id: the hash of the call that it would make.
    pub id: Hash,
    /// What it would change; `None` where it is no change of who belongs, such as one of the runtime.
    pub change: Option<Change>,
    /// The members for it.
    pub ayes: Vec<AccountId>,
    /// The members against it.
    pub nays: Vec<AccountId>,
    /// How many members have to be for it.
    pub needed: u32,
    /// The block from which on it can only be closed; who has not voted then was against it.
    pub until: u32,
}

/// One of the two public keys that a validator's node works with.
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

crate::text::hex_text!(SessionKey, 32);

/// The public keys of a validator's node.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SessionKeys {
    /// Makes blocks; sr25519.
    pub aura: SessionKey,
    /// Votes for their finality; Ed25519.
    pub grandpa: SessionKey,
}

/// Where a validator is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum ValidatorState {
    /// It makes blocks with the keys that it has set.
    Active,
    /// It makes blocks; its new keys come into force with the next sessions.
    Rotating,
    /// It is a validator, and makes blocks once the next sessions have begun.
    Joining,
    /// It is none any more, and makes blocks until the next sessions have begun.
    Leaving,
}

/// A validator.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Validator {
    /// Its account.
    pub account: AccountId,
    /// The party that it belongs to: itself, or that of the gateway.
    pub party: Option<AccountId>,
    /// Where it is.
    pub state: ValidatorState,
    /// The keys that it works with, or will once it is active.
    pub keys: SessionKeys,
}

/// What a validator did twice and may do once.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Offence {
    /// It voted for two blocks in one round of GRANDPA.
    Votes {
        /// The set of voters, counted from the genesis.
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

/// A validator that contradicted itself, as the chain has seen proven.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Equivocation {
    /// Its account.
    pub account: AccountId,
    /// What it did.
    pub offence: Offence,
    /// The block that took the proof.
    pub block: u32,
}

/// Who belongs to the consortium.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Consortium {
    /// The parties, sorted.
    pub parties: Vec<AccountId>,
    /// The members of the council, sorted.
    pub council: Vec<AccountId>,
    /// The validators.
    pub validators: Vec<Validator>,
    /// What the council is asked.
    pub motions: Vec<Motion>,
    /// The session: it rises twice until a change of the validators is in force.
    pub session: u32,
    /// How often the voters on finality have changed since the genesis.
    pub authority_set: u64,
}
