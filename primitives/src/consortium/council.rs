//! The changes that the council votes on.

use super::Quota;
use crate::{device::DecidedChange, AccountId, DeviceId, Hash, PartyId};
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
    /// Adds a party with one account: it may submit transactions, add gateways and own devices.
    AddParty {
        /// The party. A new party has the id of its first account ([`PartyId::of_first_account`]). A party that left and
        /// returns has its former id.
        party: PartyId,
        /// The account. If the party returns, it was an account of the party when it left, with the scope `All` and
        /// without an end.
        account: AccountId,
    },
    /// Removes a party. Its accounts and gateways no longer belong to any party, and its validators stop.
    RemoveParty(PartyId),
    /// Makes the account, which is a party's or a party's gateway, a validator: it makes blocks and votes on their finality.
    AddValidator(AccountId),
    /// Removes the account as a validator.
    RemoveValidator(AccountId),
    /// Sets the quota of a party.
    SetQuota {
        /// The party.
        party: PartyId,
        /// The quota per period, or `None` for the default quota.
        quota: Option<Quota>,
    },
    /// Authorizes a new runtime. It takes effect as soon as any member of the consortium submits its code.
    Upgrade {
        /// The BLAKE2-256 hash of the code, as it will be submitted.
        code: Hash,
    },
    /// Replaces all accounts of a party, whose keys are lost or stolen, with a new one. Its gateways, devices and
    /// contracts stay.
    Recover {
        /// The party.
        party: PartyId,
        /// The new account.
        account: AccountId,
    },
    /// Allows the owner of a device one change of the device's record without the proof of the last anchored event,
    /// because the gateway does not give the proof, or anchored a false one. The record shows the decision.
    AllowDeviceChange {
        /// The device.
        device: DeviceId,
        /// The kind of the change.
        change: DecidedChange,
        /// The lowest sequence at which the change may begin.
        from: u64,
    },
}

impl Change {
    /// Returns the change that adds a new party with its first account.
    pub fn add_party(first: AccountId) -> Self {
        Self::AddParty { party: PartyId::of_first_account(&first), account: first }
    }

    /// Returns the account that the change is about, or `None` if it is about no account.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::AddParty { account, .. }
            | Self::AddValidator(account)
            | Self::RemoveValidator(account)
            | Self::Recover { account, .. } => Some(*account),
            Self::RemoveParty(_)
            | Self::SetQuota { .. }
            | Self::Upgrade { .. }
            | Self::AllowDeviceChange { .. } => None,
        }
    }

    /// Returns the party that the change is about, or `None` if it is about no party.
    pub fn party(&self) -> Option<PartyId> {
        match self {
            Self::AddParty { party, .. }
            | Self::RemoveParty(party)
            | Self::SetQuota { party, .. }
            | Self::Recover { party, .. } => Some(*party),
            Self::AddValidator(_)
            | Self::RemoveValidator(_)
            | Self::Upgrade { .. }
            | Self::AllowDeviceChange { .. } => None,
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
    /// The proposed members of the council, sorted, or `None` if the motion is not about them.
    pub members: Option<Vec<PartyId>>,
    /// The parties that voted for it.
    pub ayes: Vec<PartyId>,
    /// The parties that voted against it.
    pub nays: Vec<PartyId>,
    /// The number of votes that it needs.
    pub needed: u32,
    /// The number of the block from which the motion can only be closed. Members that have not voted by then count as
    /// voting against it.
    pub until: u32,
}
