//! What must hold between any two calls.

use crate::{
    types::Standing, AcceptedBy, Clauses, Config, Contracts, ContractsOfDevice, ContractsOfParty, Pallet,
    Records, Standings,
};
use alloc::collections::BTreeMap;
use frame_support::{ensure, traits::Get};
use streembit_primitives::{
    chain::ContractState,
    contract::{Clause, Contract, ContractId},
    AccountId,
};

impl<T: Config> Pallet<T> {
    /// Says what does not hold.
    pub(crate) fn check_state() -> Result<(), &'static str> {
        let mut accepted = BTreeMap::<AccountId, u32>::new();
        for (id, contract) in Contracts::<T>::iter() {
            let standing = Standings::<T>::get(id).ok_or("a contract without a standing")?;
            Self::check_contract(id, &contract, &standing)?;
            for party in &standing.accepted {
                let count = accepted.entry(*party).or_default();
                *count = count.saturating_add(1);
            }
        }
        let known = Standings::<T>::iter_keys().all(|id| Contracts::<T>::contains_key(id));
        ensure!(known, "a standing of no contract");
        for (party, count) in AcceptedBy::<T>::iter() {
            ensure!(accepted.remove(&party).unwrap_or_default() == count, "a party's contracts are miscounted");
            ensure!(count <= T::MaxContractsOfParty::get(), "a party accepted too many contracts");
        }
        ensure!(accepted.is_empty(), "a party's contracts are not counted");
        Self::check_lists()
    }

    fn check_contract(
        id: ContractId,
        contract: &Contract,
        standing: &Standing,
    ) -> Result<(), &'static str> {
        ensure!(contract.id(&T::Genesis::get()) == id, "a contract under another one's id");
        ensure!(contract.check().is_ok(), "a contract that nobody could have proposed");
        let parties = &contract.parties;
        ensure!(standing.accepted.iter().all(|party| parties.contains(party)), "somebody else accepted");
        let all = standing.accepted.len() == parties.len();
        let active = standing.state == ContractState::Active;
        ensure!(active == all, "a contract is in force if and only if all parties have accepted it");
        for party in parties {
            ensure!(ContractsOfParty::<T>::contains_key(party, id), "a contract that its party does not list");
        }
        for device in &contract.devices {
            let listed = ContractsOfDevice::<T>::get(device).contains(&id);
            ensure!(listed == active, "a device lists the contracts in force and no other");
        }
        ensure!(standing.records <= T::MaxRecords::get(), "a contract has too many records");
        ensure!(active || standing.records == 0, "a record before the contract is in force");
        for number in 0..standing.records {
            let record = Records::<T>::get(id, number).ok_or("a record is missing")?;
            let clause = contract.clauses.get(record.clause as usize);
            ensure!(matches!(clause, Some(Clause::Service(_))), "a record of what is no service");
            let waits = Clauses::<T>::get(id, record.clause).open == Some(number);
            ensure!(waits == record.confirmed.is_none(), "a record waits if and only if it is not confirmed");
        }
        Ok(())
    }

    /// What the lists name exists.
    fn check_lists() -> Result<(), &'static str> {
        for (party, id, ()) in ContractsOfParty::<T>::iter() {
            let named = Contracts::<T>::get(id).is_some_and(|contract| contract.parties.contains(&party));
            ensure!(named, "a party lists a contract that does not name it");
        }
        for (device, contracts) in ContractsOfDevice::<T>::iter() {
            for id in contracts {
                let contract = Contracts::<T>::get(id);
                let named = contract.is_some_and(|contract| contract.devices.contains(&device));
                ensure!(named, "a device lists a contract that does not name it");
            }
        }
        for (id, number, record) in Records::<T>::iter() {
            let counted = Standings::<T>::get(id).is_some_and(|standing| number < standing.records);
            ensure!(counted && record.number == number, "a record that its contract does not count");
        }
        let known = Clauses::<T>::iter_keys().all(|(id, _)| Contracts::<T>::contains_key(id));
        ensure!(known, "progress of no contract");
        Ok(())
    }
}
