#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod check;
mod period;

pub use check::{ClockCheck, ClockState, EARLIEST_CLOCK, MAX_CLOCK_ERROR};
pub use period::{ParsePeriodEndError, ParsePeriodStartError, PeriodEnd, PeriodStart};

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the current time in milliseconds since the Unix epoch, or 0 if the machine's clock is before the epoch.
pub fn now_ms() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    with_test_offset(now)
}

/// Adds the offset in milliseconds from the file that `STREEMBIT_TEST_CLOCK` names. The file is read at every call, so
/// that a test can let the clock jump. Builds without debug assertions ignore it.
#[cfg(debug_assertions)]
fn with_test_offset(now: u64) -> u64 {
    static FILE: std::sync::OnceLock<Option<std::ffi::OsString>> = std::sync::OnceLock::new();
    let Some(file) = FILE.get_or_init(|| std::env::var_os("STREEMBIT_TEST_CLOCK")) else { return now };
    let offset = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<i64>().ok());
    now.saturating_add_signed(offset.unwrap_or(0))
}

#[cfg(not(debug_assertions))]
fn with_test_offset(now: u64) -> u64 {
    now
}

/// Formats a time in milliseconds since the Unix epoch for people, in UTC and to the second: `2023-11-14 22:13:20Z`.
pub fn show(ms: u64) -> String {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map_or_else(|| format!("{ms} ms"), |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// Formats the day of a time in milliseconds since the Unix epoch for people, in UTC: `2023-11-14`.
pub fn show_day(ms: u64) -> String {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map_or_else(|| format!("{ms} ms"), |time| time.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_utc_and_impossible_times_in_milliseconds() {
        assert_eq!(show(0), "1970-01-01 00:00:00Z");
        assert_eq!(show(1_700_000_000_999), "2023-11-14 22:13:20Z");
        assert_eq!(show(u64::MAX), format!("{} ms", u64::MAX));
        assert_eq!(show_day(1_700_000_000_999), "2023-11-14");
        assert_eq!(show_day(u64::MAX), show(u64::MAX));
    }
}
