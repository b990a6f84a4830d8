//! How values are written in a draft of a contract.

use std::{fmt, str::FromStr};
use streembit_primitives::Decimal;

/// The units of a length of time, longest first, with their milliseconds.
const TIME_UNITS: [(&str, u64); 5] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)];

/// A length of time in milliseconds, written as `30 d`, `12 min` or `1 h 30 min`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Span(pub u64);

/// A text is not a length of time.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not a length of time: write whole numbers with the units w, d, h, min or s, such as \"30 d\" or \"1 h 30 min\"")]
pub struct ParseSpanError(String);

impl FromStr for Span {
    type Err = ParseSpanError;

    fn from_str(text: &str) -> Result<Self, ParseSpanError> {
        parse_span(text).map(Self).ok_or_else(|| ParseSpanError(text.to_owned()))
    }
}

fn parse_span(text: &str) -> Option<u64> {
    let words: Vec<_> = text.split_whitespace().collect();
    if words.is_empty() {
        return None;
    }
    words.chunks(2).try_fold(0u64, |sum, pair| {
        let [number, unit] = pair else { return None };
        let (_, milliseconds) = TIME_UNITS.iter().find(|(name, _)| name == unit)?;
        sum.checked_add(number.parse::<u64>().ok()?.checked_mul(*milliseconds)?)
    })
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Weeks are accepted but not shown: "14 d" says the same.
        let mut rest = self.0;
        let mut parts = Vec::new();
        for (name, milliseconds) in TIME_UNITS.iter().skip(1) {
            let count = rest.checked_div(*milliseconds).unwrap_or_default();
            if count > 0 {
                parts.push(format!("{count} {name}"));
            }
            rest = rest.checked_rem(*milliseconds).unwrap_or_default();
        }
        if rest > 0 {
            parts.push(format!("{rest} ms"));
        }
        f.pad(&if parts.is_empty() { "0 s".into() } else { parts.join(" ") })
    }
}

/// Returns the text of a value in TOML. Floats are refused, because they are not exact.
pub(super) fn text_of(value: toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(whole) => Ok(whole.to_string()),
        toml::Value::Float(float) => {
            Err(format!("a number with a fraction must be in quotes to be exact: \"{float}\""))
        }
        other => Err(format!("expected a text or a number, not a {}", other.type_str())),
    }
}

/// Formats a decimal for people: with a separator for thousands.
pub fn show_number(value: &Decimal) -> String {
    let text = value.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(a, b)| (a, Some(b)));
    let mut grouped = String::with_capacity(text.len().saturating_add(8));
    for (at, digit) in whole.chars().enumerate() {
        let left = whole.len().saturating_sub(at);
        if at > 0 && left.checked_rem(3) == Some(0) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match fraction {
        Some(fraction) => format!("{sign}{grouped}.{fraction}"),
        None => format!("{sign}{grouped}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_shown() {
        for (text, shown) in [
            ("30 d", "30 d"),
            ("2 w", "14 d"),
            ("90 min", "1 h 30 min"),
            ("1 h 30 min", "1 h 30 min"),
            ("0 s", "0 s"),
            ("86400 s", "1 d"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string(), shown, "{text}");
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
        for text in ["", "30", "d", "30d", "-1 d", "1.5 h", "1 month", "99999999999999999999 d", "1 d 2"] {
            let error = text.parse::<Span>().unwrap_err().to_string();
            assert!(error.contains("30 d"), "{text}: {error}");
        }
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (value, shown) in [
            ("15000", "15,000"),
            ("0", "0"),
            ("999", "999"),
            ("-1234567.25", "-1,234,567.25"),
            ("0.5", "0.5"),
        ] {
            assert_eq!(show_number(&value.parse().unwrap()), shown);
        }
    }

    #[test]
    fn floats_are_refused_because_they_are_not_exact() {
        assert_eq!(text_of(toml::Value::Integer(7)).unwrap(), "7");
        assert!(text_of(toml::Value::Float(0.5)).unwrap_err().contains("in quotes"));
        assert!(text_of(toml::Value::Boolean(true)).unwrap_err().contains("boolean"));
    }
}
