//! How a contract in force gets a new content.

use crate::{
    lifecycle::decrease,
    types::{named, Acceptance, ActivePhase, Phase, StoredAmendment, StoredContract},
    AcceptedCounts, Amendments, Clauses, Config, Contracts, ContractsOf, ContractsOfDevice, Error, Event,
    Pallet,
};
use alloc::vec::Vec;
use frame_support::{ensure, BoundedVec};
use sp_runtime::{DispatchError, DispatchResult};
use streembit_primitives::{
    contract::{state::ContractState, ContentHash, ContractContent, ContractId, OnChange, Terms},
    PartyId,
};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_amend(
        party: PartyId,
        id: ContractId,
        hash: ContentHash,
        content: ContractContent,
    ) -> DispatchResult {
        let contract = Self::stored(id)?;
        Self::ensure_active(&contract, true)?;
        ensure!(contract.hash == hash, Error::<T>::OtherContent);
        let terms = content.terms();
        Self::ensure_may_amend(&contract, terms, &party)?;
        Self::ensure_acceptable(terms)?;
        let new = content.hash();
        ensure!(new != hash, Error::<T>::SameContent);
        Self::ensure_numbers_are_kept(id, &contract, terms)?;
        if let Some(pending) = Amendments::<T>::get(id) {
            let (hash, has_lapsed) = (pending.hash, pending.lapses <= Self::live_time());
            let gives_way =
                || Self::is_entitled(&contract, &party) && !Self::is_entitled(&contract, &pending.proposer);
            ensure!(has_lapsed || gives_way(), Error::<T>::AmendmentPending);
            Self::remove_amendment(id, &contract);
            Self::deposit_event(match has_lapsed {
                true => Event::AmendmentLapsed { id, hash },
                false => Event::Rejected { id, hash, party },
            });
        }

        named(terms).for_each(|named| ContractsOf::<T>::insert(named, id, ()));
        Self::deposit_event(Event::AmendmentProposed { id, hash: new, proposer: party });
        let lapses = Self::live_time().saturating_add(contract.terms.deadlines.accept);
        let mut accepted = BoundedVec::new();
        Self::add_acceptance(id, new, &mut accepted, party)?;
        Amendments::<T>::insert(
            id,
            StoredAmendment { content, hash: new, proposer: party, accepted, lapses },
        );
        Ok(())
    }

    /// Ensures that a party may propose an amendment: it is bound by the content in force, or it is a successor. A successor
    /// owns a device that was sold, or the amendment names it and not a party that has left.
    fn ensure_may_amend(contract: &StoredContract, terms: &Terms, party: &PartyId) -> DispatchResult {
        if terms.names(party) && !Self::has_seat(&contract.accepted, party) {
            let is_replaced = |acceptance: &Acceptance| {
                let has_left = contract.terms.names(&acceptance.party) && !Self::counts(acceptance);
                has_left && (acceptance.party == *party || !terms.names(&acceptance.party))
            };
            if contract.accepted.iter().any(is_replaced) || Self::has_bought(contract, party) {
                return Ok(());
            }
        }
        Self::ensure_seat(contract, party)
    }

    /// Returns true if a party owns a device of a contract to which it is no party.
    fn has_bought(contract: &StoredContract, party: &PartyId) -> bool {
        let owns = |device| {
            let record = pallet_devices::Pallet::<T>::device(device);
            record.is_some_and(|record| record.owner() == *party)
        };
        !contract.terms.names(party) && contract.terms.devices.iter().any(owns)
    }

    /// Returns true if the amendment of a party does not give way to those of others: the party is bound and has not sold
    /// its device, or it has bought one. Anybody can offer itself as the successor of a party that left.
    fn is_entitled(contract: &StoredContract, party: &PartyId) -> bool {
        let stays = || !Self::sellers(contract).contains(party);
        (Self::ensure_seat(contract, party).is_ok() && stays()) || Self::has_bought(contract, party)
    }

    /// Returns the parties that have to accept an amendment, and the arbiter that it names: those that it binds, and those
    /// that the content in force binds. A party that left, or that sold its device, does not have to.
    pub(crate) fn required(contract: &StoredContract, terms: &Terms) -> Vec<PartyId> {
        let mut required: Vec<_> = named(terms).collect();
        let sellers = Self::sellers(contract);
        for acceptance in &contract.accepted {
            let party = acceptance.party;
            let is_bound = contract.terms.names(&party) && Self::counts(acceptance);
            if is_bound && !sellers.contains(&party) && !required.contains(&party) {
                required.push(party);
            }
        }
        required
    }

    /// Returns the parties whose devices have an owner that is not a party, if the contract passes to that one.
    pub(crate) fn sellers(contract: &StoredContract) -> Vec<PartyId> {
        if contract.terms.on_sale == OnChange::Ends {
            return Vec::new();
        }
        let Some(active) = contract.active() else { return Vec::new() };
        let devices = contract.terms.devices.iter().zip(&active.owners);
        devices
            .filter_map(|(device, count)| {
                let record = pallet_devices::Pallet::<T>::device(device)?;
                let place = count.checked_sub(1)? as usize;
                let seller = record.owners().iter().nth(place)?.party;
                Self::is_sold(contract, &record).then_some(seller)
            })
            .collect()
    }

    /// Accepts the pending amendment. The last acceptance puts it into force.
    pub(crate) fn accept_amendment(
        party: PartyId,
        id: ContractId,
        mut contract: StoredContract,
        hash: ContentHash,
    ) -> DispatchResult {
        let mut amendment = Amendments::<T>::get(id).ok_or(Error::<T>::NotProposed)?;
        let required = Self::required(&contract, amendment.content.terms());
        ensure!(required.contains(&party), Error::<T>::NotPartyToContract);
        ensure!(amendment.hash == hash, Error::<T>::OtherContent);
        ensure!(amendment.lapses > Self::live_time(), Error::<T>::Lapsed);
        ensure!(Self::state(&contract) == ContractState::Active, Error::<T>::Ended);
        // If the last party that was missing has left, a party that accepted already puts the amendment into force.
        let is_complete = |amendment: &StoredAmendment| {
            required.iter().all(|party| Self::has_seat(&amendment.accepted, party))
        };
        if !is_complete(&amendment) {
            Self::add_acceptance(id, hash, &mut amendment.accepted, party)?;
        }
        if is_complete(&amendment) {
            Self::apply(id, &mut contract, amendment)?;
            Contracts::<T>::insert(id, contract);
        } else {
            Amendments::<T>::insert(id, amendment);
        }
        Ok(())
    }

    /// Puts an amendment into force.
    fn apply(id: ContractId, contract: &mut StoredContract, amendment: StoredAmendment) -> DispatchResult {
        let StoredAmendment { content, hash, mut accepted, .. } = amendment;
        let mut terms = content.into_terms();
        Self::ensure_acceptable(&terms)?;
        Self::ensure_numbers_are_kept(id, contract, &terms)?;
        let former: Vec<_> = contract.named().collect();
        for party in former {
            if !named(&terms).any(|named| named == party) {
                ContractsOf::<T>::remove(party, id);
            }
        }
        for device in contract.terms.devices.iter().filter(|device| !terms.devices.contains(device)) {
            Self::remove_from_device(id, device);
        }
        // The acceptances of the former content are forgotten, and those of parties that only had to let go.
        Self::uncount_accepted(&contract.accepted);
        accepted.retain(|acceptance| {
            let stays = named(&terms).any(|named| named == acceptance.party);
            if !stays {
                AcceptedCounts::<T>::mutate_exists(acceptance.party, decrease);
            }
            stays
        });
        for number in core::mem::take(&mut contract.clauses) {
            let before = Clauses::<T>::take(id, number);
            Self::keep_progress(id, number, before.as_ref(), terms.clause(number));
        }
        contract.clauses = Self::store_clauses(id, &mut terms);
        let highest = contract.clauses.last().copied().unwrap_or_default();
        contract.highest = contract.highest.max(highest);
        contract.accepted = accepted;
        contract.terms = terms;
        contract.hash = hash;
        contract.version = contract.version.saturating_add(1);
        Amendments::<T>::remove(id);
        Self::activate(id, contract)
    }

    /// Removes the pending amendment, and forgets who accepted it.
    pub(crate) fn remove_amendment(id: ContractId, contract: &StoredContract) {
        let Some(amendment) = Amendments::<T>::take(id) else { return };
        Self::uncount_accepted(&amendment.accepted);
        for party in named(amendment.content.terms()) {
            if !contract.named().any(|named| named == party) {
                ContractsOf::<T>::remove(party, id);
            }
        }
    }

    /// Removes a contract from the list of a device.
    pub(crate) fn remove_from_device(id: ContractId, device: &streembit_primitives::DeviceId) {
        ContractsOfDevice::<T>::mutate_exists(device, |stored| {
            if let Some(ids) = stored {
                ids.retain(|listed| *listed != id);
                if ids.is_empty() {
                    *stored = None;
                }
            }
        });
    }

    /// Notes, or clears, that a contract in force waits for a successor. Returns true if something has changed.
    pub(crate) fn note_waiting(id: ContractId, contract: &mut StoredContract) -> Result<bool, DispatchError> {
        let left = (contract.terms.on_leave, Self::vacant_since(contract, 0));
        let sold = (contract.terms.on_sale, Self::sold_since(contract));
        let causes = [left, sold];
        let withins = causes.into_iter().filter_map(|(change, since)| match change {
            OnChange::AwaitsSuccessor { within } => since.map(|_| within),
            OnChange::Ends => None,
        });
        let within = withins.min();
        let noted = causes
            .into_iter()
            .filter_map(|(change, since)| Self::waits_because(contract, change, since))
            .min();
        let live = Self::live_time();
        let Phase::Active(ActivePhase { waits_until, .. }) = &mut contract.phase else { return Ok(false) };
        let until = match (within, noted) {
            (Some(within), None) => Some(live.saturating_add(within)),
            (Some(_), noted) => noted,
            (None, _) => None,
        };
        let is_changed = until != *waits_until;
        *waits_until = until;
        if let Some(until) = until.filter(|_| is_changed) {
            Self::deposit_event(Event::Waits { id, until });
        }
        Ok(Self::free_sold_devices(id, contract) || is_changed)
    }

    /// Removes a contract in force from the lists of its devices that have another owner than a party, who needs the places.
    /// A successor's amendment takes a place again. Returns true if there was one.
    fn free_sold_devices(id: ContractId, contract: &StoredContract) -> bool {
        let mut has_freed = false;
        for device in &contract.terms.devices {
            let record = pallet_devices::Pallet::<T>::device(device);
            let is_sold = record.is_some_and(|record| Self::is_sold(contract, &record));
            if is_sold && ContractsOfDevice::<T>::get(device).contains(&id) {
                Self::remove_from_device(id, device);
                has_freed = true;
            }
        }
        has_freed
    }
}
