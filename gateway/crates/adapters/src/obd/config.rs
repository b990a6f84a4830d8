//! The configuration of the adapter: the table `[device.obd]`.

use super::protocol::Protocol;
use crate::serial::Endpoint;
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// The configuration of [`super::Obd`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct ObdConfig {
    /// The serial port, or `tcp://host:port`.
    pub port: Endpoint,
    /// The speed of the serial port, or `None` to try the usual ones.
    pub baud: Option<u32>,
    /// The protocol of the vehicle's bus, or `None` to detect it.
    pub protocol: Option<Protocol>,
    /// The time from the start of one cycle to the start of the next. It is longer if the vehicle answers slowly.
    pub every: Duration,
    /// The highest speed that the odometer is believed to rise with, in km/h.
    pub max_speed_kmh: u32,
}

impl fmt::Display for ObdConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OBD-II at {}", self.port)
    }
}

/// The baud rates of ELM327 adapters and their clones.
const SPEEDS: [u32; 11] =
    [9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 500_000, 921_600, 1_000_000, 2_000_000];

/// The limits of `max_speed_kmh`. The highest is for simulators whose time runs faster.
const MAX_SPEEDS_KMH: std::ops::RangeInclusive<u32> = 10..=1_000_000;

/// The configuration with the keys and units of its TOML table.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    port: Endpoint,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    baud: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protocol: Option<Protocol>,
    #[serde(default = "every_second")]
    every_seconds: f64,
    #[serde(default = "fastest_road_speed")]
    max_speed_kmh: u32,
}

fn every_second() -> f64 {
    1.0
}

/// No car drives faster on a road for long, and few ever do.
fn fastest_road_speed() -> u32 {
    300
}

/// A value of the configuration is invalid.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum ObdConfigError {
    /// A baud rate was given for a TCP address.
    #[error("`baud` has no meaning for {0}: remove it")]
    BaudOverTcp(Endpoint),
    /// No ELM327 has this baud rate.
    #[error("{0} is not a baud rate of an ELM327: use one of {SPEEDS:?}, or leave `baud` out to detect it")]
    Baud(u32),
    /// The interval is too short or too long.
    #[error("every_seconds = {0} is out of range: use 0.05 to 86400")]
    Every(f64),
    /// The highest speed is too low or too high.
    #[error(
        "max_speed_kmh = {0} is out of range: use {low} to {high}, or leave it out for {default}",
        low = MAX_SPEEDS_KMH.start(),
        high = MAX_SPEEDS_KMH.end(),
        default = fastest_road_speed()
    )]
    MaxSpeed(u32),
}

impl TryFrom<Fields> for ObdConfig {
    type Error = ObdConfigError;

    fn try_from(fields: Fields) -> Result<Self, ObdConfigError> {
        let Fields { port, baud, protocol, every_seconds, max_speed_kmh } = fields;
        match (&port, baud) {
            (Endpoint::Tcp(_), Some(_)) => return Err(ObdConfigError::BaudOverTcp(port)),
            (_, Some(baud)) if !SPEEDS.contains(&baud) => return Err(ObdConfigError::Baud(baud)),
            _ => {}
        }
        if !(0.05..=86_400.0).contains(&every_seconds) {
            return Err(ObdConfigError::Every(every_seconds));
        }
        if !MAX_SPEEDS_KMH.contains(&max_speed_kmh) {
            return Err(ObdConfigError::MaxSpeed(max_speed_kmh));
        }
        Ok(Self { port, baud, protocol, every: Duration::from_secs_f64(every_seconds), max_speed_kmh })
    }
}

impl From<ObdConfig> for Fields {
    fn from(config: ObdConfig) -> Self {
        let ObdConfig { port, baud, protocol, every, max_speed_kmh } = config;
        Self { port, baud, protocol, every_seconds: every.as_secs_f64(), max_speed_kmh }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<ObdConfig, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn valid_configurations_are_read_and_written() {
        let serial = config("port = '/dev/ttyUSB0'").unwrap();
        assert_eq!((serial.baud, serial.protocol, serial.every), (None, None, Duration::from_secs(1)));
        assert_eq!(serial.max_speed_kmh, 300);
        let tcp = config("port = 'tcp://127.0.0.1:35000'\nevery_seconds = 5").unwrap();
        assert_eq!(tcp.every, Duration::from_secs(5));
        let fast = config(
            "port = '/dev/ttyUSB0'\nbaud = 115200\nevery_seconds = 0.25\nprotocol = 5\nmax_speed_kmh = 120",
        )
        .unwrap();
        assert_eq!((fast.baud, fast.every), (Some(115_200), Duration::from_millis(250)));
        assert_eq!((fast.protocol, fast.max_speed_kmh), (Some(Protocol::try_from(5).unwrap()), 120));
        assert_eq!(config(&toml::to_string(&fast).unwrap()).unwrap(), fast);
    }

    #[test]
    fn invalid_configurations_are_rejected_with_the_wrong_key_or_value() {
        for (text, named) in [
            ("baud = 38400", "port"),
            ("port = 'tcp://nowhere'", "tcp://nowhere"),
            ("port = 'tcp://127.0.0.1:1'\nbaud = 38400", "baud"),
            ("port = '/dev/ttyUSB0'\nbaud = 0", "0 is not a baud rate"),
            ("port = '/dev/ttyUSB0'\nevery_seconds = 0", "every_seconds = 0"),
            ("port = '/dev/ttyUSB0'\nevery_seconds = nan", "every_seconds"),
            ("port = '/dev/ttyUSB0'\nevery_seconds = -1", "every_seconds"),
            ("port = '/dev/ttyUSB0'\nprotocol = 0", "0 is not a protocol"),
            ("port = '/dev/ttyUSB0'\nprotocol = 10", "leave `protocol` out"),
            ("port = '/dev/ttyUSB0'\nprotocol = 'can'", "protocol"),
            ("port = '/dev/ttyUSB0'\nmax_speed_kmh = 0", "use 10 to 1000000"),
            ("port = '/dev/ttyUSB0'\nspeed = 1", "speed"),
        ] {
            let error = config(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
