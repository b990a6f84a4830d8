//! Quotas.

mod any_transactions;
mod council;
mod spending;

use crate::{mock::*, SpendQuota};
use frame_support::{
    dispatch::{DispatchInfo, GetDispatchInfo, PostDispatchInfo},
    weights::Weight,
};
use sp_runtime::{
    traits::{DispatchTransaction, TransactionExtension},
    transaction_validity::{InvalidTransaction, TransactionValidityError},
};
use streembit_primitives::{consortium::Quota, AccountId, PartyId};

fn quota(microseconds: u64, bytes: u64) -> Quota {
    Quota { microseconds, bytes }
}

fn remark() -> RuntimeCall {
    frame_system::Call::remark { remark: vec![] }.into()
}

/// Validates a transaction with this time and length, and spends for it.
fn spend(by: AccountId, microseconds: u64, bytes: usize) -> Result<(), TransactionValidityError> {
    spend_on(by, remark(), microseconds, bytes)
}

fn spend_on(
    by: AccountId,
    call: RuntimeCall,
    microseconds: u64,
    bytes: usize,
) -> Result<(), TransactionValidityError> {
    carry_out(by, call, (microseconds, microseconds), bytes, || ())
}

/// Validates a transaction, spends its weight, runs it, and refunds the time that it did not need.
fn carry_out(
    by: AccountId,
    call: RuntimeCall,
    (weighed, needed): (u64, u64),
    bytes: usize,
    run: impl FnOnce(),
) -> Result<(), TransactionValidityError> {
    type Check = SpendQuota<Test>;
    let weight = |microseconds: u64| Weight::from_parts(microseconds * 1_000_000, 0);
    let info = DispatchInfo { call_weight: weight(weighed), ..call.get_dispatch_info() };
    let (spent, _) = Check::new().validate_and_prepare(signed(by), &call, &info, bytes, 0)?;
    run();
    let mut done = PostDispatchInfo { actual_weight: Some(weight(needed)), ..Default::default() };
    <Check as TransactionExtension<RuntimeCall>>::post_dispatch(spent, &info, &mut done, bytes, &Ok(()))
}

fn rejected(code: u8) -> Result<(), TransactionValidityError> {
    Err(InvalidTransaction::Custom(code).into())
}

fn left(of: AccountId) -> Quota {
    Quotas::quota(&of).unwrap().left
}
