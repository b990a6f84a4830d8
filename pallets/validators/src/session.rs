//! When sessions rotate, and who makes blocks in them.
//!
//! The session pallet knows two sets of validators: the one in force and the one queued for the next session. A change
//! therefore takes two rotations. The first queues the change. The second puts it into force and gives Aura and GRANDPA
//! their new authorities, GRANDPA as a scheduled change without delay. Sessions rotate for changes alone, in the two
//! blocks after the change.
//!
//! The block that schedules the change names its chain in its digest. The voters' signatures do not, so evidence of one
//! chain could otherwise contain a change of another chain that was founded with the same keys.

use crate::{Config, Pallet, SecondRotationPending, SessionBegan, Validators};
use alloc::vec::Vec;
use core::marker::PhantomData;
use frame_support::traits::Get;
use frame_system::pallet_prelude::BlockNumberFor;
use pallet_parties::PartyLookup;
use pallet_session::{QueuedChanged, QueuedKeys, SessionManager, ShouldEndSession};
use sp_consensus_grandpa::{ConsensusLog, GRANDPA_ENGINE_ID};
use sp_runtime::{
    traits::{Convert, Saturating},
    DigestItem,
};
use streembit_primitives::{evidence::CHAIN_ENGINE_ID, AccountId};

impl<T: Config> Pallet<T> {
    /// Returns true if a change of the validators or of their keys is not in force yet. The next blocks rotate the
    /// session.
    pub fn is_rotation_pending() -> bool {
        QueuedChanged::<T>::get() || Self::is_changed()
    }

    /// Returns true if the validators or their keys differ from those of the last rotation.
    fn is_changed() -> bool {
        let keys = |validator: T::AccountId| {
            pallet_session::Pallet::<T>::load_keys(&validator).map(|keys| (validator, keys))
        };
        let decided: Vec<_> = Validators::<T>::get().into_iter().filter_map(keys).collect();
        // Without validators no session would ever begin again.
        !decided.is_empty() && decided != QueuedKeys::<T>::get()
    }

    /// Adds the genesis hash to the block's digest if the digest schedules a change of GRANDPA's voters.
    pub(crate) fn name_chain_of_change() {
        let is_change = |item: &DigestItem| {
            let log = item.consensus_try_to::<ConsensusLog<BlockNumberFor<T>>>(&GRANDPA_ENGINE_ID);
            matches!(log, Some(ConsensusLog::ScheduledChange(_)))
        };
        if frame_system::Pallet::<T>::digest().logs().iter().any(is_change) {
            let genesis = T::Genesis::get();
            let item = DigestItem::Consensus(CHAIN_ENGINE_ID, genesis.as_bytes().to_vec());
            frame_system::Pallet::<T>::deposit_log(item);
        }
    }
}

impl<T: Config> SessionManager<T::AccountId> for Pallet<T> {
    fn new_session_genesis(_: u32) -> Option<Vec<T::AccountId>> {
        Some(Validators::<T>::get().into_inner())
    }

    /// Returns the validators if they or their keys changed since the last rotation; with `None` they stay.
    fn new_session(_: u32) -> Option<Vec<T::AccountId>> {
        Self::is_changed().then(|| Validators::<T>::get().into_inner())
    }

    fn start_session(index: u32) {
        SessionBegan::<T>::put(frame_system::Pallet::<T>::block_number());
        // A rotation that puts nothing into force is the first of two. At the genesis everything is in force.
        let is_in_force = index == 0 || QueuedChanged::<T>::get();
        SecondRotationPending::<T>::put(!is_in_force);
        if is_in_force {
            Self::replace_authorities();
        }
    }

    fn end_session(_: u32) {}
}

impl<T: Config> ShouldEndSession<BlockNumberFor<T>> for Pallet<T> {
    fn should_end_session(now: BlockNumberFor<T>) -> bool {
        // The second rotation follows at once. A change made between the two waits until the session is old enough.
        let is_old_enough = now >= SessionBegan::<T>::get().saturating_add(T::MinSession::get());
        SecondRotationPending::<T>::get() || (is_old_enough && Self::is_rotation_pending())
    }
}

/// Allows parties and their gateways to set session keys, each for itself.
pub struct ValidatorOf<T>(PhantomData<T>);

impl<T: Config> Convert<T::AccountId, Option<T::AccountId>> for ValidatorOf<T> {
    fn convert(account: T::AccountId) -> Option<T::AccountId> {
        T::Parties::acts_for(&AccountId(account.clone().into())).map(|_| account)
    }
}
