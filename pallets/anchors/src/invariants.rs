//! The conditions that hold between any two calls.

use crate::{Config, Epochs, Latest, Pallet, Roots, Times, MAX_EPOCHS};
use frame_support::{ensure, traits::Time};
use sp_runtime::SaturatedConversion;
use streembit_primitives::{
    checkpoint::{AnchoredRoot, EpochState},
    merkle::MAX_LOG_SIZE,
};

impl<T: Config> Pallet<T> {
    /// Returns the first condition that does not hold.
    pub fn check_state() -> Result<(), &'static str> {
        let now: u32 = frame_system::Pallet::<T>::block_number().saturated_into();
        for (log, anchor) in Latest::<T>::iter() {
            let checkpoint = &anchor.checkpoint;
            ensure!(checkpoint.log == log, "an anchor is stored under another log");
            let epoch = Self::epoch(&log.gateway);
            ensure!(log.epoch <= epoch.number, "an anchor of a log that was never open");
            ensure!((1..=MAX_LOG_SIZE).contains(&checkpoint.size), "an anchored size is impossible");
            ensure!(anchor.block <= now, "an anchor of a future block");
            let is_latest = |last: &AnchoredRoot| {
                (last.size, last.root, last.block) == (checkpoint.size, checkpoint.root, anchor.block)
            };
            let last = Roots::<T>::get(log).last().copied();
            ensure!(last.is_some_and(|last| is_latest(&last)), "the last root is not the latest anchor's");
        }
        for (_, state) in Epochs::<T>::iter() {
            ensure!(state.number < MAX_EPOCHS, "a gateway had too many logs");
            ensure!(
                state != EpochState::default(),
                "a gateway that never closed a log has an entry in `Epochs`"
            );
        }
        for (log, roots) in Roots::<T>::iter() {
            ensure!(Latest::<T>::contains_key(log), "roots of a log without an anchor");
            let mut pairs = roots.iter().zip(roots.iter().skip(1));
            let grows = pairs.clone().all(|(before, after)| before.size < after.size);
            ensure!(grows, "a log that did not grow between two anchors");
            let ordered =
                pairs.all(|(before, after)| before.time <= after.time && before.block <= after.block);
            ensure!(ordered, "an anchor before an earlier one");
            let past = roots.iter().all(|anchored| anchored.time <= T::Clock::now() && anchored.block <= now);
            ensure!(past, "a root of the future");
        }
        for (log, times) in Times::<T>::iter() {
            let last = Roots::<T>::get(log).last().map(|root| (root.size, root.time));
            ensure!(
                times.last().map(|at| (at.size, at.time)) == last,
                "the last time of a log is not the one of its latest anchor"
            );
            let mut pairs = times.iter().zip(times.iter().skip(1));
            let grows = pairs.all(|(before, after)| before.size < after.size && before.time <= after.time);
            ensure!(grows, "the times of a log are not in order");
        }
        Ok(())
    }
}
