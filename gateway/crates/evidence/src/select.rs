//! What an evidence file shows: which events, and how much of each.

use std::{collections::BTreeSet, str::FromStr};
use streembit_clock::{End, Start};
use streembit_primitives::{reading::Name, Body, Part};

/// Which events: those from a time on, and before another, by the clock of whoever signed them.
///
/// Evidence is of events that follow each other. Where a clock went back, everything between the first and the last
/// event of the span is part of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// From this time on; `None` from the first event on.
    pub from: Option<Start>,
    /// Before this time; `None` to the last event that is anchored.
    pub to: Option<End>,
}

impl Span {
    /// Whether it is all of a device's history.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an event of this time is in it.
    pub fn contains(&self, time: u64) -> bool {
        self.from.is_none_or(|from| from.0 <= time) && self.to.is_none_or(|to| time < to.0)
    }
}

/// How much of the events' bodies is shown; what is not shown stays proven to exist.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Disclose {
    /// All that is kept.
    #[default]
    All,
    /// Nothing.
    None,
    /// The readings of these names.
    Names(BTreeSet<Name>),
}

/// A text that is no name of a reading.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no reading's name: expected `all`, `none`, or names with commas between, such as Vehicle.TraveledDistance,Vehicle.Speed")]
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

/// The names of readings that were asked for and not met yet, with some that were met instead.
#[derive(Clone, Debug, Default)]
pub struct UnmatchedNames {
    /// Asked for, not met.
    pub wanted: BTreeSet<Name>,
    /// Met and not asked for; the first few.
    pub met: BTreeSet<Name>,
}

/// How many names a message lists.
const LISTED: usize = 20;

impl UnmatchedNames {
    /// All that is asked for.
    pub fn of(disclose: &Disclose) -> Self {
        let wanted = match disclose {
            Disclose::Names(names) => names.clone(),
            Disclose::All | Disclose::None => BTreeSet::new(),
        };
        Self { wanted, met: BTreeSet::new() }
    }

    /// The places of the parts of a body that are to be shown.
    pub fn pick(&mut self, names: &BTreeSet<Name>, body: &Body) -> Vec<u32> {
        let mut picked = Vec::new();
        for (place, part) in (0u32..).zip(&body.parts) {
            let Part::Reading(reading) = part else { continue };
            if names.contains(&reading.name) {
                self.wanted.remove(&reading.name);
                picked.push(place);
            } else if !self.wanted.is_empty() && self.met.len() < LISTED {
                self.met.insert(reading.name.clone());
            }
        }
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::{Reading, Source, Text, Value};

    fn span(from: &str, to: &str) -> Span {
        Span {
            from: (!from.is_empty()).then(|| from.parse().unwrap()),
            to: (!to.is_empty()).then(|| to.parse().unwrap()),
        }
    }

    #[test]
    fn days_are_whole_and_times_are_exact() {
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
            let error = text.parse::<Start>().unwrap_err().to_string();
            assert!(error.contains("2027-06-01T12:00:00Z"), "{error}");
        }
    }

    #[test]
    fn what_to_disclose_is_all_nothing_or_names() {
        assert_eq!("all".parse(), Ok(Disclose::All));
        assert_eq!("none".parse(), Ok(Disclose::None));
        let Disclose::Names(names) = "Vehicle.Speed, odo".parse().unwrap() else { panic!() };
        assert_eq!(names.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["Vehicle.Speed", "odo"]);
        for text in ["", "a,,b", ","] {
            assert!(text.parse::<Disclose>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_that_are_not_there_are_known_in_the_end() {
        let reading = |name: &str| {
            Part::Reading(Reading {
                name: name.try_into().unwrap(),
                unit: Text::default(),
                value: Value::Decimal(1u32.into()),
                time: 1,
                source: Source::Sensor,
            })
        };
        let body =
            Body { seed: [1; 32], parts: vec![reading("a"), reading("b"), reading("c")].try_into().unwrap() };
        let disclose: Disclose = "c,a,typo".parse().unwrap();
        let mut missing = UnmatchedNames::of(&disclose);
        let Disclose::Names(names) = &disclose else { panic!() };
        assert_eq!(missing.pick(names, &body), [0, 2]);
        assert_eq!(missing.wanted.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["typo"]);
        assert_eq!(missing.met.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["b"]);
    }
}
