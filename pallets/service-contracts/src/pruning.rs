//! How contracts end by themselves, and how they are removed. No hook does this: anyone may.

use crate::{
    types::{Phase, StoredContract},
    Amendments, Claims, Config, Contracts, Disputes, Error, Event, LastUsages, MeterWindows, Pallet,
    Progress, PRUNED_CLAIMS,
};
use alloc::vec::Vec;
use frame_support::ensure;
use sp_runtime::DispatchResult;
use streembit_primitives::{
    contract::{
        state::{Claim, ClaimState, ClaimSubject, ContractState, EndReason, Moment, Payment},
        ClaimNumber, ContractId,
    },
    PartyId,
};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_prune(id: ContractId) -> DispatchResult {
        let mut contract = Self::stored(id)?;
        if let Phase::Ended { prunable_from, .. } = contract.phase {
            ensure!(prunable_from <= Self::live_time(), Error::<T>::PrunedTooEarly);
            return Self::remove_step(id, &contract);
        }
        match Self::state(&contract) {
            ContractState::Ended(EndReason::Lapsed) => {
                Self::remove_proposal(id, &contract, EndReason::Lapsed);
                return Ok(());
            }
            ContractState::Ended(reason) => Self::note_end(id, &mut contract, reason),
            ContractState::Proposed => return Err(Error::<T>::NothingToPrune.into()),
            ContractState::Active => {
                let is_noted = Self::note_waiting(id, &mut contract)?;
                let has_lapsed = Self::prune_amendment(id, &contract);
                ensure!(is_noted || has_lapsed, Error::<T>::NothingToPrune);
            }
        }
        Contracts::<T>::insert(id, contract);
        Ok(())
    }

    /// Removes an amendment that was not accepted in time. Returns true if there was one.
    fn prune_amendment(id: ContractId, contract: &StoredContract) -> bool {
        let pending = Amendments::<T>::get(id);
        let Some(lapsed) = pending.filter(|amendment| amendment.lapses <= Self::live_time()) else {
            return false;
        };
        Self::remove_amendment(id, contract);
        Self::deposit_event(Event::AmendmentLapsed { id, hash: lapsed.hash });
        true
    }

    /// Notes the end of a contract in force, as of when it came, which frees its place at its devices. Its claims stay until it
    /// is pruned.
    pub(crate) fn note_end(id: ContractId, contract: &mut StoredContract, reason: EndReason) {
        let at = Moment { time: Self::end_time(contract).min(Self::now()), ..Self::moment() };
        Self::remove_amendment(id, contract);
        contract.terms.devices.iter().for_each(|device| Self::remove_from_device(id, device));
        let deadlines = contract.terms.deadlines;
        let claimable_until = Self::live_time().saturating_add(deadlines.contest);
        let prunable_from = claimable_until.saturating_add(deadlines.contest).saturating_add(deadlines.rule);
        contract.phase = Phase::Ended { reason, at, claimable_until, prunable_from };
        Self::deposit_event(Event::Ended { id, reason });
    }

    /// Removes as many claims as one call may and, if none is left, everything else.
    ///
    /// The deadlines of a claim may be longer than those of the content in force, which an amendment can have shortened.
    fn remove_step(id: ContractId, contract: &StoredContract) -> DispatchResult {
        let most = PRUNED_CLAIMS as usize;
        let claims: Vec<_> = Claims::<T>::iter_prefix_values(id).take(most.saturating_add(1)).collect();
        let live = Self::live_time();
        let is_running = |claim: &Claim| match claim.state {
            ClaimState::Claimed => claim.contest_until > live,
            ClaimState::Disputed => {
                Disputes::<T>::get(id, claim.number).is_some_and(|dispute| dispute.rule_until > live)
            }
            ClaimState::Stands(_) | ClaimState::Void(_) => false,
        };
        ensure!(!claims.iter().take(most).any(is_running), Error::<T>::PrunedTooEarly);
        claims.iter().take(most).for_each(|claim| Self::remove_claim(id, claim));
        if claims.len() > most {
            return Ok(());
        }
        for number in &contract.clauses {
            Progress::<T>::remove(id, number);
            MeterWindows::<T>::remove(id, number);
            LastUsages::<T>::remove(id, number);
        }
        Self::remove_contract(id, contract);
        Self::deposit_event(Event::Pruned { id });
        Ok(())
    }

    pub(crate) fn do_prune_claim(party: PartyId, id: ContractId, number: ClaimNumber) -> DispatchResult {
        let contract = Self::stored(id)?;
        Self::ensure_seat_or_side(id, &contract, number, &party)?;
        let claim = Self::current_claim(id, &contract, number)?;
        let is_needed = match claim.state {
            ClaimState::Claimed | ClaimState::Disputed => true,
            ClaimState::Void(_) => false,
            ClaimState::Stands(_) => {
                let is_charge = matches!(claim.subject, ClaimSubject::Charge { .. });
                is_charge && claim.payment != Payment::Confirmed
            }
        };
        ensure!(!is_needed, Error::<T>::ClaimNeeded);
        Self::remove_claim(id, &claim);
        Self::deposit_event(Event::ClaimPruned { id, number });
        Ok(())
    }
}
