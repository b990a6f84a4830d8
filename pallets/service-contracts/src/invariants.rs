//! What must hold between any two calls.

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
    AccountId,
};

/// How many contracts each party has accepted.
type Accepted = BTreeMap<AccountId, u32>;

impl<T: Config> Pallet<T> {
    /// Says what does not hold that must.
    pub fn check_state() -> Result<(), &'static str> {
        let mut accepted = Accepted::new();
        for (id, contract) in Contracts::<T>::iter() {
            let status = Statuses::<T>::get(id).ok_or("a contract without a status")?;
            ensure!(contract.validate().is_ok(), "a contract that cannot be one");
            Self::check_acceptances(id, &contract, &status, &mut accepted)?;
            Self::check_records(id, &contract, &status)?;
        }
        for (id, status) in Statuses::<T>::iter() {
            ensure!(Contracts::<T>::contains_key(id), "a status of no contract");
            ensure!(status.records <= T::MaxRecords::get(), "more records than there may be");
        }
        for (party, count) in AcceptedBy::<T>::iter() {
            ensure!(accepted.remove(&party) == Some(count), "a wrong count of accepted contracts");
            ensure!(count <= T::MaxContractsOfParty::get(), "more contracts than a party may accept");
        }
        ensure!(accepted.is_empty(), "an acceptance that does not count");
        Self::check_indices()
    }

    fn check_acceptances(
        id: ContractId,
        contract: &Contract,
        status: &ContractStatus,
        accepted: &mut Accepted,
    ) -> Result<(), &'static str> {
        let by = BTreeSet::from_iter(&status.accepted);
        ensure!(by.len() == status.accepted.len(), "an acceptance twice");
        ensure!(!by.is_empty(), "a contract that nobody proposed");
        ensure!(by.iter().all(|party| contract.parties.contains(party)), "an acceptance by no party to it");
        let is_active = status.state == ContractState::Active;
        ensure!(is_active == (by.len() == contract.parties.len()), "active without all, or not with all");
        for party in &contract.parties {
            ensure!(ContractsOfParty::<T>::contains_key(party, id), "a contract not among its party's");
        }
        for device in contract.devices.iter().filter(|_| is_active) {
            let listed = ContractsOfDevice::<T>::get(device).into_iter().filter(|listed| *listed == id);
            ensure!(listed.count() == 1, "an active contract not once among its device's");
        }
        for party in &status.accepted {
            let count = accepted.entry(*party).or_default();
            *count = count.saturating_add(1);
        }
        Ok(())
    }

    /// Records are numbered without gaps; one of a clause is open at a time, and the meter is never behind one.
    fn check_records(
        id: ContractId,
        contract: &Contract,
        status: &ContractStatus,
    ) -> Result<(), &'static str> {
        let stored = Records::<T>::iter_key_prefix(id).count();
        ensure!(stored == status.records as usize, "a wrong count of records");
        for number in 0..status.records {
            let record = Records::<T>::get(id, number).ok_or("a gap in the records")?;
            ensure!(record.number == number, "a record under another number");
            let progress = ClauseProgress::<T>::get(id, record.clause);
            let is_open = progress.open == Some(number);
            ensure!(is_open == record.confirmed.is_none(), "a record both open and confirmed, or neither");
            let reached = progress.proven.is_some_and(|proven| record.meter <= proven.meter);
            ensure!(reached, "a record ahead of the proven meter");
        }
        for (place, progress) in ClauseProgress::<T>::iter_prefix(id) {
            let service = match contract.clauses.get(place as usize) {
                Some(Clause::Service(service)) => service,
                Some(Clause::Access(_)) => return Err("the progress of a clause that has none"),
                None => return Err("the progress of an unknown clause"),
            };
            ensure!(status.state == ContractState::Active, "progress before all have accepted");
            ensure!(progress.due_at(service).is_some(), "a due point that nothing holds");
            check_progress(place, &progress, |number| Records::<T>::get(id, number))?;
        }
        Ok(())
    }

    /// The indices know nothing that the contracts do not.
    fn check_indices() -> Result<(), &'static str> {
        for (party, id, ()) in ContractsOfParty::<T>::iter() {
            let names = Contracts::<T>::get(id).is_some_and(|contract| contract.parties.contains(&party));
            ensure!(names, "a party lists a contract that does not name it");
        }
        for (device, ids) in ContractsOfDevice::<T>::iter() {
            for id in ids {
                let about =
                    Contracts::<T>::get(id).is_some_and(|contract| contract.devices.contains(&device));
                ensure!(about, "a device lists a contract that is not about it");
                let is_active = Statuses::<T>::get(id).is_some_and(|s| s.state == ContractState::Active);
                ensure!(is_active, "a device lists a contract that is not active");
            }
        }
        let of_clauses = ClauseProgress::<T>::iter_keys().map(|(id, _)| id);
        for id in of_clauses.chain(Records::<T>::iter_keys().map(|(id, _)| id)) {
            ensure!(Contracts::<T>::contains_key(id), "progress or a record of no contract");
        }
        Ok(())
    }
}

/// What is open is a record of the clause, and the meter that it was last served at was reached.
fn check_progress(
    place: u32,
    progress: &ServiceProgress,
    record: impl Fn(u32) -> Option<ServiceRecord>,
) -> Result<(), &'static str> {
    let Some(proven) = progress.proven else { return Err("progress without a proof") };
    if let Some(number) = progress.open {
        let is_its = record(number).is_some_and(|record| record.clause == place);
        ensure!(is_its, "an open record that is not the clause's");
    }
    let reached = progress.served.is_none_or(|served| served <= proven.meter);
    ensure!(reached, "a service ahead of the proven meter");
    Ok(())
}
