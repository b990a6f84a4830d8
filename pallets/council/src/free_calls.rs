//! The calls that cost no quota, and those that the pool rejects because they would only waste the council's part of a
//! block.

use crate::{Call, Config, Pallet};
use codec::{Decode, Encode};
use frame_support::{dispatch::DispatchClass, ensure, traits::IsSubType};
use pallet_quotas::CouncilCalls;
use sp_runtime::{traits::Hash as _, transaction_validity::InvalidTransaction};
use streembit_primitives::{consortium::invalid_transaction, AccountId};

impl<T: Config> CouncilCalls<T::AccountId, T::RuntimeCall> for Pallet<T>
where
    T::RuntimeCall: IsSubType<Call<T>> + IsSubType<frame_system::Call<T>>,
{
    /// Returns true for a vote that the council is waiting for, and for the code of an upgrade that it authorized.
    fn is_free(
        account: &T::AccountId,
        call: &T::RuntimeCall,
        class: DispatchClass,
    ) -> Result<bool, InvalidTransaction> {
        let rejected = InvalidTransaction::Custom;
        if let Some(Call::vote { motion, approve }) = IsSubType::<Call<T>>::is_sub_type(call) {
            return Self::is_first_vote(account, motion, *approve).map_err(rejected);
        }
        let operational = class == DispatchClass::Operational;
        match IsSubType::<frame_system::Call<T>>::is_sub_type(call) {
            Some(frame_system::Call::apply_authorized_upgrade { code }) => {
                ensure!(Self::is_authorized(code), rejected(invalid_transaction::NOT_AUTHORIZED));
                Ok(true)
            }
            // All other operational calls of the system pallet need root, and nobody signs as root.
            Some(_) if operational => Err(InvalidTransaction::Call),
            _ => {
                let votes = || Self::member_of(&AccountId(account.clone().into())).is_ok();
                ensure!(!operational || votes(), rejected(invalid_transaction::NOT_IN_COUNCIL));
                Ok(false)
            }
        }
    }
}

impl<T: Config> Pallet<T> {
    /// Returns true if `code` is the runtime that the council authorized. Bringing it in uses the authorization up.
    fn is_authorized(code: &[u8]) -> bool {
        let Some(authorized) = frame_system::Pallet::<T>::authorized_upgrade() else { return false };
        // The fields are private to the system pallet. The first one is the hash.
        let hash = authorized.using_encoded(|mut bytes| T::Hash::decode(&mut bytes));
        hash.is_ok_and(|hash| hash == <T as frame_system::Config>::Hashing::hash(code))
    }
}
