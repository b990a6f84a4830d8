//! The conditions that hold between any two calls.

use crate::{Config, Gateways, GatewaysOf, Pallet, Parties};
use frame_support::ensure;
use sp_runtime::SaturatedConversion;

impl<T: Config> Pallet<T> {
    /// Returns the first condition that does not hold.
    pub fn check_state() -> Result<(), &'static str> {
        for (gateway, party) in Gateways::<T>::iter() {
            ensure!(GatewaysOf::<T>::contains_key(party, gateway), "a gateway is missing in `GatewaysOf`");
            ensure!(!Parties::<T>::contains_key(gateway), "a party is a gateway");
        }
        for (party, gateway, ()) in GatewaysOf::<T>::iter() {
            ensure!(Gateways::<T>::get(gateway) == Some(party), "a gateway is missing in `Gateways`");
        }
        let now: u32 = frame_system::Pallet::<T>::block_number().saturated_into();
        for party in Parties::<T>::iter_keys() {
            let account: T::AccountId = party.0.into();
            let membership = Parties::<T>::get(party).ok_or("a party has no membership")?;
            ensure!(
                membership.since.is_none_or(|block| block <= now),
                "a party belongs since a future block"
            );
            ensure!(frame_system::Pallet::<T>::providers(&account) > 0, "a party has no provider");
        }
        Ok(())
    }
}
