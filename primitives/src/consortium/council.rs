//! The changes that the council votes on.

use super::Quota;
use crate::{AccountId, Hash};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The maximum size of the code of a new runtime, in bytes: three quarters of a block, so that it fits in one transaction.
pub const MAX_RUNTIME_CODE_BYTES: u32 = 3 * 256 * 1024;

/// A change to the consortium or its chain that the council votes on.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Change {
    /// Makes the account a party: it may submit transactions, add gateways and own devices.
    AddParty(AccountId),
    /// Removes the account as a party. Its gateways no longer belong to any party, and its validators stop.
    RemoveParty(AccountId),
    /// Makes the account, which is a party's or a gateway's, a validator: it makes blocks and votes on their finality.
    AddValidator(AccountId),
    /// Removes the account as a validator.
    RemoveValidator(AccountId),
    /// Sets the quota of a party.
    SetQuota {
        /// The party.
        party: AccountId,
        /// The quota per period, or `None` for the default quota.
        quota: Option<Quota>,
    },
    /// Authorizes a new runtime. It takes effect as soon as any member of the consortium submits its code.
    Upgrade {
        /// The BLAKE2-256 hash of the code, as it will be submitted.
        code: Hash,
    },
}

impl Change {
    /// Returns the account that the change is about, or `None` if it is about no account.
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

/// An open motion of the council.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Motion {
    /// The id of the motion: the hash of the call that it proposes.
    pub id: Hash,
    /// The proposed change, or `None` if the call is not a [`Change`].
    pub change: Option<Change>,
    /// The members that voted for it.
    pub ayes: Vec<AccountId>,
    /// The members that voted against it.
    pub nays: Vec<AccountId>,
    /// The number of votes that it needs.
    pub needed: u32,
    /// The number of the block from which the motion can only be closed. Members that have not voted by then count as
    /// voting against it.
    pub until: u32,
}
