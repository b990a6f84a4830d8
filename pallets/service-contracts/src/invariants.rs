//! The conditions that hold between any two calls.

use crate::{
    types::{ContractStatus, ServiceProgress},
    AcceptedBy, ClauseProgress, Config, Contracts, ContractsOfDevice, ContractsOfParty, Pallet, Records,
    Statuses,
};
use alloc::collections::{BTreeMap, BTreeSet};
use frame_support::{ensure, traits::Get};
use streembit_primitives::{
    contract::{Clause, Contract, ContractId},
    contract_state::{ContractState, ServiceRecord},
    PartyId,
};

/// The number of contracts that each party has accepted.
type Accepted = BTreeMap<PartyId, u32>;

impl<T: Config> Pallet<T> {
    /// Returns the first condition that does not hold.
    pub fn check_state() -> Result<(), &'static str> {
        let mut accepted = Accepted::new();
        for (id, contract) in Contracts::<T>::iter() {
            let status = Statuses::<T>::get(id).ok_or("a contract has no status")?;
            ensure!(contract.validate().is_ok(), "a contract is invalid");
            Self::check_acceptances(id, &contract, &status, &mut accepted)?;
            Self::check_records(id, &contract, &status)?;
        }
        for (id, status) in Statuses::<T>::iter() {
            ensure!(Contracts::<T>::contains_key(id), "a status has no contract");
            ensure!(status.records <= T::MaxRecords::get(), "a contract has too many records");
        }
        for (party, count) in AcceptedBy::<T>::iter() {
            ensure!(
                accepted.remove(&party) == Some(count),
                "the number of contracts that a party accepted is wrong"
            );
            ensure!(count <= T::MaxContractsOfParty::get(), "a party accepted too many contracts");
        }
        ensure!(accepted.is_empty(), "a party accepted contracts but has no entry in `AcceptedBy`");
        Self::check_indices()
    }

    fn check_acceptances(
        id: ContractId,
        contract: &Contract,
        status: &ContractStatus,
        accepted: &mut Accepted,
    ) -> Result<(), &'static str> {
        let by = BTreeSet::from_iter(&status.accepted);
        ensure!(by.len() == status.accepted.len(), "a party accepted a contract twice");
        ensure!(!by.is_empty(), "nobody accepted a contract, not even its proposer");
        ensure!(
            by.iter().all(|party| contract.parties.contains(party)),
            "a party that is not a party to a contract accepted it"
        );
        let is_active = status.state == ContractState::Active;
        ensure!(
            is_active == (by.len() == contract.parties.len()),
            "a contract is active although not all parties accepted it, or the reverse"
        );
        let devices = if is_active { contract.devices.len() } else { 0 };
        ensure!(status.owners.len() == devices, "the owners of a contract's devices are not counted");
        for (device, count) in contract.devices.iter().zip(&status.owners) {
            let record =
                pallet_devices::Pallet::<T>::device(device).ok_or("an active contract's device is gone")?;
            ensure!(*count <= record.owners().count(), "a contract counts owners of the future");
        }
        for party in &contract.parties {
            ensure!(
                ContractsOfParty::<T>::contains_key(party, id),
                "a contract is missing in `ContractsOfParty`"
            );
        }
        for device in contract.devices.iter().filter(|_| is_active) {
            let listed = ContractsOfDevice::<T>::get(device).into_iter().filter(|listed| *listed == id);
            ensure!(listed.count() == 1, "an active contract is not exactly once in `ContractsOfDevice`");
        }
        for party in &status.accepted {
            let count = accepted.entry(*party).or_default();
            *count = count.saturating_add(1);
        }
        Ok(())
    }

    /// Records are numbered without gaps. A clause has at most one open record. A record is never ahead of the proven
    /// meter.
    fn check_records(
        id: ContractId,
        contract: &Contract,
        status: &ContractStatus,
    ) -> Result<(), &'static str> {
        let stored = Records::<T>::iter_key_prefix(id).count();
        ensure!(stored == status.records as usize, "the number of a contract's records is wrong");
        for number in 0..status.records {
            let record = Records::<T>::get(id, number).ok_or("a contract's records have a gap")?;
            ensure!(record.number == number, "a record is stored under another number");
            let progress = ClauseProgress::<T>::get(id, record.clause);
            let is_open = progress.open == Some(number);
            ensure!(is_open == record.confirmed.is_none(), "a record is both open and confirmed, or neither");
            let reached = progress.proven.is_some_and(|proven| record.meter <= proven.meter);
            ensure!(reached, "a record is ahead of the proven meter");
        }
        for (place, progress) in ClauseProgress::<T>::iter_prefix(id) {
            let service = match contract.clauses.get(place as usize) {
                Some(Clause::Service(service)) => service,
                Some(Clause::Access(_)) => return Err("an access clause has progress"),
                None => return Err("an unknown clause has progress"),
            };
            ensure!(
                status.state == ContractState::Active,
                "a clause has progress although the contract is not active"
            );
            ensure!(progress.due_at(service).is_some(), "a due point does not fit into a decimal");
            check_progress(place, &progress, |number| Records::<T>::get(id, number))?;
        }
        Ok(())
    }

    /// The indices have no entries that the contracts do not imply.
    fn check_indices() -> Result<(), &'static str> {
        for (party, id, ()) in ContractsOfParty::<T>::iter() {
            let names = Contracts::<T>::get(id).is_some_and(|contract| contract.parties.contains(&party));
            ensure!(names, "`ContractsOfParty` lists a contract that does not name the party");
        }
        for (device, ids) in ContractsOfDevice::<T>::iter() {
            for id in ids {
                let about =
                    Contracts::<T>::get(id).is_some_and(|contract| contract.devices.contains(&device));
                ensure!(about, "`ContractsOfDevice` lists a contract that is not about the device");
                let is_active = Statuses::<T>::get(id).is_some_and(|s| s.state == ContractState::Active);
                ensure!(is_active, "`ContractsOfDevice` lists a contract that is not active");
            }
        }
        let of_clauses = ClauseProgress::<T>::iter_keys().map(|(id, _)| id);
        for id in of_clauses.chain(Records::<T>::iter_keys().map(|(id, _)| id)) {
            ensure!(Contracts::<T>::contains_key(id), "progress or a record has no contract");
        }
        Ok(())
    }
}

/// An open record belongs to the clause, and the last confirmed record is not ahead of the proven meter.
fn check_progress(
    place: u32,
    progress: &ServiceProgress,
    record: impl Fn(u32) -> Option<ServiceRecord>,
) -> Result<(), &'static str> {
    let Some(proven) = progress.proven else { return Err("a clause has progress without a proof") };
    if let Some(number) = progress.open {
        let is_its = record(number).is_some_and(|record| record.clause == place);
        ensure!(is_its, "an open record belongs to another clause");
    }
    let reached = progress.served.is_none_or(|served| served <= proven.meter);
    ensure!(reached, "a service is ahead of the proven meter");
    Ok(())
}
