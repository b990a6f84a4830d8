//! Charges: what a meter, time, or a single occasion costs.

use super::Claimable;
use crate::{evidence::Wanted, Config, Error, Pallet};
use frame_support::ensure;
use sp_runtime::DispatchError;
use streembit_primitives::{
    contract::{
        evaluate,
        state::{ChargedRange, ClaimEvidence, ClaimSubject, ProvenPoint, Track},
        ChargeBasis, ChargeClause, Meter, Quantity,
    },
    reading_proof::ReadingProof,
    DeviceId,
};

impl<T: Config> Pallet<T> {
    /// Returns the charge that the evidence supports, and notes the range that is charged. No range is charged twice.
    pub(crate) fn charge(
        claimable: &mut Claimable,
        charge: &ChargeClause,
        evidence: ClaimEvidence,
    ) -> Result<ClaimSubject, DispatchError> {
        let charged = match claimable.progress.track {
            Track::Charged(range) => Some(range),
            _ => None,
        };
        let (quantity, range, noted) = match (&charge.basis, evidence) {
            (ChargeBasis::Once, ClaimEvidence::Once) => {
                ensure!(charged.is_none(), Error::<T>::ChargedAlready);
                (Quantity::Once, ChargedRange::Once, ChargedRange::Once)
            }
            (ChargeBasis::Time { .. }, ClaimEvidence::Time { until }) => {
                let (quantity, range) = Self::charged_time(claimable, charged, until)?;
                (quantity, range, range)
            }
            (ChargeBasis::Meter { device, meter, .. }, ClaimEvidence::Meter { first, last }) => {
                let wanted = (*device, meter);
                Self::charged_meter(claimable, charged, wanted, first, last)?
            }
            _ => return Err(Error::<T>::OtherClauseKind.into()),
        };
        let amount = evaluate::amount(charge, &quantity).ok_or(Error::<T>::OutOfRange)?;
        claimable.progress.track = Track::Charged(noted);
        Ok(ClaimSubject::Charge { quantity, range, amount })
    }

    fn charged_time(
        claimable: &Claimable,
        charged: Option<ChargedRange>,
        until: u64,
    ) -> Result<(Quantity, ChargedRange), DispatchError> {
        let contract = &claimable.contract;
        let from = match charged {
            Some(ChargedRange::Time(_, until)) => until.max(contract.terms.starts),
            _ => contract.terms.starts,
        };
        let latest = Self::now().min(Self::end_time(contract));
        ensure!(from < until && until <= latest, Error::<T>::WrongRange);
        Ok((Quantity::Time(until.saturating_sub(from)), ChargedRange::Time(from, until)))
    }

    /// Returns what is charged, its range, and the range to note: it begins where the current day of the charged meter
    /// began.
    fn charged_meter(
        claimable: &mut Claimable,
        charged: Option<ChargedRange>,
        (device, meter): (DeviceId, &Meter),
        first: Option<ReadingProof>,
        last: ReadingProof,
    ) -> Result<(Quantity, ChargedRange, ChargedRange), DispatchError> {
        let contract = &claimable.contract;
        let wanted = Wanted::of_meter(device, meter);
        let (window, before) = match charged {
            Some(ChargedRange::Meter(window, end)) => (Some(window), Some(end)),
            _ => (None, None),
        };
        let first: ProvenPoint = match first {
            Some(first) => Self::prove(contract, &wanted, first)?,
            None => before.ok_or(Error::<T>::ReadingNeeded)?,
        };
        let last = Self::prove(contract, &wanted, last)?;
        // An event can have two readings of the same name, so its sequence alone does not tell that it is the same reading.
        let follows = before.is_none_or(|before| first == before || first.sequence > before.sequence);
        ensure!(follows && last.sequence > first.sequence, Error::<T>::WrongRange);
        let irregular = evaluate::irregularity(meter, &first, &last);
        ensure!(irregular.is_none(), Error::<T>::Irregular);
        for end in [&first, &last] {
            Self::ensure_fits_meter(claimable, before, end)?;
        }
        let window = window.unwrap_or(first);
        ensure!(!evaluate::leaps(meter, &window, &last), Error::<T>::Irregular);
        let used = last.value.checked_sub(&first.value).ok_or(Error::<T>::OutOfRange)?;
        let noted = ChargedRange::Meter(evaluate::next_window(meter, &window, &last), last);
        Self::move_to_claimed(claimable, [first, last]);
        Ok((Quantity::Meter(used), ChargedRange::Meter(first, last), noted))
    }
}
