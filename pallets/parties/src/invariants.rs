//! The conditions that hold between any two calls.

use crate::{Config, Gateways, GatewaysOf, Pallet, Parties};
use frame_support::ensure;
use sp_runtime::SaturatedConversion;

impl<T: Config> Pallet<T> {
    /// Returns the first condition that does not hold.
    pub fn check_state() -> Result<(), &'static str> {
        for (gateway, record) in Gateways::<T>::iter() {
            let listed = GatewaysOf::<T>::contains_key(record.party, gateway);
            ensure!(listed, "a gateway is missing in `GatewaysOf`");
            ensure!(!Parties::<T>::contains_key(gateway), "a party is a gateway");
            ensure!(record.log_key.verifying_key().is_some(), "a gateway has an invalid log key");
        }
        for (party, gateway, ()) in GatewaysOf::<T>::iter() {
            let stored = Gateways::<T>::get(gateway).is_some_and(|record| record.party == party);
            ensure!(stored, "a gateway is missing in `Gateways`");
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
