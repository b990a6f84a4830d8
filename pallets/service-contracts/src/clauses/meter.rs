//! Meters, which move with proven readings and cannot be poisoned: what is irregular is recorded and does not move them.

use super::Claimable;
use crate::{Config, Error, Event, Pallet};
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
        }
        Ok(())
    }

    /// Returns what is irregular about a reading of the meter, and the last regular reading.
    pub(crate) fn irregularity(
        claimable: &Claimable,
        point: &ProvenPoint,
    ) -> Option<(ProvenPoint, IrregularityKind)> {
        let (last, meter) = claimable.progress.meter.zip(claimable.clause.meter())?;
        evaluate::irregularity(meter, &last, point).map(|kind| (last, kind))
    }

    /// Moves the meter to a regular reading.
    pub(crate) fn move_to(claimable: &mut Claimable, point: ProvenPoint) {
        claimable.progress.meter = Some(point);
        let (id, clause) = (claimable.id, claimable.number);
        Self::deposit_event(Event::MeterProven { id, clause, point });
    }
}
