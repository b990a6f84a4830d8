//! Rights that clauses give: to read, to send commands, and to keep replicas. Delivery enforces them.

use crate::{types::StoredContract, Clauses, Config, Contracts, Error, Event, Pallet, Progress};
use alloc::vec::Vec;
use frame_support::ensure;
use sp_runtime::{DispatchError, DispatchResult};
use streembit_primitives::{
    contract::{
        state::{ClauseProgress, ContractState, Grant, Right, Track},
        Clause, ClauseNumber, ContractId, Grantee,
    },
    device::DeviceRecord,
    PartyId,
};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_revoke(party: PartyId, id: ContractId, number: ClauseNumber) -> DispatchResult {
        let mut progress = Self::revocable(&party, id, number)?;
        progress.track = match progress.track {
            Track::Handover { from, to, done } => {
                let Clause::Handover(handover) = Self::clause(id, number)? else {
                    return Err(Error::<T>::OtherClauseKind.into());
                };
                let from = from.filter(|_| party != handover.from);
                Track::Handover { from, to: to.filter(|_| party != handover.to), done }
            }
            _ => Track::Revoked { by: party, at: Self::moment() },
        };
        Progress::<T>::insert(id, number, progress);
        Self::deposit_event(Event::Revoked { id, clause: number, party });
        Ok(())
    }

    /// Returns true if the call of a party that revokes a right would succeed now. Such a call costs no quota: it can be made
    /// once for each right.
    pub fn may_revoke(party: &PartyId, id: ContractId, number: ClauseNumber) -> bool {
        Self::revocable(party, id, number).is_ok()
    }

    /// Returns the progress of a clause whose right a party may revoke, or whose handover it has confirmed.
    fn revocable(
        party: &PartyId,
        id: ContractId,
        number: ClauseNumber,
    ) -> Result<ClauseProgress, DispatchError> {
        let contract = Self::stored(id)?;
        Self::ensure_active(&contract, false)?;
        let clause = Self::clause(id, number)?;
        let progress = Progress::<T>::get(id, number);
        let is_owner = || {
            let device = clause.device().and_then(|device| pallet_devices::Pallet::<T>::device(&device));
            device.is_some_and(|device| device.owner() == *party)
        };
        match (&clause, progress.track) {
            (Clause::Handover(handover), Track::Handover { from, to, done: false }) => {
                let has_confirmed =
                    (*party == handover.from && from.is_some()) || (*party == handover.to && to.is_some());
                ensure!(has_confirmed, Error::<T>::NothingToRevoke);
            }
            (_, Track::Revoked { .. }) => return Err(Error::<T>::NothingToRevoke.into()),
            _ => {
                let (grantor, grantee) =
                    clause.grantor().zip(clause.grantee()).ok_or(Error::<T>::NothingToRevoke)?;
                let is_grantee = match grantee {
                    Grantee::Party(grantee) => grantee == *party,
                    // One of an audience cannot end the right of the others.
                    Grantee::Role(_) => false,
                };
                ensure!(grantor == *party || is_grantee || is_owner(), Error::<T>::NotASideOfClause);
            }
        }
        Ok(progress)
    }

    /// Returns the rights that a contract gives now.
    pub fn grants_of(id: ContractId) -> Vec<Grant> {
        let Some(contract) = Contracts::<T>::get(id) else { return Vec::new() };
        if Self::state(&contract) != ContractState::Active {
            return Vec::new();
        }
        let of_clause = |number: &ClauseNumber| Self::grants_of_clause(id, &contract, *number);
        contract.clauses.iter().flat_map(of_clause).collect()
    }

    fn grants_of_clause(id: ContractId, contract: &StoredContract, number: ClauseNumber) -> Vec<Grant> {
        let Some(clause) = Clauses::<T>::get(id, number) else { return Vec::new() };
        let right = match &clause {
            Clause::Access(access) => Right::Read(access.readings.clone()),
            Clause::Control(control) => Right::Command(control.commands.clone()),
            Clause::Custody(_) => Right::Keep,
            _ => return Vec::new(),
        };
        let (Some(device), Some(grantor), Some(grantee), Some(until)) =
            (clause.device(), clause.grantor(), clause.grantee(), clause.until())
        else {
            return Vec::new();
        };
        let until = until.min(contract.terms.ends.unwrap_or(u64::MAX));
        let is_revoked = matches!(Progress::<T>::get(id, number).track, Track::Revoked { .. });
        let has_owner = |record: DeviceRecord| Self::has_same_owner(contract, &device, &record);
        let is_of_owner = pallet_devices::Pallet::<T>::device(&device).is_some_and(has_owner);
        let has_begun = contract.terms.starts <= Self::now();
        if is_revoked || !is_of_owner || !has_begun || until <= Self::now() {
            return Vec::new();
        }
        if !Self::has_seat(&contract.accepted, &grantor) {
            return Vec::new();
        }
        let grantees = contract.terms.parties.iter().filter(|holder| match grantee {
            Grantee::Party(party) => holder.party == party,
            Grantee::Role(role) => holder.role == role && holder.party != grantor,
        });
        grantees
            .filter(|holder| Self::has_seat(&contract.accepted, &holder.party))
            .map(|holder| Grant {
                contract: id,
                clause: number,
                device,
                grantor,
                grantee: holder.party,
                right: right.clone(),
                until,
            })
            .collect()
    }
}
