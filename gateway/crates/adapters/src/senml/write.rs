//! Writing readings as SenML.

use super::{time::ABSOLUTE_FROM, units};
use serde::{
    ser::{SerializeMap, SerializeSeq},
    Serialize, Serializer,
};
use serde_json::value::RawValue;
use streembit_primitives::{Reading, Value};

/// A reading is too old for SenML, which treats such a time as relative.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a reading has the time {0} ms since 1970, but SenML cannot express absolute times before July 1978")]
pub struct TooEarlyError(pub(super) u64);

/// Formats readings as one pack on one line. Numbers are exact. The readings' sources are left out, because SenML has
/// no field for them.
pub fn write(readings: &[Reading]) -> Result<String, TooEarlyError> {
    if let Some(early) = readings.iter().find(|reading| reading.time < u64::from(ABSOLUTE_FROM) * 1_000) {
        return Err(TooEarlyError(early.time));
    }
    // Serializing texts, booleans and numbers under fixed keys into a String cannot fail.
    Ok(serde_json::to_string(&PackOut(readings)).unwrap_or_default())
}

/// Serializes readings as a pack.
struct PackOut<'a>(&'a [Reading]);

impl Serialize for PackOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pack = serializer.serialize_seq(Some(self.0.len()))?;
        let has_secondary = self.0.iter().any(|reading| units::is_secondary(reading.unit.as_str()));
        let mut version = has_secondary.then_some(units::VERSION_WITH_SECONDARY_UNITS);
        for reading in self.0 {
            pack.serialize_element(&RecordOut { reading, version: version.take() })?;
        }
        pack.end()
    }
}

/// Serializes a reading as a record, with the version of the format if it is not the usual one.
struct RecordOut<'a> {
    reading: &'a Reading,
    version: Option<u64>,
}

impl Serialize for RecordOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let exact = |decimal: String| RawValue::from_string(decimal).map_err(serde::ser::Error::custom);
        let Reading { name, unit, value, time, source: _ } = self.reading;
        let mut record = serializer.serialize_map(None)?;
        if let Some(version) = self.version {
            record.serialize_entry("bver", &version)?;
        }
        record.serialize_entry("n", name)?;
        if !unit.as_str().is_empty() {
            record.serialize_entry("u", unit)?;
        }
        record.serialize_entry("t", &exact(seconds(*time))?)?;
        match value {
            Value::Decimal(value) => record.serialize_entry("v", &exact(value.to_string())?)?,
            Value::Text(value) => record.serialize_entry("vs", value)?,
            Value::Boolean(value) => record.serialize_entry("vb", value)?,
        }
        record.end()
    }
}

/// Formats milliseconds as seconds, such as `1700000000.5`.
fn seconds(milliseconds: u64) -> String {
    let text = format!("{}.{:03}", milliseconds / 1_000, milliseconds % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
