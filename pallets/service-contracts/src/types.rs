//! What the pallet keeps about a contract beside its content.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use streembit_primitives::{
    contract::{ServiceClause, MAX_PARTIES},
    contract_state::ContractState,
    AccountId, Decimal,
};

/// How far a contract is.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Standing {
    /// Its state.
    pub state: ContractState,
    /// The parties that accepted it, in the order in which they did.
    pub accepted: BoundedVec<AccountId, ConstU32<MAX_PARTIES>>,
    /// How many records it has.
    pub records: u32,
}

impl Default for Standing {
    /// Proposed, by nobody yet.
    fn default() -> Self {
        Self { state: ContractState::Proposed, accepted: BoundedVec::new(), records: 0 }
    }
}

/// How far a service clause is.
#[derive(
    Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Progress {
    /// The last proven state of the meter.
    pub proven: Option<Proven>,
    /// The meter's value at the last confirmed record.
    pub served: Option<Decimal>,
    /// The number of the record that waits to be confirmed.
    pub open: Option<u32>,
}

/// A proven state of a meter.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Proven {
    /// The place of the event in the device's history.
    pub sequence: u64,
    /// The meter's value.
    pub meter: Decimal,
}

impl Progress {
    /// Whether this is of a later event than all before.
    pub fn is_newer(&self, proven: &Proven) -> bool {
        self.proven.is_none_or(|last| proven.sequence > last.sequence)
    }

    /// Whether this is of the last event or a later one.
    pub fn is_not_older(&self, proven: &Proven) -> bool {
        self.proven.is_none_or(|last| proven.sequence >= last.sequence)
    }

    /// The meter's value at which the service falls due; `None` where a decimal cannot hold it.
    pub fn due_at(&self, service: &ServiceClause) -> Option<Decimal> {
        self.served.unwrap_or(service.from).checked_add(&service.every)
    }
}
