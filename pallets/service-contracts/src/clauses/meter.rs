//! Meters, which move with proven readings and cannot be poisoned: what is irregular is recorded and does not move them.

use super::Claimable;
use crate::{Config, Error, Event, Pallet};
use core::cmp::Ordering;
use frame_support::ensure;
use sp_runtime::DispatchResult;
use streembit_primitives::{
    contract::{
        evaluate,
        state::{ClaimSubject, IrregularityKind, ProvenPoint},
        ClauseNumber, ContractId, Documents,
    },
    reading_proof::ReadingProof,
    PartyId,
};

impl Claimable {
    /// Moves the meter to a regular reading, and the beginning of its current day.
    fn advance(&mut self, point: ProvenPoint) {
        let window = self.window.or(self.progress.meter).zip(self.clause.meter());
        self.window =
            Some(window.map_or(point, |(window, meter)| evaluate::next_window(meter, &window, &point)));
        self.progress.meter = Some(point);
    }
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_report(
        party: PartyId,
        id: ContractId,
        number: ClauseNumber,
        proof: ReadingProof,
    ) -> DispatchResult {
        let mut claimable = Self::claimable(party, id, number)?;
        Self::refresh_irregularity(&mut claimable)?;
        let point = Self::prove(&claimable.contract, &Self::wanted_meter(&claimable.clause)?, proof)?;
        let is_newer = claimable.progress.meter.is_none_or(|last| point.sequence > last.sequence);
        ensure!(is_newer, Error::<T>::NotNewer);
        match Self::irregularity(&claimable, &point) {
            None => Self::move_to(&mut claimable, point),
            Some((last, kind)) => {
                ensure!(claimable.progress.irregularity.is_none(), Error::<T>::IrregularityOpen);
                let subject = ClaimSubject::Irregularity { last, found: point, kind };
                let Claimable { contract, progress, clause, .. } = &mut claimable;
                let documents = Documents::default();
                let made = Self::make_claim(id, contract, (number, &*clause), progress, subject, documents)?;
                progress.irregularity = Some(made);
                Self::begin_dispute(id, contract, made, party, Documents::default());
            }
        }
        claimable.store::<T>();
        Ok(())
    }

    /// Decides on an irregularity that nobody has ruled on in time.
    pub(crate) fn refresh_irregularity(claimable: &mut Claimable) -> DispatchResult {
        if let Some(open) = claimable.progress.irregularity {
            Self::current_claim(claimable.id, &claimable.contract, open)?;
            claimable.progress = crate::Progress::<T>::get(claimable.id, claimable.number);
            claimable.window = crate::MeterWindows::<T>::get(claimable.id, claimable.number);
        }
        Ok(())
    }

    /// Returns what is irregular about a reading of the meter, and the last regular reading.
    pub(crate) fn irregularity(
        claimable: &Claimable,
        point: &ProvenPoint,
    ) -> Option<(ProvenPoint, IrregularityKind)> {
        let (last, meter) = claimable.progress.meter.zip(claimable.clause.meter())?;
        let window = claimable.window.unwrap_or(last);
        let kind = evaluate::irregularity_in_window(meter, &window, &last, point)?;
        Some((last, kind))
    }

    /// Ensures that a reading of a claim fits the meter as it is proven so far, and what was claimed `before`.
    ///
    /// A newer reading has to be regular. An older one lies between what was claimed before and the meter. If the meter is
    /// below what was claimed before, it was replaced: an older reading is then of one of the two instruments.
    pub(crate) fn ensure_fits_meter(
        claimable: &Claimable,
        before: Option<ProvenPoint>,
        point: &ProvenPoint,
    ) -> DispatchResult {
        let proven = [claimable.progress.meter, before].into_iter().flatten();
        let Some(last) = proven.max_by_key(|proven| proven.sequence) else { return Ok(()) };
        let meter = claimable.clause.meter().ok_or(Error::<T>::NoMeter)?;
        let fits = match point.sequence.cmp(&last.sequence) {
            Ordering::Greater => {
                let window = claimable.window.unwrap_or(last);
                evaluate::irregularity_in_window(meter, &window, &last, point).is_none()
            }
            Ordering::Equal => point.value == last.value,
            Ordering::Less => {
                let is_below = point.value <= last.value;
                match before {
                    None => is_below,
                    Some(before) if last.value < before.value => is_below || point.value >= before.value,
                    Some(before) => is_below && point.value >= before.value,
                }
            }
        };
        ensure!(fits, Error::<T>::Irregular);
        Ok(())
    }

    /// Moves the meter to the readings at both ends of a claim, unless newer ones are proven.
    pub(crate) fn move_to_claimed(claimable: &mut Claimable, ends: [ProvenPoint; 2]) {
        for point in ends {
            if claimable.progress.meter.is_none_or(|last| point.sequence > last.sequence) {
                claimable.advance(point);
            }
        }
    }

    /// Moves the meter to a regular reading.
    pub(crate) fn move_to(claimable: &mut Claimable, point: ProvenPoint) {
        claimable.advance(point);
        let (id, clause) = (claimable.id, claimable.number);
        Self::deposit_event(Event::MeterProven { id, clause, point });
    }
}
