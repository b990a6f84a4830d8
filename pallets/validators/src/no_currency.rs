//! The currency of a chain without one.
//!
//! The session pallet can take a deposit for a validator's keys, so it asks for a currency. The deposit here is zero.
//! Any other deposit fails, because every account is empty and nothing can be minted.

use codec::Encode;
use core::marker::PhantomData;
use frame_support::traits::{
    fungible::{hold, Dust, Inspect, Mutate, Unbalanced},
    tokens::{DepositConsequence, Fortitude, Preservation, Provenance, WithdrawConsequence},
};
use scale_info::TypeInfo;
use sp_runtime::{DispatchError, DispatchResult, TokenError};

/// A currency of which every account holds zero. Every transfer of more than zero fails.
pub struct NoCurrency<Reason>(PhantomData<Reason>);

impl<AccountId, Reason> Inspect<AccountId> for NoCurrency<Reason> {
    type Balance = u128;

    fn total_issuance() -> u128 {
        0
    }

    fn minimum_balance() -> u128 {
        0
    }

    fn total_balance(_: &AccountId) -> u128 {
        0
    }

    fn balance(_: &AccountId) -> u128 {
        0
    }

    fn reducible_balance(_: &AccountId, _: Preservation, _: Fortitude) -> u128 {
        0
    }

    fn can_deposit(_: &AccountId, amount: u128, _: Provenance) -> DepositConsequence {
        if amount == 0 {
            DepositConsequence::Success
        } else {
            DepositConsequence::UnknownAsset
        }
    }

    fn can_withdraw(_: &AccountId, amount: u128) -> WithdrawConsequence<u128> {
        if amount == 0 {
            WithdrawConsequence::Success
        } else {
            WithdrawConsequence::BalanceLow
        }
    }
}

impl<AccountId, Reason> Unbalanced<AccountId> for NoCurrency<Reason> {
    fn handle_dust(_: Dust<AccountId, Self>) {}

    fn write_balance(_: &AccountId, amount: u128) -> Result<Option<u128>, DispatchError> {
        ensure_zero(amount).map(|()| None)
    }

    fn set_total_issuance(_: u128) {}
}

impl<AccountId: Eq, Reason> Mutate<AccountId> for NoCurrency<Reason> {}

impl<AccountId, Reason: Encode + TypeInfo + 'static> hold::Inspect<AccountId> for NoCurrency<Reason> {
    type Reason = Reason;

    fn total_balance_on_hold(_: &AccountId) -> u128 {
        0
    }

    fn balance_on_hold(_: &Reason, _: &AccountId) -> u128 {
        0
    }
}

impl<AccountId, Reason: Encode + TypeInfo + 'static> hold::Unbalanced<AccountId> for NoCurrency<Reason> {
    fn set_balance_on_hold(_: &Reason, _: &AccountId, amount: u128) -> DispatchResult {
        ensure_zero(amount)
    }
}

impl<AccountId: Eq, Reason: Encode + TypeInfo + 'static> hold::Mutate<AccountId> for NoCurrency<Reason> {}

fn ensure_zero(amount: u128) -> DispatchResult {
    if amount == 0 {
        Ok(())
    } else {
        Err(TokenError::Unsupported.into())
    }
}
