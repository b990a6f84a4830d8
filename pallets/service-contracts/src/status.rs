//! The state of a contract now, which depends on the time, on the membership of its parties and on its devices.

use crate::{
    types::{Acceptance, Acceptances, LiveClock, Phase, StoredContract},
    Config, Contracts, Error, Lineage, LiveTime, Pallet,
};
use frame_support::{
    ensure,
    traits::{Get, Time},
};
use frame_system::{ensure_signed, pallet_prelude::OriginFor};
use pallet_parties::PartyLookup as _;
use sp_runtime::{DispatchError, SaturatedConversion};
use streembit_primitives::{
    contract::{
        state::{ContractState, EndReason, Moment},
        ContractId, OnChange,
    },
    device::DeviceRecord,
    AccountId, DeviceId, Hash, PartyId, Scope,
};

/// The parties, as the registry of devices knows them.
pub(crate) type PartiesOf<T> = <T as pallet_devices::Config>::Parties;

impl<T: Config> Pallet<T> {
    /// Returns the genesis hash of the first chain of this lineage, which contract ids are computed with.
    pub fn lineage() -> Hash {
        Lineage::<T>::get().unwrap_or_else(T::Genesis::get)
    }

    /// Returns the live time in milliseconds. Deadlines are in it, because it stands still while the chain does.
    pub fn live_time() -> u64 {
        Self::clock().live
    }

    pub(crate) fn clock() -> LiveClock {
        LiveTime::<T>::get().at(Self::now(), T::MaxLiveGap::get())
    }

    /// Returns the chain's time, in milliseconds since 1970-01-01 UTC.
    pub(crate) fn now() -> u64 {
        <T as Config>::Clock::now()
    }

    pub(crate) fn moment() -> Moment {
        Moment { block: frame_system::Pallet::<T>::block_number().saturated_into(), time: Self::now() }
    }

    /// Returns the party for which the sender of a call acts with a scope.
    pub(crate) fn sender(origin: OriginFor<T>, scope: Scope) -> Result<PartyId, DispatchError> {
        PartiesOf::<T>::ensure_scope(&AccountId(ensure_signed(origin)?.into()), scope)
    }

    /// Returns the party that the sender of a call belongs to, whatever its scope.
    pub(crate) fn any_sender(origin: OriginFor<T>) -> Result<PartyId, DispatchError> {
        let acting = PartiesOf::<T>::acting(&AccountId(ensure_signed(origin)?.into()));
        acting.map(|found| found.party).map_err(PartiesOf::<T>::error_of)
    }

    pub(crate) fn stored(id: ContractId) -> Result<StoredContract, DispatchError> {
        Contracts::<T>::get(id).ok_or_else(|| Error::<T>::UnknownContract.into())
    }

    /// Returns an acceptance by a party, which counts until the party leaves.
    pub(crate) fn acceptance(party: PartyId) -> Acceptance {
        Acceptance { party, departures: PartiesOf::<T>::departures(&party) }
    }

    /// Returns true if the party has not left since it accepted.
    pub(crate) fn counts(acceptance: &Acceptance) -> bool {
        PartiesOf::<T>::is_party(&acceptance.party)
            && PartiesOf::<T>::departures(&acceptance.party) == acceptance.departures
    }

    /// Returns true if acceptances include one of a party that has not left since.
    pub(crate) fn has_seat(accepted: &Acceptances, party: &PartyId) -> bool {
        accepted.iter().any(|acceptance| acceptance.party == *party && Self::counts(acceptance))
    }

    /// Ensures that a party is bound by the content in force. A party that left and came back is not.
    pub(crate) fn ensure_seat(contract: &StoredContract, party: &PartyId) -> Result<(), DispatchError> {
        ensure!(contract.terms.names(party), Error::<T>::NotPartyToContract);
        ensure!(Self::has_seat(&contract.accepted, party), Error::<T>::SeatLost);
        Ok(())
    }

    /// Returns the state of a contract now, except for devices that were sold: see [`Self::state`].
    pub(crate) fn state_without_devices(contract: &StoredContract) -> ContractState {
        let (now, live) = (Self::now(), Self::live_time());
        let is_over = contract.terms.ends.is_some_and(|ends| ends <= now);
        let active = match &contract.phase {
            Phase::Proposed { lapses } if *lapses <= live || is_over => {
                return ContractState::Ended(EndReason::Lapsed)
            }
            Phase::Proposed { .. } => return ContractState::Proposed,
            Phase::Ended { reason, .. } => return ContractState::Ended(*reason),
            Phase::Active(active) => active,
        };
        if is_over {
            return ContractState::Ended(EndReason::Expired);
        }
        if active.notices.iter().any(|notice| notice.ends.is_some_and(|ends| ends <= live)) {
            return ContractState::Ended(EndReason::Terminated);
        }
        let vacant = Self::vacant_since(contract, 0);
        let waits = Self::waits_because(contract, contract.terms.on_leave, vacant);
        let waited = waits.is_some_and(|until| until <= live);
        if vacant.is_some() && (waited || contract.terms.on_leave == OnChange::Ends) {
            return ContractState::Ended(EndReason::PartyLeft);
        }
        ContractState::Active
    }

    /// Returns the state of a contract now. Reads all of its devices if the contract is in force.
    pub(crate) fn state(contract: &StoredContract) -> ContractState {
        let state = Self::state_without_devices(contract);
        if state != ContractState::Active {
            return state;
        }
        let sold = Self::sold_since(contract);
        let waits = Self::waits_because(contract, contract.terms.on_sale, sold);
        let waited = waits.is_some_and(|until| until <= Self::live_time());
        let is_over = waited || contract.terms.on_sale == OnChange::Ends;
        if sold.is_some() && is_over {
            ContractState::Ended(EndReason::DeviceSold)
        } else {
            ContractState::Active
        }
    }

    /// Returns true if a device has an owner that is not a party to a contract.
    pub(crate) fn is_sold(contract: &StoredContract, record: &DeviceRecord) -> bool {
        !contract.terms.names(&record.owner())
    }

    /// Returns true if a device has the owner that it had when the content came into force.
    pub(crate) fn has_same_owner(
        contract: &StoredContract,
        device: &DeviceId,
        record: &DeviceRecord,
    ) -> bool {
        contract.owners_of(device) == Some(record.owners().count())
    }

    /// Ensures that a contract is in force. `is_deep` also looks at its devices.
    pub(crate) fn ensure_active(contract: &StoredContract, is_deep: bool) -> Result<(), DispatchError> {
        let state = if is_deep { Self::state(contract) } else { Self::state_without_devices(contract) };
        match state {
            ContractState::Active => Ok(()),
            ContractState::Proposed => Err(Error::<T>::NotActive.into()),
            ContractState::Ended(_) => Err(Error::<T>::Ended.into()),
        }
    }

    /// Ensures that claims can be made: the contract is in force, or it has ended and the parties still have time.
    pub(crate) fn ensure_claimable(contract: &StoredContract) -> Result<(), DispatchError> {
        match &contract.phase {
            Phase::Proposed { .. } => Err(Error::<T>::NotActive.into()),
            Phase::Active(_) => Ok(()),
            Phase::Ended { claimable_until, .. } => {
                ensure!(Self::live_time() < *claimable_until, Error::<T>::Ended);
                Ok(())
            }
        }
    }
}
