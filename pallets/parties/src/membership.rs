//! How accounts become parties and gateways, and how they leave.

use crate::{Config, Departure, Error, Event, Gateways, GatewaysOf, Pallet, Parties, Registry};
use frame_support::ensure;
use sp_runtime::{DispatchResult, SaturatedConversion};
use streembit_primitives::{consortium::Membership, AccountId};

impl<T: Config> Registry for Pallet<T> {
    fn ensure_can_add(account: &AccountId) -> DispatchResult {
        ensure!(!Self::is_party(account), Error::<T>::IsAParty);
        ensure!(!Self::is_gateway(account), Error::<T>::IsAGateway);
        Ok(())
    }

    fn add(party: AccountId) -> DispatchResult {
        Self::ensure_can_add(&party)?;
        // The account may have been the gateway of a party that left.
        Self::forget_gateway(party);
        let now = frame_system::Pallet::<T>::block_number().saturated_into();
        Parties::<T>::insert(party, Membership { since: Some(now) });
        Self::ensure_provider(party);
        Self::deposit_event(Event::PartyAdded { party });
        Ok(())
    }

    fn ensure_can_remove(account: &AccountId) -> DispatchResult {
        ensure!(Self::is_party(account), Error::<T>::NotAParty);
        T::Departure::ensure_party_can_leave(account)
    }

    fn remove(party: AccountId) -> DispatchResult {
        Self::ensure_can_remove(&party)?;
        T::Departure::party_leaves(&party)?;
        Parties::<T>::remove(party);
        Self::deposit_event(Event::PartyRemoved { party });
        Ok(())
    }
}

impl<T: Config> Pallet<T> {
    /// Makes sure that the account exists in the system pallet and so has a nonce.
    ///
    /// The provider is never removed. An account that left keeps its nonce, so no earlier transaction becomes valid
    /// again.
    pub(crate) fn ensure_provider(account: AccountId) {
        let account: T::AccountId = account.0.into();
        if frame_system::Pallet::<T>::providers(&account) == 0 {
            frame_system::Pallet::<T>::inc_providers(&account);
        }
    }

    /// Removes everything that is stored about a gateway, if there is anything.
    pub(crate) fn forget_gateway(gateway: AccountId) {
        if let Some(record) = Gateways::<T>::take(gateway) {
            T::Departure::gateway_leaves(&gateway);
            GatewaysOf::<T>::remove(record.party, gateway);
        }
    }
}
