//! The clauses: what each kind evaluates. One file per kind that has a call of its own.

mod bound;
mod charge;
mod grants;
mod handover;
mod meter;
mod report;
mod service;
mod usage;

use crate::{types::StoredContract, Config, Contracts, Error, LastUsages, MeterWindows, Pallet, Progress};
use frame_support::ensure;
use sp_runtime::{DispatchError, DispatchResult};
use streembit_primitives::{
    contract::{
        state::{Claim, ClaimEvidence, ClaimSubject, ClauseProgress, ProvenPoint},
        Clause, ClauseNumber, ContractId, Documents,
    },
    PartyId,
};

/// A clause under which a party claims something, with what is stored about it.
pub(crate) struct Claimable {
    pub id: ContractId,
    pub contract: StoredContract,
    pub number: ClauseNumber,
    pub clause: Clause,
    pub progress: ClauseProgress,
    /// Where the current day of the meter began.
    pub window: Option<ProvenPoint>,
}

impl Claimable {
    /// Stores what has changed.
    fn store<T: Config>(self) {
        Progress::<T>::insert(self.id, self.number, self.progress);
        if let Some(window) = self.window {
            MeterWindows::<T>::insert(self.id, self.number, window);
        }
        Contracts::<T>::insert(self.id, self.contract);
    }
}

impl<T: Config> Pallet<T> {
    /// Returns a clause under which a party to the contract may claim something now.
    pub(crate) fn claimable(
        party: PartyId,
        id: ContractId,
        number: ClauseNumber,
    ) -> Result<Claimable, DispatchError> {
        let contract = Self::stored(id)?;
        ensure!(contract.terms.names(&party), Error::<T>::NotPartyToContract);
        Self::ensure_claimable(&contract)?;
        Self::ensure_seat(&contract, &party)?;
        let clause = Self::clause(id, number)?;
        let progress = Progress::<T>::get(id, number);
        let window = MeterWindows::<T>::get(id, number);
        Ok(Claimable { id, contract, number, clause, progress, window })
    }

    pub(crate) fn do_claim(
        party: PartyId,
        id: ContractId,
        number: ClauseNumber,
        evidence: ClaimEvidence,
        documents: Documents,
    ) -> DispatchResult {
        let mut claimable = Self::claimable(party, id, number)?;
        let (claimant, _) = claimable.clause.sides().ok_or(Error::<T>::OtherClauseKind)?;
        let clause = claimable.clause.clone();
        let is_claimable =
            matches!(clause, Clause::Bound(_) | Clause::Usage(_) | Clause::Report(_) | Clause::Charge(_));
        ensure!(is_claimable, Error::<T>::OtherClauseKind);
        ensure!(party == claimant, Error::<T>::NotTheClaimant);
        let subject = match (&clause, evidence) {
            (Clause::Bound(bound), ClaimEvidence::Breach { first, last }) => {
                let (first, last) = Self::breach(&claimable.contract, bound, first, last)?;
                // Breaches do not overlap.
                Self::note_claimed(&mut claimable, first.sequence, last.unwrap_or(first))?;
                ClaimSubject::Breach { first, last }
            }
            (Clause::Report(report), ClaimEvidence::Gap { before, after }) => {
                let (before, after) = Self::gap(&claimable.contract, report, before, after)?;
                // A gap may begin with the reading that ended the last one.
                Self::note_claimed(&mut claimable, before.sequence.saturating_add(1), after)?;
                ClaimSubject::Gap { before, after }
            }
            (Clause::Usage(usage), ClaimEvidence::Usage { period, first, last }) => {
                Self::usage(&mut claimable, usage, period, first, last)?
            }
            (Clause::Charge(charge), evidence) => Self::charge(&mut claimable, charge, evidence)?,
            _ => return Err(Error::<T>::OtherClauseKind.into()),
        };
        let Claimable { contract, progress, .. } = &mut claimable;
        let made = Self::make_claim(id, contract, (number, &clause), progress, subject, documents)?;
        if matches!(clause, Clause::Usage(_)) {
            LastUsages::<T>::insert(id, number, made);
        }
        claimable.store::<T>();
        Ok(())
    }

    /// Notes the last reading of a breach or a gap, of which the earliest new reading has a sequence. Fails if it was claimed
    /// before, whatever became of that claim: nobody has to contest the same twice.
    fn note_claimed(claimable: &mut Claimable, sequence: u64, last: ProvenPoint) -> DispatchResult {
        let is_new = claimable.progress.meter.is_none_or(|claimed| sequence > claimed.sequence);
        ensure!(is_new, Error::<T>::NotNewer);
        claimable.progress.meter = Some(last);
        Ok(())
    }

    /// Lets the readings of a retracted breach or gap be claimed again, if nothing later was claimed.
    pub(crate) fn forget_claimed(id: ContractId, claim: &Claim) {
        let (last, before) = match &claim.subject {
            ClaimSubject::Breach { first, last } => {
                let before = first.sequence.checked_sub(1);
                (last.unwrap_or(*first), before.map(|sequence| ProvenPoint { sequence, ..*first }))
            }
            ClaimSubject::Gap { before, after } => (*after, Some(*before)),
            _ => return,
        };
        Progress::<T>::mutate_exists(id, claim.clause, |stored| {
            if let Some(progress) = stored.as_mut().filter(|progress| progress.meter == Some(last)) {
                progress.meter = before;
            }
        });
    }
}
