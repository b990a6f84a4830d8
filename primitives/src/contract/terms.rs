//! The terms of a contract as a whole.

use super::{Clause, ClauseNumber};
use crate::{BoundedVec, ConstU32, DeviceId, Hash, PartyId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// The maximum number of parties to a contract.
pub const MAX_PARTIES: u32 = 8;
/// The maximum number of devices in a contract.
pub const MAX_DEVICES: u32 = 16;
/// The maximum number of clauses in a contract.
pub const MAX_CLAUSES: u32 = 16;
/// The maximum number of documents of a contract, of a claim, and of each side of a dispute.
pub const MAX_DOCUMENTS: u32 = 8;
/// The longest deadline, in milliseconds: 400 days.
pub const MAX_DEADLINE: u64 = 400 * 24 * 60 * 60 * 1_000;
/// The longest interval of a clause, in milliseconds: 20 years.
pub const MAX_INTERVAL: u64 = 20 * 366 * 24 * 60 * 60 * 1_000;

/// The salted hash of a document that the parties keep themselves: see [`super::document_hash`].
pub type Document = Hash;

/// The salted hashes of documents.
pub type Documents = BoundedVec<Document, ConstU32<MAX_DOCUMENTS>>;

/// The content of a contract: what every party accepts.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum ContractContent {
    /// The first version of the format.
    #[codec(index = 1)]
    V1(Terms),
}

/// The terms of a contract.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Terms {
    /// Random bytes that distinguish contracts with the same terms.
    pub nonce: Hash,
    /// The parties, all of which must accept.
    pub parties: BoundedVec<RoleHolder, ConstU32<MAX_PARTIES>>,
    /// The party that rules on disputes, not one of `parties`. It must accept its role.
    pub arbiter: Option<PartyId>,
    /// The devices that the contract is about.
    pub devices: BoundedVec<DeviceId, ConstU32<MAX_DEVICES>>,
    /// When the contract starts, in milliseconds since 1970-01-01 UTC. Readings from before it do not count.
    pub starts: u64,
    /// When the contract ends (exclusive), in milliseconds since 1970-01-01 UTC. `None` if it does not expire.
    pub ends: Option<u64>,
    /// How long the parties have for what they may do.
    pub deadlines: Deadlines,
    /// What becomes of a disputed claim that nobody rules on in time.
    pub unruled: Verdict,
    /// What happens when a device gets an owner that is not a party.
    pub on_sale: OnChange,
    /// What happens when a party leaves the consortium.
    pub on_leave: OnChange,
    /// Whose signatures on readings count.
    pub signers: AcceptedSigners,
    /// The texts that people sign.
    pub documents: Documents,
    /// The clauses, in the order of their numbers.
    pub clauses: BoundedVec<NumberedClause, ConstU32<MAX_CLAUSES>>,
}

/// A party to a contract and its role.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RoleHolder {
    /// The role. Several parties may have the same one.
    pub role: ContractRole,
    /// The party, which is listed once.
    pub party: PartyId,
}

/// A clause and its number.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NumberedClause {
    /// The number, above the number of the clause before it.
    pub number: ClauseNumber,
    /// The clause.
    pub clause: Clause,
}

/// The role of a party in a contract.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum ContractRole {
    /// Owns the device.
    Owner,
    /// Services the device.
    Workshop,
    /// Lets the device.
    Lessor,
    /// Hires the device.
    Lessee,
    /// Sells the device.
    Seller,
    /// Buys the device.
    Buyer,
    /// Insures the device.
    Insurer,
    /// Uses the device (EU Data Act, article 2(12)).
    User,
    /// Receives data of the device (EU Data Act, article 2(14)).
    Recipient,
    /// Holds the data of the device (EU Data Act, article 2(13)).
    Holder,
    /// Sends goods.
    Shipper,
    /// Carries goods.
    Carrier,
    /// Operates a charging point or another installation.
    Operator,
    /// Is supplied with energy or another good.
    Customer,
    /// Keeps replicas of logs.
    Custodian,
    /// Any other role, which the documents explain.
    Other,
}

/// How long the parties have, in milliseconds of live time. Live time stands still while the chain stands still.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Deadlines {
    /// To accept a proposal or an amendment. It lapses after that.
    pub accept: u64,
    /// From the notice of termination to the end. `None` if one party alone cannot terminate the contract.
    pub notice: Option<u64>,
    /// To contest or refute a claim. It stands after that.
    pub contest: u64,
    /// To settle a dispute or rule on it.
    pub rule: u64,
}

/// What becomes of a claim.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Verdict {
    /// The claim stands.
    Stands,
    /// The claim is void.
    Void,
}

/// What happens when a party or the owner of a device changes. Grants end in any case.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum OnChange {
    /// The contract ends.
    Ends,
    /// The contract waits for an amendment that names a successor, which accepts it. It ends if there is none in time.
    AwaitsSuccessor {
        /// How long it waits after the chain noted the change, in milliseconds of live time.
        within: u64,
    },
}

/// Whose signatures on readings count.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum AcceptedSigners {
    /// Only readings that the device itself signed.
    DeviceOnly,
    /// Also readings that a gateway signed on behalf of the device.
    GatewayToo,
}

impl ContractContent {
    /// Returns the terms.
    pub fn terms(&self) -> &Terms {
        let Self::V1(terms) = self;
        terms
    }

    /// Returns the terms.
    pub fn into_terms(self) -> Terms {
        let Self::V1(terms) = self;
        terms
    }
}

impl Terms {
    /// Returns true if a party must accept the terms.
    pub fn names(&self, party: &PartyId) -> bool {
        self.parties.iter().any(|holder| holder.party == *party)
    }

    /// Returns true if a party has a role.
    pub fn has_role(&self, party: &PartyId, role: ContractRole) -> bool {
        self.parties.iter().any(|holder| holder.party == *party && holder.role == role)
    }

    /// Returns the clause with a number, or `None` if there is none.
    pub fn clause(&self, number: ClauseNumber) -> Option<&Clause> {
        self.clauses.iter().find(|numbered| numbered.number == number).map(|numbered| &numbered.clause)
    }
}

impl ContractRole {
    /// All roles.
    pub const LIST: [Self; 16] = [
        Self::Owner,
        Self::Workshop,
        Self::Lessor,
        Self::Lessee,
        Self::Seller,
        Self::Buyer,
        Self::Insurer,
        Self::User,
        Self::Recipient,
        Self::Holder,
        Self::Shipper,
        Self::Carrier,
        Self::Operator,
        Self::Customer,
        Self::Custodian,
        Self::Other,
    ];

    /// Returns the name of the role, as in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Workshop => "workshop",
            Self::Lessor => "lessor",
            Self::Lessee => "lessee",
            Self::Seller => "seller",
            Self::Buyer => "buyer",
            Self::Insurer => "insurer",
            Self::User => "user",
            Self::Recipient => "recipient",
            Self::Holder => "holder",
            Self::Shipper => "shipper",
            Self::Carrier => "carrier",
            Self::Operator => "operator",
            Self::Customer => "customer",
            Self::Custodian => "custodian",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for ContractRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
