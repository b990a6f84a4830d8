//! Where a period begins and ends, as people write it: by the day, or exactly.

use std::{fmt, str::FromStr};

/// A beginning, in milliseconds since 1970-01-01 UTC; the moment itself is inside.
///
/// Written as a day (`2027-06-01`), from its beginning in UTC; or as an exact time (`2027-06-01T12:00:00Z`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Start(pub u64);

/// A text that is neither a day nor a time.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no beginning: expected a day such as 2027-06-01 (from its start, UTC) or a time such as 2027-06-01T12:00:00Z")]
pub struct ParseStartError(String);

impl FromStr for Start {
    type Err = ParseStartError;

    fn from_str(text: &str) -> Result<Self, ParseStartError> {
        let refused = || ParseStartError(text.to_owned());
        let start = match text.parse::<jiff::civil::Date>() {
            // A date parses from the beginning of a time, too: those are meant exactly.
            Ok(day) if text.len() == "2027-06-01".len() => {
                day.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| refused())?.timestamp()
            }
            _ => text.parse::<jiff::Timestamp>().map_err(|_| refused())?,
        };
        u64::try_from(start.as_millisecond()).map(Self).map_err(|_| refused())
    }
}

/// The end of a period, in milliseconds since 1970-01-01 UTC; the moment itself is outside.
///
/// Written as a day (`2027-06-30`), which is the last one, to its end in UTC; or as an exact time
/// (`2027-06-30T12:00:00Z`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct End(pub u64);

/// A text that is neither a day nor a time.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no end: expected a day such as 2027-06-30 (the last one, UTC) or a time such as 2027-06-30T12:00:00Z")]
pub struct ParseEndError(String);

impl FromStr for End {
    type Err = ParseEndError;

    fn from_str(text: &str) -> Result<Self, ParseEndError> {
        let refused = || ParseEndError(text.to_owned());
        let end = match text.parse::<jiff::civil::Date>() {
            // A date parses from the beginning of a time, too: those are meant exactly.
            Ok(day) if text.len() == "2027-06-30".len() => day
                .tomorrow()
                .and_then(|next| next.to_zoned(jiff::tz::TimeZone::UTC))
                .map(|start| start.timestamp())
                .map_err(|_| refused())?,
            _ => text.parse::<jiff::Timestamp>().map_err(|_| refused())?,
        };
        u64::try_from(end.as_millisecond()).map(Self).map_err(|_| refused())
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = i64::try_from(self.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        match time {
            Some(time) => time.fmt(f),
            None => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_last_one_and_a_time_is_exact() {
        let end = |text: &str| text.parse::<End>().unwrap();
        assert_eq!(end("2027-06-30"), end("2027-07-01T00:00:00Z"));
        assert_eq!(end("2027-06-30T12:00:00Z").0, 1_814_356_800_000);
        assert_eq!(end("2027-06-30T14:00:00+02:00"), end("2027-06-30T12:00:00Z"));
        assert_eq!(end("2027-06-30T12:00:00.250Z").to_string(), "2027-06-30T12:00:00.25Z");
        assert_eq!(end(&end("2027-06-30").to_string()), end("2027-06-30"));
    }

    #[test]
    fn what_is_no_end_is_refused() {
        for text in ["", "2027", "30.06.2027", "2027-02-30", "1969-01-01", "tomorrow", "2027-06-30T12:00:00"]
        {
            let error = text.parse::<End>().unwrap_err().to_string();
            assert!(error.contains("2027-06-30T12:00:00Z"), "{text}: {error}");
        }
    }
}
