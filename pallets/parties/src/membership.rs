//! How accounts, gateways and parties come and go.

use crate::{
    AccountOf, Config, ConsentNonces, Departure, DepartureTimes, Departures, Error, Event, FormerAccounts,
    GatewayCounts, Gateways, GatewaysOf, KeyCounts, Pallet, Parties, PartyLookup, PartyRegistry,
    StoredGateway,
};
use frame_support::{ensure, traits::Get};
use sp_runtime::{DispatchError, DispatchResult, SaturatedConversion};
use streembit_primitives::{
    party::{AccountRole, PartyAccount, PartyRecord, Role, Scope, MAX_ACCOUNTS},
    AccountId, BoundedVec, ConstU32, GatewayRecord, PartyId,
};

impl<T: Config> PartyRegistry for Pallet<T> {
    fn ensure_can_add(party: &PartyId, account: &AccountId) -> DispatchResult {
        Self::ensure_unused(account)?;
        // The account may have been removed from the party that it founded.
        ensure!(!Self::is_party(party), Error::<T>::IsAParty);
        if Departures::<T>::get(party) == 0 {
            ensure!(*party == PartyId::of_first_account(account), Error::<T>::WrongPartyId);
        } else {
            // The first account may have been removed or replaced since, because its key was stolen.
            let former = FormerAccounts::<T>::get(party);
            ensure!(former.contains(account), Error::<T>::NotAFormerAccount);
        }
        Ok(())
    }

    fn add(party: PartyId, account: AccountId) -> DispatchResult {
        Self::ensure_can_add(&party, &account)?;
        FormerAccounts::<T>::remove(party);
        let now = Self::block();
        Self::insert_party(party, PartyRecord { since: Some(now), ..PartyRecord::default() }, account, now);
        Self::deposit_event(Event::PartyAdded { party, account });
        Ok(())
    }

    fn ensure_can_remove(party: &PartyId) -> DispatchResult {
        ensure!(Self::is_party(party), Error::<T>::NotAParty);
        T::Departure::ensure_party_can_leave(party)
    }

    fn remove(party: PartyId) -> DispatchResult {
        Self::ensure_can_remove(&party)?;
        T::Departure::party_leaves(&party)?;
        let record = Parties::<T>::take(party).ok_or(Error::<T>::NotAParty)?;
        record.accounts.iter().for_each(|entry| AccountOf::<T>::remove(entry.account));
        let permanent = record.accounts.iter().filter(|entry| entry.is_permanent());
        let former: BoundedVec<_, ConstU32<MAX_ACCOUNTS>> =
            BoundedVec::truncate_from(permanent.map(|entry| entry.account).collect());
        FormerAccounts::<T>::insert(party, former);
        // The gateways can be many. They count only until their party leaves, and are not removed one by one.
        Departures::<T>::mutate(party, |departures| *departures = departures.saturating_add(1));
        DepartureTimes::<T>::insert(party, <Self as PartyLookup>::now());
        Self::deposit_event(Event::PartyRemoved { party });
        Ok(())
    }

    fn ensure_can_recover(party: &PartyId, account: &AccountId) -> DispatchResult {
        let record = Parties::<T>::get(party).ok_or(Error::<T>::NotAParty)?;
        if record.account(account).is_none() {
            Self::ensure_unused(account)?;
        }
        let mut lost = record.accounts.iter().filter(|entry| entry.account != *account);
        lost.try_for_each(|entry| T::Departure::ensure_account_can_leave(&entry.account))
    }

    fn recover(party: PartyId, account: AccountId) -> DispatchResult {
        Self::ensure_can_recover(&party, &account)?;
        let mut record = Parties::<T>::get(party).ok_or(Error::<T>::NotAParty)?;
        for lost in core::mem::take(&mut record.accounts) {
            AccountOf::<T>::remove(lost.account);
            if lost.account != account {
                T::Departure::account_leaves(&lost.account);
            }
        }
        Self::insert_party(party, record, account, Self::block());
        Self::deposit_event(Event::PartyRecovered { party, account });
        Ok(())
    }
}

impl<T: Config> Pallet<T> {
    /// The number of the current block.
    fn block() -> u32 {
        frame_system::Pallet::<T>::block_number().saturated_into()
    }

    /// Stores a party that has no account yet, with its first one.
    pub(crate) fn insert_party(party: PartyId, mut record: PartyRecord, account: AccountId, since: u32) {
        let first = PartyAccount { account, scope: Scope::All, since, until: None };
        record.accounts = BoundedVec::truncate_from(alloc::vec![first]);
        Parties::<T>::insert(party, record);
        Self::claim(account, party);
    }

    /// Lets an account without a role act for a party.
    fn claim(account: AccountId, party: PartyId) {
        // The account may have been the gateway of a party that left.
        Self::forget_gateway(account);
        AccountOf::<T>::insert(account, party);
        Self::ensure_provider(account);
    }

    /// Adds an account to a party. The caller has checked that it has no other role.
    pub(crate) fn insert_account(
        party: PartyId,
        mut record: PartyRecord,
        account: AccountId,
        scope: Scope,
        until: Option<u64>,
    ) -> DispatchResult {
        let entry = PartyAccount { account, scope, since: Self::block(), until };
        record.accounts.try_push(entry).map_err(|_| Error::<T>::TooManyAccounts)?;
        Parties::<T>::insert(party, record);
        Self::claim(account, party);
        Ok(())
    }

    /// Removes an account from its party, or fails without a change.
    pub(crate) fn take_account(party: PartyId, account: &AccountId) -> DispatchResult {
        let mut record = Parties::<T>::get(party).ok_or(Error::<T>::NotAParty)?;
        ensure!(record.account(account).is_some(), Error::<T>::NotYourAccount);
        record.accounts.retain(|entry| entry.account != *account);
        ensure!(record.accounts.iter().any(PartyAccount::is_permanent), Error::<T>::LastAccount);
        T::Departure::ensure_account_can_leave(account)?;
        Parties::<T>::insert(party, record);
        AccountOf::<T>::remove(account);
        T::Departure::account_leaves(account);
        Ok(())
    }

    /// Returns the party whose account `account` the sender may remove: its own party, if the sender has the scope
    /// `All` or is the account.
    pub(crate) fn party_to_remove_from(
        sender: &AccountId,
        account: &AccountId,
    ) -> Result<PartyId, DispatchError> {
        if sender != account {
            return Self::ensure_scope(sender, Scope::All);
        }
        let AccountRole { party, role } = Self::acting(sender).map_err(Self::error_of)?;
        ensure!(role != Role::Gateway, Error::<T>::NotYourAccount);
        Ok(party)
    }

    /// Fails if an account acts for a party, or did so until it ended.
    pub(crate) fn ensure_unused(account: &AccountId) -> DispatchResult {
        match Self::role_of(account) {
            None => Ok(()),
            Some(AccountRole { role: Role::Account { .. }, .. }) => Err(Error::<T>::IsAnAccount.into()),
            Some(AccountRole { role: Role::Gateway, .. }) => Err(Error::<T>::IsAGateway.into()),
        }
    }

    /// Uses up the consent of an account to act for a party, if it is valid. The nonces of the keys that a party ever took in
    /// stay for good, so their number is limited.
    pub(crate) fn use_consent(
        party: PartyId,
        account: AccountId,
        nonce: u32,
        is_valid: bool,
    ) -> DispatchResult {
        ensure!(is_valid, Error::<T>::BadConsent);
        if nonce == 0 {
            let keys = KeyCounts::<T>::get(party);
            ensure!(keys < T::MaxKeysOfParty::get(), Error::<T>::TooManyKeys);
            KeyCounts::<T>::insert(party, keys.saturating_add(1));
        }
        ConsentNonces::<T>::insert(account, nonce.saturating_add(1));
        Ok(())
    }

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

    /// Stores a gateway of a party, which has to have a place for it.
    pub(crate) fn insert_gateway(gateway: AccountId, record: GatewayRecord) -> DispatchResult {
        // It may be stored for a former membership of a party.
        Self::forget_gateway(gateway);
        let party = record.party;
        let count = GatewayCounts::<T>::get(party);
        ensure!(count < T::MaxGatewaysOfParty::get(), Error::<T>::TooManyGateways);
        GatewayCounts::<T>::insert(party, count.saturating_add(1));
        let departures = Departures::<T>::get(party);
        Gateways::<T>::insert(gateway, StoredGateway { record, departures });
        GatewaysOf::<T>::insert(party, gateway, ());
        Self::ensure_provider(gateway);
        Ok(())
    }

    /// Removes everything that is stored about a gateway, if there is anything.
    pub(crate) fn forget_gateway(gateway: AccountId) {
        if let Some(stored) = Gateways::<T>::take(gateway) {
            T::Departure::account_leaves(&gateway);
            GatewaysOf::<T>::remove(stored.record.party, gateway);
            GatewayCounts::<T>::mutate_exists(stored.record.party, |count| {
                *count = count.and_then(|count| count.checked_sub(1)).filter(|count| *count > 0);
            });
        }
    }
}
