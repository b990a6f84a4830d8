//! How accounts become validators, and how they stop.

use crate::{Config, Error, Event, Pallet, Validators};
use alloc::vec::Vec;
use frame_support::{ensure, traits::Get, BoundedVec};
use pallet_parties::{Departure, PartyLookup, Registry};
use sp_runtime::{DispatchError, DispatchResult};
use streembit_primitives::{consortium::MIN_FAULT_TOLERANT_VALIDATORS, AccountId, PartyId};

impl<T: Config> Registry for Pallet<T> {
    fn ensure_can_add(account: &AccountId) -> DispatchResult {
        let validator: T::AccountId = account.0.into();
        ensure!(T::Parties::may_validate(account), Error::<T>::NotAMember);
        ensure!(!Self::is_validator(account), Error::<T>::IsAValidator);
        ensure!(!Self::is_reported(account), Error::<T>::StillInForce);
        ensure!(pallet_session::NextKeys::<T>::contains_key(&validator), Error::<T>::NoSessionKeys);
        let count = Validators::<T>::decode_len().unwrap_or_default();
        ensure!(count < T::MaxValidators::get() as usize, Error::<T>::TooManyValidators);
        Ok(())
    }

    fn add(validator: AccountId) -> DispatchResult {
        Self::ensure_can_add(&validator)?;
        let mut validators = Validators::<T>::get().into_inner();
        validators.push(validator.0.into());
        Self::put_validators(validators)?;
        Self::forget_equivocations(|account| *account == validator);
        Self::deposit_event(Event::ValidatorAdded { validator });
        Ok(())
    }

    fn ensure_can_remove(account: &AccountId) -> DispatchResult {
        ensure!(Self::is_validator(account), Error::<T>::NotAValidator);
        Self::validators_without(|validator| validator == account).map(drop)
    }

    fn remove(validator: AccountId) -> DispatchResult {
        Self::ensure_can_remove(&validator)?;
        Self::put_validators(Self::validators_without(|account| *account == validator)?)?;
        Self::deposit_event(Event::ValidatorRemoved { validator });
        Ok(())
    }
}

impl<T: Config> Departure for Pallet<T> {
    fn ensure_party_can_leave(party: &PartyId) -> DispatchResult {
        Self::validators_without(|validator| T::Parties::belongs_to(validator, party)).map(drop)
    }

    fn party_leaves(party: &PartyId) -> DispatchResult {
        Self::put_validators(Self::validators_without(|validator| {
            T::Parties::belongs_to(validator, party)
        })?)?;
        Self::forget_equivocations(|account| T::Parties::belongs_to(account, party));
        Ok(())
    }

    fn ensure_account_can_leave(account: &AccountId) -> DispatchResult {
        ensure!(!Self::is_validator(account), Error::<T>::IsAValidator);
        Ok(())
    }

    fn account_leaves(leaving: &AccountId) {
        Self::forget_equivocations(|account| account == leaving);
    }
}

impl<T: Config> Pallet<T> {
    /// Returns true if `account` is a validator as decided.
    pub fn is_validator(account: &AccountId) -> bool {
        Validators::<T>::get().contains(&account.0.into())
    }

    /// Returns the validators that `is_leaving` does not select. At least one has to be left.
    fn validators_without(
        is_leaving: impl Fn(&AccountId) -> bool,
    ) -> Result<Vec<T::AccountId>, DispatchError> {
        let mut validators = Validators::<T>::get().into_inner();
        let before = validators.len();
        validators.retain(|validator| !is_leaving(&AccountId(validator.clone().into())));
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
}
