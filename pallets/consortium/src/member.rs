//! Who may submit: checked of every transaction, in the pool already.

use crate::{Config, Council, Pallet};
use codec::{Decode, DecodeWithMemTracking, Encode};
use core::{fmt, marker::PhantomData};
use frame_support::{
    dispatch::DispatchInfo,
    pallet_prelude::{InvalidTransaction, TransactionSource, ValidTransaction, Weight},
};
use scale_info::TypeInfo;
use sp_runtime::{
    impl_tx_ext_default,
    traits::{AsSystemOriginSigner, DispatchInfoOf, Dispatchable, TransactionExtension, ValidateResult},
};
use streembit_primitives::AccountId;

/// Refuses transactions of those who do not belong to the consortium: the same refusal that accounts meet which the chain
/// has never seen, so that clients need to know one.
///
/// Adds nothing to what is signed and nothing to what is sent: standard clients need not know it.
#[derive(Clone, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[scale_info(skip_type_params(T))]
pub struct CheckMember<T>(PhantomData<T>);

impl<T> CheckMember<T> {
    /// The check.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Default for CheckMember<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for CheckMember<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckMember")
    }
}

impl<T> TransactionExtension<T::RuntimeCall> for CheckMember<T>
where
    T: Config + Send + Sync,
    T::RuntimeCall: Dispatchable<Info = DispatchInfo>,
    <T::RuntimeCall as Dispatchable>::RuntimeOrigin: AsSystemOriginSigner<T::AccountId> + Clone,
{
    const IDENTIFIER: &'static str = "CheckMember";
    type Implicit = ();
    type Val = ();
    type Pre = ();

    fn weight(&self, _: &T::RuntimeCall) -> Weight {
        // A party, a gateway, its party, the council.
        <T::DbWeight as frame_support::traits::Get<_>>::get().reads(4)
    }

    fn validate(
        &self,
        origin: <T::RuntimeCall as Dispatchable>::RuntimeOrigin,
        _: &T::RuntimeCall,
        _: &DispatchInfoOf<T::RuntimeCall>,
        _: usize,
        (): (),
        _: &impl Encode,
        _: TransactionSource,
    ) -> ValidateResult<(), T::RuntimeCall> {
        if let Some(account) = origin.as_system_origin_signer() {
            let member = AccountId(account.clone().into());
            if !Pallet::<T>::belongs(&member) && !T::Council::contains(account) {
                return Err(InvalidTransaction::Payment.into());
            }
        }
        Ok((ValidTransaction::default(), (), origin))
    }

    impl_tx_ext_default!(T::RuntimeCall; prepare);
}
