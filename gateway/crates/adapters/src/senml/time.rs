//! Times of records, which are relative to the gateway's clock or absolute.

use super::number;
use streembit_clock::EARLIEST_CLOCK;
use streembit_primitives::Decimal;

/// The smallest absolute time, in seconds since 1970. Smaller times are relative to now (RFC 8428, section 4.5.3).
pub const ABSOLUTE_FROM: u32 = 1 << 28;
/// The decimal place to which times are rounded before they are added: nanoseconds.
const NANOSECONDS: i8 = -9;

/// The gateway's clock, and how far in the future a reading may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// The time, in milliseconds since 1970.
    pub now: u64,
    /// The highest difference by which an absolute time may be ahead of the clock, in milliseconds.
    pub max_future: u64,
}

/// The time of a record is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TimeError {
    /// The time is before 1970, or too large for a time in milliseconds.
    #[error("the time (bt and t together) is before 1970 or out of range: t is in seconds since 1970, or relative to now")]
    OutOfRange,
    /// Both times are absolute, but they are added.
    #[error("the time is twice as late as meant: bt and t are added, and both are absolute; give t relative to bt")]
    TwiceAbsolute,
    /// The time is in the future.
    #[error(
        "the time (bt and t together) is more than {} s in the future: t is in seconds, not in milliseconds; check the \
         sender's clock and the gateway's",
        .max_future / 1_000
    )]
    Future {
        /// The highest difference to the clock, in milliseconds.
        max_future: u64,
    },
}

impl Clock {
    /// Returns true if the clock shows a time that cannot be right, as without a real-time clock before the network time
    /// is known.
    pub fn is_unset(&self) -> bool {
        self.now < EARLIEST_CLOCK
    }

    /// Returns an error if a time in milliseconds since 1970 is too far in the future. A clock that has not been set is
    /// taken as the earliest right one.
    pub fn ensure_not_future(&self, time: u64) -> Result<u64, TimeError> {
        if time > self.now.max(EARLIEST_CLOCK).saturating_add(self.max_future) {
            return Err(TimeError::Future { max_future: self.max_future });
        }
        Ok(time)
    }

    /// Returns the time of a record from its base time and its time in seconds, in milliseconds since 1970, rounded
    /// down.
    ///
    /// While the clock has not been set, a relative time is valid even if it is before 1970: it becomes 0.
    pub fn resolve(&self, base: Option<Decimal>, own: Option<Decimal>) -> Result<u64, TimeError> {
        let absolute_from = Decimal::from(ABSOLUTE_FROM);
        if base.is_some_and(|base| base >= absolute_from) && own.is_some_and(|own| own >= absolute_from) {
            return Err(TimeError::TwiceAbsolute);
        }
        let rounded = |time: Option<Decimal>| number::to_place(time.unwrap_or_default(), NANOSECONDS);
        let sum = rounded(base).zip(rounded(own)).and_then(|(base, own)| base.checked_add(&own));
        let seconds = sum.ok_or(TimeError::OutOfRange)?;
        let milliseconds = milliseconds(seconds).ok_or(TimeError::OutOfRange)?;
        if seconds >= absolute_from {
            let time = u64::try_from(milliseconds).map_err(|_| TimeError::OutOfRange)?;
            return self.ensure_not_future(time);
        }
        let time = milliseconds.checked_add(i128::from(self.now)).ok_or(TimeError::OutOfRange)?;
        match u64::try_from(time) {
            Ok(time) => Ok(time),
            Err(_) if time < 0 && self.is_unset() => Ok(0),
            Err(_) => Err(TimeError::OutOfRange),
        }
    }
}

/// Converts seconds to milliseconds, rounding down. Returns `None` if the result is out of range.
fn milliseconds(seconds: Decimal) -> Option<i128> {
    let shift = i32::from(seconds.exponent()) + 3;
    let power = 10i128.checked_pow(shift.unsigned_abs())?;
    let mantissa = i128::from(seconds.mantissa());
    if shift < 0 {
        Some(mantissa.div_euclid(power))
    } else {
        mantissa.checked_mul(power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;
    const DAY: u64 = 86_400_000;

    fn resolve(now: u64, base: &str, own: &str) -> Result<u64, TimeError> {
        let seconds = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        Clock { now, max_future: DAY }.resolve(seconds(base), seconds(own))
    }

    #[test]
    fn a_time_in_another_unit_is_refused() {
        let future = TimeError::Future { max_future: DAY };
        for time in ["1593441174505", "1593441174505123", "1700086401"] {
            assert_eq!(resolve(NOW, "", time), Err(future), "{time}");
        }
        assert_eq!(resolve(NOW, "", "1700086400"), Ok(NOW + DAY));
        assert_eq!(resolve(NOW, "1593441174", "1593441175"), Err(TimeError::TwiceAbsolute));
        assert!(future.to_string().contains("86400 s in the future: t is in seconds"));
    }

    #[test]
    fn a_relative_time_is_valid_also_before_the_clock_is_set() {
        assert_eq!(resolve(3_000, "", "-5"), Ok(0));
        assert_eq!(resolve(3_000, "", "-2"), Ok(1_000));
        assert_eq!(resolve(3_000, "", "1700000000"), Err(TimeError::Future { max_future: DAY }));
        assert_eq!(resolve(3_000, "", "1672531200"), Ok(EARLIEST_CLOCK));
        assert_eq!(resolve(NOW, "", "-1700000001"), Err(TimeError::OutOfRange));
    }

    #[test]
    fn times_with_many_digits_are_added() {
        assert_eq!(resolve(NOW, "1593441174.5051234", "0.003333333333333334"), Ok(1_593_441_174_508));
    }
}
