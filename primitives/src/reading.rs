//! Readings: named values with a unit, a time and a source.

use crate::{Decimal, Text};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The name of a reading: a COVESA VSS path for vehicles (`Vehicle.TraveledDistance`), otherwise a SenML name (RFC 8428).
pub type Name = Text<96>;

/// A unit: a VSS unit for vehicle signals (`km`, `rpm`), otherwise one of the SenML registries (RFC 8428, RFC 8798).
pub type Unit = Text<16>;

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

/// The source of a value. An odometer value read from the car is more trustworthy than one typed in.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Source {
    /// The device itself.
    Sensor,
    /// An OBD-II response (SAE J1979).
    Obd {
        /// The service (mode) of the request, such as 01, 03 or 09.
        service: u8,
        /// The parameter id of the request; 0 if the service has none.
        pid: u8,
    },
    /// A SenML record that was passed to the gateway.
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
