//! The times of the events in a file.

use crate::select::{Span, SpanClock};
use serde::Serialize;

/// By how much a time may go back, in milliseconds: small corrections of a clock are normal.
const MAX_BACK: u64 = 1_000;

/// The times of the exported events by their signers' clocks, and how many of them contradict each other or the requested
/// span. Evidence has consecutive events, so a file for one day has all events between the first and the last one of the
/// day, whatever their clocks showed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct TimeCounts {
    /// The earliest time, in milliseconds since 1970, or `None` if there is no event.
    pub earliest: Option<u64>,
    /// The latest time, in milliseconds since 1970, or `None` if there is no event.
    pub latest: Option<u64>,
    /// The number of events whose time is outside of the requested span, by the clock that the span is about. It is 0 if
    /// the span is about the times of readings, which may be long before the events.
    pub outside: u64,
    /// The number of events whose time is before that of the event before.
    pub back: u64,
    #[serde(skip)]
    pub(super) span: Span,
    /// The time of the last event.
    #[serde(skip)]
    last: Option<u64>,
}

impl TimeCounts {
    /// Returns true if a clock was wrong.
    pub fn is_contradictory(&self) -> bool {
        self.outside > 0 || self.back > 0
    }

    /// Counts an event by its time and the time when the gateway received it.
    pub(super) fn add(&mut self, time: u64, received: u64) {
        self.earliest = Some(self.earliest.map_or(time, |earliest| earliest.min(time)));
        self.latest = Some(self.latest.map_or(time, |latest| latest.max(time)));
        let is_back = self.last.is_some_and(|last| last > time.saturating_add(MAX_BACK));
        self.back = self.back.saturating_add(is_back.into());
        let is_inside = match self.span.clock {
            SpanClock::Signer => self.span.contains(time),
            SpanClock::Received => self.span.contains(received),
            SpanClock::Readings => true,
        };
        self.outside = self.outside.saturating_add((!is_inside).into());
        self.last = Some(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-06-01 00:00:00 UTC.
    const DAY: u64 = 1_780_272_000_000;
    const YEAR: u64 = 365 * 86_400_000;

    fn counted(span: Span, times: &[u64]) -> TimeCounts {
        let mut counts = TimeCounts { span, ..TimeCounts::default() };
        times.iter().for_each(|time| counts.add(*time, DAY));
        counts
    }

    #[test]
    fn a_day_with_events_of_other_decades_is_contradictory() {
        let day = "2026-06-01";
        let (from, to) = (Some(day.parse().unwrap()), Some(day.parse().unwrap()));
        let span = Span { from, to, clock: SpanClock::Signer };
        let right = counted(span, &[DAY, DAY + 5_000, DAY + 4_500, DAY + 60_000]);
        assert!(!right.is_contradictory(), "{right:?}");
        let wrong = counted(span, &[DAY, DAY - 40 * YEAR, DAY + 40 * YEAR, DAY + 60_000]);
        assert!(wrong.is_contradictory());
        assert_eq!((wrong.outside, wrong.back), (2, 2));
        assert_eq!((wrong.earliest, wrong.latest), (Some(DAY - 40 * YEAR), Some(DAY + 40 * YEAR)));
        // The gateway received all of them on that day.
        let received = counted(Span { clock: SpanClock::Received, ..span }, &[DAY - YEAR, DAY + YEAR]);
        assert_eq!((received.outside, received.back), (0, 0));
    }

    #[test]
    fn times_that_go_back_are_counted_without_a_span() {
        let counts = counted(Span::default(), &[DAY, DAY - YEAR, DAY]);
        assert_eq!((counts.outside, counts.back), (0, 1));
        assert!(!counted(Span::default(), &[]).is_contradictory());
    }
}
