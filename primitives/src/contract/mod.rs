//! Contracts between parties about devices. Clauses are data, which the chain evaluates on proven readings.
//!
//! `terms.rs` has the terms as a whole, `clause.rs` their clauses, `validate.rs` what makes them invalid. `state.rs` has
//! what the chain records about a contract, and `evaluate/` the arithmetic: what is due, used, owed or contrary to a claim.
//! The chain, the gateway and every program that checks a contract use the same functions.

mod clause;
mod currency;
pub mod evaluate;
pub mod state;
mod terms;
#[cfg(test)]
mod tests;
mod validate;

pub use clause::{
    AccessClause, BoundClause, CarryOver, ChargeBasis, ChargeClause, Clause, ClauseKind, CommandRule,
    ControlClause, CustodyClause, DataClass, Grantee, HandoverClause, Interval, Meter, ParameterLimit,
    Quantity, ReadingSelection, ReportClause, ServiceClause, UsageClause, MAX_COMMANDS, MAX_NAMES,
    MAX_PARAMETER_LIMITS,
};
pub use currency::{Currency, CurrencyError};
pub use terms::{
    AcceptedSigners, ContractContent, ContractRole, Deadlines, Document, Documents, NumberedClause, OnChange,
    RoleHolder, Terms, Verdict, MAX_CLAUSES, MAX_DEADLINE, MAX_DEVICES, MAX_DOCUMENTS, MAX_INTERVAL,
    MAX_PARTIES,
};
pub use validate::{ContractError, ContractErrorKind};

use crate::{hash::Domain, Hash};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The id of a contract: the hash of its first content on this lineage of chains. It survives amendments and a
/// refounding of the chain.
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
pub struct ContractId(pub [u8; 32]);

crate::hex_id::impl_hex_text!(ContractId, 32);

/// The hash of a content. Every call that agrees to a content names it.
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
pub struct ContentHash(pub [u8; 32]);

crate::hex_id::impl_hex_text!(ContentHash, 32);

/// The number of a clause in its contract, which never shifts.
pub type ClauseNumber = u16;

/// The number of a claim in its contract, counted from 0.
pub type ClaimNumber = u32;

impl ContractId {
    /// Returns the id of the contract whose first content has this hash. `lineage` is the genesis hash of the first chain
    /// of the lineage: of this chain, if it continues no other chain.
    pub fn new(lineage: &Hash, first: &ContentHash) -> Self {
        Self(Domain::Contract.hash_of(&(lineage, first)).0)
    }
}

impl ContractContent {
    /// Returns the hash of this content.
    pub fn hash(&self) -> ContentHash {
        ContentHash(Domain::ContractContent.hash_of(self).0)
    }

    /// Returns the id of the contract whose first content this is.
    pub fn id(&self, lineage: &Hash) -> ContractId {
        ContractId::new(lineage, &self.hash())
    }
}

/// Returns the salted hash of a text or a file that belongs to a contract: a title, a document, an invoice, a photo.
///
/// Without the salt, nobody can try which text it is.
pub fn document_hash(salt: &[u8; 32], bytes: &[u8]) -> Document {
    Domain::Document.hash_of(&(salt, bytes))
}
