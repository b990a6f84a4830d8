//! The extension at its worst.

use crate::{Config, Pallet, Quotas, SpendQuota, Spent};
use frame_benchmarking::v2::*;
use frame_support::{
    dispatch::{DispatchInfo, PostDispatchInfo},
    weights::Weight,
};
use frame_system::RawOrigin;
use pallet_parties::PartyLookup;
use sp_runtime::{
    traits::{AsSystemOriginSigner, Dispatchable, TransactionExtension, TxBaseImplication},
    transaction_validity::{TransactionSource, TransactionValidityError},
};
use streembit_primitives::{consortium::Quota, AccountId};

/// Prepares the other pallets for a benchmark.
pub trait Helper<Call> {
    /// Returns an account and a call for which it takes longest to find out who pays and that the call is not free.
    fn worst_call() -> Result<(AccountId, Call), BenchmarkError>;
}

#[benchmarks(
    where
        T: Config + Send + Sync,
        T::RuntimeCall: Dispatchable<Info = DispatchInfo, PostInfo = PostDispatchInfo>,
        <T::RuntimeCall as Dispatchable>::RuntimeOrigin:
            AsSystemOriginSigner<T::AccountId> + Clone + From<RawOrigin<T::AccountId>>,
)]
mod benchmarks {
    use super::*;

    /// The last account of a party in the council changes the party's vote.
    #[benchmark]
    fn spend_quota() -> Result<(), BenchmarkError> {
        let (account, call) = T::BenchmarkHelper::worst_call()?;
        let party = T::Parties::role_of(&account).ok_or("the account belongs to no party")?.party;
        Quotas::<T>::insert(party, Quota { microseconds: u64::MAX, bytes: u64::MAX });
        Spent::<T>::insert(party, (0u64, Quota::default()));
        let origin = RawOrigin::Signed(account.0.into());
        let info = DispatchInfo { call_weight: Weight::from_parts(1_000_000_000, 0), ..Default::default() };
        let done = PostDispatchInfo { actual_weight: Some(Weight::zero()), ..Default::default() };
        let result;

        #[block]
        {
            result = spend::<T>(origin, &call, &info, &done);
        }

        assert!(result.is_ok());
        assert!(Spent::<T>::get(party).1.bytes > 0);
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}

/// Runs the extension for one transaction, from its validation to the refund.
fn spend<T>(
    origin: RawOrigin<T::AccountId>,
    call: &T::RuntimeCall,
    info: &DispatchInfo,
    done: &PostDispatchInfo,
) -> Result<Weight, TransactionValidityError>
where
    T: Config + Send + Sync,
    T::RuntimeCall: Dispatchable<Info = DispatchInfo, PostInfo = PostDispatchInfo>,
    <T::RuntimeCall as Dispatchable>::RuntimeOrigin:
        AsSystemOriginSigner<T::AccountId> + Clone + From<RawOrigin<T::AccountId>>,
{
    const LENGTH: usize = 200;
    let (base, source) = (TxBaseImplication(()), TransactionSource::External);
    let extension = SpendQuota::<T>::new();
    let (_, cost, origin) = extension.validate(origin.into(), call, info, LENGTH, (), &base, source)?;
    let spent = extension.prepare(cost, &origin, call, info, LENGTH)?;
    <SpendQuota<T> as TransactionExtension<T::RuntimeCall>>::post_dispatch_details(
        spent,
        info,
        done,
        LENGTH,
        &Ok(()),
    )
}
