//! Handovers: a device passes to another owner when both sides confirm.

use super::Claimable;
use crate::{types::Phase, Clauses, Config, Contracts, Error, Event, Pallet, Progress};
use frame_support::ensure;
use sp_runtime::DispatchResult;
use streembit_primitives::{
    contract::{
        state::{EndReason, HandoverConfirmation, Track},
        ChargeBasis, Clause, ClauseNumber, ContentHash, ContractId,
    },
    reading_proof::ReadingProof,
    PartyId,
};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_hand_over(
        party: PartyId,
        id: ContractId,
        number: ClauseNumber,
        hash: ContentHash,
        proof: Option<ReadingProof>,
    ) -> DispatchResult {
        let mut claimable = Self::claimable(party, id, number)?;
        Self::ensure_active(&claimable.contract, true)?;
        ensure!(claimable.contract.hash == hash, Error::<T>::OtherContent);
        let Clause::Handover(handover) = claimable.clause.clone() else {
            return Err(Error::<T>::OtherClauseKind.into());
        };
        ensure!([handover.from, handover.to].contains(&party), Error::<T>::NotASideOfClause);
        let (mut from, mut to) = match claimable.progress.track {
            Track::Handover { done: true, .. } => return Err(Error::<T>::HandedOverAlready.into()),
            Track::Handover { from, to, .. } => (from, to),
            _ => (None, None),
        };
        let mine = if party == handover.from { &mut from } else { &mut to };
        ensure!(mine.is_none(), Error::<T>::HandedOverAlready);
        let device =
            pallet_devices::Pallet::<T>::device(&handover.device).ok_or(Error::<T>::UnknownDevice)?;
        ensure!(device.owner() == handover.from, Error::<T>::NotTheOwner);

        Self::refresh_irregularity(&mut claimable)?;
        let meter = proof.map(|proof| Self::prove_at_handover(&mut claimable, proof)).transpose()?;
        *mine = Some(HandoverConfirmation { meter, at: Self::moment() });
        Self::deposit_event(Event::HandoverConfirmed { id, clause: number, party });
        let done = match (&from, &to) {
            (Some(from), Some(to)) => {
                let is_proven = from.meter.is_some() || to.meter.is_some();
                ensure!(is_proven || handover.meter.is_none(), Error::<T>::ReadingNeeded);
                true
            }
            _ => false,
        };
        claimable.progress.track = Track::Handover { from, to, done };
        claimable.store::<T>();
        if done {
            let (device, from, to) = (handover.device, handover.from, handover.to);
            let accepted = Self::stored(id)?.accepted;
            let are_bound = [from, to].iter().all(|side| Self::has_seat(&accepted, side));
            ensure!(are_bound, Error::<T>::SeatLost);
            pallet_devices::Pallet::<T>::pass(device, from, to)?;
            Self::deposit_event(Event::HandedOver { id, clause: number, device, from, to });
            Self::complete(id)?;
        }
        Ok(())
    }

    /// Proves a regular reading of the handover's meter, and moves the meter to it.
    fn prove_at_handover(
        claimable: &mut Claimable,
        proof: ReadingProof,
    ) -> Result<streembit_primitives::contract::state::ProvenPoint, sp_runtime::DispatchError> {
        let point = Self::prove(&claimable.contract, &Self::wanted_meter(&claimable.clause)?, proof)?;
        let last = claimable.progress.meter;
        ensure!(last.is_none_or(|last| point.sequence >= last.sequence), Error::<T>::NotNewer);
        ensure!(Self::irregularity(claimable, &point).is_none(), Error::<T>::Irregular);
        Self::move_to(claimable, point);
        Ok(point)
    }

    /// Ends a contract of which all handovers are done, if nothing else goes on.
    fn complete(id: ContractId) -> DispatchResult {
        let mut contract = Self::stored(id)?;
        let is_over = contract.clauses.iter().all(|number| match Clauses::<T>::get(id, number) {
            Some(Clause::Handover(_)) => {
                matches!(Progress::<T>::get(id, number).track, Track::Handover { done: true, .. })
            }
            Some(Clause::Charge(charge)) => charge.basis == ChargeBasis::Once,
            _ => false,
        });
        if is_over && matches!(contract.phase, Phase::Active(_)) {
            Self::note_end(id, &mut contract, EndReason::Completed);
            Contracts::<T>::insert(id, contract);
        }
        Ok(())
    }
}
