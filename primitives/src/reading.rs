//! Readings: named values with a unit, a time and a source.

use crate::{Decimal, Text};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

pub use crate::grammar::{GrammarError, Name, Source, Unit};

/// The name of the reading with which a gateway marks the events that it signs while its clock is wrong. The value is the
/// error in seconds, negative if the clock is behind.
pub const CLOCK_ERROR: &str = "Gateway.ClockError";

/// A named value with a unit, a time and a source.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Reading {
    /// The name of the value.
    pub name: Name,
    /// The unit; empty if the value has none.
    pub unit: Unit,
    /// The value.
    pub value: Value,
    /// When the value was read, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// The source of the value.
    pub source: Source,
}

impl core::fmt::Display for Reading {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.name, self.value)?;
        match self.unit.as_str() {
            "" => Ok(()),
            unit => write!(f, " {unit}"),
        }
    }
}

/// The value of a reading.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Value {
    /// A number.
    Decimal(Decimal),
    /// True or false.
    Boolean(bool),
    /// A text.
    Text(Text<256>),
}

impl core::fmt::Display for Value {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Decimal(value) => value.fmt(f),
            Self::Boolean(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}
