//! The transaction extension that checks and spends quotas.

use crate::{CallScopes, Config, CouncilCalls, Pallet};
use codec::{Decode, DecodeWithMemTracking, Encode};
use core::{fmt, marker::PhantomData};
use frame_support::{
    dispatch::{DispatchClass, DispatchInfo, PostDispatchInfo},
    pallet_prelude::{
        InvalidTransaction, TransactionPriority, TransactionSource, TransactionValidityError,
        ValidTransaction, Weight,
    },
    traits::Get,
};
use pallet_parties::{AccountRefusal, PartyLookup};
use scale_info::TypeInfo;
use sp_runtime::{
    traits::{
        AsSystemOriginSigner, DispatchInfoOf, Dispatchable, PostDispatchInfoOf, TransactionExtension,
        ValidateResult,
    },
    DispatchResult,
};
use streembit_primitives::{
    consortium::{invalid_transaction, Quota},
    party::{AccountRole, Role},
    AccountId, PartyId,
};

/// The number of picoseconds, the unit of weights, in a microsecond.
const PICOSECONDS: u64 = 1_000_000;

/// Returns the time that a weight stands for, rounded up so that no call is free.
fn microseconds(weight: Weight) -> u64 {
    weight.ref_time().div_ceil(PICOSECONDS)
}

/// Returns the time that a transaction takes in a block: `weight`, which is that of its call and its extensions, and the
/// base weight of every transaction of its class, which contains the check of the signature. `CheckWeight` counts the
/// same for the block.
fn block_microseconds<T: Config>(weight: Weight, class: DispatchClass) -> u64 {
    let base = <T as frame_system::Config>::BlockWeights::get().get(class).base_extrinsic;
    microseconds(weight.saturating_add(base))
}

/// Rejects transactions of accounts that may not submit, calls outside of an account's scope, and transactions for which
/// the quota has too little left. Spends the quota for all others, and refunds the time that a call did not need.
///
/// Some calls of the council are free or rejected, see [`CouncilCalls`]. Transactions that nobody signed, such as
/// inherents, spend nothing. The extension adds nothing to what is signed or sent.
#[derive(Clone, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[scale_info(skip_type_params(T))]
pub struct SpendQuota<T>(PhantomData<T>);

/// Free calls get this priority. All other calls get priority zero, so free calls come first.
const FREE_PRIORITY: TransactionPriority = 1 << 32;

impl<T> SpendQuota<T> {
    /// Makes the extension.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Default for SpendQuota<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for SpendQuota<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpendQuota")
    }
}

impl<T> TransactionExtension<T::RuntimeCall> for SpendQuota<T>
where
    T: Config + Send + Sync,
    T::RuntimeCall: Dispatchable<Info = DispatchInfo, PostInfo = PostDispatchInfo>,
    <T::RuntimeCall as Dispatchable>::RuntimeOrigin: AsSystemOriginSigner<T::AccountId> + Clone,
{
    const IDENTIFIER: &'static str = "SpendQuota";
    type Implicit = ();
    /// The party that pays, and the cost. `None` if the transaction is free.
    type Val = Option<(PartyId, Quota)>;
    /// The party that paid, and what it spent.
    type Pre = Option<(PartyId, Quota)>;

    fn weight(&self, _: &T::RuntimeCall) -> Weight {
        <<T as Config>::WeightInfo as crate::WeightInfo>::spend_quota()
    }

    fn validate(
        &self,
        origin: <T::RuntimeCall as Dispatchable>::RuntimeOrigin,
        call: &T::RuntimeCall,
        info: &DispatchInfoOf<T::RuntimeCall>,
        length: usize,
        (): (),
        _: &impl Encode,
        _: TransactionSource,
    ) -> ValidateResult<Self::Val, T::RuntimeCall> {
        let Some(account) = origin.as_system_origin_signer() else {
            return Ok((ValidTransaction::default(), None, origin));
        };
        let party = Pallet::<T>::payer(account, call)?;
        if T::Council::is_free(account, call, info.class)? {
            let valid = ValidTransaction { priority: FREE_PRIORITY, ..Default::default() };
            return Ok((valid, None, origin));
        }
        let microseconds = block_microseconds::<T>(info.total_weight(), info.class);
        let cost = Quota { microseconds, bytes: length as u64 };
        let left = Pallet::<T>::left(party).left;
        if cost.microseconds > left.microseconds {
            return Err(InvalidTransaction::Custom(invalid_transaction::QUOTA_TIME).into());
        }
        if cost.bytes > left.bytes {
            return Err(InvalidTransaction::Custom(invalid_transaction::QUOTA_BYTES).into());
        }
        Ok((ValidTransaction::default(), Some((party, cost)), origin))
    }

    fn prepare(
        self,
        cost: Self::Val,
        _: &<T::RuntimeCall as Dispatchable>::RuntimeOrigin,
        _: &T::RuntimeCall,
        _: &DispatchInfoOf<T::RuntimeCall>,
        _: usize,
    ) -> Result<Self::Pre, TransactionValidityError> {
        if let Some((party, cost)) = &cost {
            Pallet::<T>::spend(*party, cost);
        }
        Ok(cost)
    }

    fn post_dispatch_details(
        spent: Self::Pre,
        info: &DispatchInfoOf<T::RuntimeCall>,
        done: &PostDispatchInfoOf<T::RuntimeCall>,
        _: usize,
        _: &DispatchResult,
    ) -> Result<Weight, TransactionValidityError> {
        if let Some((party, cost)) = spent {
            let microseconds = block_microseconds::<T>(done.calc_actual_weight(info), info.class);
            let needed = Quota { microseconds, ..cost };
            Pallet::<T>::refund(party, &cost.saturating_sub(&needed));
        }
        Ok(Weight::zero())
    }
}

impl<T: Config> Pallet<T> {
    /// Returns the party that pays for a call, or the error with which the pool rejects it.
    ///
    /// The pallets refuse the same accounts. Here they are refused before the call costs their party anything.
    fn payer(account: &T::AccountId, call: &T::RuntimeCall) -> Result<PartyId, InvalidTransaction> {
        let id = AccountId(account.clone().into());
        let AccountRole { party, role } = T::Parties::acting(&id).map_err(rejection)?;
        // What a gateway may do does not depend on a scope.
        match T::CallScopes::needed(account, call) {
            Some(needed) if role != Role::Gateway && !role.includes(needed) => {
                Err(rejection(AccountRefusal::OutOfScope))
            }
            _ => Ok(party),
        }
    }
}

/// Returns the error with which the pool rejects the transaction of an account.
fn rejection(refusal: AccountRefusal) -> InvalidTransaction {
    match refusal {
        AccountRefusal::NoParty => InvalidTransaction::Payment,
        AccountRefusal::Ended => InvalidTransaction::Custom(invalid_transaction::ACCOUNT_ENDED),
        AccountRefusal::OutOfScope => InvalidTransaction::Custom(invalid_transaction::OUT_OF_SCOPE),
    }
}
