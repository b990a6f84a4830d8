//! Validation of single values. It runs during deserialization so that an error has a line number.

use serde::{de::Error as _, Deserialize, Deserializer};

/// Deserializes a whole number above zero.
pub(super) fn above_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    ensure_above_zero(u64::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Returns `number`, or an error if it is zero.
pub(super) fn ensure_above_zero(number: u64) -> Result<u64, String> {
    if number == 0 {
        return Err("0 is not allowed: expected a whole number above 0".into());
    }
    Ok(number)
}
