//! Readings: named values with unit, time and where they came from.

use crate::{Decimal, Text};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// A reading's name: a COVESA VSS path for vehicles (`Vehicle.TraveledDistance`), a SenML name (RFC 8428) otherwise.
pub type Name = Text<96>;

/// A unit: of VSS for vehicle signals (`km`, `rpm`), of the SenML registries (RFC 8428, RFC 8798) otherwise.
pub type Unit = Text<16>;

/// One named value with unit and time.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Reading {
    /// What was read.
    pub name: Name,
    /// Its unit; empty where the value has none.
    pub unit: Unit,
    /// The value.
    pub value: Value,
    /// When it was read, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// Where the value came from.
    pub source: Source,
}

/// The value of a reading.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Value {
    /// A number.
    Decimal(Decimal),
    /// Yes or no.
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

/// Where a value came from: an odometer read from the car is worth more than one typed in.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Source {
    /// The device itself.
    Sensor,
    /// An OBD-II answer (SAE J1979): service (mode) and parameter.
    Obd {
        /// The service, as asked: 01, 03, 09.
        service: u8,
        /// The parameter of the service; 0 where it has none.
        pid: u8,
    },
    /// A SenML line given to the gateway.
    Senml,
}

impl core::fmt::Display for Source {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Sensor => f.pad("sensor"),
            Self::Obd { service, pid } => f.pad(&alloc::format!("OBD {service:02X} {pid:02X}")),
            Self::Senml => f.pad("SenML"),
        }
    }
}
