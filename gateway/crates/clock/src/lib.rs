#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod period;

pub use period::{End, ParseEndError, ParseStartError, Start};

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC; 0 on a machine whose clock stands before that.
pub fn now_ms() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    jumped(now)
}

/// A clock that a test has jump: the file that `STREEMBIT_TEST_CLOCK` names says by how many milliseconds, at every
/// look. Builds without debug assertions have none.
#[cfg(debug_assertions)]
fn jumped(now: u64) -> u64 {
    static FILE: std::sync::OnceLock<Option<std::ffi::OsString>> = std::sync::OnceLock::new();
    let Some(file) = FILE.get_or_init(|| std::env::var_os("STREEMBIT_TEST_CLOCK")) else { return now };
    let by = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<i64>().ok());
    now.saturating_add_signed(by.unwrap_or(0))
}

#[cfg(not(debug_assertions))]
fn jumped(now: u64) -> u64 {
    now
}

/// A time in milliseconds since 1970-01-01 UTC as people read it (RFC 3339, UTC, to the second).
pub fn show(ms: u64) -> String {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map_or_else(|| format!("{ms} ms"), |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_times_that_exist_and_those_that_do_not() {
        assert_eq!(show(0), "1970-01-01 00:00:00Z");
        assert_eq!(show(1_700_000_000_999), "2023-11-14 22:13:20Z");
        assert_eq!(show(u64::MAX), format!("{} ms", u64::MAX));
    }
}
