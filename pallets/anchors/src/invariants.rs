//! The conditions that hold between any two calls.

use crate::{Config, Latest, Pallet, Roots};
use frame_support::ensure;
use sp_runtime::SaturatedConversion;
use streembit_primitives::merkle::MAX_LOG_SIZE;

impl<T: Config> Pallet<T> {
    /// Returns the first condition that does not hold.
    pub fn check_state() -> Result<(), &'static str> {
        let now: u32 = frame_system::Pallet::<T>::block_number().saturated_into();
        for (log, anchor) in Latest::<T>::iter() {
            let checkpoint = &anchor.checkpoint;
            ensure!(checkpoint.log == log, "an anchor is stored under another log");
            ensure!(log.epoch == 0, "an anchor of an epoch that is not open");
            ensure!((1..=MAX_LOG_SIZE).contains(&checkpoint.size), "an anchored size is impossible");
            ensure!(anchor.block <= now, "an anchor of a future block");
            let last = (checkpoint.size, checkpoint.root);
            ensure!(Roots::<T>::get(log).last() == Some(&last), "the last root is not the latest anchor's");
        }
        for (log, roots) in Roots::<T>::iter() {
            ensure!(Latest::<T>::contains_key(log), "roots of a log without an anchor");
            let later = roots.iter().skip(1);
            let grows = roots.iter().zip(later).all(|((before, _), (after, _))| before < after);
            ensure!(grows, "a log that did not grow between two anchors");
        }
        Ok(())
    }
}
