//! Records of services.

use super::Claimable;
use crate::{Config, Error, Pallet, Progress};
use frame_support::ensure;
use sp_runtime::DispatchResult;
use streembit_primitives::{
    contract::{
        evaluate::service_due,
        state::{ClaimSubject, Served, Track},
        Clause, ClauseNumber, ContractId, Documents,
    },
    reading_proof::ReadingProof,
    PartyId,
};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_record(
        party: PartyId,
        id: ContractId,
        number: ClauseNumber,
        proof: Option<ReadingProof>,
        documents: Documents,
    ) -> DispatchResult {
        let mut claimable = Self::claimable(party, id, number)?;
        let Clause::Service(service) = claimable.clause.clone() else {
            return Err(Error::<T>::OtherClauseKind.into());
        };
        ensure!(party == service.provider, Error::<T>::NotTheClaimant);
        Self::refresh_irregularity(&mut claimable)?;
        let served = Self::refresh_service(&mut claimable)?;
        ensure!(proof.is_some() == service.meter.is_some(), Error::<T>::ReadingNeeded);
        let at = match proof {
            None => None,
            Some(proof) => {
                let wanted = Self::wanted_meter(&claimable.clause)?;
                let point = Self::prove(&claimable.contract, &wanted, proof)?;
                let last = claimable.progress.meter;
                // The event of the last report will do, because a car does not move while it is serviced.
                ensure!(last.is_none_or(|last| point.sequence >= last.sequence), Error::<T>::NotNewer);
                ensure!(Self::irregularity(&claimable, &point).is_none(), Error::<T>::Irregular);
                Self::move_to(&mut claimable, point);
                Some(point)
            }
        };
        let time = at.map_or(Self::now().min(Self::end_time(&claimable.contract)), |point| point.time);
        let done = Served { meter: at.map(|point| point.value), time };
        ensure!(service_due(&service, Some(&done), None, 0).is_some(), Error::<T>::OutOfRange);

        let subject = ClaimSubject::Service { at, time };
        let Claimable { contract, progress, clause, .. } = &mut claimable;
        let made = Self::make_claim(id, contract, (number, &*clause), progress, subject, documents)?;
        progress.track = Track::Service { served, open: Some(made) };
        claimable.store::<T>();
        Ok(())
    }

    /// Returns the last service that stands. Fails if a record is still open after time has decided on it if it could.
    fn refresh_service(claimable: &mut Claimable) -> Result<Option<Served>, sp_runtime::DispatchError> {
        if let Track::Service { open: Some(open), .. } = claimable.progress.track {
            Self::current_claim(claimable.id, &claimable.contract, open)?;
            claimable.progress = Progress::<T>::get(claimable.id, claimable.number);
        }
        match claimable.progress.track {
            Track::Service { served, open } => {
                ensure!(open.is_none(), Error::<T>::RecordOpen);
                Ok(served)
            }
            _ => Ok(None),
        }
    }
}
