//! What the pallet stores about a contract in addition to its content.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use streembit_primitives::{
    contract::{ServiceClause, MAX_DEVICES, MAX_PARTIES},
    contract_state::ContractState,
    due, Decimal, PartyId,
};

/// The status of a contract.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct ContractStatus {
    /// Whether it is proposed or active.
    pub state: ContractState,
    /// The parties that accepted it, in the order of their acceptances.
    pub accepted: BoundedVec<PartyId, ConstU32<MAX_PARTIES>>,
    /// The number of its records.
    pub records: u32,
    /// How many owners each of its devices had had when it became active, in the order of the content. A grant ends when
    /// its device gets another owner. Empty for a proposal.
    pub owners: BoundedVec<u32, ConstU32<MAX_DEVICES>>,
}

impl Default for ContractStatus {
    /// Returns the status of a proposal that nobody has accepted yet.
    fn default() -> Self {
        Self {
            state: ContractState::Proposed,
            accepted: BoundedVec::new(),
            records: 0,
            owners: BoundedVec::new(),
        }
    }
}

/// The progress of a service clause.
#[derive(
    Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ServiceProgress {
    /// The last proven value of the meter.
    pub proven: Option<ProvenMeter>,
    /// The meter value of the last confirmed record.
    pub served: Option<Decimal>,
    /// The number of the record that is not confirmed yet, if there is one.
    pub open: Option<u32>,
}

/// A proven value of a meter.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ProvenMeter {
    /// The sequence of the event in the device's history.
    pub sequence: u64,
    /// The meter's value.
    pub meter: Decimal,
}

impl ServiceProgress {
    /// Returns true if `proven` is from a later event than the last proven one.
    pub fn is_newer(&self, proven: &ProvenMeter) -> bool {
        self.proven.is_none_or(|last| proven.sequence > last.sequence)
    }

    /// Returns true if `proven` is from the last proven event or a later one.
    pub fn is_not_older(&self, proven: &ProvenMeter) -> bool {
        self.proven.is_none_or(|last| proven.sequence >= last.sequence)
    }

    /// Returns the meter value at which the service falls due next, or `None` if a decimal cannot hold it.
    pub fn due_at(&self, service: &ServiceClause) -> Option<Decimal> {
        due::due_at(service, self.served)
    }
}
