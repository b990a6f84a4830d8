//! The answers of the runtime API.

use crate::{
    ClauseProgress, Config, Contracts, ContractsOfDevice, ContractsOfParty, Pallet, Records, Statuses,
};
use alloc::vec::Vec;
use frame_support::traits::Time;
use streembit_primitives::{
    contract::{AccessClause, Clause, ContractId, ServiceClause},
    contract_state::{ContractView, Grant, ServiceDue},
    due::is_due,
    DeviceId, PartyId,
};

impl<T: Config> Pallet<T> {
    /// Returns a contract with its state and its records, oldest first. Returns `None` if there is no such contract.
    pub fn contract(id: ContractId) -> Option<ContractView> {
        let contract = Contracts::<T>::get(id)?;
        let status = Statuses::<T>::get(id)?;
        let records = (0..status.records).filter_map(|number| Records::<T>::get(id, number)).collect();
        let accepted = status.accepted.into_inner();
        Some(ContractView { id, contract, state: status.state, accepted, records })
    }

    /// Returns the contracts that name a party, proposals included, in no particular order.
    pub fn contracts_of(party: &PartyId) -> Vec<ContractId> {
        ContractsOfParty::<T>::iter_key_prefix(party).collect()
    }

    /// Returns the due point and the meter of each service clause of a contract, or `None` if there is no such
    /// contract.
    pub fn due(id: ContractId) -> Option<Vec<ServiceDue>> {
        let contract = Contracts::<T>::get(id)?;
        let services = (0..).zip(&contract.clauses).filter_map(|(place, clause)| match clause {
            Clause::Service(service) => Some((place, service)),
            Clause::Access(_) => None,
        });
        Some(services.filter_map(|(place, service)| Self::due_of(id, place, service)).collect())
    }

    fn due_of(id: ContractId, clause: u32, service: &ServiceClause) -> Option<ServiceDue> {
        let progress = ClauseProgress::<T>::get(id, clause);
        // Never `None`: `propose` and `record` check that the due point fits into a decimal.
        let due_at = progress.due_at(service)?;
        let meter = progress.proven.map(|proven| proven.meter);
        Some(ServiceDue { clause, due_at, meter, is_due: is_due(due_at, meter) })
    }

    /// Returns the grants to read a device now.
    ///
    /// A grant comes from an access clause that has not ended, in an active contract. It is void as soon as the device gets
    /// another owner, also if that one is a party to the contract.
    pub fn grants(device: DeviceId) -> Vec<Grant> {
        let Some(record) = pallet_devices::Pallet::<T>::device(&device) else { return Vec::new() };
        let now = <T as Config>::Clock::now();
        let owners = record.owners().count();
        let mut grants = Vec::new();
        for id in ContractsOfDevice::<T>::get(device) {
            let (Some(contract), Some(status)) = (Contracts::<T>::get(id), Statuses::<T>::get(id)) else {
                continue;
            };
            let mut counts = contract.devices.iter().zip(&status.owners);
            if !counts.any(|(of, count)| *of == device && *count == owners) {
                continue;
            }
            grants.extend(contract.clauses.into_iter().filter_map(|clause| match clause {
                Clause::Access(access) => {
                    (access.device == device && now < access.until).then(|| grant(id, access))
                }
                Clause::Service(_) => None,
            }));
        }
        grants
    }
}

fn grant(contract: ContractId, access: AccessClause) -> Grant {
    let AccessClause { device, grantee, names, until } = access;
    Grant { contract, device, grantee, names, until }
}
