//! Contracts: what parties agree on about devices. Clauses are data; the chain evaluates them.

use crate::{hash::Domain, reading::Name, AccountId, Decimal, DeviceId, Hash, Text};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The most parties to a contract.
pub const MAX_PARTIES: u32 = 8;
/// The most devices that a contract is about.
pub const MAX_DEVICES: u32 = 16;
/// The most clauses of a contract.
pub const MAX_CLAUSES: u32 = 16;
/// The most names that an access clause lists.
pub const MAX_NAMES: u32 = 16;

/// The id of a contract: the hash of its content on one chain, which is what every party signs.
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

crate::text::hex_text!(ContractId, 32);

/// What the parties agree on.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Contract {
    /// What people call it.
    pub title: Text<96>,
    /// Tells two contracts of the same content apart; any random bytes.
    pub nonce: Hash,
    /// Everyone who must accept it.
    pub parties: BoundedVec<AccountId, ConstU32<MAX_PARTIES>>,
    /// The devices that it is about.
    pub devices: BoundedVec<DeviceId, ConstU32<MAX_DEVICES>>,
    /// Its terms.
    pub clauses: BoundedVec<Clause, ConstU32<MAX_CLAUSES>>,
}

/// One term of a contract.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Clause {
    /// A service that falls due every so much of a meter.
    #[codec(index = 0)]
    Service(ServiceClause),
    /// A right to read a device's readings, with an end. (1 to 3 and 5 to 7 are for the other clauses of the design.)
    #[codec(index = 4)]
    Access(AccessClause),
}

/// A service that falls due every so much of a meter.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServiceClause {
    /// What is to be done, such as "oil change".
    pub what: Text<96>,
    /// Whose meter.
    pub device: DeviceId,
    /// The reading that is the meter, such as `Vehicle.TraveledDistance`.
    pub meter: Name,
    /// The meter's value from which the first interval counts.
    pub from: Decimal,
    /// The interval, in the meter's unit; above zero.
    pub every: Decimal,
    /// The party that does it.
    pub provider: AccountId,
    /// The party that confirms it.
    pub customer: AccountId,
}

/// A right to read a device's readings.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AccessClause {
    /// The resource owner's device (ISO 20078).
    pub device: DeviceId,
    /// The accessing party (ISO 20078).
    pub grantee: AccountId,
    /// The readings that it may read; empty for all.
    pub names: BoundedVec<Name, ConstU32<MAX_NAMES>>,
    /// When the right ends, in milliseconds since 1970-01-01 UTC; the moment itself is outside.
    pub until: u64,
}

/// Why a content can be no contract, whoever proposes it.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum ContractFault {
    /// Fewer than two parties, or one twice.
    Parties,
    /// No device, or one twice.
    Devices,
    /// No clause.
    NoClause,
    /// A clause names an account that is no party to the contract, or one on both sides.
    ClauseParty,
    /// A clause names a device that the contract is not about.
    ClauseDevice,
    /// A service interval that is not above zero, or a meter without a name.
    Interval,
}

impl core::fmt::Display for ContractFault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Parties => "a contract needs two or more parties, each named once",
            Self::Devices => "a contract needs at least one device, each named once",
            Self::NoClause => "a contract needs at least one clause",
            Self::ClauseParty => {
                "a clause names an account that is not a party to the contract, or one on both sides"
            }
            Self::ClauseDevice => "a clause names a device that the contract does not list",
            Self::Interval => "a service clause needs a named meter and an interval above zero",
        })
    }
}

impl core::error::Error for ContractFault {}

impl Contract {
    /// The id of this content on the chain with this genesis.
    pub fn id(&self, genesis: &Hash) -> ContractId {
        ContractId(Domain::Contract.hash_of(&(genesis, self)).0)
    }

    /// Whether the content is one that can be agreed on.
    pub fn check(&self) -> Result<(), ContractFault> {
        if self.parties.len() < 2 || has_duplicates(&self.parties) {
            return Err(ContractFault::Parties);
        }
        if self.devices.is_empty() || has_duplicates(&self.devices) {
            return Err(ContractFault::Devices);
        }
        if self.clauses.is_empty() {
            return Err(ContractFault::NoClause);
        }
        self.clauses.iter().try_for_each(|clause| self.check_clause(clause))
    }

    fn check_clause(&self, clause: &Clause) -> Result<(), ContractFault> {
        let party = |account: &AccountId| self.parties.contains(account);
        let device = match clause {
            Clause::Service(service) => {
                if !party(&service.provider)
                    || !party(&service.customer)
                    || service.provider == service.customer
                {
                    return Err(ContractFault::ClauseParty);
                }
                if service.every <= Decimal::ZERO || service.meter.as_str().is_empty() {
                    return Err(ContractFault::Interval);
                }
                service.device
            }
            Clause::Access(access) => {
                if !party(&access.grantee) {
                    return Err(ContractFault::ClauseParty);
                }
                access.device
            }
        };
        if self.devices.contains(&device) {
            Ok(())
        } else {
            Err(ContractFault::ClauseDevice)
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
        let (owner, workshop, device) = (AccountId([1; 32]), AccountId([2; 32]), DeviceId([3; 32]));
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
    fn a_sound_contract_passes_and_each_fault_is_named() {
        assert_eq!(contract().check(), Ok(()));
        type Change = fn(&mut Contract);
        let faults: [(ContractFault, Change); 9] = [
            (ContractFault::Parties, |c| c.parties.truncate(1)),
            (ContractFault::Parties, |c| c.parties[1] = c.parties[0]),
            (ContractFault::Devices, |c| c.devices.clear()),
            (ContractFault::NoClause, |c| c.clauses.clear()),
            (ContractFault::ClauseParty, |c| service(c).provider = AccountId([9; 32])),
            (ContractFault::ClauseParty, |c| service(c).provider = AccountId([1; 32])),
            (ContractFault::ClauseDevice, |c| service(c).device = DeviceId([9; 32])),
            (ContractFault::Interval, |c| service(c).every = Decimal::ZERO),
            (ContractFault::Interval, |c| service(c).meter = Name::default()),
        ];
        for (fault, change) in faults {
            let mut contract = contract();
            change(&mut contract);
            assert_eq!(contract.check(), Err(fault));
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
