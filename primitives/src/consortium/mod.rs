//! The consortium: its parties, its council and what the council votes on, its validators, and the parties' quotas.
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | [`Consortium`], the overview of all of them |
//! | `council.rs` | [`Change`] and [`Motion`]: what the council votes on |
//! | `validators.rs` | [`Validator`], its session keys, and proven equivocations |
//! | `quota.rs` | [`Quota`] and [`QuotaStatus`]: how much a party may spend on transactions |
//! | `invalid_transaction.rs` | the codes of transactions that the pool rejects |

mod council;
pub mod invalid_transaction;
mod quota;
mod validators;

pub use council::{Change, Motion, MAX_RUNTIME_CODE_BYTES};
pub use quota::{Quota, QuotaStatus};
pub use validators::{
    Equivocation, Offence, SessionKey, SessionKeys, Validator, ValidatorState, MIN_FAULT_TOLERANT_VALIDATORS,
};

use crate::PartyId;
use alloc::vec::Vec;
use codec::{Decode, Encode};
use scale_info::TypeInfo;

/// The members of the consortium, and the open motions of the council.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Consortium {
    /// The parties, sorted.
    pub parties: Vec<PartyId>,
    /// The members of the council, sorted.
    pub council: Vec<PartyId>,
    /// The validators.
    pub validators: Vec<Validator>,
    /// The open motions.
    pub motions: Vec<Motion>,
    /// The index of the session. A change of validators takes effect two sessions later.
    pub session: u32,
    /// The number of times that the GRANDPA voters have changed since the genesis.
    pub authority_set: u64,
}
