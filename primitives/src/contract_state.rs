//! The state of contracts on chain, as the runtime APIs return it.

use crate::{
    contract::{Contract, ContractId, MAX_NAMES},
    reading::Name,
    Decimal, DeviceId, Hash, PartyId,
};
use alloc::vec::Vec;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The stage that a contract has reached.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum ContractState {
    /// Some parties have not accepted it yet.
    Proposed,
    /// All parties have accepted it, and it is in force.
    Active,
}

/// A contract with its state.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ContractView {
    /// The id of the contract.
    pub id: ContractId,
    /// The content of the contract.
    pub contract: Contract,
    /// The stage that it has reached.
    pub state: ContractState,
    /// The parties that have accepted it.
    pub accepted: Vec<PartyId>,
    /// The service records under it, oldest first.
    pub records: Vec<ServiceRecord>,
}

/// A service performed under a contract: claimed by the provider, confirmed by the customer.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServiceRecord {
    /// The number of the record in its contract, counted from 0.
    pub number: u32,
    /// The index of the clause in the contract.
    pub clause: u32,
    /// The proven value of the meter when the service was performed.
    pub meter: Decimal,
    /// The hash of further details (an invoice, photos), which the parties keep themselves.
    pub details: Hash,
    /// The number of the block of the claim.
    pub recorded: u32,
    /// The number of the block of the confirmation, or `None` if the record is not confirmed yet.
    pub confirmed: Option<u32>,
}

/// When the next service under a clause is due, computed from proven readings.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServiceDue {
    /// The index of the clause in the contract.
    pub clause: u32,
    /// The value of the meter at which the next service is due.
    pub due_at: Decimal,
    /// The last proven value of the meter, or `None` if there is none yet.
    pub meter: Option<Decimal>,
    /// True if the proven meter has reached `due_at`.
    pub is_due: bool,
}

/// A right to read the readings of a device, given by a contract in force.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Grant {
    /// The contract that gives the right.
    pub contract: ContractId,
    /// The device.
    pub device: DeviceId,
    /// The party that has the right.
    pub grantee: PartyId,
    /// The names of the readings; empty for all.
    pub names: BoundedVec<Name, ConstU32<MAX_NAMES>>,
    /// When the right ends (exclusive), in milliseconds since 1970-01-01 UTC.
    pub until: u64,
}
