//! Contracts between parties about devices. Clauses are data, which the chain evaluates.

use crate::{hash::Domain, reading::Name, Decimal, DeviceId, Hash, PartyId, Text};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The maximum number of parties to a contract.
pub const MAX_PARTIES: u32 = 8;
/// The maximum number of devices in a contract.
pub const MAX_DEVICES: u32 = 16;
/// The maximum number of clauses in a contract.
pub const MAX_CLAUSES: u32 = 16;
/// The maximum number of reading names in an access clause.
pub const MAX_NAMES: u32 = 16;

/// The id of a contract: the hash of its content and of the chain's genesis. It is what every party accepts.
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

/// The content of a contract.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Contract {
    /// A title for people.
    pub title: Text<96>,
    /// Random bytes that distinguish contracts with the same content.
    pub nonce: Hash,
    /// The parties, all of which must accept the contract.
    pub parties: BoundedVec<PartyId, ConstU32<MAX_PARTIES>>,
    /// The devices that the contract is about.
    pub devices: BoundedVec<DeviceId, ConstU32<MAX_DEVICES>>,
    /// The terms.
    pub clauses: BoundedVec<Clause, ConstU32<MAX_CLAUSES>>,
}

/// One term of a contract.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Clause {
    /// A service that is due at intervals of a meter.
    #[codec(index = 0)]
    Service(ServiceClause),
    /// A right to read a device's readings until some time. Indices 1 to 3 and 5 to 7 are reserved for other clauses.
    #[codec(index = 4)]
    Access(AccessClause),
}

/// A service that is due at intervals of a meter.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServiceClause {
    /// The service, such as "oil change".
    pub what: Text<96>,
    /// The device that has the meter.
    pub device: DeviceId,
    /// The name of the reading that is the meter, such as `Vehicle.TraveledDistance`.
    pub meter: Name,
    /// The value of the meter at which the first interval starts.
    pub from: Decimal,
    /// The interval, greater than zero, in the unit of the meter.
    pub every: Decimal,
    /// The party that performs the service.
    pub provider: PartyId,
    /// The party that confirms the service.
    pub customer: PartyId,
}

/// A right to read a device's readings.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AccessClause {
    /// The resource owner's device (ISO 20078).
    pub device: DeviceId,
    /// The accessing party (ISO 20078).
    pub grantee: PartyId,
    /// The names of the readings that the grantee may read; empty for all.
    pub names: BoundedVec<Name, ConstU32<MAX_NAMES>>,
    /// When the right ends (exclusive), in milliseconds since 1970-01-01 UTC.
    pub until: u64,
}

/// Why the content of a contract is invalid.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum ContractError {
    /// There are fewer than two parties, or one is listed twice.
    Parties,
    /// There is no device, or one is listed twice.
    Devices,
    /// There is no clause.
    NoClause,
    /// A clause names a party that is not a party to the contract, or the same party on both sides.
    ClauseParty,
    /// A clause names a device that the contract does not list.
    ClauseDevice,
    /// A service interval is not greater than zero.
    Interval,
}

impl core::fmt::Display for ContractError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Parties => "a contract needs at least two parties, each listed once",
            Self::Devices => "a contract needs at least one device, each listed once",
            Self::NoClause => "a contract needs at least one clause",
            Self::ClauseParty => {
                "a clause names a party that is not a party to the contract, or the same party on both sides"
            }
            Self::ClauseDevice => "a clause names a device that the contract does not list",
            Self::Interval => "a service clause needs an interval greater than zero",
        })
    }
}

impl core::error::Error for ContractError {}

impl Contract {
    /// Returns the id of this content on the chain with this genesis.
    pub fn id(&self, genesis: &Hash) -> ContractId {
        ContractId(Domain::Contract.hash_of(&(genesis, self)).0)
    }

    /// Validates the content. The result does not depend on the chain or on who proposes it.
    pub fn validate(&self) -> Result<(), ContractError> {
        if self.parties.len() < 2 || has_duplicates(&self.parties) {
            return Err(ContractError::Parties);
        }
        if self.devices.is_empty() || has_duplicates(&self.devices) {
            return Err(ContractError::Devices);
        }
        if self.clauses.is_empty() {
            return Err(ContractError::NoClause);
        }
        self.clauses.iter().try_for_each(|clause| self.validate_clause(clause))
    }

    fn validate_clause(&self, clause: &Clause) -> Result<(), ContractError> {
        let party = |party: &PartyId| self.parties.contains(party);
        let device = match clause {
            Clause::Service(service) => {
                if !party(&service.provider)
                    || !party(&service.customer)
                    || service.provider == service.customer
                {
                    return Err(ContractError::ClauseParty);
                }
                if service.every <= Decimal::ZERO {
                    return Err(ContractError::Interval);
                }
                service.device
            }
            Clause::Access(access) => {
                if !party(&access.grantee) {
                    return Err(ContractError::ClauseParty);
                }
                access.device
            }
        };
        if self.devices.contains(&device) {
            Ok(())
        } else {
            Err(ContractError::ClauseDevice)
        }
    }
}

fn has_duplicates<T: PartialEq>(items: &[T]) -> bool {
    items.iter().enumerate().any(|(at, item)| items.iter().take(at).any(|earlier| earlier == item))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn contract() -> Contract {
        let (owner, workshop, device) = (PartyId([1; 32]), PartyId([2; 32]), DeviceId([3; 32]));
        Contract {
            title: Text::try_from("service book").unwrap(),
            nonce: Hash::ZERO,
            parties: vec![owner, workshop].try_into().unwrap(),
            devices: vec![device].try_into().unwrap(),
            clauses: vec![
                Clause::Service(ServiceClause {
                    what: Text::try_from("oil").unwrap(),
                    device,
                    meter: Name::try_from("Vehicle.TraveledDistance").unwrap(),
                    from: Decimal::ZERO,
                    every: Decimal::from(15_000),
                    provider: workshop,
                    customer: owner,
                }),
                Clause::Access(AccessClause {
                    device,
                    grantee: workshop,
                    names: Default::default(),
                    until: 1,
                }),
            ]
            .try_into()
            .unwrap(),
        }
    }

    fn service(contract: &mut Contract) -> &mut ServiceClause {
        match &mut contract.clauses[0] {
            Clause::Service(service) => service,
            Clause::Access(_) => unreachable!(),
        }
    }

    #[test]
    fn a_valid_contract_passes_and_each_error_is_named() {
        assert_eq!(contract().validate(), Ok(()));
        type Change = fn(&mut Contract);
        let cases: [(ContractError, Change); 8] = [
            (ContractError::Parties, |c| c.parties.truncate(1)),
            (ContractError::Parties, |c| c.parties[1] = c.parties[0]),
            (ContractError::Devices, |c| c.devices.clear()),
            (ContractError::NoClause, |c| c.clauses.clear()),
            (ContractError::ClauseParty, |c| service(c).provider = PartyId([9; 32])),
            (ContractError::ClauseParty, |c| service(c).provider = PartyId([1; 32])),
            (ContractError::ClauseDevice, |c| service(c).device = DeviceId([9; 32])),
            (ContractError::Interval, |c| service(c).every = Decimal::ZERO),
        ];
        for (error, change) in cases {
            let mut contract = contract();
            change(&mut contract);
            assert_eq!(contract.validate(), Err(error));
        }
    }

    #[test]
    fn the_id_is_of_one_content_on_one_chain() {
        let mut other = contract();
        service(&mut other).every = Decimal::from(10_000);
        assert_ne!(contract().id(&Hash::ZERO), other.id(&Hash::ZERO));
        assert_ne!(contract().id(&Hash::ZERO), contract().id(&Hash([1; 32])));
    }
}
