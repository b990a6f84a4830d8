//! What the chain answers: the types of its runtime APIs, shared by the runtime and by those who ask it.

use crate::{
    contract::{Contract, ContractId},
    reading::Name,
    AccountId, Checkpoint, Decimal, DeviceId, DeviceKey, Hash,
};
use alloc::vec::Vec;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// A registered device.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DeviceRecord {
    /// The key that its events are verified with.
    pub key: DeviceKey,
    /// The party that owns it.
    pub owner: AccountId,
    /// The gateway that keeps its log.
    pub gateway: AccountId,
    /// The block in which it was registered.
    pub registered: u32,
}

/// An anchored checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Anchor {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The block that accepted it.
    pub block: u32,
}

/// How far a contract is.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum ContractState {
    /// Not yet accepted by all parties.
    Proposed,
    /// Accepted by all parties; runs.
    Active,
}

/// A contract with its state.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ContractView {
    /// Its id.
    pub id: ContractId,
    /// Its content.
    pub contract: Contract,
    /// Its state.
    pub state: ContractState,
    /// The parties that accepted it.
    pub accepted: Vec<AccountId>,
    /// What was recorded under it, oldest first.
    pub records: Vec<ServiceRecord>,
}

/// What was done under a service clause: claimed by the provider, confirmed by the customer.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServiceRecord {
    /// The record's number in its contract, from 0.
    pub number: u32,
    /// The clause, by its place in the contract.
    pub clause: u32,
    /// The meter's proven value when it was done.
    pub meter: Decimal,
    /// The hash of what else is to be said (an invoice, photos), kept by the parties.
    pub details: Hash,
    /// The block of the claim.
    pub recorded: u32,
    /// The block of the confirmation; `None` while it waits.
    pub confirmed: Option<u32>,
}

/// What is due under one service clause, computed from proven readings.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Due {
    /// The clause, by its place in the contract.
    pub clause: u32,
    /// The meter's value at which the next service falls due.
    pub due_at: Decimal,
    /// The meter's last proven value; `None` before the first.
    pub meter: Option<Decimal>,
    /// Whether the proven meter has reached the due point.
    pub is_due: bool,
}

/// One right to read, as contracts in force give it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Grant {
    /// The contract that gives it.
    pub contract: ContractId,
    /// The device.
    pub device: DeviceId,
    /// The accessing party.
    pub grantee: AccountId,
    /// The readings; empty for all.
    pub names: BoundedVec<Name, ConstU32<{ crate::contract::MAX_NAMES }>>,
    /// When it ends, in milliseconds since 1970-01-01 UTC.
    pub until: u64,
}
