//! The use of a meter per period.

use super::Claimable;
use crate::{evidence::Wanted, Config, Error, Pallet};
use frame_support::ensure;
use sp_runtime::DispatchError;
use streembit_primitives::{
    contract::{
        evaluate::{self, period_at, period_range},
        state::{ClaimSubject, Track},
        UsageClause,
    },
    reading_proof::ReadingProof,
    Decimal,
};

impl<T: Config> Pallet<T> {
    /// Returns the usage of a period that two readings prove, and notes that the period is claimed.
    ///
    /// Periods are claimed in their order. What is carried over into a period is proven by the claim of the period before;
    /// if that was not claimed, nothing is carried over.
    pub(crate) fn usage(
        claimable: &mut Claimable,
        usage: &UsageClause,
        period: u32,
        first: ReadingProof,
        last: ReadingProof,
    ) -> Result<ClaimSubject, DispatchError> {
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
        for end in [&first, &last] {
            Self::ensure_fits_meter(claimable, None, end)?;
        }

        let carried_in = if period == next { carried } else { Decimal::ZERO };
        let result = evaluate::usage(usage, carried_in, &first, &last).ok_or(Error::<T>::OutOfRange)?;
        let next_period = period.saturating_add(1);
        Self::move_to_claimed(claimable, [first, last]);
        claimable.progress.track = Track::Usage { next_period, carried: result.carried };
        let evaluate::UsageResult { used, allowance, over, carried } = result;
        Ok(ClaimSubject::Usage { period, first, last, used, allowance, over, carried_in, carried })
    }
}
