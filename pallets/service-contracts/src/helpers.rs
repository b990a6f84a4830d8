//! The checks and steps of the calls.

use crate::{
    types::{ContractStatus, ProvenMeter, ServiceProgress},
    AcceptedBy, Config, Contracts, ContractsOfDevice, Error, Event, Pallet, Statuses,
};
use frame_support::{
    ensure,
    traits::{ConstU32, Get},
    BoundedVec,
};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};
use pallet_parties::PartyLookup as _;
use sp_runtime::{DispatchError, DispatchResult};
use streembit_primitives::{
    contract::{Clause, Contract, ContractId, ServiceClause, MAX_DEVICES},
    contract_state::ContractState,
    reading_proof::ReadingProof,
    AccountId, PartyId, Scope, Value,
};

/// The parties, as the registry of devices knows them.
type PartiesOf<T> = <T as pallet_devices::Config>::Parties;

impl<T: Config> Pallet<T> {
    /// Returns the party for which the sender of a call signs contracts.
    pub(crate) fn ensure_party(origin: OriginFor<T>) -> Result<PartyId, DispatchError> {
        PartiesOf::<T>::ensure_scope(&AccountId(ensure_signed(origin)?.into()), Scope::Contracts)
    }

    /// Ensures that every party to a contract is a party of the consortium.
    pub(crate) fn ensure_known_parties(contract: &Contract) -> DispatchResult {
        let known = contract.parties.iter().all(PartiesOf::<T>::is_party);
        ensure!(known, Error::<T>::UnknownParty);
        Ok(())
    }

    /// Ensures that every device of a contract is registered and belongs to a party to the contract.
    pub(crate) fn ensure_own_devices(contract: &Contract) -> DispatchResult {
        contract.devices.iter().try_for_each(|id| {
            let device = pallet_devices::Pallet::<T>::device(id).ok_or(Error::<T>::UnknownDevice)?;
            ensure!(contract.parties.contains(&device.owner()), Error::<T>::ForeignDevice);
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

    /// Activates a contract that all parties have accepted. Returns the number of owners that each device has had.
    pub(crate) fn activate(
        id: ContractId,
        contract: &Contract,
    ) -> Result<BoundedVec<u32, ConstU32<MAX_DEVICES>>, DispatchError> {
        // A device may have changed hands since the proposal.
        Self::ensure_own_devices(contract)?;
        let mut owners = BoundedVec::new();
        for device in &contract.devices {
            ContractsOfDevice::<T>::try_append(device, id).map_err(|()| Error::<T>::TooManyOfDevice)?;
            let record = pallet_devices::Pallet::<T>::device(device).ok_or(Error::<T>::UnknownDevice)?;
            // Cannot be full: it has room for every device of the contract.
            owners.try_push(record.owners().count()).map_err(|_| Error::<T>::Devices)?;
        }
        Self::deposit_event(Event::Activated { id });
        Ok(owners)
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
        let is_its = device.logs().iter().any(|period| period.log == proof.log);
        ensure!(is_its, Error::<T>::OtherLog);
        let anchored = pallet_anchors::Pallet::<T>::anchored_root(&proof.log, proof.size)
            .ok_or(Error::<T>::NotAnchored)?;
        // The record tells which key and which log belong to the sequence of the event.
        let proven = proof
            .verify_with::<pallet_anchors::HostSha256>(&device, &anchored.root)
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
