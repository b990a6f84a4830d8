//! The selection of the events in an evidence file, and of the parts of their bodies.

use std::{collections::BTreeSet, ops::RangeInclusive, str::FromStr};
use streembit_clock::{PeriodEnd, PeriodStart};
use streembit_primitives::{
    reading::{Name, CLOCK_ERROR},
    Body, Part, StoredEvent,
};

/// The times by which a [`Span`] selects events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SpanClock {
    /// The time of the event by its signer's clock.
    #[default]
    Signer,
    /// The time at which the gateway received the event, by the gateway's clock.
    Received,
    /// The times of the readings: an event is selected if one of its readings is in the span. An event without readings,
    /// or whose body was erased, counts by its signer's clock.
    Readings,
}

/// A span of time, which selects events.
///
/// Evidence has consecutive events. If the clock was set back, it includes all events between the first and the last
/// one in the span.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// From this time on; `None` from the first event on.
    pub from: Option<PeriodStart>,
    /// Before this time; `None` to the last event that is anchored.
    pub to: Option<PeriodEnd>,
    /// The times that count.
    pub clock: SpanClock,
}

impl Span {
    /// Returns true if the span has no bounds.
    pub fn is_all(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Returns the times of an event that count, from the earliest to the latest.
    pub(crate) fn times_of(&self, event: &StoredEvent) -> RangeInclusive<u64> {
        let (time, received) = (event.entry.event.header.time, event.entry.received);
        match self.clock {
            SpanClock::Signer => time..=time,
            SpanClock::Received => received..=received,
            SpanClock::Readings => {
                let times = reading_times(event);
                let ends = times.iter().min().zip(times.iter().max());
                ends.map_or(time..=time, |(first, last)| *first..=*last)
            }
        }
    }

    /// Returns true if an event is in the span.
    pub(crate) fn selects(&self, event: &StoredEvent) -> bool {
        let times = match self.clock {
            SpanClock::Signer | SpanClock::Received => Vec::new(),
            SpanClock::Readings => reading_times(event),
        };
        match times.is_empty() {
            true => self.contains(*self.times_of(event).start()),
            false => times.into_iter().any(|time| self.contains(time)),
        }
    }

    /// Returns true if a time, in milliseconds since 1970, is in the span.
    pub fn contains(&self, time: u64) -> bool {
        self.from.is_none_or(|from| from.0 <= time) && self.to.is_none_or(|to| time < to.0)
    }
}

/// Returns the times of an event's readings.
fn reading_times(event: &StoredEvent) -> Vec<u64> {
    let Some(body) = event.body.present() else { return Vec::new() };
    body.readings().map(|reading| reading.time).collect()
}

/// The parts of the events' bodies that are disclosed. The existence of all other parts is still proven.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Disclose {
    /// All parts.
    #[default]
    All,
    /// No parts.
    None,
    /// The readings with these names.
    Names(BTreeSet<Name>),
}

/// The text is not the name of a reading.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not the name of a reading: expected `all`, `none`, or names separated by commas, such as Vehicle.TraveledDistance,Vehicle.Speed")]
pub struct ParseDiscloseError(String);

impl FromStr for Disclose {
    type Err = ParseDiscloseError;

    fn from_str(text: &str) -> Result<Self, ParseDiscloseError> {
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            names => names
                .split(',')
                .map(str::trim)
                .map(|name| match Name::try_from(name) {
                    Ok(parsed) if !name.is_empty() => Ok(parsed),
                    _ => Err(ParseDiscloseError(name.to_owned())),
                })
                .collect::<Result<_, _>>()
                .map(Self::Names),
        }
    }
}

/// Tracks which of the requested names have not been found yet, for the error message.
#[derive(Clone, Debug, Default)]
pub struct UnmatchedNames {
    /// The requested names that no reading has had yet.
    pub missing: BTreeSet<Name>,
    /// The first few names that were found but not requested.
    pub others: BTreeSet<Name>,
}

/// The maximum number of names in an error message.
const MAX_LISTED: usize = 20;

impl UnmatchedNames {
    /// Starts with all requested names missing.
    pub fn of(disclose: &Disclose) -> Self {
        let missing = match disclose {
            Disclose::Names(names) => names.clone(),
            Disclose::All | Disclose::None => BTreeSet::new(),
        };
        Self { missing, others: BTreeSet::new() }
    }

    /// Returns the positions of the readings in a body that have one of the names.
    pub fn pick(&mut self, names: &BTreeSet<Name>, body: &Body) -> Vec<u32> {
        let mut picked = Vec::new();
        for (position, part) in (0u32..).zip(&body.parts) {
            let Part::Reading(reading) = part else { continue };
            // The mark of a wrong clock concerns all readings beside it.
            if names.contains(&reading.name) || reading.name.as_str() == CLOCK_ERROR {
                self.missing.remove(&reading.name);
                picked.push(position);
            } else if !self.missing.is_empty() && self.others.len() < MAX_LISTED {
                self.others.insert(reading.name.clone());
            }
        }
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::{
        event::VERSION, AccountId, DeviceId, EventHeader, EventKind, Hash, LogEntry, Reading, Signature,
        SignedEvent, Signer, Source, StoredBody, Value,
    };

    fn span(from: &str, to: &str) -> Span {
        Span {
            from: (!from.is_empty()).then(|| from.parse().unwrap()),
            to: (!to.is_empty()).then(|| to.parse().unwrap()),
            clock: SpanClock::Signer,
        }
    }

    #[test]
    fn a_day_is_included_as_a_whole_and_a_time_exactly() {
        let day = 1_780_272_000_000; // 2026-06-01T00:00:00Z
        assert!(span("", "").is_all() && span("", "").contains(0) && span("", "").contains(u64::MAX));
        let june = span("2026-06-01", "2026-06-01");
        assert!(!june.is_all());
        for (time, inside) in
            [(day - 1, false), (day, true), (day + 86_399_999, true), (day + 86_400_000, false)]
        {
            assert_eq!(june.contains(time), inside, "{time}");
        }
        let exact = span("2026-06-01T00:00:01Z", "2026-06-01T02:00:02+02:00");
        for (time, inside) in [(day, false), (day + 1000, true), (day + 1999, true), (day + 2000, false)] {
            assert_eq!(exact.contains(time), inside, "{time}");
        }
        for text in ["", "yesterday", "2026-13-01", "1969-12-31", "2026-06-01T00:00:00"] {
            let error = text.parse::<PeriodStart>().unwrap_err().to_string();
            assert!(error.contains("2027-06-01T12:00:00Z"), "{error}");
        }
    }

    /// An event with these times: by its signer's clock, by the gateway's, and of its readings.
    fn event(time: &str, received: &str, readings: &[&str]) -> StoredEvent {
        let ms = |text: &str| text.parse::<PeriodStart>().unwrap().0;
        let reading = |time: &&str| {
            Part::Reading(Reading {
                name: "a".try_into().unwrap(),
                unit: Default::default(),
                value: Value::Decimal(1u32.into()),
                time: ms(time),
                source: Source::sensor(),
            })
        };
        let parts = readings.iter().map(reading).collect::<Vec<_>>().try_into().unwrap();
        let header = EventHeader {
            version: VERSION,
            device: DeviceId([1; 32]),
            sequence: 0,
            previous: Hash::ZERO,
            time: ms(time),
            kind: EventKind::Readings,
            body_hash: Hash::ZERO,
        };
        let signer = Signer::Gateway(AccountId([2; 32]));
        let event = SignedEvent { header, signer, signature: Signature::Sr25519([0; 64]) };
        let entry = LogEntry { event, received: ms(received) };
        StoredEvent { index: 0, entry, body: StoredBody::Present(Body { seed: [1; 32], parts }) }
    }

    #[test]
    fn an_event_is_found_by_each_of_its_times() {
        let event = event("2026-06-01", "2026-06-02", &["2026-05-30", "2026-05-31T12:00:00Z"]);
        for (day, clock) in [
            ("2026-06-01", SpanClock::Signer),
            ("2026-06-02", SpanClock::Received),
            ("2026-05-30", SpanClock::Readings),
            ("2026-05-31", SpanClock::Readings),
        ] {
            for other in [SpanClock::Signer, SpanClock::Received, SpanClock::Readings] {
                let span = Span { clock: other, ..span(day, day) };
                assert_eq!(span.selects(&event), other == clock, "{day} by {other:?}");
            }
        }
        // No reading is between the two.
        let between = span("2026-05-30T12:00:00Z", "2026-05-30T13:00:00Z");
        assert!(!Span { clock: SpanClock::Readings, ..between }.selects(&event));
        let erased = StoredEvent { body: StoredBody::Erased { at: 1 }, ..event };
        let by_readings = Span { clock: SpanClock::Readings, ..span("2026-06-01", "2026-06-01") };
        assert!(by_readings.selects(&erased));
    }

    #[test]
    fn all_none_and_lists_of_names_are_parsed() {
        assert_eq!("all".parse(), Ok(Disclose::All));
        assert_eq!("none".parse(), Ok(Disclose::None));
        let Disclose::Names(names) = "Vehicle.Speed, odo".parse().unwrap() else { panic!() };
        assert_eq!(names.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["Vehicle.Speed", "odo"]);
        for text in ["", "a,,b", ","] {
            assert!(text.parse::<Disclose>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_that_no_reading_has_stay_missing() {
        let reading = |name: &str| {
            Part::Reading(Reading {
                name: name.try_into().unwrap(),
                unit: Default::default(),
                value: Value::Decimal(1u32.into()),
                time: 1,
                source: Source::sensor(),
            })
        };
        let parts = vec![reading("a"), reading("b"), reading("c"), reading(CLOCK_ERROR)];
        let body = Body { seed: [1; 32], parts: parts.try_into().unwrap() };
        let disclose: Disclose = "c,a,typo".parse().unwrap();
        let mut unmatched = UnmatchedNames::of(&disclose);
        let Disclose::Names(names) = &disclose else { panic!() };
        assert_eq!(unmatched.pick(names, &body), [0, 2, 3], "the mark of a wrong clock is always disclosed");
        assert_eq!(unmatched.missing.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["typo"]);
        assert_eq!(unmatched.others.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["b"]);
    }
}
