//! Converts SenML packs in JSON (RFC 8428) to readings and back.
//!
//! - A field that appears twice, has the wrong type or is too long is an error that names the record and the field.
//! - Unknown fields are ignored, as the RFC requires, unless their name ends in `_`, which means "must be understood".
//! - Numbers are read digit by digit and never converted to floating point, so the logged value is exactly the
//!   written one. If it has more digits than a reading holds, it is rounded, and a [`Remark`] says so.
//! - Sums (`s`, `bs`) are rejected because they are not readings of one moment. Binary values (`vd`) are rejected
//!   because a reading has no type for them.
//! - The number of records and of fields is bounded, so that a large pack takes neither much time nor much memory.
//! - Update times (`ut`) are checked and discarded.
//! - A record with nothing but base fields sets them and yields no reading.
//! - The version is a set of features (RFC 9100): 10, or 26 with secondary units (RFC 8798). Secondary units without
//!   that feature are taken, and a [`Remark`] says so.
//! - An absolute time may be ahead of the gateway's clock by a configured time at most. See [`Clock`].

mod encoding;
mod number;
mod remark;
mod time;
mod units;
mod write;

pub use encoding::{is_utf16, text, without_mark, EncodingError};
pub use remark::Remark;
pub use time::{Clock, TimeError};
pub use units::VersionError;
pub use write::{write, TooEarlyError};

use number::Number;
use serde::{
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
    Deserialize, Deserializer,
};
use serde_json::value::RawValue;
use std::{collections::BTreeSet, fmt, marker::PhantomData};
use streembit_primitives::{
    body::MAX_PARTS,
    decimal::DecimalError,
    reading::{GrammarError, Name, Unit},
    text::TextLengthError,
    Decimal, Reading, Source, Text, Value,
};
use units::Features;

/// The most records of a pack. Records without a value only set base fields, so there may be more than readings.
const MAX_RECORDS: usize = 4 * MAX_PARTS as usize;

/// The most fields of a record. SenML has 14.
const MAX_FIELDS: usize = 64;

/// A pack is invalid.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SenmlError {
    /// The text is not a JSON array.
    #[error("not a SenML pack, which is a JSON array of records such as [{{\"n\":\"temperature\",\"v\":21.5}}]: {0}")]
    NotAPack(String),
    /// The pack has no record with a value.
    #[error("the pack has no reading: give at least one record a value (v, vs or vb)")]
    Empty,
    /// The pack has far more records than an event holds readings.
    #[error("the pack has more than {MAX_RECORDS} records, but an event holds at most {MAX_PARTS} readings: split the pack")]
    TooManyRecords,
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
    /// The record has more fields than any record needs.
    #[error("more than {MAX_FIELDS} fields: leave out those that are not of SenML")]
    TooManyFields,
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
    /// The base time and the time together are wrong.
    #[error(transparent)]
    Time(#[from] TimeError),
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
    #[error(transparent)]
    Version(VersionError),
}

/// A pack that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pack {
    /// The readings, at least one.
    pub readings: Vec<Reading>,
    /// Remarks about them for the sender.
    pub remarks: Vec<Remark>,
}

/// Parses one pack.
pub fn read(text: &str, clock: Clock) -> Result<Pack, SenmlError> {
    let Bounded::<&RawValue, MAX_RECORDS> { items: records, has_more } =
        serde_json::from_str(text).map_err(|error| SenmlError::NotAPack(error.to_string()))?;
    if has_more {
        return Err(SenmlError::TooManyRecords);
    }
    let mut base = Base::default();
    let mut pack = Pack { readings: Vec::new(), remarks: Vec::new() };
    for (number, raw) in (1usize..).zip(records) {
        let in_record = |problem| SenmlError::Record { record: number, problem };
        let fields: Fields<'_> = serde_json::from_str(raw.get())
            .map_err(|error| in_record(RecordProblem::NotAnObject(error.to_string())))?;
        if fields.0.has_more {
            return Err(in_record(RecordProblem::TooManyFields));
        }
        let record = Record::new(&fields).map_err(|(field, problem)| SenmlError::Field {
            record: number,
            field,
            problem,
        })?;
        pack.remarks.extend(record.rounded(number));
        base.update(&record);
        let Some(resolved) = base.resolve(record, clock).map_err(in_record)? else { continue };
        pack.add(number, resolved, base.features);
    }
    if clock.is_unset() {
        pack.remarks.push(Remark::ClockUnset);
    }
    match pack.readings.len() {
        0 => Err(SenmlError::Empty),
        count if count > MAX_PARTS as usize => Err(SenmlError::TooMany(count)),
        _ => Ok(pack),
    }
}

impl Pack {
    fn add(&mut self, record: usize, resolved: Resolved, features: Features) {
        let Resolved { reading, is_exact } = resolved;
        if let (Value::Decimal(value), false) = (&reading.value, is_exact) {
            self.remarks.push(Remark::SumRounded { record, value: *value });
        }
        let unit = reading.unit.as_str();
        if units::is_secondary(unit) && !features.has_secondary_units() {
            let remark = Remark::SecondaryUnit { unit: reading.unit.clone() };
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
        }
        self.readings.push(reading);
    }
}

/// A reading, and whether the sum of its value and the base value is exact.
struct Resolved {
    reading: Reading,
    is_exact: bool,
}

/// The first `N` items of a JSON array or object. Further ones are checked to be JSON, and not kept.
struct Bounded<T, const N: usize> {
    items: Vec<T>,
    has_more: bool,
}

impl<T, const N: usize> Default for Bounded<T, N> {
    fn default() -> Self {
        Self { items: Vec::new(), has_more: false }
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Bounded<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Items<T, N> {
            type Value = Bounded<T, N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of records")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut bounded = Bounded::default();
                while bounded.items.len() < N {
                    let Some(item) = items.next_element()? else { return Ok(bounded) };
                    bounded.items.push(item);
                }
                while items.next_element::<IgnoredAny>()?.is_some() {
                    bounded.has_more = true;
                }
                Ok(bounded)
            }
        }
        deserializer.deserialize_seq(Items::<T, N>(PhantomData))
    }
}

/// The fields of a record in their order, including duplicates.
struct Fields<'a>(Bounded<(String, &'a RawValue), MAX_FIELDS>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Bounded<(String, &'de RawValue), MAX_FIELDS>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object such as {\"n\":\"temperature\",\"v\":21.5}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut bounded = Bounded::default();
                while bounded.items.len() < MAX_FIELDS {
                    let Some(pair) = map.next_entry()? else { return Ok(bounded) };
                    bounded.items.push(pair);
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    bounded.has_more = true;
                }
                Ok(bounded)
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
    base_value: Option<Number>,
    version: Option<Features>,
    name: Option<String>,
    unit: Option<Unit>,
    time: Option<Decimal>,
    update_time: Option<Decimal>,
    number: Option<Number>,
    text: Option<Text<256>>,
    boolean: Option<bool>,
}

impl Record {
    /// Parses the fields. An error comes with the name of the field.
    fn new(fields: &Fields<'_>) -> Result<Self, (String, FieldProblem)> {
        let mut record = Self::default();
        let mut seen = BTreeSet::new();
        for (name, raw) in &fields.0.items {
            let in_field = |problem| (name.clone(), problem);
            if !seen.insert(name) {
                return Err(in_field(FieldProblem::Twice));
            }
            record.set(name, raw).map_err(in_field)?;
        }
        Ok(record)
    }

    fn set(&mut self, name: &str, raw: &RawValue) -> Result<(), FieldProblem> {
        match name {
            "bn" => self.base_name = Some(string(raw)?),
            "bt" => self.base_time = Some(number(raw)?.value),
            "bu" => self.base_unit = Some(unit(raw)?),
            "bv" => self.base_value = Some(number(raw)?),
            "bver" => self.version = Some(version(raw)?),
            "n" => self.name = Some(string(raw)?),
            "u" => self.unit = Some(unit(raw)?),
            "t" => self.time = Some(number(raw)?.value),
            "ut" => self.update_time = Some(number(raw)?.value),
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

    /// Returns the value with the base value added and whether that is exact, or `None` if the record only sets base
    /// fields.
    fn value(&self, base: Option<Decimal>) -> Result<Option<(Value, bool)>, RecordProblem> {
        match (self.number, &self.text, self.boolean) {
            (Some(Number { value, .. }), None, None) => {
                let exact = Number { value, is_exact: true };
                let sum = base.map_or(Some(exact), |base| number::add(base, value));
                let sum = sum.ok_or(RecordProblem::Sum)?;
                Ok(Some((Value::Decimal(sum.value), sum.is_exact)))
            }
            (None, Some(text), None) => Ok(Some((Value::Text(text.clone()), true))),
            (None, None, Some(boolean)) => Ok(Some((Value::Boolean(boolean), true))),
            (None, None, None) if self.has_only_base_fields() => Ok(None),
            (None, None, None) => Err(RecordProblem::NoValue),
            _ => Err(RecordProblem::Values),
        }
    }

    /// Returns a remark for each value that was rounded.
    fn rounded(&self, record: usize) -> impl Iterator<Item = Remark> {
        [("bv", self.base_value), ("v", self.number)].into_iter().filter_map(move |(field, number)| {
            let number = number.filter(|number| !number.is_exact)?;
            Some(Remark::Rounded { record, field, value: number.value })
        })
    }

    fn has_only_base_fields(&self) -> bool {
        let own =
            self.name.is_some() || self.unit.is_some() || self.time.is_some() || self.update_time.is_some();
        let base = self.base_name.is_some()
            || self.base_time.is_some()
            || self.base_unit.is_some()
            || self.base_value.is_some()
            || self.version.is_some();
        base && !own
    }
}

/// The base fields in force.
#[derive(Default)]
struct Base {
    name: String,
    time: Option<Decimal>,
    unit: Unit,
    value: Option<Decimal>,
    features: Features,
}

impl Base {
    fn update(&mut self, record: &Record) {
        if let Some(name) = &record.base_name {
            self.name.clone_from(name);
        }
        if let Some(unit) = &record.base_unit {
            self.unit = unit.clone();
        }
        self.time = record.base_time.or(self.time);
        self.value = record.base_value.map(|number| number.value).or(self.value);
        self.features = record.version.unwrap_or(self.features);
    }

    /// Combines a record with the base fields to a reading, or returns `None` if the record only sets base fields.
    fn resolve(&self, record: Record, clock: Clock) -> Result<Option<Resolved>, RecordProblem> {
        let Some((value, is_exact)) = record.value(self.value)? else { return Ok(None) };
        let name = format!("{}{}", self.name, record.name.as_deref().unwrap_or_default());
        let reading = Reading {
            name: valid_name(&name)?,
            unit: record.unit.unwrap_or_else(|| self.unit.clone()),
            value,
            time: clock.resolve(self.time, record.time)?,
            source: Source::of_adapter("senml", ""),
        };
        Ok(Some(Resolved { reading, is_exact }))
    }
}

fn valid_name(name: &str) -> Result<Name, RecordProblem> {
    Name::try_from(name).map_err(|problem| match problem {
        GrammarError::Empty => RecordProblem::NoName,
        problem => RecordProblem::Name { name: name.chars().take(96).collect(), problem },
    })
}

fn string(raw: &RawValue) -> Result<String, FieldProblem> {
    serde_json::from_str(raw.get()).map_err(|_| FieldProblem::Type("a text in quotes"))
}

fn bounded<const N: u32>(raw: &RawValue) -> Result<Text<N>, FieldProblem> {
    Text::try_from(string(raw)?).map_err(FieldProblem::TooLong)
}

fn unit(raw: &RawValue) -> Result<Unit, FieldProblem> {
    Unit::try_from(string(raw)?).map_err(FieldProblem::Unit)
}

fn number(raw: &RawValue) -> Result<Number, FieldProblem> {
    number::read(raw.get()).map_err(|error| match error {
        DecimalError::NotANumber => FieldProblem::Type("a number"),
        DecimalError::OutOfRange => FieldProblem::Number(error),
    })
}

fn boolean(raw: &RawValue) -> Result<bool, FieldProblem> {
    serde_json::from_str(raw.get()).map_err(|_| FieldProblem::Type("true or false"))
}

fn version(raw: &RawValue) -> Result<Features, FieldProblem> {
    Features::of_version(number(raw)?.value).map_err(FieldProblem::Version)
}

#[cfg(test)]
mod tests;
