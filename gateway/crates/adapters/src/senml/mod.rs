//! SenML (RFC 8428) in JSON: packs to readings and back.
//!
//! Strict where a mistake would change a value, tolerant where the RFC asks for it: unknown fields are ignored unless
//! their name ends in `_` (which means "must be understood"); a field that appears twice, is of the wrong type, or does
//! not fit is an error that names record and field. Numbers are read digit by digit, never through floating point: the
//! value logged is the value written.
//!
//! Not taken: sums (`s`, `bs`), which are no readings of a moment, and binary values (`vd`), which belong into a file
//! of their own. Update times (`ut`) are checked and not kept. A record of base fields alone sets them and is no reading.

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
    reading::{Name, Unit},
    text::TextLengthError,
    Decimal, Reading, Source, Text, Value,
};

/// Times below this many seconds are relative to now, others count from 1970 (RFC 8428, section 4.5.3).
const ABSOLUTE_FROM: u32 = 1 << 28;
/// The version of the format.
const VERSION: u32 = 10;

/// What is wrong with a pack.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SenmlError {
    /// Not JSON, or not an array.
    #[error("not a SenML pack, which is a JSON array of records such as [{{\"n\":\"temperature\",\"v\":21.5}}]: {0}")]
    NotAPack(String),
    /// No record has a value.
    #[error("the pack has no reading: give at least one record a value (v, vs or vb)")]
    Empty,
    /// More than one event holds.
    #[error("{0} readings where an event holds {MAX_PARTS}: split the pack")]
    TooMany(usize),
    /// A fault of one record as a whole.
    #[error("record {record}: {problem}")]
    Record {
        /// Which, from 1.
        record: usize,
        /// What is wrong with it.
        problem: RecordProblem,
    },
    /// A fault of one field.
    #[error("record {record}, field {field:?}: {problem}")]
    Field {
        /// Which record, from 1.
        record: usize,
        /// Which field.
        field: String,
        /// What is wrong with it.
        problem: FieldProblem,
    },
}

/// What is wrong with a record.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordProblem {
    /// Another kind of JSON.
    #[error("not a JSON object: {0}")]
    NotAnObject(String),
    /// Nothing to read.
    #[error("no value: give it one of v (number), vs (text) or vb (true or false)")]
    NoValue,
    /// Too much to read.
    #[error("more than one value: give it one of v, vs or vb")]
    Values,
    /// No name and no base name.
    #[error("no name: give it n, or an earlier record bn")]
    NoName,
    /// A name that the RFC does not allow.
    #[error("the name {0:?} (bn and n together) must begin with a letter or digit and consist of letters, digits and -:./_")]
    Name(String),
    /// Longer than a reading's name.
    #[error("the name (bn and n together): {0}")]
    NameTooLong(TextLengthError),
    /// Base and own time together are no time.
    #[error("the time (bt and t together) is before 1970 or beyond what a clock holds")]
    Time,
    /// Base and own value together are no value.
    #[error("bv and v together do not fit: at most 18 digits")]
    Sum,
}

/// What is wrong with a field.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FieldProblem {
    /// Present twice.
    #[error("given twice")]
    Twice,
    /// Not known and not to be ignored.
    #[error("not known here, and a name that ends in _ says that it must be")]
    Unknown,
    /// A field that has no place in a log of readings.
    #[error("{0}")]
    NotTaken(&'static str),
    /// Another type.
    #[error("expected {0}")]
    Type(&'static str),
    /// Not a number that a reading holds.
    #[error("{0}")]
    Number(DecimalError),
    /// Longer than what a reading holds.
    #[error("{0}")]
    TooLong(TextLengthError),
    /// A version that this code does not know.
    #[error("this version of the format is not known here: use {VERSION}, or leave it out")]
    Version,
}

/// Reads one pack. `now` is in milliseconds since 1970: relative times are relative to it.
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

/// A record's fields as they stand, in order, twice where they are twice.
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

/// A record's fields, each of its type.
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

type Fault = (String, FieldProblem);

impl Record {
    fn new(fields: &Fields<'_>) -> Result<Self, Fault> {
        let mut record = Self::default();
        for (place, (name, raw)) in fields.0.iter().enumerate() {
            let fault = |problem| (name.clone(), problem);
            if fields.0.iter().take(place).any(|(earlier, _)| earlier == name) {
                return Err(fault(FieldProblem::Twice));
            }
            record.set(name, raw).map_err(fault)?;
        }
        Ok(record)
    }

    fn set(&mut self, name: &str, raw: &RawValue) -> Result<(), FieldProblem> {
        match name {
            "bn" => self.base_name = Some(text(raw)?),
            "bt" => self.base_time = Some(number(raw)?),
            "bu" => self.base_unit = Some(bounded(raw)?),
            "bv" => self.base_value = Some(number(raw)?),
            "bver" => self.has_version = is_known_version(raw)?,
            "n" => self.name = Some(text(raw)?),
            "u" => self.unit = Some(bounded(raw)?),
            "t" => self.time = Some(number(raw)?),
            "ut" => self.update_time = Some(number(raw)?),
            "v" => self.number = Some(number(raw)?),
            "vs" => self.text = Some(bounded(raw)?),
            "vb" => self.boolean = Some(boolean(raw)?),
            "vd" => {
                return Err(FieldProblem::NotTaken(
                    "binary values are not kept as readings: keep the data elsewhere and give its hash in vs",
                ))
            }
            "s" | "bs" => {
                return Err(FieldProblem::NotTaken(
                    "sums are not kept as readings: give the meter's value in v",
                ))
            }
            other if other.ends_with('_') => return Err(FieldProblem::Unknown),
            _ => {}
        }
        Ok(())
    }

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

    fn resolve(&self, record: Record, now: u64) -> Result<Option<Reading>, RecordProblem> {
        let Some(value) = record.value(self.value)? else { return Ok(None) };
        let name = format!("{}{}", self.name, record.name.as_deref().unwrap_or_default());
        let time = self.time.checked_add(&record.time.unwrap_or_default()).ok_or(RecordProblem::Time)?;
        Ok(Some(Reading {
            name: valid_name(name)?,
            unit: record.unit.unwrap_or_else(|| self.unit.clone()),
            value,
            time: absolute(time, now).ok_or(RecordProblem::Time)?,
            source: Source::Senml,
        }))
    }
}

fn valid_name(name: String) -> Result<Name, RecordProblem> {
    let Some(first) = name.chars().next() else { return Err(RecordProblem::NoName) };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-:./_".contains(c);
    if !first.is_ascii_alphanumeric() || !name.chars().all(allowed) {
        return Err(RecordProblem::Name(name.chars().take(96).collect()));
    }
    Name::try_from(name).map_err(RecordProblem::NameTooLong)
}

/// Seconds, relative or absolute, to milliseconds since 1970; finer digits are cut off.
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

fn number(raw: &RawValue) -> Result<Decimal, FieldProblem> {
    raw.get().parse().map_err(|error| match error {
        DecimalError::NotANumber => FieldProblem::Type("a number"),
        DecimalError::OutOfRange => FieldProblem::Number(error),
    })
}

fn boolean(raw: &RawValue) -> Result<bool, FieldProblem> {
    serde_json::from_str(raw.get()).map_err(|_| FieldProblem::Type("true or false"))
}

/// A higher version should not be processed, says the RFC; the lower ones were drafts.
fn is_known_version(raw: &RawValue) -> Result<bool, FieldProblem> {
    if number(raw)? == Decimal::from(VERSION) {
        Ok(true)
    } else {
        Err(FieldProblem::Version)
    }
}

/// A reading that SenML cannot say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a reading of {0} ms after 1970: SenML takes times before July 1978 as relative ones")]
pub struct TooEarlyError(u64);

/// Writes one pack, on one line. Numbers are written digit by digit. Where a value came from has no place in SenML.
pub fn write(readings: &[Reading]) -> Result<String, TooEarlyError> {
    if let Some(early) = readings.iter().find(|reading| reading.time < u64::from(ABSOLUTE_FROM) * 1_000) {
        return Err(TooEarlyError(early.time));
    }
    // Texts, booleans and numbers under known keys: serialising them into a String has nothing that could fail.
    Ok(serde_json::to_string(&Pack(readings)).unwrap_or_default())
}

struct Pack<'a>(&'a [Reading]);

impl Serialize for Pack<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pack = serializer.serialize_seq(Some(self.0.len()))?;
        for reading in self.0 {
            pack.serialize_element(&Out(reading))?;
        }
        pack.end()
    }
}

struct Out<'a>(&'a Reading);

impl Serialize for Out<'_> {
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

/// Milliseconds as seconds: `1700000000.5`.
fn seconds(milliseconds: u64) -> String {
    let text = format!("{}.{:03}", milliseconds / 1_000, milliseconds % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
