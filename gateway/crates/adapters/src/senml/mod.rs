//! Converts SenML packs in JSON (RFC 8428) to readings and back.
//!
//! - A field that appears twice, has the wrong type or is too long is an error that names the record and the field.
//! - Unknown fields are ignored, as the RFC requires, unless their name ends in `_`, which means "must be understood".
//! - Numbers are read digit by digit and never converted to floating point, so the logged value is exactly the
//!   written one.
//! - Sums (`s`, `bs`) are rejected because they are not readings of one moment. Binary values (`vd`) are rejected
//!   because a reading has no type for them.
//! - Update times (`ut`) are checked and discarded.
//! - A record with nothing but base fields sets them and yields no reading.

use serde::{
    de::{MapAccess, Visitor},
    ser::{SerializeMap, SerializeSeq},
    Deserialize, Deserializer, Serialize, Serializer,
};
use serde_json::value::RawValue;
use std::fmt;
use streembit_primitives::{
    body::MAX_PARTS,
    decimal::DecimalError,
    reading::{GrammarError, Name, Unit},
    text::TextLengthError,
    Decimal, Reading, Source, Text, Value,
};

/// The smallest absolute time, in seconds since 1970. Smaller times are relative to now (RFC 8428, section 4.5.3).
const ABSOLUTE_FROM: u32 = 1 << 28;
/// The version of the format.
const VERSION: u32 = 10;

/// A pack is invalid.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SenmlError {
    /// The text is not a JSON array.
    #[error("not a SenML pack, which is a JSON array of records such as [{{\"n\":\"temperature\",\"v\":21.5}}]: {0}")]
    NotAPack(String),
    /// The pack has no record with a value.
    #[error("the pack has no reading: give at least one record a value (v, vs or vb)")]
    Empty,
    /// The pack has more readings than fit into one event.
    #[error("the pack has {0} readings, but an event holds at most {MAX_PARTS}: split the pack")]
    TooMany(usize),
    /// A record is invalid as a whole.
    #[error("record {record}: {problem}")]
    Record {
        /// The number of the record, from 1.
        record: usize,
        /// The problem.
        problem: RecordProblem,
    },
    /// A field is invalid.
    #[error("record {record}, field {field:?}: {problem}")]
    Field {
        /// The number of the record, from 1.
        record: usize,
        /// The name of the field.
        field: String,
        /// The problem.
        problem: FieldProblem,
    },
}

/// A problem of a record as a whole.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordProblem {
    /// The record is another kind of JSON value.
    #[error("not a JSON object: {0}")]
    NotAnObject(String),
    /// The record has no value.
    #[error("no value: add one of v (number), vs (text) or vb (true or false)")]
    NoValue,
    /// The record has several values.
    #[error("more than one value: keep one of v, vs or vb")]
    Values,
    /// The record has no name, and no base name is in force.
    #[error("no name: add n, or add bn to this or an earlier record")]
    NoName,
    /// The name is not one of a reading.
    #[error("the name {name:?} (bn and n together): {problem}")]
    Name {
        /// The beginning of the name.
        name: String,
        /// The problem.
        problem: GrammarError,
    },
    /// The sum of the base time and the time is out of range.
    #[error("the time (bt and t together) is before 1970 or too far in the future")]
    Time,
    /// The sum of the base value and the value is out of range.
    #[error("the sum of bv and v is out of range: at most 18 digits are allowed")]
    Sum,
}

/// A problem of one field.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FieldProblem {
    /// The field is given twice.
    #[error("given twice")]
    Twice,
    /// The field is unknown, and its name says that it must be understood.
    #[error("unknown, and it must not be ignored because its name ends in _")]
    Unknown,
    /// Readings cannot represent the field.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The value has another type.
    #[error("expected {0}")]
    Type(&'static str),
    /// The number does not fit into a reading.
    #[error("{0}")]
    Number(DecimalError),
    /// The text does not fit into a reading.
    #[error("{0}")]
    TooLong(TextLengthError),
    /// The unit does not fit the grammar of units.
    #[error("{0}")]
    Unit(GrammarError),
    /// The version of the format is unknown.
    #[error("unknown version of the format: use {VERSION}, or leave it out")]
    Version,
}

/// Parses one pack. Relative times are relative to `now`, in milliseconds since 1970.
pub fn read(text: &str, now: u64) -> Result<Vec<Reading>, SenmlError> {
    let records: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|error| SenmlError::NotAPack(error.to_string()))?;
    let mut base = Base::default();
    let mut readings = Vec::new();
    for (number, raw) in (1usize..).zip(records) {
        let in_record = |problem| SenmlError::Record { record: number, problem };
        let fields: Fields<'_> = serde_json::from_str(raw.get())
            .map_err(|error| in_record(RecordProblem::NotAnObject(error.to_string())))?;
        let record = Record::new(&fields).map_err(|(field, problem)| SenmlError::Field {
            record: number,
            field,
            problem,
        })?;
        base.update(&record);
        readings.extend(base.resolve(record, now).map_err(in_record)?);
    }
    match readings.len() {
        0 => Err(SenmlError::Empty),
        count if count > MAX_PARTS as usize => Err(SenmlError::TooMany(count)),
        _ => Ok(readings),
    }
}

/// The fields of a record in their order, including duplicates.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object such as {\"n\":\"temperature\",\"v\":21.5}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Pairs).map(Self)
    }
}

/// The fields of a record, parsed.
#[derive(Default)]
struct Record {
    base_name: Option<String>,
    base_time: Option<Decimal>,
    base_unit: Option<Unit>,
    base_value: Option<Decimal>,
    has_version: bool,
    name: Option<String>,
    unit: Option<Unit>,
    time: Option<Decimal>,
    update_time: Option<Decimal>,
    number: Option<Decimal>,
    text: Option<Text<256>>,
    boolean: Option<bool>,
}

impl Record {
    /// Parses the fields. An error comes with the name of the field.
    fn new(fields: &Fields<'_>) -> Result<Self, (String, FieldProblem)> {
        let mut record = Self::default();
        for (position, (name, raw)) in fields.0.iter().enumerate() {
            let in_field = |problem| (name.clone(), problem);
            if fields.0.iter().take(position).any(|(earlier, _)| earlier == name) {
                return Err(in_field(FieldProblem::Twice));
            }
            record.set(name, raw).map_err(in_field)?;
        }
        Ok(record)
    }

    fn set(&mut self, name: &str, raw: &RawValue) -> Result<(), FieldProblem> {
        match name {
            "bn" => self.base_name = Some(text(raw)?),
            "bt" => self.base_time = Some(number(raw)?),
            "bu" => self.base_unit = Some(unit(raw)?),
            "bv" => self.base_value = Some(number(raw)?),
            "bver" => self.has_version = is_known_version(raw)?,
            "n" => self.name = Some(text(raw)?),
            "u" => self.unit = Some(unit(raw)?),
            "t" => self.time = Some(number(raw)?),
            "ut" => self.update_time = Some(number(raw)?),
            "v" => self.number = Some(number(raw)?),
            "vs" => self.text = Some(bounded(raw)?),
            "vb" => self.boolean = Some(boolean(raw)?),
            "vd" => {
                return Err(FieldProblem::Unsupported(
                    "binary values are not supported: store the data elsewhere and give its hash in vs",
                ))
            }
            "s" | "bs" => {
                return Err(FieldProblem::Unsupported("sums are not supported: give the meter's value in v"))
            }
            other if other.ends_with('_') => return Err(FieldProblem::Unknown),
            _ => {}
        }
        Ok(())
    }

    /// Returns the value with the base value added, or `None` if the record only sets base fields.
    fn value(&self, base: Option<Decimal>) -> Result<Option<Value>, RecordProblem> {
        match (self.number, &self.text, self.boolean) {
            (Some(number), None, None) => {
                let sum = base.map_or(Some(number), |base| base.checked_add(&number));
                sum.map(Value::Decimal).map(Some).ok_or(RecordProblem::Sum)
            }
            (None, Some(text), None) => Ok(Some(Value::Text(text.clone()))),
            (None, None, Some(boolean)) => Ok(Some(Value::Boolean(boolean))),
            (None, None, None) if self.has_only_base_fields() => Ok(None),
            (None, None, None) => Err(RecordProblem::NoValue),
            _ => Err(RecordProblem::Values),
        }
    }

    fn has_only_base_fields(&self) -> bool {
        let own =
            self.name.is_some() || self.unit.is_some() || self.time.is_some() || self.update_time.is_some();
        let base = self.base_name.is_some()
            || self.base_time.is_some()
            || self.base_unit.is_some()
            || self.base_value.is_some()
            || self.has_version;
        base && !own
    }
}

/// The base fields in force.
#[derive(Default)]
struct Base {
    name: String,
    time: Decimal,
    unit: Unit,
    value: Option<Decimal>,
}

impl Base {
    fn update(&mut self, record: &Record) {
        if let Some(name) = &record.base_name {
            self.name.clone_from(name);
        }
        if let Some(unit) = &record.base_unit {
            self.unit = unit.clone();
        }
        self.time = record.base_time.unwrap_or(self.time);
        self.value = record.base_value.or(self.value);
    }

    /// Combines a record with the base fields to a reading, or returns `None` if the record only sets base fields.
    fn resolve(&self, record: Record, now: u64) -> Result<Option<Reading>, RecordProblem> {
        let Some(value) = record.value(self.value)? else { return Ok(None) };
        let name = format!("{}{}", self.name, record.name.as_deref().unwrap_or_default());
        let time = self.time.checked_add(&record.time.unwrap_or_default()).ok_or(RecordProblem::Time)?;
        Ok(Some(Reading {
            name: valid_name(&name)?,
            unit: record.unit.unwrap_or_else(|| self.unit.clone()),
            value,
            time: absolute(time, now).ok_or(RecordProblem::Time)?,
            source: Source::of_adapter("senml", ""),
        }))
    }
}

fn valid_name(name: &str) -> Result<Name, RecordProblem> {
    Name::try_from(name).map_err(|problem| match problem {
        GrammarError::Empty => RecordProblem::NoName,
        problem => RecordProblem::Name { name: name.chars().take(96).collect(), problem },
    })
}

/// Converts relative or absolute seconds to milliseconds since 1970, rounding down. Returns `None` if the result is
/// out of range.
fn absolute(seconds: Decimal, now: u64) -> Option<u64> {
    let shift = i32::from(seconds.exponent()) + 3;
    let power = 10i128.checked_pow(shift.unsigned_abs())?;
    let mantissa = i128::from(seconds.mantissa());
    let milliseconds = if shift < 0 { mantissa.div_euclid(power) } else { mantissa.checked_mul(power)? };
    let origin = if seconds < Decimal::from(ABSOLUTE_FROM) { i128::from(now) } else { 0 };
    u64::try_from(milliseconds.checked_add(origin)?).ok()
}

fn text(raw: &RawValue) -> Result<String, FieldProblem> {
    serde_json::from_str(raw.get()).map_err(|_| FieldProblem::Type("a text in quotes"))
}

fn bounded<const N: u32>(raw: &RawValue) -> Result<Text<N>, FieldProblem> {
    Text::try_from(text(raw)?).map_err(FieldProblem::TooLong)
}

fn unit(raw: &RawValue) -> Result<Unit, FieldProblem> {
    Unit::try_from(text(raw)?).map_err(FieldProblem::Unit)
}

fn number(raw: &RawValue) -> Result<Decimal, FieldProblem> {
    raw.get().parse().map_err(|error| match error {
        DecimalError::NotANumber => FieldProblem::Type("a number"),
        DecimalError::OutOfRange => FieldProblem::Number(error),
    })
}

fn boolean(raw: &RawValue) -> Result<bool, FieldProblem> {
    serde_json::from_str(raw.get()).map_err(|_| FieldProblem::Type("true or false"))
}

/// Returns true if the version is the supported one. The RFC forbids processing a higher version; lower ones were
/// drafts.
fn is_known_version(raw: &RawValue) -> Result<bool, FieldProblem> {
    if number(raw)? == Decimal::from(VERSION) {
        Ok(true)
    } else {
        Err(FieldProblem::Version)
    }
}

/// A reading is too old for SenML, which treats such a time as relative.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a reading has the time {0} ms since 1970, but SenML cannot express absolute times before July 1978")]
pub struct TooEarlyError(u64);

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
        for reading in self.0 {
            pack.serialize_element(&RecordOut(reading))?;
        }
        pack.end()
    }
}

/// Serializes a reading as a record.
struct RecordOut<'a>(&'a Reading);

impl Serialize for RecordOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let exact = |decimal: String| RawValue::from_string(decimal).map_err(serde::ser::Error::custom);
        let Reading { name, unit, value, time, source: _ } = self.0;
        let mut record = serializer.serialize_map(None)?;
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

#[cfg(test)]
mod tests;
