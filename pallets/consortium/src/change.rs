//! What each change needs, and what it does.

use crate::{
    Config, Council, Error, Event, Gateways, GatewaysOf, Pallet, Parties, Quotas, Spent, Validators,
};
use alloc::vec::Vec;
use frame_support::{ensure, traits::Get, BoundedVec};
use sp_runtime::{DispatchError, DispatchResult, SaturatedConversion};
use streembit_primitives::{
    consortium::{Change, Membership, MIN_FAULT_TOLERANT_VALIDATORS},
    AccountId,
};

impl<T: Config> Pallet<T> {
    /// Whether a change could be made now.
    pub(crate) fn check(change: &Change) -> DispatchResult {
        match change {
            Change::AddParty(account) => {
                ensure!(!Self::is_party(account), Error::<T>::IsAParty);
                ensure!(!Self::is_gateway(account), Error::<T>::IsAGateway);
            }
            Change::RemoveParty(account) => {
                ensure!(Self::is_party(account), Error::<T>::NotAParty);
                ensure!(!T::Council::contains(&account.0.into()), Error::<T>::InCouncil);
                Self::without(|validator| Self::is_of(validator, account))?;
            }
            Change::AddValidator(account) => {
                let validator: T::AccountId = account.0.into();
                ensure!(Self::belongs(account), Error::<T>::NotAMember);
                ensure!(!Self::is_validator(account), Error::<T>::IsAValidator);
                ensure!(!Self::is_reported(account), Error::<T>::StillInForce);
                ensure!(pallet_session::NextKeys::<T>::contains_key(&validator), Error::<T>::NoSessionKeys);
                let count = Validators::<T>::decode_len().unwrap_or_default();
                ensure!(count < T::MaxValidators::get() as usize, Error::<T>::TooManyValidators);
            }
            Change::RemoveValidator(account) => {
                ensure!(Self::is_validator(account), Error::<T>::NotAValidator);
                Self::without(|validator| validator == account)?;
            }
            Change::SetQuota { party, .. } => ensure!(Self::is_party(party), Error::<T>::NotAParty),
            // Its code is looked at when it is submitted.
            Change::Upgrade { .. } => {}
        }
        Ok(())
    }

    /// Makes a change; none where it is refused.
    pub(crate) fn apply(change: Change) -> DispatchResult {
        Self::check(&change)?;
        match change {
            Change::AddParty(account) => {
                // It may have been the gateway of somebody who left.
                Self::forget_gateway(account);
                let now = frame_system::Pallet::<T>::block_number().saturated_into();
                Parties::<T>::insert(account, Membership { since: Some(now) });
                Self::vouch(account);
            }
            Change::RemoveParty(account) => {
                Self::put_validators(Self::without(|validator| Self::is_of(validator, &account))?)?;
                Self::forget_equivocations(|of| Self::is_of(of, &account));
                Parties::<T>::remove(account);
                Quotas::<T>::remove(account);
                Spent::<T>::remove(account);
            }
            Change::AddValidator(account) => {
                let mut validators = Validators::<T>::get().into_inner();
                validators.push(account.0.into());
                Self::put_validators(validators)?;
                Self::forget_equivocations(|of| *of == account);
            }
            Change::RemoveValidator(account) => {
                Self::put_validators(Self::without(|validator| *validator == account)?)?;
            }
            Change::SetQuota { party, quota } => Quotas::<T>::set(party, quota),
            // Of this chain, and newer than the runtime in force: checked when the code is there. It replaces an earlier
            // decision that nobody has acted on.
            Change::Upgrade { code } => frame_system::Pallet::<T>::do_authorize_upgrade(code.0.into(), true),
        }
        Self::deposit_event(Event::Changed { change });
        Ok(())
    }

    /// The validators without some of them, of which at least one has to be left.
    fn without(gone: impl Fn(&AccountId) -> bool) -> Result<Vec<T::AccountId>, DispatchError> {
        let mut validators = Validators::<T>::get().into_inner();
        let before = validators.len();
        validators.retain(|validator| !gone(&AccountId(validator.clone().into())));
        ensure!(!validators.is_empty() || before == 0, Error::<T>::LastValidator);
        Ok(validators)
    }

    fn put_validators(validators: Vec<T::AccountId>) -> DispatchResult {
        let count = validators.len() as u32;
        let bounded: BoundedVec<_, T::MaxValidators> =
            validators.try_into().map_err(|_| Error::<T>::TooManyValidators)?;
        let fewer = Validators::<T>::decode_len().unwrap_or_default() > count as usize;
        Validators::<T>::put(bounded);
        if fewer && count < MIN_FAULT_TOLERANT_VALIDATORS {
            Self::deposit_event(Event::FewValidators { validators: count });
        }
        Ok(())
    }

    /// Whether a validator is the party or one of its gateways.
    fn is_of(validator: &AccountId, party: &AccountId) -> bool {
        validator == party || Gateways::<T>::get(validator).as_ref() == Some(party)
    }

    /// Lets an account have a nonce. It keeps it for good, also when it belongs no more: a transaction of before is never
    /// good again.
    pub(crate) fn vouch(account: AccountId) {
        let account: T::AccountId = account.0.into();
        if frame_system::Pallet::<T>::providers(&account) == 0 {
            frame_system::Pallet::<T>::inc_providers(&account);
        }
    }

    /// Removes what is known of a gateway.
    pub(crate) fn forget_gateway(gateway: AccountId) {
        Self::forget_equivocations(|of| *of == gateway);
        if let Some(party) = Gateways::<T>::take(gateway) {
            GatewaysOf::<T>::remove(party, gateway);
        }
    }

    /// What must hold between any two calls; says what does not.
    #[cfg(any(feature = "try-runtime", test))]
    pub(crate) fn check_state() -> Result<(), &'static str> {
        let validators = Validators::<T>::get();
        let distinct = alloc::collections::BTreeSet::from_iter(validators.iter());
        ensure!(distinct.len() == validators.len(), "a validator twice");
        for validator in &validators {
            let account = AccountId(validator.clone().into());
            ensure!(Self::belongs(&account), "a validator is neither a party nor a party's gateway");
            ensure!(pallet_session::NextKeys::<T>::contains_key(validator), "a validator without keys");
        }
        for (gateway, party) in Gateways::<T>::iter() {
            ensure!(GatewaysOf::<T>::contains_key(party, gateway), "a gateway in one direction only");
            ensure!(!Parties::<T>::contains_key(gateway), "a party is a gateway");
        }
        for (party, gateway, ()) in GatewaysOf::<T>::iter() {
            ensure!(Gateways::<T>::get(gateway) == Some(party), "a gateway in the other direction only");
        }
        let now: u32 = frame_system::Pallet::<T>::block_number().saturated_into();
        for party in Parties::<T>::iter_keys() {
            let account: T::AccountId = party.0.into();
            let membership = Parties::<T>::get(party).ok_or("a party without a membership")?;
            ensure!(membership.since.is_none_or(|block| block <= now), "a party since a block to come");
            ensure!(frame_system::Pallet::<T>::providers(&account) > 0, "a party that cannot submit");
        }
        for party in Quotas::<T>::iter_keys() {
            ensure!(Parties::<T>::contains_key(party), "a quota of nobody");
        }
        let in_force = pallet_session::Validators::<T>::get();
        ensure!(validators.is_empty() || !in_force.is_empty(), "nobody makes blocks");
        Self::check_equivocations()
    }
}
