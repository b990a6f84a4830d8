//! The conditions that hold between any two calls.

use crate::{Authorities, Config, Equivocations, Pallet, Validators};
use alloc::collections::BTreeSet;
use frame_support::ensure;
use pallet_parties::PartyLookup;
use streembit_primitives::AccountId;

impl<T: Config> Pallet<T> {
    /// Returns the first condition that does not hold.
    pub fn check_state() -> Result<(), &'static str> {
        let validators = Validators::<T>::get();
        let distinct = BTreeSet::from_iter(validators.iter());
        ensure!(distinct.len() == validators.len(), "a validator is listed twice");
        for validator in &validators {
            let account = AccountId(validator.clone().into());
            ensure!(T::Parties::may_validate(&account), "a validator may not validate");
            ensure!(
                pallet_session::NextKeys::<T>::contains_key(validator),
                "a validator has no session keys"
            );
        }
        let in_force = pallet_session::Validators::<T>::get();
        ensure!(validators.is_empty() || !in_force.is_empty(), "nobody makes blocks");
        Self::check_authorities()?;
        Self::check_equivocations()
    }

    fn check_authorities() -> Result<(), &'static str> {
        let (_, authorities) = Authorities::<T>::get();
        let accounts = authorities.iter().map(|authority| T::AccountId::from(authority.account.0));
        let in_force = pallet_session::Validators::<T>::get();
        ensure!(accounts.eq(in_force), "the authorities are not the validators in force");
        Ok(())
    }

    fn check_equivocations() -> Result<(), &'static str> {
        let known = Equivocations::<T>::get();
        let distinct = BTreeSet::from_iter(known.iter().map(|equivocation| equivocation.account));
        ensure!(distinct.len() == known.len(), "an account has two equivocations");
        let all_act = distinct.iter().all(|account| T::Parties::role_of(account).is_some());
        ensure!(all_act, "an equivocation of an account that belongs to no party");
        Ok(())
    }
}
