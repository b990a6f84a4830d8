//! What all claims have in common: how they are made, confirmed, contested, retracted, refuted and paid.

use crate::{
    evidence::Wanted, types::StoredContract, ClaimBases, Claims, Config, Disputes, Error, Event, Pallet,
    Progress,
};
use frame_support::{ensure, traits::Get};
use sp_runtime::{DispatchError, DispatchResult};
use streembit_primitives::{
    contract::{
        evaluate,
        state::{Claim, ClaimState, ClaimSubject, Decision, Dispute, Outcome, Payment, Track},
        ClaimNumber, Clause, ClauseNumber, ContractId, Documents, Verdict,
    },
    reading_proof::ReadingProof,
    PartyId,
};

impl<T: Config> Pallet<T> {
    /// Stores a new claim of one side of a clause against the other. Counts it in the progress, which the caller stores.
    pub(crate) fn make_claim(
        id: ContractId,
        contract: &mut StoredContract,
        (number, clause): (ClauseNumber, &Clause),
        progress: &mut streembit_primitives::contract::state::ClauseProgress,
        subject: ClaimSubject,
        documents: Documents,
    ) -> Result<ClaimNumber, DispatchError> {
        ensure!(progress.claims < T::MaxClaimsOfClause::get(), Error::<T>::TooManyClaims);
        let (claimant, respondent) = clause.sides().ok_or(Error::<T>::OtherClauseKind)?;
        let is_irregular = matches!(subject, ClaimSubject::Irregularity { .. });
        // A party that left cannot contest. Nobody confirms an irregularity by silence.
        ensure!(is_irregular || Self::has_seat(&contract.accepted, &respondent), Error::<T>::SeatLost);
        progress.claims = progress.claims.saturating_add(1);
        let claim = Claim {
            number: contract.next_claim,
            clause: number,
            content: contract.hash,
            claimant,
            respondent,
            subject,
            documents,
            made: Self::moment(),
            contest_until: Self::live_time().saturating_add(contract.terms.deadlines.contest),
            state: if is_irregular { ClaimState::Disputed } else { ClaimState::Claimed },
            payment: Payment::Open,
        };
        let made = claim.number;
        contract.next_claim = made.saturating_add(1);
        ClaimBases::<T>::insert(id, made, Self::new_basis(contract, claimant, respondent));
        Claims::<T>::insert(id, made, &claim);
        Self::deposit_event(Event::Claimed { id, claim });
        Ok(made)
    }

    /// Returns the state of a claim now: the respondent may have been silent, and the time to rule may be over.
    ///
    /// A respondent that left before the time to contest was over is not silent: the claim stays open.
    pub(crate) fn claim_state(
        id: ContractId,
        contract: &StoredContract,
        claim: &Claim,
        dispute: Option<&Dispute>,
    ) -> ClaimState {
        let live = Self::live_time();
        match claim.state {
            ClaimState::Claimed if claim.contest_until <= live => {
                let respondent = Self::basis(id, contract, claim).respondent;
                match Self::counted_until(&respondent, claim.contest_until) {
                    true => ClaimState::Stands(Decision::Silence),
                    false => ClaimState::Claimed,
                }
            }
            ClaimState::Disputed if dispute.is_some_and(|dispute| dispute.rule_until <= live) => {
                let is_irregularity = matches!(claim.subject, ClaimSubject::Irregularity { .. });
                match Self::basis(id, contract, claim).unruled {
                    // No meter moves by silence.
                    Verdict::Stands if !is_irregularity => ClaimState::Stands(Decision::Unruled),
                    _ => ClaimState::Void(Decision::Unruled),
                }
            }
            state => state,
        }
    }

    /// Returns a claim in its state now. If time has decided on it, this is noted first.
    pub(crate) fn current_claim(
        id: ContractId,
        contract: &StoredContract,
        number: ClaimNumber,
    ) -> Result<Claim, DispatchError> {
        let mut claim = Claims::<T>::get(id, number).ok_or(Error::<T>::UnknownClaim)?;
        let dispute = match claim.state {
            ClaimState::Disputed => Disputes::<T>::get(id, number),
            _ => None,
        };
        match Self::claim_state(id, contract, &claim, dispute.as_ref()) {
            state if state == claim.state => (),
            ClaimState::Void(decision) => {
                Self::decide(id, &mut claim, None, Outcome::Void, decision)?;
            }
            ClaimState::Stands(decision) => {
                Self::decide(id, &mut claim, None, Outcome::Stands, decision)?;
            }
            ClaimState::Claimed | ClaimState::Disputed => (),
        }
        Ok(claim)
    }

    pub(crate) fn do_confirm(party: PartyId, id: ContractId, number: ClaimNumber) -> DispatchResult {
        let contract = Self::stored(id)?;
        let mut claim = Self::current_claim(id, &contract, number)?;
        ensure!(party == claim.respondent, Error::<T>::NotTheRespondent);
        Self::ensure_side(id, &contract, &claim, &party)?;
        ensure!(claim.state == ClaimState::Claimed, Error::<T>::NotOpen);
        Self::deposit_event(Event::Confirmed { id, number });
        Self::decide(id, &mut claim, None, Outcome::Stands, Decision::Confirmed)
    }

    pub(crate) fn do_contest(
        party: PartyId,
        id: ContractId,
        number: ClaimNumber,
        documents: Documents,
    ) -> DispatchResult {
        let contract = Self::stored(id)?;
        let mut claim = Self::current_claim(id, &contract, number)?;
        ensure!(party == claim.respondent, Error::<T>::NotTheRespondent);
        Self::ensure_side(id, &contract, &claim, &party)?;
        ensure!(claim.state == ClaimState::Claimed, Error::<T>::NotOpen);
        claim.state = ClaimState::Disputed;
        Claims::<T>::insert(id, number, claim);
        Self::begin_dispute(id, &contract, number, party, documents.clone());
        Self::deposit_event(Event::Contested { id, number, documents });
        Ok(())
    }

    pub(crate) fn do_retract(party: PartyId, id: ContractId, number: ClaimNumber) -> DispatchResult {
        let contract = Self::stored(id)?;
        let mut claim = Self::current_claim(id, &contract, number)?;
        ensure!(party == claim.claimant, Error::<T>::NotTheClaimant);
        Self::ensure_side(id, &contract, &claim, &party)?;
        let is_irregularity = matches!(claim.subject, ClaimSubject::Irregularity { .. });
        ensure!(!is_irregularity, Error::<T>::NotRetractable);
        let is_open = matches!(claim.state, ClaimState::Claimed | ClaimState::Disputed);
        ensure!(is_open, Error::<T>::NotOpen);
        claim.state = ClaimState::Void(Decision::Settled);
        Self::conclude(id, &claim, None);
        Self::forget_claimed(id, &claim);
        Self::remove_claim(id, &claim);
        Self::deposit_event(Event::Retracted { id, number });
        Ok(())
    }

    /// Removes a claim, which is decided on or retracted.
    pub(crate) fn remove_claim(id: ContractId, claim: &Claim) {
        Claims::<T>::remove(id, claim.number);
        ClaimBases::<T>::remove(id, claim.number);
        Disputes::<T>::remove(id, claim.number);
        Progress::<T>::mutate_exists(id, claim.clause, |stored| {
            if let Some(progress) = stored {
                progress.claims = progress.claims.saturating_sub(1);
                // A contract that ended is removed step by step, with claims that nobody decided on.
                if progress.irregularity == Some(claim.number) {
                    progress.irregularity = None;
                }
                if let Track::Service { open, .. } = &mut progress.track {
                    *open = open.filter(|open| *open != claim.number);
                }
            }
        });
    }

    pub(crate) fn do_refute(
        party: PartyId,
        id: ContractId,
        number: ClaimNumber,
        proof: ReadingProof,
    ) -> DispatchResult {
        let contract = Self::stored(id)?;
        Self::ensure_seat_or_side(id, &contract, number, &party)?;
        let mut claim = Self::current_claim(id, &contract, number)?;
        let is_open = matches!(claim.state, ClaimState::Claimed | ClaimState::Disputed);
        ensure!(is_open, Error::<T>::NotOpen);
        let clause = Self::clause(id, claim.clause)?;
        let (wanted, bound) = match &clause {
            Clause::Bound(bound) => {
                let wanted = Wanted { device: bound.device, name: &bound.reading, unit: Some(&bound.unit) };
                (wanted, Some(bound))
            }
            Clause::Report(report) => {
                (Wanted { device: report.device, name: &report.reading, unit: None }, None)
            }
            Clause::Usage(_) | Clause::Charge(_) => (Self::wanted_meter(&clause)?, None),
            _ => return Err(Error::<T>::NotContrary.into()),
        };
        let contrary = Self::prove(&contract, &wanted, proof)?;
        ensure!(evaluate::refutes(&claim.subject, bound, &contrary), Error::<T>::NotContrary);
        Self::deposit_event(Event::Refuted { id, number, contrary });
        Self::decide(id, &mut claim, None, Outcome::Void, Decision::Refuted)
    }

    /// Returns the reading that a clause counts.
    pub(crate) fn wanted_meter(clause: &Clause) -> Result<Wanted<'_>, DispatchError> {
        let (device, meter) = clause.device().zip(clause.meter()).ok_or(Error::<T>::NoMeter)?;
        Ok(Wanted::of_meter(device, meter))
    }

    pub(crate) fn do_pay(
        party: PartyId,
        id: ContractId,
        number: ClaimNumber,
        documents: Documents,
    ) -> DispatchResult {
        let contract = Self::stored(id)?;
        let mut claim = Self::standing_charge(id, &contract, number)?;
        ensure!(party == claim.respondent, Error::<T>::NotTheRespondent);
        Self::ensure_side(id, &contract, &claim, &party)?;
        ensure!(claim.payment == Payment::Open, Error::<T>::PaidAlready);
        claim.payment = Payment::Claimed;
        Claims::<T>::insert(id, number, claim);
        Self::deposit_event(Event::PaymentClaimed { id, number, documents });
        Ok(())
    }

    pub(crate) fn do_confirm_payment(party: PartyId, id: ContractId, number: ClaimNumber) -> DispatchResult {
        let contract = Self::stored(id)?;
        let mut claim = Self::standing_charge(id, &contract, number)?;
        ensure!(party == claim.claimant, Error::<T>::NotTheClaimant);
        Self::ensure_side(id, &contract, &claim, &party)?;
        match claim.payment {
            Payment::Confirmed => return Err(Error::<T>::PaidAlready.into()),
            // The debtor may have left, and cannot say that it has paid.
            Payment::Open | Payment::Claimed => claim.payment = Payment::Confirmed,
        }
        Claims::<T>::insert(id, number, claim);
        Self::deposit_event(Event::PaymentConfirmed { id, number });
        Ok(())
    }

    fn standing_charge(
        id: ContractId,
        contract: &StoredContract,
        number: ClaimNumber,
    ) -> Result<Claim, DispatchError> {
        let claim = Self::current_claim(id, contract, number)?;
        let is_charge = matches!(claim.subject, ClaimSubject::Charge { .. });
        ensure!(is_charge && matches!(claim.state, ClaimState::Stands(_)), Error::<T>::NotACharge);
        Ok(claim)
    }
}
