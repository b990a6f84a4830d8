//! Meters: what is plausible, and when a service is due.

use crate::{
    contract::{
        evaluate::Rounding,
        state::{IrregularityKind, ProvenPoint, Served, ServiceDue},
        Meter, ServiceClause,
    },
    Decimal,
};

/// A day in milliseconds.
const DAY: u64 = 24 * 60 * 60 * 1_000;

/// Returns what is irregular about a reading of a meter after `last`, the last regular one.
///
/// A meter never falls, and in each day that has begun it rises by at most [`Meter::max_per_day`]. See also
/// [`irregularity_in_window`].
pub fn irregularity(meter: &Meter, last: &ProvenPoint, found: &ProvenPoint) -> Option<IrregularityKind> {
    if found.time < last.time {
        return Some(IrregularityKind::TimeWentBack);
    }
    if found.value < last.value {
        return Some(IrregularityKind::Fell);
    }
    leaps(meter, last, found).then_some(IrregularityKind::Leapt)
}

/// Returns what is irregular about a reading of a meter after `last`, the last regular one, if the current day of the meter
/// began at `window`.
///
/// A day has begun between any two readings, also if they are a millisecond apart. Many readings in a short time could
/// therefore rise by any distance, if each was only compared with the one before it.
pub fn irregularity_in_window(
    meter: &Meter,
    window: &ProvenPoint,
    last: &ProvenPoint,
    found: &ProvenPoint,
) -> Option<IrregularityKind> {
    let leapt = || leaps(meter, window, found).then_some(IrregularityKind::Leapt);
    irregularity(meter, last, found).or_else(leapt)
}

/// Returns true if a meter rose by more than it plausibly can since a reading: by [`Meter::max_per_day`] in each day that has
/// begun.
pub fn leaps(meter: &Meter, from: &ProvenPoint, found: &ProvenPoint) -> bool {
    let plausible = most_in(meter, days_between(from, found).saturating_add(1));
    match (found.value.checked_sub(&from.value), plausible) {
        (Some(rise), Some(plausible)) => rise > plausible,
        // If the plausible rise does not fit into a decimal, no reading is above it.
        (Some(_), None) => false,
        (None, _) => found.value > from.value,
    }
}

/// Returns where the current day of a meter began after a regular reading, if the day before it began at `window`.
///
/// Its value is what the meter can plausibly have had then, so that a rise that was not used in one day does not add to
/// the next one. A meter that fell, because it was replaced, begins anew.
pub fn next_window(meter: &Meter, window: &ProvenPoint, found: &ProvenPoint) -> ProvenPoint {
    if found.value < window.value {
        return *found;
    }
    let days = days_between(window, found);
    let time = window.time.saturating_add(days.saturating_mul(DAY));
    let most = most_in(meter, days).and_then(|rise| window.value.checked_add(&rise));
    let value = most.map_or(found.value, |most| most.min(found.value));
    ProvenPoint { time, value, ..*found }
}

fn days_between(from: &ProvenPoint, to: &ProvenPoint) -> u64 {
    to.time.saturating_sub(from.time).checked_div(DAY).unwrap_or(0)
}

/// Returns how much a meter can plausibly rise in a number of days, or `None` if that does not fit into a decimal.
fn most_in(meter: &Meter, days: u64) -> Option<Decimal> {
    let days = Decimal::from(u32::try_from(days).unwrap_or(u32::MAX));
    meter.max_per_day.mul_div(&days, &Decimal::from(1), 9, Rounding::Up)
}

/// Returns when the next service is due, or `None` if a due point does not fit.
///
/// `served` is the last service that stands. The intervals count from there, or from the starts that the clause names. The
/// service is due as soon as the meter or the time has reached its due point. Without a reading, the meter has not.
pub fn service_due(
    clause: &ServiceClause,
    served: Option<&Served>,
    meter: Option<Decimal>,
    now: u64,
) -> Option<ServiceDue> {
    let at_meter = match &clause.by_meter {
        None => None,
        Some(interval) => {
            let from = served.and_then(|served| served.meter).unwrap_or(interval.from);
            Some(from.checked_add(&interval.every)?)
        }
    };
    let at_time = match &clause.by_time {
        None => None,
        Some(interval) => {
            let done = served.filter(|served| served.is_done());
            let from = done.map_or(interval.from, |served| served.time);
            Some(from.checked_add(interval.every)?)
        }
    };
    let by_meter = at_meter.zip(meter).is_some_and(|(due, meter)| meter >= due);
    let is_due = by_meter || at_time.is_some_and(|due| now >= due);
    Some(ServiceDue { at_meter, at_time, is_due })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{contract::Interval, DeviceId, Hash, PartyId};

    fn meter() -> Meter {
        Meter {
            name: "Vehicle.TraveledDistance".parse().unwrap(),
            unit: "km".parse().unwrap(),
            max_per_day: Decimal::from(2_000),
        }
    }

    fn point(time: u64, value: u32) -> ProvenPoint {
        ProvenPoint { sequence: 1, time, value: value.into() }
    }

    #[test]
    fn a_meter_rises_plausibly() {
        let last = point(DAY, 47_000);
        let found = |time, value| irregularity(&meter(), &last, &point(time, value));
        assert_eq!(found(DAY, 47_000), None);
        assert_eq!(found(DAY + 1, 49_000), None);
        assert_eq!(found(DAY + 1, 49_001), Some(IrregularityKind::Leapt));
        assert_eq!(found(2 * DAY, 51_000), None);
        assert_eq!(found(2 * DAY, 51_001), Some(IrregularityKind::Leapt));
        assert_eq!(found(2 * DAY, 46_999), Some(IrregularityKind::Fell));
        assert_eq!(found(DAY - 1, 47_001), Some(IrregularityKind::TimeWentBack));
    }

    #[test]
    fn many_readings_in_a_short_time_rise_no_further_than_one() {
        let (meter, mut window, mut last) = (meter(), point(DAY, 0), point(DAY, 0));
        let mut found = |time, value| {
            let found = point(time, value);
            let kind = irregularity_in_window(&meter, &window, &last, &found);
            if kind.is_none() {
                (window, last) = (next_window(&meter, &window, &found), found);
            }
            kind
        };
        assert_eq!(found(DAY + 1, 2_000), None);
        assert_eq!(found(DAY + 2, 2_001), Some(IrregularityKind::Leapt));
        // At most one day more than those that have passed.
        assert_eq!(found(2 * DAY, 4_000), None);
        assert_eq!(found(2 * DAY + 1, 4_001), Some(IrregularityKind::Leapt));
        assert_eq!(found(3 * DAY - 1, 4_000), None);
        // A rise that is not used does not add up.
        assert_eq!(found(100 * DAY, 4_100), None);
        assert_eq!(found(100 * DAY + 1, 6_101), Some(IrregularityKind::Leapt));
        assert_eq!(found(100 * DAY + 1, 6_100), None);
    }

    #[test]
    fn a_replaced_meter_begins_a_day_anew() {
        let found = point(DAY + 1, 5);
        assert_eq!(next_window(&meter(), &point(DAY, 47_000), &found), found);
    }

    #[test]
    fn the_extremes_are_leaps_and_do_not_overflow() {
        let huge = ProvenPoint { value: Decimal::new(i64::MAX, 18).unwrap(), ..point(u64::MAX, 0) };
        let low = ProvenPoint { value: Decimal::new(i64::MIN, 18).unwrap(), ..point(0, 0) };
        assert_eq!(irregularity(&meter(), &point(0, 0), &huge), Some(IrregularityKind::Leapt));
        assert_eq!(irregularity(&meter(), &low, &huge), Some(IrregularityKind::Leapt));
    }

    fn clause(by_meter: Option<u32>, by_time: Option<u64>) -> ServiceClause {
        ServiceClause {
            subject: Hash::ZERO,
            device: DeviceId([3; 32]),
            meter: Some(meter()),
            by_meter: by_meter.map(|every| Interval { from: 10_000.into(), every: every.into() }),
            by_time: by_time.map(|every| Interval { from: 1_000, every }),
            provider: PartyId([1; 32]),
            customer: PartyId([2; 32]),
        }
    }

    #[test]
    fn a_service_is_due_by_what_comes_first() {
        let due = |meter: Option<u32>, now| {
            service_due(&clause(Some(15_000), Some(500)), None, meter.map(Decimal::from), now).unwrap()
        };
        let neither = due(Some(24_999), 1_499);
        assert_eq!((neither.at_meter, neither.at_time), (Some(25_000.into()), Some(1_500)));
        assert!(!neither.is_due && !due(None, 1_499).is_due);
        assert!(due(Some(25_000), 0).is_due && due(None, 1_500).is_due);
    }

    #[test]
    fn the_interval_counts_from_the_last_service() {
        let served = Served { meter: Some(24_000.into()), time: 9_000 };
        let due = service_due(&clause(Some(15_000), Some(500)), Some(&served), None, 9_499).unwrap();
        assert_eq!((due.at_meter, due.at_time, due.is_due), (Some(39_000.into()), Some(9_500), false));
    }

    #[test]
    fn before_the_first_service_a_replaced_meter_moves_only_the_start_of_its_interval() {
        let start = Served { meter: Some(500.into()), time: 0 };
        let due = service_due(&clause(Some(15_000), Some(500)), Some(&start), None, 0).unwrap();
        assert_eq!((due.at_meter, due.at_time), (Some(15_500.into()), Some(1_500)));
    }

    #[test]
    fn a_due_point_that_does_not_fit_is_none() {
        let mut huge = clause(Some(1), None);
        huge.by_meter =
            Some(Interval { from: Decimal::new(1, 18).unwrap(), every: Decimal::new(1, -18).unwrap() });
        assert_eq!(service_due(&huge, None, None, 0), None);
        assert_eq!(service_due(&clause(None, Some(u64::MAX)), None, None, 0), None);
    }
}
