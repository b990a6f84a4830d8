//! The comparison of a machine's clock with the times of a chain's blocks.

use crate::show;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// By how much a clock may differ from the chain's time without being called wrong. Blocks become final some seconds after
/// they are made, and the validators' own clocks may differ by some seconds.
pub const MAX_CLOCK_ERROR: Duration = Duration::from_secs(120);

/// The earliest right time, in milliseconds since the Unix epoch: 2023-01-01, before there were gateways. A clock that shows
/// an earlier one has not been set since the machine started.
pub const EARLIEST_CLOCK: u64 = 1_672_531_200_000;

/// For how long the blocks have to be late until the clock is called ahead. Before that, the node may only be catching up.
const OBSERVED: Duration = Duration::from_secs(60);
/// By how much more time the late blocks may advance than the machine's monotonic clock.
const TOLERANCE: Duration = Duration::from_secs(30);

/// How a clock compares with the chain's time.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum ClockState {
    /// There was nothing to compare with yet.
    #[default]
    Unknown,
    /// The clock differs by [`MAX_CLOCK_ERROR`] at most.
    Right,
    /// The clock has not been set since the machine started. It is behind by this at least.
    Unset(Duration),
    /// The clock is behind.
    Behind(Duration),
    /// The clock is ahead.
    Ahead(Duration),
}

impl ClockState {
    /// Returns true if the clock is known to be wrong.
    pub fn is_wrong(&self) -> bool {
        self.error_seconds().is_some()
    }

    /// Returns the error of a wrong clock in seconds: negative if it is behind. `None` if it is not known to be wrong.
    pub fn error_seconds(&self) -> Option<i64> {
        let seconds = |by: &Duration| i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        match self {
            Self::Unknown | Self::Right => None,
            Self::Unset(by) | Self::Behind(by) => Some(-seconds(by)),
            Self::Ahead(by) => Some(seconds(by)),
        }
    }
}

impl fmt::Display for ClockState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("not compared with the chain's time yet"),
            Self::Right => {
                write!(f, "at most {} s from the chain's time", MAX_CLOCK_ERROR.as_secs())
            }
            Self::Unset(_) => {
                write!(f, "the clock has not been set: it shows a time before {}", show(EARLIEST_CLOCK))
            }
            Self::Behind(by) => write!(f, "the clock is {} behind the chain's time", Long(*by)),
            Self::Ahead(by) => write!(f, "the clock is {} ahead of the chain's time", Long(*by)),
        }
    }
}

/// A duration in its largest unit.
struct Long(Duration);

impl fmt::Display for Long {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds @ 0..=599 => write!(f, "{seconds} s"),
            seconds @ 600..=7_199 => write!(f, "{} minutes", seconds / 60),
            seconds @ 7_200..=172_799 => write!(f, "{} hours", seconds / 3_600),
            seconds => write!(f, "{} days", seconds / 86_400),
        }
    }
}

/// Compares a clock with the blocks that become final.
///
/// A block is never of the future, so a clock that shows less than a block's time is behind. A clock that shows more may
/// only see an old block: from a chain that stands still, or from a node that catches up. It is called ahead if the blocks
/// stay late while they advance no faster than time itself.
#[derive(Debug, Default)]
pub struct ClockCheck {
    state: ClockState,
    /// The last block that told the time: its own time, and when it was seen.
    reference: Option<Seen>,
    /// The first block that was late.
    late_since: Option<Seen>,
}

/// A block that was seen.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The time of the block, in milliseconds since the Unix epoch.
    block: u64,
    /// The monotonic time at which it was seen.
    at: Instant,
}

impl ClockCheck {
    /// Begins with a clock that shows `now`, before any block is known.
    pub fn new(now: u64) -> Self {
        let state = match EARLIEST_CLOCK.saturating_sub(now) {
            0 => ClockState::Unknown,
            behind => ClockState::Unset(Duration::from_millis(behind)),
        };
        Self { state, ..Self::default() }
    }

    /// Returns the state of the clock.
    pub fn state(&self) -> ClockState {
        self.state
    }

    /// Compares the clock, which shows `now`, with the time of a block that has just become final. `at` is the monotonic
    /// time. Returns the new state.
    pub fn observe(&mut self, block: u64, now: u64, at: Instant) -> ClockState {
        let seen = Seen { block, at };
        match compare(now, block) {
            late @ ClockState::Ahead(_) => self.observe_late(seen, late),
            state => {
                (self.state, self.reference, self.late_since) = (state, Some(seen), None);
            }
        }
        self.state
    }

    /// Compares the time at which the machine signed something, by its own clock, with the time of the block that accepted
    /// it. The block is the later one, so a signature of its future shows that the clock was ahead. `at` is the monotonic
    /// time at which the block became final. Returns the new state.
    pub fn observe_signed(&mut self, signed: u64, accepted: u64, at: Instant) -> ClockState {
        if let ahead @ ClockState::Ahead(_) = compare(signed, accepted) {
            (self.state, self.reference) = (ahead, Some(Seen { block: accepted, at }));
        }
        self.state
    }

    /// Looks at the clock again between two blocks, because it may have been set since. Never calls it ahead: the
    /// monotonic time stands still while a machine sleeps. Returns the new state.
    pub fn recheck(&mut self, now: u64, at: Instant) -> ClockState {
        let elapsed = |seen: Seen| at.saturating_duration_since(seen.at);
        let compared = match self.reference {
            Some(seen) => compare(now, seen.block.saturating_add(milliseconds(elapsed(seen)))),
            None if matches!(self.state, ClockState::Unset(_)) => Self::new(now).state,
            None => return self.state,
        };
        self.state = match (compared, self.state) {
            (ClockState::Ahead(_), ahead @ ClockState::Ahead(_)) => ahead,
            (ClockState::Ahead(_), _) => ClockState::Unknown,
            (other, _) => other,
        };
        self.state
    }

    fn observe_late(&mut self, seen: Seen, late: ClockState) {
        // A block that is older than the clock contradicts that the clock is behind.
        if matches!(self.state, ClockState::Behind(_) | ClockState::Unset(_)) {
            self.state = ClockState::Unknown;
        }
        let first = *self.late_since.get_or_insert(seen);
        let advanced = Duration::from_millis(seen.block.saturating_sub(first.block));
        let elapsed = seen.at.saturating_duration_since(first.at);
        if advanced > elapsed.saturating_add(TOLERANCE) {
            // The blocks catch up.
            self.late_since = Some(seen);
        } else if elapsed >= OBSERVED {
            (self.state, self.reference) = (late, Some(seen));
        }
    }
}

/// Compares a clock that shows `now` with the right time.
fn compare(now: u64, right: u64) -> ClockState {
    let max = milliseconds(MAX_CLOCK_ERROR);
    let (behind, ahead) = (right.saturating_sub(now), now.saturating_sub(right));
    if behind > max {
        ClockState::Behind(Duration::from_millis(behind))
    } else if ahead > max {
        ClockState::Ahead(Duration::from_millis(ahead))
    } else {
        ClockState::Right
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const SECOND: u64 = 1_000;
    const YEAR: u64 = 365 * 86_400 * SECOND;

    /// Observes blocks, each given by the seconds since the first one at which it is seen, its age by the true time and
    /// the error of the clock in milliseconds.
    fn observe(blocks: &[(u64, u64, i64)]) -> Vec<ClockState> {
        let start = Instant::now();
        let mut check = ClockCheck::new(NOW);
        let states = blocks.iter().map(|(seen, age, error)| {
            let now = NOW + seen * SECOND;
            let at = start + Duration::from_secs(*seen);
            check.observe(now - age, now.saturating_add_signed(*error), at)
        });
        states.collect()
    }

    #[test]
    fn a_clock_within_the_bound_is_right() {
        for error in [0, -100_000, 100_000] {
            assert_eq!(observe(&[(0, 3 * SECOND, error)]), [ClockState::Right], "{error}");
        }
    }

    #[test]
    fn a_clock_behind_a_block_is_wrong_at_once() {
        let by = |milliseconds| ClockState::Behind(Duration::from_millis(milliseconds));
        let hours = 2 * 3_600 * SECOND as i64;
        assert_eq!(observe(&[(0, 3 * SECOND, -hours)]), [by(7_200_000 - 3_000)]);
        let years = 40 * YEAR as i64;
        let states = observe(&[(0, 0, -years), (2, 0, -years), (4, 0, 0)]);
        assert_eq!(states, [by(40 * YEAR), by(40 * YEAR), ClockState::Right]);
    }

    #[test]
    fn a_clock_ahead_is_wrong_when_the_blocks_stay_late() {
        let years = 40 * YEAR as i64;
        let states = observe(&[(0, 0, years), (30, 0, years), (60, 0, years), (62, 0, 0)]);
        let ahead = ClockState::Ahead(Duration::from_millis(40 * YEAR));
        assert_eq!(states, [ClockState::Unknown, ClockState::Unknown, ahead, ClockState::Right]);
        // On an idle chain, the second block is enough.
        assert_eq!(observe(&[(0, 0, years), (300, 0, years)])[1], ahead);
    }

    #[test]
    fn a_signature_from_a_blocks_future_shows_a_clock_ahead_at_once() {
        let (start, years) = (Instant::now(), 40 * YEAR);
        let mut check = ClockCheck::new(NOW + years);
        assert_eq!(check.observe(NOW, NOW + years, start), ClockState::Unknown);
        let ahead = ClockState::Ahead(Duration::from_millis(years));
        assert_eq!(check.observe_signed(NOW + years, NOW, start), ahead);
        assert_eq!(check.observe(NOW + SECOND, NOW + years + SECOND, start), ahead);
        assert_eq!(check.recheck(NOW + 10 * SECOND, start + Duration::from_secs(10)), ClockState::Right);
        // What waited for a node for a year says nothing.
        assert_eq!(check.observe_signed(NOW - YEAR, NOW, start), ClockState::Right);
    }

    #[test]
    fn a_node_that_catches_up_is_no_clock_ahead() {
        // A day of blocks in two minutes, with a right clock.
        let day = 86_400 * SECOND;
        let blocks: Vec<_> = (0..=120).map(|second| (second, day - day / 120 * second, 0)).collect();
        let states = observe(&blocks);
        assert!(states.iter().all(|state| !state.is_wrong()), "{states:?}");
        assert_eq!(states.last(), Some(&ClockState::Right));
        // A chain that stood still for an hour.
        let states = observe(&[(0, 3_600 * SECOND, 0), (90, 0, 0)]);
        assert_eq!(states, [ClockState::Unknown, ClockState::Right]);
    }

    #[test]
    fn a_clock_that_was_never_set_is_wrong_without_a_chain() {
        let check = ClockCheck::new(3 * SECOND);
        assert!(check.state().is_wrong(), "{}", check.state());
        assert_eq!(check.state().error_seconds(), Some(-(EARLIEST_CLOCK as i64 / 1_000 - 3)));
        assert_eq!(ClockCheck::new(NOW).state(), ClockState::Unknown);
        assert!(!ClockState::Unknown.is_wrong() && !ClockState::Right.is_wrong());
    }

    #[test]
    fn a_clock_that_is_set_between_two_blocks_is_noticed() {
        let (start, hours) = (Instant::now(), 2 * 3_600 * SECOND);
        let later = |seconds| start + Duration::from_secs(seconds);
        let mut check = ClockCheck::new(NOW - hours);
        assert!(check.observe(NOW, NOW - hours, start).is_wrong());
        assert!(check.recheck(NOW - hours + 10 * SECOND, later(10)).is_wrong());
        assert_eq!(check.recheck(NOW + 20 * SECOND, later(20)), ClockState::Right);
        // It is set back again.
        assert!(check.recheck(NOW - hours, later(30)).is_wrong());
        // After the machine has slept, or if the clock was set forward, nothing is known until the next block.
        assert_eq!(check.recheck(NOW + hours, later(40)), ClockState::Unknown);
        assert_eq!(check.observe(NOW + hours, NOW + hours, later(50)), ClockState::Right);
        // Without a block, a clock that is set is no longer unset.
        let mut check = ClockCheck::new(3 * SECOND);
        assert!(check.recheck(5 * SECOND, later(2)).is_wrong());
        assert_eq!(check.recheck(NOW, later(4)), ClockState::Unknown);
    }

    #[test]
    fn the_error_is_shown_in_a_unit_that_people_use() {
        let shown = |seconds| ClockState::Behind(Duration::from_secs(seconds)).to_string();
        assert_eq!(shown(130), "the clock is 130 s behind the chain's time");
        assert_eq!(shown(7_200), "the clock is 2 hours behind the chain's time");
        assert_eq!(shown(40 * 365 * 86_400), "the clock is 14600 days behind the chain's time");
        let ahead = ClockState::Ahead(Duration::from_secs(900));
        assert_eq!(
            (ahead.to_string().as_str(), ahead.error_seconds()),
            ("the clock is 15 minutes ahead of the chain's time", Some(900))
        );
    }
}
