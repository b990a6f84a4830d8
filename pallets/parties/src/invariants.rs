//! The conditions that hold between any two calls.

use crate::{
    AccountOf, Config, DepartureTimes, Departures, FormerAccounts, GatewayCounts, Gateways, GatewaysOf,
    Pallet, Parties,
};
use alloc::collections::BTreeSet;
use frame_support::{ensure, traits::Get};
use sp_runtime::SaturatedConversion;
use streembit_primitives::party::{PartyAccount, PartyRecord};

impl<T: Config> Pallet<T> {
    /// Returns the first condition that does not hold.
    pub fn check_state() -> Result<(), &'static str> {
        for party in Parties::<T>::iter_keys() {
            let record = Parties::<T>::get(party).ok_or("a party has no record")?;
            Self::check_accounts(&record)?;
            let claimed =
                record.accounts.iter().all(|entry| AccountOf::<T>::get(entry.account) == Some(party));
            ensure!(claimed, "an account of a party is missing in `AccountOf`");
        }
        for (account, party) in AccountOf::<T>::iter() {
            let listed = Parties::<T>::get(party).is_some_and(|record| record.account(&account).is_some());
            ensure!(listed, "`AccountOf` has an account that its party does not list");
            ensure!(Self::gateway(&account).is_none(), "an account of a party is a gateway");
        }
        Self::check_gateways()
    }

    fn check_accounts(record: &PartyRecord) -> Result<(), &'static str> {
        let now: u32 = frame_system::Pallet::<T>::block_number().saturated_into();
        ensure!(record.since.is_none_or(|block| block <= now), "a party belongs since a future block");
        let distinct = BTreeSet::from_iter(record.accounts.iter().map(|entry| entry.account));
        ensure!(distinct.len() == record.accounts.len(), "a party has an account twice");
        let permanent = record.accounts.iter().any(PartyAccount::is_permanent);
        ensure!(permanent, "a party has no account that may do everything and does not end");
        for entry in &record.accounts {
            ensure!(entry.since <= now, "an account acts for its party since a future block");
            let account: T::AccountId = entry.account.0.into();
            ensure!(frame_system::Pallet::<T>::providers(&account) > 0, "an account has no provider");
        }
        Ok(())
    }

    fn check_gateways() -> Result<(), &'static str> {
        for (gateway, stored) in Gateways::<T>::iter() {
            let party = stored.record.party;
            ensure!(GatewaysOf::<T>::contains_key(party, gateway), "a gateway is missing in `GatewaysOf`");
            ensure!(
                stored.departures <= Departures::<T>::get(party),
                "a gateway was added in a future membership of its party"
            );
            let is_valid = stored.record.log_key.verifying_key().is_some();
            ensure!(is_valid, "a gateway has an invalid log key");
        }
        for party in DepartureTimes::<T>::iter_keys() {
            ensure!(Departures::<T>::contains_key(party), "a party that never left has a time of departure");
        }
        for (party, gateway, ()) in GatewaysOf::<T>::iter() {
            let stored = Gateways::<T>::get(gateway).is_some_and(|stored| stored.record.party == party);
            ensure!(stored, "a gateway is missing in `Gateways`");
            ensure!(GatewayCounts::<T>::contains_key(party), "the gateways of a party are not counted");
        }
        for (party, count) in GatewayCounts::<T>::iter() {
            let is_right = GatewaysOf::<T>::iter_key_prefix(party).count() == count as usize;
            ensure!(is_right && count > 0, "the number of a party's gateways is wrong");
            ensure!(count <= T::MaxGatewaysOfParty::get(), "a party has too many gateways");
        }
        for party in FormerAccounts::<T>::iter_keys() {
            ensure!(!Parties::<T>::contains_key(party), "a party that returned has former accounts");
        }
        Ok(())
    }
}
