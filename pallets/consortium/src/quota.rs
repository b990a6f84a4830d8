//! Who may submit, and how much: checked of every transaction, in the pool already.

use crate::{Call, Config, Council, Gateways, Pallet, Quotas, Spent};
use codec::{Decode, DecodeWithMemTracking, Encode};
use core::{fmt, marker::PhantomData};
use frame_support::{
    dispatch::{DispatchClass, DispatchInfo, PostDispatchInfo},
    ensure,
    pallet_prelude::{
        InvalidTransaction, TransactionPriority, TransactionSource, TransactionValidityError,
        ValidTransaction, Weight,
    },
    traits::{Get, IsSubType, Time},
};
use scale_info::TypeInfo;
use sp_runtime::{
    traits::{
        AsSystemOriginSigner, DispatchInfoOf, Dispatchable, Hash as _, PostDispatchInfoOf,
        TransactionExtension, ValidateResult,
    },
    DispatchResult,
};
use streembit_primitives::{
    consortium::{invalid_transaction, Quota, QuotaStatus},
    AccountId,
};

/// How many picoseconds, in which time is weighed, a microsecond has.
const PICOSECONDS: u64 = 1_000_000;

/// The time that a weight stands for, rounded up: nothing is free.
fn microseconds(weight: Weight) -> u64 {
    weight.ref_time().div_ceil(PICOSECONDS)
}

impl<T: Config> Pallet<T> {
    /// Who spends for an account: a party for itself and for its gateways, and a member of the council that is neither for
    /// itself; `None` for those who do not belong.
    fn payer(account: &T::AccountId) -> Option<AccountId> {
        let id = AccountId(account.clone().into());
        if Self::is_party(&id) {
            return Some(id);
        }
        let party = Gateways::<T>::get(id).filter(Self::is_party);
        party.or_else(|| T::Council::contains(account).then_some(id))
    }

    /// Whether code is that of the runtime that the council decided on. It is brought in once: the decision is used up by it.
    fn is_decided(code: &[u8]) -> bool {
        let Some(authorized) = frame_system::Pallet::<T>::authorized_upgrade() else { return false };
        // Its fields are the system's own; the first is the hash.
        let hash = authorized.using_encoded(|mut bytes| T::Hash::decode(&mut bytes));
        hash.is_ok_and(|hash| hash == <T as frame_system::Config>::Hashing::hash(code))
    }

    /// Whether a call is what the council waits for or has decided on, and so free: what somebody has spent keeps nobody from
    /// it.
    ///
    /// Blocks keep a part of their time for what the council does: the class `Operational`. Others do not use it, and what
    /// could only fail there is refused.
    fn is_free(
        account: &T::AccountId,
        call: &T::RuntimeCall,
        class: DispatchClass,
    ) -> Result<bool, InvalidTransaction>
    where
        T::RuntimeCall: IsSubType<Call<T>> + IsSubType<frame_system::Call<T>>,
    {
        let refused = InvalidTransaction::Custom;
        if let Some(Call::vote { motion, approve }) = IsSubType::<Call<T>>::is_sub_type(call) {
            return T::Council::is_first_vote(account, motion, *approve).map_err(refused);
        }
        let operational = class == DispatchClass::Operational;
        match IsSubType::<frame_system::Call<T>>::is_sub_type(call) {
            Some(frame_system::Call::apply_authorized_upgrade { code }) => {
                ensure!(Self::is_decided(code), refused(invalid_transaction::NOT_AUTHORIZED));
                Ok(true)
            }
            // The rest of the system's takes root, which nobody signs as.
            Some(_) if operational => Err(InvalidTransaction::Call),
            _ => {
                ensure!(
                    !operational || T::Council::contains(account),
                    refused(invalid_transaction::NOT_IN_COUNCIL)
                );
                Ok(false)
            }
        }
    }

    /// What an account has left to spend, with those it shares it with; `None` where it may not submit.
    pub fn quota(account: &AccountId) -> Option<QuotaStatus> {
        Self::payer(&account.0.into()).map(Self::left)
    }

    fn left(payer: AccountId) -> QuotaStatus {
        let quota = Quotas::<T>::get(payer).unwrap_or_else(T::DefaultQuota::get);
        let period = Self::period();
        let (spent_in, spent) = Spent::<T>::get(payer);
        let left = if spent_in == period { quota.saturating_sub(&spent) } else { quota };
        let refills = period.saturating_add(1).saturating_mul(T::QuotaPeriod::get());
        QuotaStatus { payer, quota, left, refills }
    }

    fn spend(payer: AccountId, cost: &Quota) {
        let period = Self::period();
        Spent::<T>::mutate(payer, |(spent_in, spent)| {
            let before = if *spent_in == period { *spent } else { Quota::default() };
            (*spent_in, *spent) = (period, before.saturating_add(cost));
        });
    }

    /// Gives back what a transaction did not need; not to a party that left by it.
    fn give_back(payer: AccountId, unused: &Quota) {
        if *unused != Quota::default() {
            Spent::<T>::mutate_extant(payer, |(_, spent)| *spent = spent.saturating_sub(unused));
        }
    }

    /// The number of the current period, by the chain's clock. That stands still between blocks, and the pool's with it:
    /// nodes begin each period with a block.
    fn period() -> u64 {
        T::Clock::now().checked_div(T::QuotaPeriod::get()).unwrap_or_default()
    }
}

/// Refuses transactions of those who do not belong to the consortium, as accounts are refused that the chain has never seen,
/// and those that their party's quota has too little left for; spends the quota for the others, and gives back what a call
/// says that it did not need. Refuses what would only take from the part of a block that is the council's: its calls by
/// others, votes that cannot be cast, code that it did not decide on.
///
/// The first vote of a member of the council on an open motion is free: what others spend cannot silence it. So is the code
/// of a runtime that the council decided on. Whatever nobody signed, such as what the makers of blocks put into them, spends
/// nothing. Adds nothing to what is signed and nothing to what is sent: standard clients need not know it.
#[derive(Clone, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[scale_info(skip_type_params(T))]
pub struct SpendQuota<T>(PhantomData<T>);

/// What is free comes before the rest, which has none.
const FREE_PRIORITY: TransactionPriority = 1 << 32;

impl<T> SpendQuota<T> {
    /// The check.
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
    T::RuntimeCall: Dispatchable<Info = DispatchInfo, PostInfo = PostDispatchInfo>
        + IsSubType<Call<T>>
        + IsSubType<frame_system::Call<T>>,
    <T::RuntimeCall as Dispatchable>::RuntimeOrigin: AsSystemOriginSigner<T::AccountId> + Clone,
{
    const IDENTIFIER: &'static str = "SpendQuota";
    type Implicit = ();
    /// Who spends what.
    type Val = Option<(AccountId, Quota)>;
    /// Who spent what.
    type Pre = Option<(AccountId, Quota)>;

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
        let payer = Pallet::<T>::payer(account).ok_or(InvalidTransaction::Payment)?;
        if Pallet::<T>::is_free(account, call, info.class)? {
            // Before what fills the pool and is paid for.
            let valid = ValidTransaction { priority: FREE_PRIORITY, ..Default::default() };
            return Ok((valid, None, origin));
        }
        let cost = Quota { microseconds: microseconds(info.total_weight()), bytes: length as u64 };
        let left = Pallet::<T>::left(payer).left;
        if cost.microseconds > left.microseconds {
            return Err(InvalidTransaction::Custom(invalid_transaction::QUOTA_TIME).into());
        }
        if cost.bytes > left.bytes {
            return Err(InvalidTransaction::Custom(invalid_transaction::QUOTA_BYTES).into());
        }
        Ok((ValidTransaction::default(), Some((payer, cost)), origin))
    }

    fn prepare(
        self,
        cost: Self::Val,
        _: &<T::RuntimeCall as Dispatchable>::RuntimeOrigin,
        _: &T::RuntimeCall,
        _: &DispatchInfoOf<T::RuntimeCall>,
        _: usize,
    ) -> Result<Self::Pre, TransactionValidityError> {
        if let Some((payer, cost)) = &cost {
            Pallet::<T>::spend(*payer, cost);
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
        if let Some((payer, cost)) = spent {
            let needed = Quota { microseconds: microseconds(done.calc_actual_weight(info)), ..cost };
            Pallet::<T>::give_back(payer, &cost.saturating_sub(&needed));
        }
        Ok(Weight::zero())
    }
}
