//! How much a party may spend on transactions.

use crate::PartyId;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The amount that all accounts and gateways of a party may spend on transactions in one period.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Quota {
    /// The execution time of the transactions according to their weight, in microseconds.
    pub microseconds: u64,
    /// The length of the transactions, in bytes.
    pub bytes: u64,
}

impl Quota {
    /// Subtracts another quota, field by field, saturating at zero.
    pub fn saturating_sub(&self, other: &Self) -> Self {
        Self {
            microseconds: self.microseconds.saturating_sub(other.microseconds),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    /// Adds another quota, field by field, saturating at the maximum.
    pub fn saturating_add(&self, other: &Self) -> Self {
        Self {
            microseconds: self.microseconds.saturating_add(other.microseconds),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// The quota of a party and what is left of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct QuotaStatus {
    /// The party.
    pub party: PartyId,
    /// The quota per period.
    pub quota: Quota,
    /// What is left of it in this period.
    pub left: Quota,
    /// When the next period starts by the chain's clock, in milliseconds since 1970-01-01 UTC.
    pub refills: u64,
}
