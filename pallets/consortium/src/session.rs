//! Who makes blocks in which session.
//!
//! The session pallet knows two sets: the one in force and the one queued for the next session. A change therefore takes
//! two turns: the first queues it, the second puts it into force and gives Aura and GRANDPA their new authorities, GRANDPA
//! as a scheduled change without delay. Sessions turn for that alone, in the two blocks after the change.

use crate::{Config, HalfTurned, Pallet, SessionBegan, Validators};
use alloc::vec::Vec;
use core::marker::PhantomData;
use frame_support::traits::Get;
use frame_system::pallet_prelude::BlockNumberFor;
use pallet_session::{QueuedChanged, QueuedKeys, SessionManager, ShouldEndSession};
use sp_runtime::traits::{Convert, Saturating};
use streembit_primitives::AccountId;

impl<T: Config> Pallet<T> {
    /// Whether a change of the validators or of their keys waits to come into force: the next blocks turn the session.
    pub fn is_turning() -> bool {
        QueuedChanged::<T>::get() || Self::is_changed()
    }

    /// Whether the validators or their keys are others than those of the last turn.
    fn is_changed() -> bool {
        let keys = |validator: T::AccountId| {
            pallet_session::Pallet::<T>::load_keys(&validator).map(|keys| (validator, keys))
        };
        let decided: Vec<_> = Validators::<T>::get().into_iter().filter_map(keys).collect();
        // Without validators no session would ever begin again.
        !decided.is_empty() && decided != QueuedKeys::<T>::get()
    }
}

impl<T: Config> SessionManager<T::AccountId> for Pallet<T> {
    fn new_session_genesis(_: u32) -> Option<Vec<T::AccountId>> {
        Some(Validators::<T>::get().into_inner())
    }

    /// The validators, where they or their keys have changed since the last turn; `None`: they stay.
    fn new_session(_: u32) -> Option<Vec<T::AccountId>> {
        Self::is_changed().then(|| Validators::<T>::get().into_inner())
    }

    fn start_session(index: u32) {
        SessionBegan::<T>::put(frame_system::Pallet::<T>::block_number());
        // Where this turn puts nothing into force it is the first of two; the genesis has everything in force.
        let changes = index == 0 || QueuedChanged::<T>::get();
        HalfTurned::<T>::put(!changes);
        if changes {
            Self::change_authorities();
        }
    }

    fn end_session(_: u32) {}
}

impl<T: Config> ShouldEndSession<BlockNumberFor<T>> for Pallet<T> {
    fn should_end_session(now: BlockNumberFor<T>) -> bool {
        // The second turn follows at once; what came between the two waits until the session has lasted a little.
        let may_turn = now >= SessionBegan::<T>::get().saturating_add(T::MinSession::get());
        HalfTurned::<T>::get() || (may_turn && Self::is_turning())
    }
}

/// Who may set session keys: the parties and their gateways, each for itself.
pub struct ValidatorOf<T>(PhantomData<T>);

impl<T: Config> Convert<T::AccountId, Option<T::AccountId>> for ValidatorOf<T> {
    fn convert(account: T::AccountId) -> Option<T::AccountId> {
        Pallet::<T>::belongs(&AccountId(account.clone().into())).then_some(account)
    }
}
