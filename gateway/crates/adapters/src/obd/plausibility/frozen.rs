//! Noticing an odometer that stands still while the vehicle drives. Uses neither I/O nor a clock.

use streembit_primitives::Decimal;

/// The distance after which an odometer that has not moved is taken to be frozen, in metres. Odometers count tenths of a
/// kilometre, some whole kilometres.
pub const FROZEN_AFTER_METRES: u64 = 5_000;
/// The longest time between two cycles over which the speed is taken as constant, in milliseconds. Between cycles that
/// are further apart, the vehicle may have stood still.
const LONGEST_STEP_MS: u64 = 120_000;

/// The distance that the vehicle has driven by its speed since the odometer moved last.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Frozen {
    /// Nothing has been read yet.
    #[default]
    Unknown,
    /// The odometer has this value since so many metres.
    Still {
        /// The value, in km.
        value: Decimal,
        /// The distance driven since, in metres.
        metres: u64,
        /// The last speed, in km/h, and when it was read, in milliseconds.
        last: (u64, i64),
    },
    /// It was reported that the odometer is frozen at this value.
    Reported {
        /// The value, in km.
        value: Decimal,
    },
}

impl Frozen {
    /// Takes the value of a cycle at `now`, in milliseconds, with the speed of the same cycle in km/h. Returns a text if
    /// the odometer has just turned out to be frozen.
    pub fn observe(&mut self, value: Decimal, speed: u64, now: i64) -> Option<String> {
        let still = Self::Still { value, metres: 0, last: (speed, now) };
        match *self {
            Self::Reported { value: before } if before == value => {}
            Self::Still { value: before, metres, last: (earlier, at) } if before == value => {
                let step = u64::try_from(now.saturating_sub(at)).unwrap_or(0);
                // The lower speed of the two: the vehicle may have braked right after the first.
                let driven =
                    if step <= LONGEST_STEP_MS { earlier.min(speed).saturating_mul(step) / 3_600 } else { 0 };
                let metres = metres.saturating_add(driven);
                if metres >= FROZEN_AFTER_METRES {
                    *self = Self::Reported { value };
                    let kilometres = metres / 1_000;
                    return Some(format!(
                        "odometer frozen: it still reads {value} km after the vehicle drove {kilometres} km by its speed"
                    ));
                }
                *self = Self::Still { value, metres, last: (speed, now) };
            }
            _ => *self = still,
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn km(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    /// Observes a value for ten minutes, once a second, and returns what is said and after how many seconds.
    fn ten_minutes(frozen: &mut Frozen, speed: u64, value: impl Fn(i64) -> Decimal) -> Vec<(i64, String)> {
        (0..600)
            .filter_map(|second| {
                frozen.observe(value(second), speed, second * 1_000).map(|text| (second, text))
            })
            .collect()
    }

    #[test]
    fn an_odometer_that_stands_still_at_50_kmh_is_reported_once() {
        let said = ten_minutes(&mut Frozen::default(), 50, |_| km("131190"));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].0 < 600 && said[0].1.contains("131190 km"), "{said:?}");
    }

    #[test]
    fn a_vehicle_that_stands_or_counts_kilometres_is_not_reported() {
        assert!(ten_minutes(&mut Frozen::default(), 0, |_| km("131190")).is_empty());
        let counting = |second: i64| Decimal::from(131_190 + u32::try_from(second / 72).unwrap());
        assert!(ten_minutes(&mut Frozen::default(), 50, counting).is_empty());
    }

    #[test]
    fn an_odometer_that_moves_again_can_be_reported_again() {
        let mut frozen = Frozen::default();
        assert_eq!(ten_minutes(&mut frozen, 50, |_| km("131190")).len(), 1);
        assert_eq!(ten_minutes(&mut frozen, 50, |_| km("131200")).len(), 1);
    }

    #[test]
    fn times_without_cycles_do_not_count() {
        let mut frozen = Frozen::default();
        for hour in 0..48 {
            assert_eq!(frozen.observe(km("131190"), 50, hour * 3_600_000), None);
        }
    }
}
