//! Times that contradict each other, or what the chain's anchors allow. They say that a clock was wrong. The history is
//! verified all the same, because the order of the events does not depend on any clock.

use super::AuditedEvent;
use crate::event_view::{EventView, SignerView};
use serde::Serialize;
use std::fmt;
use streembit_clock::{show, MAX_CLOCK_ERROR};
use streembit_primitives::checkpoint::AnchoredRoot;

/// By how much a time may go back, in milliseconds: small corrections of a clock are normal.
const MAX_BACK: u64 = 1_000;

/// A time that cannot be right.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TimeContradiction {
    /// The sequence of the event.
    pub sequence: u64,
    /// The index of its entry in the log.
    pub index: u64,
    /// The clock that shows the time.
    pub clock: EventClock,
    /// The time, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// What it contradicts.
    #[serde(flatten)]
    pub contradicts: Contradiction,
}

/// The clock that a time of an event was read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventClock {
    /// The clock of the signer: when the event happened.
    Signer,
    /// The clock of the gateway: when it received the event.
    Gateway,
}

/// What a time contradicts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "contradicts", rename_all = "lowercase")]
pub enum Contradiction {
    /// The event before it has a later time.
    Back {
        /// The sequence of that event.
        event: u64,
        /// Its time.
        than: u64,
    },
    /// The chain accepted the event earlier.
    Anchored {
        /// The chain's time when it did.
        by: u64,
    },
    /// The chain accepted an earlier entry of the log later.
    Before {
        /// The chain's time when it did.
        after: u64,
    },
}

impl fmt::Display for TimeContradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = match self.clock {
            EventClock::Signer => "its signer's clock showed",
            EventClock::Gateway => "the gateway's clock showed",
        };
        write!(f, "event {} (entry {}): {clock} {}, but ", self.sequence, self.index, show(self.time))?;
        match self.contradicts {
            Contradiction::Back { event, than } => write!(f, "{} at event {event} before", show(than)),
            Contradiction::Anchored { by } => write!(f, "the event was anchored by {}", show(by)),
            Contradiction::Before { after } => {
                write!(f, "an entry before it was anchored only at {}", show(after))
            }
        }
    }
}

/// Returns the times in a history that cannot be right. `anchors` are the last anchors of the log.
///
/// Nothing is said of an event whose device signed it long before the gateway received it: a device may store events.
pub(super) fn contradictions(history: &[AuditedEvent], anchors: &[AnchoredRoot]) -> Vec<TimeContradiction> {
    let mut found = Vec::new();
    let mut before: Option<&EventView> = None;
    for AuditedEvent { event, .. } in history.iter().filter(|event| !event.lost) {
        let by_gateway = matches!(event.signer, SignerView::Gateway { .. });
        let mut add = |clock, time, contradicts: Option<Contradiction>| {
            let (sequence, index) = (event.sequence, event.index);
            found.extend(contradicts.map(|contradicts| TimeContradiction {
                sequence,
                index,
                clock,
                time,
                contradicts,
            }));
        };
        let back = |time: u64, than: u64, event: u64| {
            (than > time.saturating_add(MAX_BACK)).then_some(Contradiction::Back { event, than })
        };
        if let Some(before) = before {
            add(EventClock::Signer, event.time, back(event.time, before.time, before.sequence));
            // A gateway signs with the time of receipt.
            if !by_gateway {
                add(
                    EventClock::Gateway,
                    event.received,
                    back(event.received, before.received, before.sequence),
                );
            }
        }
        add(EventClock::Gateway, event.received, outside(event.index, event.received, anchors));
        let late = outside(event.index, event.time, anchors);
        add(
            EventClock::Signer,
            event.time,
            late.filter(|late| !by_gateway && matches!(late, Contradiction::Anchored { .. })),
        );
        before = Some(event);
    }
    found
}

/// Returns what the anchors say against a time of the entry with this index.
fn outside(index: u64, time: u64, anchors: &[AnchoredRoot]) -> Option<Contradiction> {
    let max = u64::try_from(MAX_CLOCK_ERROR.as_millis()).unwrap_or(u64::MAX);
    let times = |is_after: bool| {
        anchors.iter().filter(move |anchor| (anchor.size > index) == is_after).map(|anchor| anchor.time)
    };
    if let Some(by) = times(true).min().filter(|by| time > by.saturating_add(max)) {
        return Some(Contradiction::Anchored { by });
    }
    let after = times(false).max().filter(|after| time.saturating_add(max) < *after)?;
    Some(Contradiction::Before { after })
}

#[cfg(test)]
mod tests {
    use super::super::AnchorState;
    use super::*;
    use crate::event_view;
    use streembit_primitives::{AccountId, Hash, Signer};

    const NOW: u64 = 1_800_000_000_000;
    const HOUR: u64 = 3_600_000;
    const YEAR: u64 = 365 * 24 * HOUR;

    fn event(sequence: u64, signer: Signer, time: u64, received: u64) -> AuditedEvent {
        let signer = signer.into();
        let event = EventView { sequence, index: sequence, time, received, signer, ..event_view::example() };
        AuditedEvent { event, anchor: AnchorState::Anchored, key: None, lost: false, ok: true }
    }

    fn anchor(size: u64, time: u64) -> AnchoredRoot {
        AnchoredRoot { size, root: Hash::ZERO, time, block: 1 }
    }

    /// A history of a hosted device with these times.
    fn hosted(times: &[u64]) -> Vec<AuditedEvent> {
        let signer = Signer::Gateway(AccountId([1; 32]));
        (0..).zip(times).map(|(sequence, time)| event(sequence, signer, *time, *time)).collect()
    }

    fn found(history: &[AuditedEvent], anchors: &[AnchoredRoot]) -> Vec<(u64, EventClock, Contradiction)> {
        let found = contradictions(history, anchors);
        found.iter().map(|one| (one.sequence, one.clock, one.contradicts)).collect()
    }

    #[test]
    fn right_times_contradict_nothing() {
        let anchors = [anchor(2, NOW + HOUR), anchor(3, NOW + 2 * HOUR)];
        let history = hosted(&[NOW, NOW + 1, NOW + HOUR + 5_000, NOW + 3 * HOUR]);
        assert_eq!(found(&history, &anchors), []);
        // The clocks differ by a minute, and one is set back by half a second.
        assert_eq!(found(&hosted(&[NOW + HOUR + 60_000, NOW + HOUR + 59_500]), &anchors), []);
        // A device sends what it stored for a year.
        let stored = [event(2, Signer::Device, NOW - YEAR, NOW + HOUR + 1)];
        assert_eq!(found(&stored, &anchors), []);
    }

    #[test]
    fn times_that_went_back_are_named() {
        let history = hosted(&[NOW, NOW - 40 * YEAR, NOW - 40 * YEAR + 5, NOW + 5]);
        assert_eq!(
            found(&history, &[]),
            [(1, EventClock::Signer, Contradiction::Back { event: 0, than: NOW })]
        );
        // Both clocks of an event that the device signed.
        let signed =
            [event(0, Signer::Device, NOW, NOW + 1), event(1, Signer::Device, NOW - HOUR, NOW - HOUR)];
        let [(1, EventClock::Signer, _), (1, EventClock::Gateway, back)] = found(&signed, &[])[..] else {
            panic!("{:?}", found(&signed, &[]))
        };
        assert_eq!(back, Contradiction::Back { event: 0, than: NOW + 1 });
        // A lost event counts for nothing.
        let mut lost = hosted(&[NOW, NOW - HOUR]);
        lost[1].lost = true;
        assert_eq!(found(&lost, &[]), []);
    }

    #[test]
    fn times_that_the_anchors_exclude_are_named() {
        let anchors = [anchor(1, NOW), anchor(2, NOW + HOUR)];
        let ahead = hosted(&[NOW - HOUR, NOW + 40 * YEAR]);
        assert_eq!(
            found(&ahead, &anchors),
            [(1, EventClock::Gateway, Contradiction::Anchored { by: NOW + HOUR })]
        );
        let mut behind = hosted(&[NOW - 2 * HOUR, NOW - 2 * HOUR + 1, NOW + 2 * HOUR]);
        assert_eq!(
            found(&behind, &anchors),
            [(1, EventClock::Gateway, Contradiction::Before { after: NOW })]
        );
        // The gateway received the event in time, but the device's clock is ahead.
        behind[1] = event(1, Signer::Device, NOW + YEAR, NOW + 1);
        assert_eq!(
            found(&behind[..2], &anchors),
            [(1, EventClock::Signer, Contradiction::Anchored { by: NOW + HOUR })]
        );
    }

    #[test]
    fn a_contradiction_is_said_with_both_times() {
        let one = &contradictions(&hosted(&[NOW, NOW - 40 * YEAR]), &[])[0];
        let text = one.to_string();
        assert!(
            text.contains("event 1 (entry 1)") && text.contains("1987-") && text.contains("2027-01-15"),
            "{text}"
        );
        let json = serde_json::to_value(one).unwrap();
        assert_eq!((json["contradicts"].clone(), json["event"].clone()), ("back".into(), 0.into()));
    }
}
