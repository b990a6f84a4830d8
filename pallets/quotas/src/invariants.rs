//! The conditions that hold between any two calls.

use crate::{Config, Pallet, Quotas};
use frame_support::ensure;
use pallet_parties::PartyLookup;

impl<T: Config> Pallet<T> {
    /// Returns the first condition that does not hold.
    pub fn check_state() -> Result<(), &'static str> {
        for party in Quotas::<T>::iter_keys() {
            ensure!(T::Parties::is_party(&party), "a quota belongs to no party");
        }
        Ok(())
    }
}
