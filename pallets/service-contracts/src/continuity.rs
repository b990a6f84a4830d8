//! How clauses continue under an amendment: a number stands for the same clause, and no amendment judges the past anew.

use crate::{types::StoredContract, Config, Error, LastUsages, MeterWindows, Pallet, Progress};
use frame_support::ensure;
use sp_runtime::DispatchResult;
use streembit_primitives::contract::{
    state::{ClauseProgress, Track},
    ChargeBasis, Clause, ClauseNumber, ContractId, Terms,
};

impl<T: Config> Pallet<T> {
    /// Ensures that each number stands for the same clause as before, or is a new one, and that no clause with claims is
    /// removed: the number of stored claims is limited for each clause.
    ///
    /// A clause with claims or progress also keeps what these are judged by.
    pub(crate) fn ensure_numbers_are_kept(
        id: ContractId,
        contract: &StoredContract,
        terms: &Terms,
    ) -> DispatchResult {
        let mut removed = contract.clauses.iter().filter(|number| terms.clause(**number).is_none());
        let has_none = removed.all(|number| Progress::<T>::get(id, number).claims == 0);
        ensure!(has_none, Error::<T>::ClauseHasClaims);
        let starts_move = contract.terms.starts != terms.starts;
        terms.clauses.iter().try_for_each(|numbered| {
            let number = numbered.number;
            if !contract.clauses.contains(&number) {
                ensure!(number > contract.highest, Error::<T>::ClauseReplaced);
                return Ok(());
            }
            let before = Self::clause(id, number)?;
            ensure!(continues(&before, &numbered.clause), Error::<T>::ClauseReplaced);
            let progress = Progress::<T>::get(id, number);
            let is_kept = !is_begun(&progress) || keeps_its_past(&before, &numbered.clause, starts_move);
            ensure!(is_kept, Error::<T>::ClauseHasClaims);
            Ok(())
        })
    }

    /// Keeps the progress of a clause that stays in the content, except what the former content alone was about: the
    /// confirmation of a handover, and the revocation of a right that others give or have now.
    pub(crate) fn keep_progress(
        id: ContractId,
        number: ClauseNumber,
        before: Option<&Clause>,
        after: Option<&Clause>,
    ) {
        let Some(after) = after else {
            Progress::<T>::remove(id, number);
            MeterWindows::<T>::remove(id, number);
            LastUsages::<T>::remove(id, number);
            return;
        };
        let sides = |clause: &Clause| (clause.grantor(), clause.grantee());
        let is_same_right = before.is_some_and(|before| sides(before) == sides(after));
        Progress::<T>::mutate_exists(id, number, |stored| match stored {
            Some(ClauseProgress { track: track @ Track::Handover { done: false, .. }, .. }) => {
                *track = Track::Nothing;
            }
            Some(ClauseProgress { track: track @ Track::Revoked { .. }, .. }) if !is_same_right => {
                *track = Track::Nothing;
            }
            _ => (),
        });
    }
}

/// Returns true if something was claimed under a clause.
fn is_begun(progress: &ClauseProgress) -> bool {
    progress.claims > 0 || matches!(progress.track, Track::Usage { .. })
}

/// Returns true if a clause can have the number of an earlier one: it is of the same kind, about the same device, and has the
/// same reading in the same unit. A charge also has the same kind of basis.
fn continues(before: &Clause, after: &Clause) -> bool {
    let meter = |clause: &Clause| clause.meter().map(|meter| (meter.name.clone(), meter.unit.clone()));
    let is_same =
        before.kind() == after.kind() && before.device() == after.device() && meter(before) == meter(after);
    is_same
        && match (before, after) {
            (Clause::Bound(before), Clause::Bound(after)) => {
                (&before.reading, &before.unit) == (&after.reading, &after.unit)
            }
            (Clause::Report(before), Clause::Report(after)) => before.reading == after.reading,
            (Clause::Charge(before), Clause::Charge(after)) => {
                let is_for_time = |basis: &ChargeBasis| matches!(basis, ChargeBasis::Time { .. });
                is_for_time(&before.basis) == is_for_time(&after.basis)
            }
            _ => true,
        }
}

/// Returns true if what was claimed under a clause is judged as before: by the limits of a bound and the periods of a usage,
/// and by all readings since the start.
fn keeps_its_past(before: &Clause, after: &Clause, starts_move: bool) -> bool {
    match (before, after) {
        (Clause::Bound(before), Clause::Bound(after)) => {
            (before.min, before.max, before.tolerated) == (after.min, after.max, after.tolerated)
                && !starts_move
        }
        (Clause::Report(_), Clause::Report(_)) => !starts_move,
        (Clause::Charge(before), Clause::Charge(_)) => {
            matches!(before.basis, ChargeBasis::Once | ChargeBasis::Time { .. }) || !starts_move
        }
        (Clause::Usage(before), Clause::Usage(after)) => before.period == after.period && !starts_move,
        _ => true,
    }
}
