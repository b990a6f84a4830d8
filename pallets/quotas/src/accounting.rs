//! The quotas of accounts, their use, and how they are set.

use crate::{Config, CouncilCalls, Error, Event, Pallet, Quotas, SetQuota, Spent};
use frame_support::{
    ensure,
    traits::{Get, Time},
};
use pallet_parties::{Departure, PartyLookup};
use sp_runtime::DispatchResult;
use streembit_primitives::{
    consortium::{Quota, QuotaStatus},
    AccountId,
};

impl<T: Config> SetQuota for Pallet<T> {
    fn ensure_can_set(party: &AccountId) -> DispatchResult {
        ensure!(T::Parties::acts_for(party).as_ref() == Some(party), Error::<T>::NotAParty);
        Ok(())
    }

    fn set(party: AccountId, quota: Option<Quota>) -> DispatchResult {
        Self::ensure_can_set(&party)?;
        Quotas::<T>::set(party, quota);
        Self::deposit_event(Event::QuotaSet { party, quota });
        Ok(())
    }
}

impl<T: Config> Departure for Pallet<T> {
    fn party_leaves(party: &AccountId) -> DispatchResult {
        Quotas::<T>::remove(party);
        Spent::<T>::remove(party);
        Ok(())
    }
}

impl<T: Config> Pallet<T> {
    /// Returns what an account has left to spend, together with all accounts of its party. `None` if it may not submit.
    pub fn quota(account: &AccountId) -> Option<QuotaStatus> {
        Self::payer(&account.0.into()).map(Self::left)
    }

    /// Returns the account whose quota `account` spends: its party, or itself if it is a member of the council that
    /// acts for no party. `None` if it may not submit.
    pub(crate) fn payer(account: &T::AccountId) -> Option<AccountId> {
        let id = AccountId(account.clone().into());
        T::Parties::acts_for(&id).or_else(|| T::Council::is_member(account).then_some(id))
    }

    /// Returns what a payer has left in the current period.
    pub(crate) fn left(payer: AccountId) -> QuotaStatus {
        let quota = Quotas::<T>::get(payer).unwrap_or_else(T::DefaultQuota::get);
        let period = Self::period();
        let (spent_in, spent) = Spent::<T>::get(payer);
        let left = if spent_in == period { quota.saturating_sub(&spent) } else { quota };
        let refills = period.saturating_add(1).saturating_mul(T::QuotaPeriod::get());
        QuotaStatus { payer, quota, left, refills }
    }

    /// Spends quota in the current period.
    pub(crate) fn spend(payer: AccountId, cost: &Quota) {
        let period = Self::period();
        Spent::<T>::mutate(payer, |(spent_in, spent)| {
            let before = if *spent_in == period { *spent } else { Quota::default() };
            (*spent_in, *spent) = (period, before.saturating_add(cost));
        });
    }

    /// Returns quota that a transaction did not need. A party that left with this transaction gets nothing.
    pub(crate) fn refund(payer: AccountId, unused: &Quota) {
        if *unused != Quota::default() {
            Spent::<T>::mutate_extant(payer, |(_, spent)| *spent = spent.saturating_sub(unused));
        }
    }

    /// Returns the number of the current period by the chain's clock.
    fn period() -> u64 {
        T::Clock::now().checked_div(T::QuotaPeriod::get()).unwrap_or_default()
    }
}
