//! The use of a meter per period.

use super::Claimable;
use crate::{evidence::Wanted, Claims, Config, Error, LastUsages, Pallet, Progress};
use frame_support::ensure;
use sp_runtime::DispatchError;
use streembit_primitives::{
    contract::{
        evaluate::{self, period_at, period_range},
        state::{ClaimState, ClaimSubject, ProvenPoint, Track},
        CarryOver, UsageClause,
    },
    reading_proof::ReadingProof,
    Decimal,
};

impl<T: Config> Pallet<T> {
    /// Returns the usage of a period that two readings prove, and notes that the period is claimed.
    ///
    /// Periods are claimed in their order. What is carried over into a period is proven by the claim of the period before,
    /// which is decided on first. Periods that were not claimed carry over as if nothing had been used in them.
    pub(crate) fn usage(
        claimable: &mut Claimable,
        usage: &UsageClause,
        period: u32,
        first: ReadingProof,
        last: ReadingProof,
    ) -> Result<ClaimSubject, DispatchError> {
        if usage.carry_over != CarryOver::None {
            Self::refresh_usage(claimable)?;
        }
        let contract = &claimable.contract;
        let (next, carried) = match claimable.progress.track {
            Track::Usage { next_period, carried } => (next_period, carried),
            _ => (0, Decimal::ZERO),
        };
        let starts = contract.terms.starts;
        let (_, ends) = period_range(starts, usage.period, period).ok_or(Error::<T>::WrongPeriod)?;
        let is_over = Self::now() >= ends.min(Self::end_time(contract));
        ensure!(period >= next && is_over, Error::<T>::WrongPeriod);

        let wanted = Wanted::of_meter(usage.device, &usage.meter);
        let first = Self::prove(contract, &wanted, first)?;
        let last = Self::prove(contract, &wanted, last)?;
        let is_in = |time| period_at(starts, usage.period, time) == Some(period);
        ensure!(is_in(first.time) && is_in(last.time), Error::<T>::WrongPeriod);
        ensure!(last.sequence > first.sequence, Error::<T>::NotNewer);
        let irregular = evaluate::irregularity(&usage.meter, &first, &last);
        ensure!(irregular.is_none(), Error::<T>::Irregular);
        let before = Self::last_used(claimable);
        for end in [&first, &last] {
            Self::ensure_fits_meter(claimable, before, end)?;
        }

        let carried_in = evaluate::carried_over(usage, carried, period.saturating_sub(next));
        let result = evaluate::usage(usage, carried_in, &first, &last).ok_or(Error::<T>::OutOfRange)?;
        let next_period = period.saturating_add(1);
        Self::move_to_claimed(claimable, [first, last]);
        claimable.progress.track = Track::Usage { next_period, carried: result.carried };
        let evaluate::UsageResult { used, allowance, over, carried } = result;
        Ok(ClaimSubject::Usage { period, first, last, used, allowance, over, carried_in, carried })
    }

    /// Returns the reading at the end of the last period that was claimed, if that claim is stored and not void.
    fn last_used(claimable: &Claimable) -> Option<ProvenPoint> {
        let last = LastUsages::<T>::get(claimable.id, claimable.number)?;
        let claim = Claims::<T>::get(claimable.id, last)?;
        match (claim.state, claim.subject) {
            (ClaimState::Void(_), _) => None,
            (_, ClaimSubject::Usage { last, .. }) => Some(last),
            _ => None,
        }
    }

    /// Decides on the claim of the period before if time has done so. Fails if it is still open: what it carries over is not
    /// certain.
    fn refresh_usage(claimable: &mut Claimable) -> Result<(), DispatchError> {
        let (id, number) = (claimable.id, claimable.number);
        // A claim that was retracted or removed is decided on.
        let last = LastUsages::<T>::get(id, number).filter(|last| Claims::<T>::contains_key(id, last));
        if let Some(last) = last {
            let claim = Self::current_claim(id, &claimable.contract, last)?;
            let is_open = matches!(claim.state, ClaimState::Claimed | ClaimState::Disputed);
            ensure!(!is_open, Error::<T>::RecordOpen);
            claimable.progress = Progress::<T>::get(id, number);
        }
        Ok(())
    }
}
