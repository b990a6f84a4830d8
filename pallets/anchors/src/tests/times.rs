//! The times of anchors, which tell when an entry was appended.

use super::anchor;
use crate::{
    mock::*,
    times::{note_time, LogTimes, SizeAt, MAX_TIMES},
    Times, KEPT_ROOTS,
};
use frame_support::assert_ok;
use proptest::prelude::*;

const DAY: u64 = 24 * 60 * 60 * 1_000;

#[test]
fn the_time_before_an_entry_is_known_after_its_root_is_forgotten() {
    chain().execute_with(|| {
        let log = Leaves::new(100, 0, 0);
        Now::set(&DAY);
        assert_ok!(anchor(&log, 0, 10));
        Now::set(&(6 * DAY));
        assert_ok!(anchor(&log, 10, 11));
        for size in 11..11 + u64::from(KEPT_ROOTS) {
            Now::set(&(Now::get() + 1));
            assert_ok!(anchor(&log, size, size + 1));
        }
        assert!(Anchors::anchored_root(&LOG, 11).is_none());
        assert_eq!(Anchors::times_around(&LOG, 10), (Some(DAY), Some(6 * DAY)));
        assert_eq!(Anchors::times_around(&LOG, 9), (None, Some(DAY)));
        assert_eq!(Anchors::times_around(&LOG, 99).1, None);
        assert_eq!(Anchors::check_state(), Ok(()));
    });
}

#[test]
fn a_log_that_was_anchored_before_times_were_kept_begins_with_its_roots() {
    chain().execute_with(|| {
        let log = Leaves::new(100, 0, 0);
        for size in 0..3 {
            assert_ok!(anchor(&log, size, size + 1));
        }
        Times::<Test>::remove(LOG);
        assert_ok!(anchor(&log, 3, 4));
        assert_eq!(Times::<Test>::get(LOG).len(), 4);
        assert_eq!(Anchors::check_state(), Ok(()));
    });
}

#[test]
fn many_anchors_in_a_short_time_do_not_push_old_times_out() {
    let mut times = LogTimes::new();
    for day in 0..30 {
        note_time(&mut times, SizeAt { size: day, time: day * DAY });
    }
    for spam in 0..10_000 {
        note_time(&mut times, SizeAt { size: 30 + spam, time: 29 * DAY + spam });
    }
    assert_eq!(times.len(), MAX_TIMES as usize);
    // The day before is still known to the day, and the first one too.
    for day in [0, 27, 28] {
        assert!(times.iter().any(|at| at.time == day * DAY), "{day}");
    }
}

proptest! {
    #[test]
    fn times_stay_in_order_and_keep_the_first_and_the_last(gaps in prop::collection::vec(0u64..10 * DAY, 1..300)) {
        let (mut times, mut time) = (LogTimes::new(), 0);
        for (size, gap) in (0..).zip(&gaps) {
            time += gap;
            note_time(&mut times, SizeAt { size, time });
            prop_assert_eq!(times.last(), Some(&SizeAt { size, time }));
        }
        prop_assert_eq!(times.first().map(|at| at.size), Some(0));
        prop_assert!(times.windows(2).all(|pair| pair[0].size < pair[1].size && pair[0].time <= pair[1].time));
    }
}
