//! Disputes about one claim, and what follows from a decision.

use crate::{
    types::StoredContract, ClaimBases, Claims, Clauses, Config, Disputes, Error, Event, MeterWindows, Pallet,
    Progress,
};
use frame_support::ensure;
use sp_runtime::{DispatchError, DispatchResult};
use streembit_primitives::{
    contract::{
        state::{
            ChargedRange, Claim, ClaimState, ClaimSubject, ClauseProgress, Decision, Dispute,
            IrregularityKind, Outcome, ProvenPoint, Served, Track,
        },
        ClaimNumber, Clause, ContractId, Documents,
    },
    reading_proof::ReadingProof,
    Decimal, PartyId,
};

impl<T: Config> Pallet<T> {
    /// Stores a new dispute.
    pub(crate) fn begin_dispute(
        id: ContractId,
        contract: &StoredContract,
        number: ClaimNumber,
        raised_by: PartyId,
        documents: Documents,
    ) {
        let basis = ClaimBases::<T>::get(id, number);
        let rule = basis.map_or(contract.terms.deadlines.rule, |basis| basis.rule);
        let dispute = Dispute {
            raised_by,
            raised: Self::moment(),
            documents,
            answer: None,
            rule_until: Self::live_time().saturating_add(rule),
            candidate: None,
            claimant_offer: None,
            respondent_offer: None,
            ruling: None,
        };
        Disputes::<T>::insert(id, number, dispute);
    }

    /// Returns a claim that is disputed now, and the dispute.
    fn disputed(
        id: ContractId,
        contract: &StoredContract,
        number: ClaimNumber,
    ) -> Result<(Claim, Dispute), DispatchError> {
        let claim = Self::current_claim(id, contract, number)?;
        ensure!(claim.state == ClaimState::Disputed, Error::<T>::NotDisputed);
        let dispute = Disputes::<T>::get(id, number).ok_or(Error::<T>::NotDisputed)?;
        Ok((claim, dispute))
    }

    pub(crate) fn do_answer(
        party: PartyId,
        id: ContractId,
        number: ClaimNumber,
        documents: Documents,
    ) -> DispatchResult {
        let contract = Self::stored(id)?;
        let (claim, mut dispute) = Self::disputed(id, &contract, number)?;
        ensure!([claim.claimant, claim.respondent].contains(&party), Error::<T>::NotASide);
        Self::ensure_side(id, &contract, &claim, &party)?;
        let is_due = dispute.answer.is_none() && dispute.raised_by != party;
        ensure!(is_due, Error::<T>::NoAnswerDue);
        dispute.answer = Some(documents.clone());
        Disputes::<T>::insert(id, number, dispute);
        Self::deposit_event(Event::Answered { id, number, documents });
        Ok(())
    }

    pub(crate) fn do_settle(
        party: PartyId,
        id: ContractId,
        number: ClaimNumber,
        outcome: Outcome,
    ) -> DispatchResult {
        let contract = Self::stored(id)?;
        let (mut claim, mut dispute) = Self::disputed(id, &contract, number)?;
        ensure!([claim.claimant, claim.respondent].contains(&party), Error::<T>::NotASide);
        Self::ensure_side(id, &contract, &claim, &party)?;
        Self::ensure_outcome(&claim, &dispute, &outcome)?;
        if party == claim.claimant {
            dispute.claimant_offer = Some(outcome);
        } else {
            dispute.respondent_offer = Some(outcome);
        }
        Self::deposit_event(Event::Offered { id, number, party, outcome });
        // Neither side is bound by an offer of a party that left and came back.
        let basis = Self::basis(id, &contract, &claim);
        let are_bound = [basis.claimant, basis.respondent].iter().all(|side| Self::is_bound(&contract, side));
        let agreed = are_bound && dispute.claimant_offer == dispute.respondent_offer;
        let candidate = dispute.candidate;
        Disputes::<T>::insert(id, number, dispute);
        if agreed {
            Self::decide(id, &mut claim, candidate, outcome, Decision::Settled)?;
        }
        Ok(())
    }

    pub(crate) fn do_rule(
        party: PartyId,
        id: ContractId,
        number: ClaimNumber,
        outcome: Outcome,
        documents: Documents,
    ) -> DispatchResult {
        let contract = Self::stored(id)?;
        Self::ensure_arbiter(id, &contract, number, &party)?;
        let (mut claim, mut dispute) = Self::disputed(id, &contract, number)?;
        Self::ensure_outcome(&claim, &dispute, &outcome)?;
        let candidate = dispute.candidate;
        dispute.ruling = Some(documents);
        Disputes::<T>::insert(id, number, dispute);
        Self::decide(id, &mut claim, candidate, outcome, Decision::Ruled)
    }

    /// Ensures that a dispute about this claim can end like this.
    fn ensure_outcome(claim: &Claim, dispute: &Dispute, outcome: &Outcome) -> DispatchResult {
        let is_possible = match (outcome, &claim.subject) {
            (Outcome::Stands | Outcome::Void, _) => true,
            (Outcome::Amount(amount), ClaimSubject::Charge { amount: claimed, .. }) => {
                *amount >= Decimal::ZERO && amount <= claimed
            }
            (Outcome::Reading { sequence }, ClaimSubject::Irregularity { .. }) => {
                dispute.candidate.is_some_and(|candidate| candidate.sequence == *sequence)
            }
            (Outcome::Amount(_) | Outcome::Reading { .. }, _) => false,
        };
        ensure!(is_possible, Error::<T>::WrongOutcome);
        Ok(())
    }

    pub(crate) fn do_offer_reading(
        party: PartyId,
        id: ContractId,
        number: ClaimNumber,
        proof: ReadingProof,
    ) -> DispatchResult {
        let contract = Self::stored(id)?;
        Self::ensure_seat_or_side(id, &contract, number, &party)?;
        let (claim, mut dispute) = Self::disputed(id, &contract, number)?;
        let ClaimSubject::Irregularity { found, .. } = claim.subject else {
            return Err(Error::<T>::WrongOutcome.into());
        };
        // Each new reading voids the offers to settle, so others could keep the sides from settling.
        ensure!([claim.claimant, claim.respondent].contains(&party), Error::<T>::NotASide);
        let clause = Self::clause(id, claim.clause)?;
        let point = Self::prove(&contract, &Self::wanted_meter(&clause)?, proof)?;
        let newest = dispute.candidate.map_or(found.sequence, |candidate| candidate.sequence);
        ensure!(point.sequence > newest, Error::<T>::NotNewer);
        dispute.candidate = Some(point);
        dispute.claimant_offer = None;
        dispute.respondent_offer = None;
        Disputes::<T>::insert(id, number, dispute);
        Self::deposit_event(Event::ReadingOffered { id, number, point });
        Ok(())
    }

    /// Decides on a claim, notes it, and draws the consequences for its clause.
    pub(crate) fn decide(
        id: ContractId,
        claim: &mut Claim,
        candidate: Option<ProvenPoint>,
        outcome: Outcome,
        decision: Decision,
    ) -> DispatchResult {
        if let (Outcome::Amount(settled), ClaimSubject::Charge { amount, .. }) = (outcome, &mut claim.subject)
        {
            *amount = settled;
        }
        claim.state = match outcome {
            Outcome::Void => ClaimState::Void(decision),
            Outcome::Stands | Outcome::Amount(_) | Outcome::Reading { .. } => ClaimState::Stands(decision),
        };
        let candidate = match outcome {
            Outcome::Reading { .. } => Some(candidate.ok_or(Error::<T>::WrongOutcome)?),
            _ => None,
        };
        Claims::<T>::insert(id, claim.number, &*claim);
        Self::conclude(id, claim, candidate);
        Self::deposit_event(Event::Decided { id, number: claim.number, outcome, decision });
        Ok(())
    }

    /// Draws the consequences of a decided claim for the progress of its clause.
    pub(crate) fn conclude(id: ContractId, claim: &Claim, candidate: Option<ProvenPoint>) {
        let stands = matches!(claim.state, ClaimState::Stands(_));
        let before = Progress::<T>::get(id, claim.clause).meter;
        Progress::<T>::mutate_exists(id, claim.clause, |stored| {
            if let Some(progress) = stored {
                conclude(progress, claim, stands, candidate);
            }
        });
        let after = Progress::<T>::get(id, claim.clause).meter;
        if let Some(point) = after.filter(|_| after != before) {
            Self::note_replacement(id, claim, candidate);
            // What is plausible counts from the reading that was decided on.
            MeterWindows::<T>::insert(id, claim.clause, point);
        }
    }

    /// Counts the services under a clause in the new meter, if the meter fell because it was replaced. The next service is
    /// then due after the same distance as before.
    ///
    /// A meter that is set to a later reading above the last one was not replaced. If it is set to a lower one, its earlier
    /// readings may have been wrong, so the first interval still starts where the clause says.
    fn note_replacement(id: ContractId, claim: &Claim, candidate: Option<ProvenPoint>) {
        let ClaimSubject::Irregularity { last, found, kind: IrregularityKind::Fell } = &claim.subject else {
            return;
        };
        let is_below = candidate.is_none_or(|candidate| candidate.value < last.value);
        let Some(distance) = found.value.checked_sub(&last.value).filter(|_| is_below) else { return };
        let shifted = |meter: Decimal| meter.checked_add(&distance).unwrap_or(meter);
        let Some(Clause::Service(service)) = Clauses::<T>::get(id, claim.clause) else { return };
        let mut progress = Progress::<T>::get(id, claim.clause);
        let (served, open) = match progress.track {
            Track::Service { served, open } => (served, open),
            _ => (None, None),
        };
        let start = service.by_meter.filter(|_| candidate.is_none());
        let start = start.map(|interval| Served { meter: Some(interval.from), time: 0 });
        if let Some(served) = served.or(start) {
            let served = Some(Served { meter: served.meter.map(shifted), ..served });
            progress.track = Track::Service { served, open };
            Progress::<T>::insert(id, claim.clause, progress);
        }
        let record = open.and_then(|open| Claims::<T>::get(id, open));
        if let Some(mut record) = record {
            if let ClaimSubject::Service { at: Some(at), .. } = &mut record.subject {
                at.value = shifted(at.value);
            }
            Claims::<T>::insert(id, record.number, record);
        }
    }
}

fn conclude(progress: &mut ClauseProgress, claim: &Claim, stands: bool, candidate: Option<ProvenPoint>) {
    match &claim.subject {
        ClaimSubject::Service { at, time } => {
            let Track::Service { served, open } = &mut progress.track else { return };
            if *open == Some(claim.number) {
                *open = None;
            }
            let is_later = served.is_none_or(|served| *time >= served.time);
            if stands && is_later {
                *served = Some(Served { meter: at.map(|point| point.value), time: *time });
            }
        }
        ClaimSubject::Irregularity { found, .. } => {
            if progress.irregularity == Some(claim.number) {
                progress.irregularity = None;
            }
            if stands {
                move_meter(progress, candidate.unwrap_or(*found));
            }
        }
        ClaimSubject::Usage { period, carried_in, .. } if !stands => {
            let Track::Usage { next_period, carried } = &mut progress.track else { return };
            // The last period can be claimed again.
            if *next_period == period.saturating_add(1) {
                *next_period = *period;
                *carried = *carried_in;
            }
        }
        ClaimSubject::Charge { range, .. } if !stands => uncharge(progress, *range),
        ClaimSubject::Usage { .. }
        | ClaimSubject::Charge { .. }
        | ClaimSubject::Breach { .. }
        | ClaimSubject::Gap { .. } => (),
    }
}

/// Sets the meter to a reading that was decided on, unless a newer one was proven meanwhile.
fn move_meter(progress: &mut ClauseProgress, point: ProvenPoint) {
    if progress.meter.is_none_or(|last| point.sequence > last.sequence) {
        progress.meter = Some(point);
    }
}

/// Lets the range of a void charge be charged again, if it is the last one.
fn uncharge(progress: &mut ClauseProgress, range: ChargedRange) {
    let Track::Charged(last) = progress.track else { return };
    progress.track = match (last, range) {
        (ChargedRange::Once, ChargedRange::Once) => Track::Nothing,
        (ChargedRange::Meter(window, end), ChargedRange::Meter(from, to)) if end == to => {
            Track::Charged(ChargedRange::Meter(window, from))
        }
        (ChargedRange::Time(_, end), ChargedRange::Time(from, to)) if end == to => {
            Track::Charged(ChargedRange::Time(from, from))
        }
        _ => return,
    };
}
