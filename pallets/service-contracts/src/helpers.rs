//! The checks and steps of the calls.

use crate::{
    types::{ContractStatus, ProvenMeter, ServiceProgress},
    AcceptedBy, Config, Contracts, ContractsOfDevice, Error, Event, Pallet, Statuses,
};
use frame_support::{ensure, traits::Get};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};
use pallet_parties::PartyLookup as _;
use sp_runtime::{DispatchError, DispatchResult};
use streembit_primitives::{
    contract::{Clause, Contract, ContractId, ServiceClause},
    contract_state::ContractState,
    reading_proof::ReadingProof,
    AccountId, PartyId, Scope, Value,
};

/// The sequence of a device's first event in its gateway's log. A device does not move from one log to another yet.
const FIRST_SEQUENCE: u64 = 0;

impl<T: Config> Pallet<T> {
    /// Returns the party for which the sender of a call signs contracts.
    pub(crate) fn ensure_party(origin: OriginFor<T>) -> Result<PartyId, DispatchError> {
        T::Parties::ensure_scope(&AccountId(ensure_signed(origin)?.into()), Scope::Contracts)
    }

    /// Ensures that every party to a contract is a party of the consortium.
    pub(crate) fn ensure_known_parties(contract: &Contract) -> DispatchResult {
        let known = contract.parties.iter().all(T::Parties::is_party);
        ensure!(known, Error::<T>::UnknownParty);
        Ok(())
    }

    /// Ensures that every device of a contract is registered and belongs to a party to the contract.
    pub(crate) fn ensure_own_devices(contract: &Contract) -> DispatchResult {
        contract.devices.iter().try_for_each(|id| {
            let device = pallet_devices::Pallet::<T>::device(id).ok_or(Error::<T>::UnknownDevice)?;
            ensure!(contract.parties.contains(&device.owner), Error::<T>::ForeignDevice);
            Ok(())
        })
    }

    /// Ensures that the first due point of every service clause fits into a decimal.
    pub(crate) fn ensure_due_points(contract: &Contract) -> DispatchResult {
        let all = contract.clauses.iter().all(|clause| match clause {
            Clause::Service(service) => ServiceProgress::default().due_at(service).is_some(),
            Clause::Access(_) => true,
        });
        ensure!(all, Error::<T>::DuePointTooLarge);
        Ok(())
    }

    /// Records that a party accepts a contract.
    pub(crate) fn add_acceptance(
        id: ContractId,
        status: &mut ContractStatus,
        party: PartyId,
    ) -> DispatchResult {
        AcceptedBy::<T>::try_mutate(party, |count| {
            ensure!(*count < T::MaxContractsOfParty::get(), Error::<T>::TooManyOfParty);
            *count = count.saturating_add(1);
            Ok::<_, DispatchError>(())
        })?;
        // Cannot be full: it has room for every party to the contract, and no party accepts twice.
        status.accepted.try_push(party).map_err(|_| Error::<T>::AcceptedAlready)?;
        Self::deposit_event(Event::Accepted { id, party });
        Ok(())
    }

    /// Activates a contract that all parties have accepted.
    pub(crate) fn activate(id: ContractId, contract: &Contract) -> DispatchResult {
        // A device may have changed hands since the proposal.
        Self::ensure_own_devices(contract)?;
        for device in &contract.devices {
            ContractsOfDevice::<T>::try_append(device, id).map_err(|()| Error::<T>::TooManyOfDevice)?;
        }
        Self::deposit_event(Event::Activated { id });
        Ok(())
    }

    /// Returns an active contract and its status, or an error if the contract is unknown or not active.
    pub(crate) fn active(id: ContractId) -> Result<(Contract, ContractStatus), DispatchError> {
        let status = Statuses::<T>::get(id).ok_or(Error::<T>::UnknownContract)?;
        ensure!(status.state == ContractState::Active, Error::<T>::NotActive);
        let contract = Contracts::<T>::get(id).ok_or(Error::<T>::UnknownContract)?;
        Ok((contract, status))
    }

    /// Returns the service clause at an index, or an error if there is no clause or the clause is of another kind.
    pub(crate) fn service(contract: &Contract, clause: u32) -> Result<&ServiceClause, DispatchError> {
        match contract.clauses.get(clause as usize) {
            Some(Clause::Service(service)) => Ok(service),
            Some(Clause::Access(_)) => Err(Error::<T>::NotAService.into()),
            None => Err(Error::<T>::UnknownClause.into()),
        }
    }

    /// Verifies a proof and returns the value that it proves of a service clause's meter.
    pub(crate) fn prove(service: &ServiceClause, proof: ReadingProof) -> Result<ProvenMeter, DispatchError> {
        let device = pallet_devices::Pallet::<T>::device(&service.device).ok_or(Error::<T>::UnknownDevice)?;
        ensure!(proof.log.gateway == device.gateway, Error::<T>::OtherLog);
        let anchored = pallet_anchors::Pallet::<T>::anchored_root(&proof.log, proof.size)
            .ok_or(Error::<T>::NotAnchored)?;
        // Also fails if the event is from another device, because its id is derived from another key.
        let proven = proof
            .verify_with::<pallet_anchors::HostSha256>(&device.key, &anchored.root, FIRST_SEQUENCE)
            .map_err(Error::<T>::from)?;
        ensure!(proven.reading().name == service.meter, Error::<T>::OtherMeter);
        match proven.reading().value {
            Value::Decimal(meter) => Ok(ProvenMeter { sequence: proven.sequence(), meter }),
            _ => Err(Error::<T>::NotANumber.into()),
        }
    }

    /// Updates a clause's meter to a proven value, or returns an error if the meter fell.
    pub(crate) fn advance(
        id: ContractId,
        clause: u32,
        progress: &mut ServiceProgress,
        proven: ProvenMeter,
    ) -> DispatchResult {
        let fell = progress.proven.is_some_and(|last| proven.meter < last.meter);
        ensure!(!fell, Error::<T>::MeterFell);
        progress.proven = Some(proven);
        Self::deposit_event(Event::MeterProven {
            id,
            clause,
            sequence: proven.sequence,
            meter: proven.meter,
        });
        Ok(())
    }
}
