//! What a claim keeps of the content under which it was made: its sides, its arbiter, and what becomes of it if nobody rules.
//!
//! An amendment can replace a side or the arbiter. The claims that were made before stay between the recorded ones.

use crate::{
    status::PartiesOf,
    types::{Acceptance, ClaimBasis, StoredContract},
    ClaimBases, Claims, Config, Error, Pallet,
};
use frame_support::ensure;
use pallet_parties::PartyLookup as _;
use sp_runtime::DispatchResult;
use streembit_primitives::{
    contract::{state::Claim, ClaimNumber, ContractId},
    PartyId,
};

impl<T: Config> Pallet<T> {
    /// Returns what a new claim between two sides keeps of the content in force.
    pub(crate) fn new_basis(contract: &StoredContract, claimant: PartyId, respondent: PartyId) -> ClaimBasis {
        let of = |party| {
            let found = contract.accepted.iter().find(|acceptance| acceptance.party == party);
            // A party that is not bound has no acceptance that counts.
            found.copied().unwrap_or(Acceptance { party, departures: u32::MAX })
        };
        ClaimBasis {
            claimant: of(claimant),
            respondent: of(respondent),
            arbiter: contract.terms.arbiter.map(of),
            unruled: contract.terms.unruled,
            rule: contract.terms.deadlines.rule,
        }
    }

    /// Returns what a claim keeps of the content under which it was made.
    pub(crate) fn basis(id: ContractId, contract: &StoredContract, claim: &Claim) -> ClaimBasis {
        let stored = ClaimBases::<T>::get(id, claim.number);
        stored.unwrap_or_else(|| Self::new_basis(contract, claim.claimant, claim.respondent))
    }

    /// Ensures that a party is a side of a claim, and bound by the content under which the claim was made, or by the
    /// content in force.
    pub(crate) fn ensure_side(
        id: ContractId,
        contract: &StoredContract,
        claim: &Claim,
        party: &PartyId,
    ) -> DispatchResult {
        let basis = Self::basis(id, contract, claim);
        let mut sides = [basis.claimant, basis.respondent].into_iter();
        let is_bound = sides.any(|side| side.party == *party && Self::is_bound(contract, &side));
        ensure!(is_bound, Error::<T>::SeatLost);
        Ok(())
    }

    /// Ensures that a party is bound by the content in force, or that it is a side of a claim.
    pub(crate) fn ensure_seat_or_side(
        id: ContractId,
        contract: &StoredContract,
        number: ClaimNumber,
        party: &PartyId,
    ) -> DispatchResult {
        match Claims::<T>::get(id, number) {
            Some(claim) if [claim.claimant, claim.respondent].contains(party) => {
                Self::ensure_side(id, contract, &claim, party)
            }
            _ => Self::ensure_seat(contract, party),
        }
    }

    /// Ensures that a party is the arbiter who may rule on a claim.
    pub(crate) fn ensure_arbiter(
        id: ContractId,
        contract: &StoredContract,
        number: ClaimNumber,
        party: &PartyId,
    ) -> DispatchResult {
        let basis = match Claims::<T>::get(id, number) {
            Some(claim) => Self::basis(id, contract, &claim),
            None => Self::new_basis(contract, *party, *party),
        };
        let arbiter = basis.arbiter.filter(|arbiter| arbiter.party == *party);
        let arbiter = arbiter.ok_or(Error::<T>::NotTheArbiter)?;
        ensure!(Self::is_bound(contract, &arbiter), Error::<T>::SeatLost);
        Ok(())
    }

    /// Returns true if a recorded acceptance counts, or if the party has accepted the content in force again.
    pub(crate) fn is_bound(contract: &StoredContract, acceptance: &Acceptance) -> bool {
        Self::counts(acceptance) || Self::has_seat(&contract.accepted, &acceptance.party)
    }

    /// Returns true if an acceptance counted until a deadline that has passed: the party has not left, or certainly left
    /// after it.
    ///
    /// The live clock never advances faster than the chain's time, so since a departure it has advanced by at most the
    /// chain's time since then.
    pub(crate) fn counted_until(acceptance: &Acceptance, deadline: u64) -> bool {
        if Self::counts(acceptance) {
            return true;
        }
        let left = PartiesOf::<T>::last_departure(&acceptance.party);
        left.is_some_and(|left| deadline <= Self::earliest_live_time(left))
    }

    /// Returns the earliest live time that a past time of the chain can have had.
    pub(crate) fn earliest_live_time(time: u64) -> u64 {
        Self::live_time().saturating_sub(Self::now().saturating_sub(time))
    }
}
