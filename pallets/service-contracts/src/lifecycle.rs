//! How contracts are proposed, accepted, rejected, withdrawn and terminated.

use crate::{
    status::PartiesOf,
    types::{named, Acceptances, ActivePhase, Phase, StoredContract},
    AcceptedCounts, Amendments, Clauses, Config, Contracts, ContractsOf, ContractsOfDevice, Error, Event,
    Pallet, ProposalCounts,
};
use frame_support::{
    ensure,
    traits::{ConstU32, Get},
    BoundedVec,
};
use pallet_parties::PartyLookup as _;
use sp_runtime::{DispatchError, DispatchResult};
use streembit_primitives::{
    contract::{
        state::{ContractState, EndReason, Notice},
        Clause, ClauseNumber, ContentHash, ContractContent, ContractId, Terms, MAX_CLAUSES, MAX_DEVICES,
    },
    device::DeviceState,
    PartyId,
};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_propose(party: PartyId, content: ContractContent) -> DispatchResult {
        let hash = content.hash();
        let id = ContractId::new(&Self::lineage(), &hash);
        let mut terms = content.into_terms();
        Self::ensure_acceptable(&terms)?;
        ensure!(terms.names(&party), Error::<T>::NotPartyToContract);
        ensure!(!Contracts::<T>::contains_key(id), Error::<T>::Exists);
        let count = ProposalCounts::<T>::get(party);
        ensure!(count < T::MaxProposalsOfParty::get(), Error::<T>::TooManyProposals);
        ProposalCounts::<T>::insert(party, count.saturating_add(1));

        Self::deposit_event(Event::Proposed { id, hash, proposer: party });
        named(&terms).for_each(|named| ContractsOf::<T>::insert(named, id, ()));
        let lapses = Self::live_time().saturating_add(terms.deadlines.accept);
        let clauses = Self::store_clauses(id, &mut terms);
        let mut contract = StoredContract {
            first: hash,
            hash,
            version: 0,
            proposer: party,
            terms,
            highest: clauses.last().copied().unwrap_or_default(),
            clauses,
            accepted: BoundedVec::new(),
            phase: Phase::Proposed { lapses },
            next_claim: 0,
        };
        Self::add_acceptance(id, hash, &mut contract.accepted, party)?;
        Contracts::<T>::insert(id, contract);
        Ok(())
    }

    /// Ensures that terms are valid, and that the chain knows what they name.
    pub(crate) fn ensure_acceptable(terms: &Terms) -> DispatchResult {
        terms.validate().map_err(|error| Error::<T>::from(error.kind))?;
        let now = Self::now();
        let is_future = |until: Option<u64>| until.is_none_or(|until| until > now);
        ensure!(is_future(terms.ends), Error::<T>::InThePast);
        let rights = terms.clauses.iter().all(|numbered| is_future(numbered.clause.until()));
        ensure!(rights, Error::<T>::InThePast);
        let known = named(terms).all(|party| PartiesOf::<T>::is_party(&party));
        ensure!(known, Error::<T>::UnknownParty);
        Self::count_owners(terms).map(|_| ())
    }

    /// Returns how many owners each device of a contract has had. Fails unless each device is registered, in use, and owned
    /// by a party to the contract.
    pub(crate) fn count_owners(
        terms: &Terms,
    ) -> Result<BoundedVec<u32, ConstU32<MAX_DEVICES>>, DispatchError> {
        let mut owners = BoundedVec::new();
        for id in &terms.devices {
            let device = pallet_devices::Pallet::<T>::device(id).ok_or(Error::<T>::UnknownDevice)?;
            ensure!(terms.names(&device.owner()), Error::<T>::ForeignDevice);
            ensure!(device.state() != DeviceState::Retired, Error::<T>::RetiredDevice);
            // Cannot be full: it has room for every device of the contract.
            owners.try_push(device.owners().count()).map_err(|_| Error::<T>::Devices)?;
        }
        Ok(owners)
    }

    /// Stores the clauses of a content one by one, and takes them out of it. Returns their numbers.
    pub(crate) fn store_clauses(
        id: ContractId,
        terms: &mut Terms,
    ) -> BoundedVec<ClauseNumber, ConstU32<MAX_CLAUSES>> {
        let clauses = core::mem::take(&mut terms.clauses);
        let numbers = BoundedVec::truncate_from(clauses.iter().map(|numbered| numbered.number).collect());
        clauses.into_iter().for_each(|numbered| Clauses::<T>::insert(id, numbered.number, numbered.clause));
        numbers
    }

    /// Records that a party accepts a content. An acceptance from before the party left does not count.
    pub(crate) fn add_acceptance(
        id: ContractId,
        hash: ContentHash,
        accepted: &mut Acceptances,
        party: PartyId,
    ) -> DispatchResult {
        ensure!(!Self::has_seat(accepted, &party), Error::<T>::AcceptedAlready);
        match accepted.iter_mut().find(|acceptance| acceptance.party == party) {
            Some(acceptance) => *acceptance = Self::acceptance(party),
            None => {
                Self::count_accepted(party)?;
                // Cannot be full: it has room for all parties and arbiters of two contents.
                accepted.try_push(Self::acceptance(party)).map_err(|_| Error::<T>::AcceptedAlready)?;
            }
        }
        Self::deposit_event(Event::Accepted { id, hash, party });
        Ok(())
    }

    /// Counts a contract, or an amendment, that a party has accepted.
    pub(crate) fn count_accepted(party: PartyId) -> DispatchResult {
        let count = AcceptedCounts::<T>::get(party);
        ensure!(count < T::MaxContractsOfParty::get(), Error::<T>::TooManyOfParty);
        AcceptedCounts::<T>::insert(party, count.saturating_add(1));
        Ok(())
    }

    /// Forgets what parties accepted.
    pub(crate) fn uncount_accepted(accepted: &Acceptances) {
        for acceptance in accepted {
            AcceptedCounts::<T>::mutate_exists(acceptance.party, decrease);
        }
    }

    pub(crate) fn do_accept(party: PartyId, id: ContractId, hash: ContentHash) -> DispatchResult {
        let mut contract = Self::stored(id)?;
        match contract.phase {
            Phase::Proposed { .. } => (),
            Phase::Active(_) => return Self::accept_amendment(party, id, contract, hash),
            Phase::Ended { .. } => return Err(Error::<T>::Ended.into()),
        }
        ensure!(contract.named().any(|named| named == party), Error::<T>::NotPartyToContract);
        ensure!(contract.hash == hash, Error::<T>::OtherContent);
        ensure!(Self::state(&contract) == ContractState::Proposed, Error::<T>::Lapsed);
        Self::add_acceptance(id, hash, &mut contract.accepted, party)?;
        if contract.named().all(|named| Self::has_seat(&contract.accepted, &named)) {
            ProposalCounts::<T>::mutate_exists(contract.proposer, decrease);
            Self::activate(id, &mut contract)?;
        }
        Contracts::<T>::insert(id, contract);
        Ok(())
    }

    /// Puts a content into force that everybody has accepted.
    pub(crate) fn activate(id: ContractId, contract: &mut StoredContract) -> DispatchResult {
        // A device may have changed hands since the proposal.
        let owners = Self::count_owners(&contract.terms)?;
        for device in &contract.terms.devices {
            let listed = ContractsOfDevice::<T>::get(device).contains(&id);
            if !listed {
                ContractsOfDevice::<T>::try_append(device, id).map_err(|()| Error::<T>::TooManyOfDevice)?;
            }
        }
        let since = Self::moment();
        let notices = BoundedVec::new();
        contract.phase = Phase::Active(ActivePhase { since, owners, notices, waits_until: None });
        let (hash, version) = (contract.hash, contract.version);
        Self::deposit_event(Event::Activated { id, hash, version });
        Ok(())
    }

    pub(crate) fn do_reject(party: PartyId, id: ContractId, hash: ContentHash) -> DispatchResult {
        let contract = Self::stored(id)?;
        match contract.phase {
            Phase::Proposed { .. } => {
                ensure!(contract.named().any(|named| named == party), Error::<T>::NotPartyToContract);
                ensure!(contract.hash == hash, Error::<T>::OtherContent);
                Self::remove_proposal(id, &contract, EndReason::Rejected);
            }
            Phase::Active(_) => {
                let amendment = Amendments::<T>::get(id).ok_or(Error::<T>::NoAmendment)?;
                ensure!(amendment.hash == hash, Error::<T>::OtherContent);
                let is_named = named(amendment.content.terms()).any(|named| named == party);
                if !is_named {
                    Self::ensure_seat(&contract, &party)?;
                    // A seller has nothing to keep back, and could only delay its successor.
                    ensure!(!Self::sellers(&contract).contains(&party), Error::<T>::DeviceSold);
                }
                Self::remove_amendment(id, &contract);
            }
            Phase::Ended { .. } => return Err(Error::<T>::Ended.into()),
        }
        Self::deposit_event(Event::Rejected { id, hash, party });
        Ok(())
    }

    pub(crate) fn do_withdraw(party: PartyId, id: ContractId, hash: ContentHash) -> DispatchResult {
        let contract = Self::stored(id)?;
        match contract.phase {
            Phase::Proposed { .. } => {
                ensure!(contract.proposer == party, Error::<T>::NotTheProposer);
                ensure!(contract.hash == hash, Error::<T>::OtherContent);
                Self::remove_proposal(id, &contract, EndReason::Withdrawn);
            }
            Phase::Active(_) => {
                let amendment = Amendments::<T>::get(id).ok_or(Error::<T>::NoAmendment)?;
                ensure!(amendment.proposer == party, Error::<T>::NotTheProposer);
                ensure!(amendment.hash == hash, Error::<T>::OtherContent);
                Self::remove_amendment(id, &contract);
            }
            Phase::Ended { .. } => return Err(Error::<T>::Ended.into()),
        }
        Self::deposit_event(Event::Withdrawn { id, hash });
        Ok(())
    }

    /// Removes a proposal with everything that is stored about it. It has no claims.
    pub(crate) fn remove_proposal(id: ContractId, contract: &StoredContract, reason: EndReason) {
        ProposalCounts::<T>::mutate_exists(contract.proposer, decrease);
        Self::deposit_event(Event::Ended { id, reason });
        Self::remove_contract(id, contract);
    }

    /// Removes everything that is stored about a contract, except its claims, its place at its devices, and an amendment.
    pub(crate) fn remove_contract(id: ContractId, contract: &StoredContract) {
        Self::uncount_accepted(&contract.accepted);
        contract.named().for_each(|party| ContractsOf::<T>::remove(party, id));
        contract.clauses.iter().for_each(|number| Clauses::<T>::remove(id, number));
        Contracts::<T>::remove(id);
    }

    pub(crate) fn do_terminate(party: PartyId, id: ContractId) -> DispatchResult {
        let mut contract = Self::stored(id)?;
        ensure!(contract.terms.names(&party), Error::<T>::NotPartyToContract);
        Self::ensure_active(&contract, true)?;
        Self::ensure_seat(&contract, &party)?;
        let given = Self::moment();
        let ends = contract.terms.deadlines.notice.map(|notice| Self::live_time().saturating_add(notice));
        let Phase::Active(active) = &mut contract.phase else { return Err(Error::<T>::NotActive.into()) };
        let is_given = active.notices.iter().any(|notice| notice.by == party);
        ensure!(!is_given, Error::<T>::NoticeGiven);
        // Cannot be full: it has room for every party, and no party gives notice twice.
        active.notices.try_push(Notice { by: party, given, ends }).map_err(|_| Error::<T>::NoticeGiven)?;
        let notices = active.notices.clone();
        Self::deposit_event(Event::NoticeGiven { id, party, ends });

        let mut seated = contract
            .accepted
            .iter()
            .filter(|acceptance| contract.terms.names(&acceptance.party) && Self::counts(acceptance));
        let all = seated.all(|acceptance| notices.iter().any(|notice| notice.by == acceptance.party));
        if all || contract.terms.deadlines.notice == Some(0) {
            Self::note_end(id, &mut contract, EndReason::Terminated);
        }
        Contracts::<T>::insert(id, contract);
        Ok(())
    }

    /// Returns a clause of a contract.
    pub(crate) fn clause(id: ContractId, number: ClauseNumber) -> Result<Clause, DispatchError> {
        Clauses::<T>::get(id, number).ok_or_else(|| Error::<T>::UnknownClause.into())
    }
}

/// Counts one less. A count of zero is not stored.
pub(crate) fn decrease(count: &mut Option<u32>) {
    *count = count.and_then(|count| count.checked_sub(1)).filter(|count| *count > 0);
}
