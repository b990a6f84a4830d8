//! When a log had which size. The oldest roots are forgotten after a few anchors, and these times only become sparse.

use crate::{Config, Pallet, Roots, Times};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use streembit_primitives::{checkpoint::AnchoredRoot, LogId};

/// The maximum number of times that are kept of a log.
pub const MAX_TIMES: u32 = 64;

/// The times of a log, oldest first.
pub type LogTimes = BoundedVec<SizeAt, ConstU32<MAX_TIMES>>;

/// The size of a log at a time of the chain.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct SizeAt {
    /// The number of entries.
    pub size: u64,
    /// The chain's time when this size was anchored, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
}

impl From<&AnchoredRoot> for SizeAt {
    fn from(root: &AnchoredRoot) -> Self {
        Self { size: root.size, time: root.time }
    }
}

/// Notes the time of an anchor. If there is no place, the time goes that is missed least: the one with the shortest gap for
/// its age. Many anchors in a short time therefore push each other out, and not the old ones.
pub(crate) fn note_time(times: &mut LogTimes, next: SizeAt) {
    if times.is_full() {
        let all: Vec<_> = times.iter().copied().chain([next]).collect();
        let gap_and_age = |window: &[SizeAt]| match window {
            [before, _, after] => {
                let gap = after.time.saturating_sub(before.time);
                (u128::from(gap), u128::from(next.time.saturating_sub(before.time)).saturating_add(1))
            }
            _ => (u128::MAX, 1),
        };
        let least_missed = all.windows(3).enumerate().min_by(|(_, one), (_, other)| {
            let ((gap, age), (other_gap, other_age)) = (gap_and_age(one), gap_and_age(other));
            gap.saturating_mul(other_age).cmp(&other_gap.saturating_mul(age))
        });
        let place = least_missed.map_or(0, |(before, _)| before.saturating_add(1));
        times.remove(place);
    }
    times.force_push(next);
}

impl<T: Config> Pallet<T> {
    /// Returns the times of the chain between which an entry was appended to a log, as far as they are known: of the last
    /// known anchor without the entry, and of the first one with it.
    pub fn times_around(log: &LogId, index: u64) -> (Option<u64>, Option<u64>) {
        let (roots, times) = (Roots::<T>::get(log), Times::<T>::get(log));
        let all = || roots.iter().map(SizeAt::from).chain(times.iter().copied());
        let before = all().filter(|at| at.size <= index).map(|at| at.time).max();
        let after = all().filter(|at| at.size > index).map(|at| at.time).min();
        (before, after)
    }
}
