//! Values of the configuration that carry their own rules, so that an error has the value's line.

use serde::{de::Error as _, Deserialize, Deserializer};

/// A whole number above zero.
pub(super) fn above_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    check_above_zero(u64::deserialize(deserializer)?).map_err(D::Error::custom)
}

pub(super) fn check_above_zero(number: u64) -> Result<u64, String> {
    if number == 0 {
        return Err("0 would never end: expected a whole number above 0".into());
    }
    Ok(number)
}
