//! Who makes blocks in which session.

use crate::{Config, Pallet, Validators};
use alloc::vec::Vec;
use frame_system::pallet_prelude::BlockNumberFor;
use pallet_session::{SessionManager, ShouldEndSession};

impl<T: Config> SessionManager<T::AccountId> for Pallet<T> {
    fn new_session_genesis(_: u32) -> Option<Vec<T::AccountId>> {
        Some(Validators::<T>::get().into_inner())
    }

    /// `None`: the validators stay. Nothing can schedule another set.
    fn new_session(_: u32) -> Option<Vec<T::AccountId>> {
        None
    }

    fn start_session(_: u32) {}

    fn end_session(_: u32) {}
}

impl<T: Config> ShouldEndSession<BlockNumberFor<T>> for Pallet<T> {
    /// Whether a change of validators waits to be applied. Nothing can schedule one.
    fn should_end_session(_: BlockNumberFor<T>) -> bool {
        false
    }
}
