//! The readings of one meter in the course of time, with bounded memory.

use super::history::Listed;
use std::collections::BTreeMap;
use streembit_primitives::{
    reading::{Name, Source, Unit},
    units::{self, UnitQuantity},
    Decimal,
};

/// The maximum number of readings that are kept. If there are more, every second one is dropped, again and again.
pub const MAX_POINTS: usize = 4_096;
/// The maximum number of sources that are counted by their name.
const MAX_SOURCES: usize = 16;
/// A rise that is plausible at any time, in kilometres: as in the adapter that reads the odometer.
const SLACK_KM: f64 = 100.0;
/// The highest plausible average speed, in km/h.
const MAX_SPEED_KMH: f64 = 250.0;
/// One hour in milliseconds.
const HOUR: f64 = 3_600_000.0;

/// A reading of the meter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterPoint {
    /// The sequence of the event.
    pub sequence: u64,
    /// The time of the event by its signer's clock, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// When the gateway received the event, in milliseconds since 1970-01-01 UTC.
    pub received: u64,
    /// The value in the unit of the meter.
    pub value: Decimal,
}

/// Two readings that do not fit together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterIrregularity {
    /// What is irregular.
    pub kind: MeterIrregularityKind,
    /// The reading before.
    pub before: MeterPoint,
    /// The reading that does not fit.
    pub found: MeterPoint,
}

/// What is irregular about a reading of a meter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MeterIrregularityKind {
    /// It is lower than the reading before.
    Fell,
    /// It is higher than a vehicle can drive in that time.
    Leapt,
}

/// The readings of a meter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeterHistory {
    /// The name of the reading.
    pub name: Name,
    /// The unit of all values: kilometres if the meter measures a length. `None` if there is no reading.
    pub unit: Option<Unit>,
    /// The readings in the order of the events. If there are very many, an even selection of them.
    pub points: Vec<MeterPoint>,
    /// The number of all readings.
    pub count: u64,
    /// The number of readings in a unit that cannot be converted.
    pub unreadable: u64,
    /// The readings that do not fit.
    pub irregularities: Listed<MeterIrregularity>,
    /// The number of readings by their source.
    pub sources: BTreeMap<Source, u64>,
}

impl MeterHistory {
    /// Returns the first and the last reading.
    pub fn ends(&self) -> Option<(&MeterPoint, &MeterPoint)> {
        self.points.first().zip(self.points.last())
    }

    /// Returns true if the meter counts kilometres.
    pub fn is_distance(&self) -> bool {
        self.unit.as_ref().is_some_and(|unit| unit.as_str() == "km")
    }
}

/// Collects the readings of a meter.
pub struct MeterTrack {
    history: MeterHistory,
    last: Option<MeterPoint>,
    /// Every reading whose number is a multiple of it is kept.
    stride: u64,
}

impl MeterTrack {
    /// Starts to collect the readings with this name.
    pub fn new(name: Name) -> Self {
        let history = MeterHistory {
            name,
            unit: None,
            points: Vec::new(),
            count: 0,
            unreadable: 0,
            irregularities: Listed::default(),
            sources: BTreeMap::new(),
        };
        Self { history, last: None, stride: 1 }
    }

    /// Returns the name of the readings.
    pub fn name(&self) -> &Name {
        &self.history.name
    }

    /// Returns the last reading.
    pub fn last(&self) -> Option<MeterPoint> {
        self.last
    }

    /// Converts a value to the unit of the meter. The first reading decides on the unit. A value that cannot be converted
    /// is counted, and `None` is returned.
    pub fn convert(&mut self, value: Decimal, unit: &Unit) -> Option<Decimal> {
        let target = self.history.unit.get_or_insert_with(|| unit_of_meter(unit));
        if target == unit {
            return Some(value);
        }
        let converted = units::convert(value, unit, target).ok();
        if converted.is_none() {
            self.history.unreadable = self.history.unreadable.saturating_add(1);
        }
        converted
    }

    /// Adds a reading, whose value is converted.
    pub fn add(&mut self, point: MeterPoint, source: &Source) {
        if let Some(before) = self.last {
            if let Some(kind) = self.judge(&before, &point) {
                self.history.irregularities.push(MeterIrregularity { kind, before, found: point });
            }
        }
        self.last = Some(point);
        self.count_source(source);
        if self.history.count.is_multiple_of(self.stride) {
            if self.history.points.len() >= MAX_POINTS {
                self.thin_out();
            }
            // The stride may have changed just now.
            if self.history.count.is_multiple_of(self.stride) {
                self.history.points.push(point);
            }
        }
        self.history.count = self.history.count.saturating_add(1);
    }

    /// Returns the readings.
    pub fn finish(mut self) -> MeterHistory {
        if self.history.points.last() != self.last.as_ref() {
            self.history.points.extend(self.last);
        }
        self.history
    }

    fn judge(&self, before: &MeterPoint, found: &MeterPoint) -> Option<MeterIrregularityKind> {
        if found.value < before.value {
            return Some(MeterIrregularityKind::Fell);
        }
        let hours = found.time.saturating_sub(before.time) as f64 / HOUR;
        let rise = to_f64(&found.value) - to_f64(&before.value);
        let leapt = self.history.is_distance() && rise > SLACK_KM + MAX_SPEED_KMH * hours;
        leapt.then_some(MeterIrregularityKind::Leapt)
    }

    fn count_source(&mut self, source: &Source) {
        let sources = &mut self.history.sources;
        if sources.len() < MAX_SOURCES || sources.contains_key(source) {
            let count = sources.entry(source.clone()).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Drops every second reading.
    fn thin_out(&mut self) {
        let mut number = 0u64;
        self.history.points.retain(|_| {
            number = number.saturating_add(1);
            !number.is_multiple_of(2)
        });
        self.stride = self.stride.saturating_mul(2);
    }
}

/// Returns kilometres for a length, and the unit itself for everything else.
fn unit_of_meter(unit: &Unit) -> Unit {
    match units::quantity(unit) {
        Ok(UnitQuantity::Length) => Unit::try_from("km").unwrap_or_default(),
        _ => unit.clone(),
    }
}

/// Returns a value for drawing and for rough comparisons.
pub fn to_f64(value: &Decimal) -> f64 {
    value.mantissa() as f64 * 10f64.powi(value.exponent().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3_600_000;

    fn track(values: &[(u64, &str, &str)]) -> MeterHistory {
        let mut track = MeterTrack::new("Vehicle.TraveledDistance".parse().unwrap());
        for (sequence, (days, value, unit)) in (0u64..).zip(values) {
            let Some(value) = track.convert(value.parse().unwrap(), &unit.parse().unwrap()) else { continue };
            let time = days * DAY;
            track.add(MeterPoint { sequence, time, received: time, value }, &"obd:01A6".parse().unwrap());
        }
        track.finish()
    }

    #[test]
    fn lengths_become_kilometres_and_other_units_are_counted() {
        let meter = track(&[(0, "47000000", "m"), (1, "47010", "km"), (2, "29300", "mi"), (3, "5", "Cel")]);
        let values: Vec<_> = meter.points.iter().map(|point| point.value.to_string()).collect();
        assert_eq!(values, ["47000", "47010", "47153.7792"]);
        assert_eq!((meter.unreadable, meter.is_distance()), (1, true));
    }

    #[test]
    fn a_fall_and_a_leap_are_irregular() {
        let meter = track(&[
            (0, "50000", "km"),
            (1, "49999.9", "km"),
            (2, "56099", "km"),
            (2, "56200", "km"),
            (3, "62301", "km"),
        ]);
        let found: Vec<_> =
            meter.irregularities.iter().map(|found| (found.kind, found.found.sequence)).collect();
        // 6,100 km in a day are the most that is plausible.
        assert_eq!(
            found,
            [
                (MeterIrregularityKind::Fell, 1),
                (MeterIrregularityKind::Leapt, 3),
                (MeterIrregularityKind::Leapt, 4)
            ]
        );
    }

    #[test]
    fn very_many_readings_are_thinned_out_evenly() {
        let mut track = MeterTrack::new("km".parse().unwrap());
        let count = 5 * MAX_POINTS as u64 + 3;
        for sequence in 0..count {
            let value = track.convert(Decimal::from(sequence as u32), &"km".parse().unwrap()).unwrap();
            let point = MeterPoint { sequence, time: sequence * DAY, received: 0, value };
            track.add(point, &"test".parse().unwrap());
        }
        let meter = track.finish();
        assert_eq!((meter.count, meter.irregularities.total()), (count, 0));
        assert!(meter.points.len() <= MAX_POINTS + 1, "{}", meter.points.len());
        assert!(meter.points.len() > MAX_POINTS / 2, "{}", meter.points.len());
        let (first, last) = meter.ends().unwrap();
        assert_eq!((first.sequence, last.sequence), (0, count - 1));
        let steps: Vec<_> = meter.points.windows(2).map(|pair| pair[1].sequence - pair[0].sequence).collect();
        assert!(steps[..steps.len() - 1].iter().all(|step| *step == steps[0]), "{steps:?}");
    }

    #[test]
    fn the_number_of_sources_is_bounded() {
        let mut track = MeterTrack::new("km".parse().unwrap());
        for number in 0..100u64 {
            let point = MeterPoint { sequence: number, time: 0, received: 0, value: Decimal::ZERO };
            track.add(point, &format!("s{number}").parse().unwrap());
        }
        assert_eq!(track.finish().sources.len(), MAX_SOURCES);
    }
}
