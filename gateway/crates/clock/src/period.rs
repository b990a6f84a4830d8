//! The start and end of a period as people write them: a day or an exact time.

use jiff::{civil::Date, tz::TimeZone, Timestamp};
use std::{fmt, str::FromStr};

/// The length of a day such as `2027-06-01`.
const DAY_LENGTH: usize = 10;

/// The start of a period, in milliseconds since the Unix epoch. The period includes this moment.
///
/// Parses a day (`2027-06-01`), which means its first moment in UTC, or an exact time (`2027-06-01T12:00:00Z`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PeriodStart(pub u64);

/// The text is neither a day nor a time.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not the start of a period: write a day such as 2027-06-01 (from its start, UTC) or a time such as 2027-06-01T12:00:00Z")]
pub struct ParsePeriodStartError(String);

impl FromStr for PeriodStart {
    type Err = ParsePeriodStartError;

    fn from_str(text: &str) -> Result<Self, ParsePeriodStartError> {
        parse(text, Some).map(Self).ok_or_else(|| ParsePeriodStartError(text.to_owned()))
    }
}

/// The end of a period, in milliseconds since the Unix epoch. The period excludes this moment.
///
/// Parses a day (`2027-06-30`), which is the last day of the period in UTC, or an exact time (`2027-06-30T12:00:00Z`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PeriodEnd(pub u64);

/// The text is neither a day nor a time.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not the end of a period: write a day such as 2027-06-30 (the last day, UTC) or a time such as 2027-06-30T12:00:00Z")]
pub struct ParsePeriodEndError(String);

impl FromStr for PeriodEnd {
    type Err = ParsePeriodEndError;

    fn from_str(text: &str) -> Result<Self, ParsePeriodEndError> {
        let next_day = |day: Date| day.tomorrow().ok();
        parse(text, next_day).map(Self).ok_or_else(|| ParsePeriodEndError(text.to_owned()))
    }
}

impl fmt::Display for PeriodEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = i64::try_from(self.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        match time {
            Some(time) => time.fmt(f),
            None => write!(f, "{} ms", self.0),
        }
    }
}

/// Parses a time, or a day. A day stands for the first moment of `day_of(day)` in UTC.
fn parse(text: &str, day_of: impl FnOnce(Date) -> Option<Date>) -> Option<u64> {
    let time = match text.parse::<Date>() {
        // `Date` also parses the beginning of an exact time, which the length excludes here.
        Ok(day) if text.len() == DAY_LENGTH => day_of(day)?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
        _ => text.parse::<Timestamp>().ok()?,
    };
    u64::try_from(time.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_day_begins_and_an_end_day_ends_in_utc() {
        let start = |text: &str| text.parse::<PeriodStart>().unwrap().0;
        let end = |text: &str| text.parse::<PeriodEnd>().unwrap().0;
        assert_eq!(start("2027-06-30"), start("2027-06-30T00:00:00Z"));
        assert_eq!(end("2027-06-30"), end("2027-07-01T00:00:00Z"));
    }

    #[test]
    fn a_time_is_exact() {
        let end = |text: &str| text.parse::<PeriodEnd>().unwrap();
        assert_eq!(end("2027-06-30T12:00:00Z").0, 1_814_356_800_000);
        assert_eq!(end("2027-06-30T14:00:00+02:00"), end("2027-06-30T12:00:00Z"));
        assert_eq!(end("2027-06-30T12:00:00.250Z").to_string(), "2027-06-30T12:00:00.25Z");
        assert_eq!(end(&end("2027-06-30").to_string()), end("2027-06-30"));
    }

    #[test]
    fn the_error_for_other_texts_shows_an_example() {
        for text in ["", "2027", "30.06.2027", "2027-02-30", "1969-01-01", "tomorrow", "2027-06-30T12:00:00"]
        {
            let error = text.parse::<PeriodEnd>().unwrap_err().to_string();
            assert!(error.contains("2027-06-30T12:00:00Z"), "{text}: {error}");
        }
    }
}
