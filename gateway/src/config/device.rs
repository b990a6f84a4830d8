//! `[[device]]`: what the gateway reads or takes in.

use super::values::check_above_zero;
use serde::Deserialize;
use std::{fmt, str::FromStr};
use streembit_primitives::{AccountId, DeviceId, DeviceKey, PublicKey, Text};

/// The rates that ELM327 adapters speak.
const BAUD_RATES: [u32; 6] = [9_600, 19_200, 38_400, 57_600, 115_200, 230_400];

/// One device.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "RawDevice")]
pub struct DeviceConfig {
    /// What people call it; letters, digits, `-` and `_`.
    pub name: String,
    /// What its identity is made of, beside the gateway's account, where it cannot sign; its name where none is given.
    pub label: Text<64>,
    /// Its own key, where it signs its own events.
    pub key: Option<PublicKey>,
    /// How a vehicle is read.
    pub obd: Option<ObdConfig>,
}

/// `[device.obd]`: a vehicle behind an ELM327.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "RawObd")]
pub struct ObdConfig {
    /// Where the adapter is.
    pub port: ObdPort,
    /// The serial rate; found out where none is given.
    pub baud: Option<u32>,
    /// How often the vehicle is read.
    pub every_seconds: u64,
}

/// Where an ELM327 is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ObdPort {
    /// A serial port, such as `/dev/ttyUSB0`.
    Serial(String),
    /// `HOST:PORT`, as Wi-Fi adapters have it.
    Tcp(String),
}

impl DeviceConfig {
    /// What its events are verified with.
    pub fn device_key(&self, gateway: AccountId) -> DeviceKey {
        match self.key {
            Some(key) => DeviceKey::Own(key),
            None => DeviceKey::Hosted { gateway, label: self.label.clone() },
        }
    }

    /// Its id.
    pub fn id(&self, gateway: AccountId) -> DeviceId {
        self.device_key(gateway).device_id()
    }
}

impl fmt::Display for ObdPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(path) => f.write_str(path),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

impl FromStr for ObdPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected a serial port such as \"/dev/ttyUSB0\" or an address such as \"tcp://192.168.0.10:35000\"";
        if let Some(address) = text.strip_prefix("tcp://") {
            let sound = address.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
            });
            return if sound {
                Ok(Self::Tcp(address.to_owned()))
            } else {
                Err(format!("port {text:?} has no host and port: {expected}"))
            };
        }
        if text.starts_with('/') {
            return Ok(Self::Serial(text.to_owned()));
        }
        Err(format!("port {text:?} is neither a file nor an address: {expected}"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDevice {
    name: String,
    label: Option<String>,
    key: Option<String>,
    obd: Option<ObdConfig>,
}

impl TryFrom<RawDevice> for DeviceConfig {
    type Error = String;

    fn try_from(raw: RawDevice) -> Result<Self, String> {
        let RawDevice { name, label, key, obd } = raw;
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 32 || !name.chars().all(allowed) || name.starts_with("0x") {
            return Err(format!(
                "{name:?} cannot name a device: use 1 to 32 letters, digits, - and _, not starting with 0x"
            ));
        }
        let key = key
            .map(|key| key.parse::<PublicKey>().map_err(|error| format!("key of device {name:?}: {error}")))
            .transpose()?;
        if key.is_some() && (obd.is_some() || label.is_some()) {
            return Err(format!(
                "device {name:?} has a key, so it signs its own events: it has no [device.obd] and no label"
            ));
        }
        let label = Text::try_from(label.as_deref().unwrap_or(&name))
            .map_err(|error| format!("label of device {name:?}: {error}"))?;
        if label.as_str().is_empty() {
            return Err(format!("label of device {name:?} is empty: give it one, or none"));
        }
        Ok(Self { name, label, key, obd })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawObd {
    port: String,
    baud: Option<u32>,
    #[serde(default = "every_second")]
    every_seconds: u64,
}

fn every_second() -> u64 {
    1
}

impl TryFrom<RawObd> for ObdConfig {
    type Error = String;

    fn try_from(raw: RawObd) -> Result<Self, String> {
        if let Some(baud) = raw.baud.filter(|baud| !BAUD_RATES.contains(baud)) {
            return Err(format!(
                "{baud} is no baud rate of an ELM327: one of {BAUD_RATES:?}, or leave it out"
            ));
        }
        let every_seconds =
            check_above_zero(raw.every_seconds).map_err(|problem| format!("every_seconds: {problem}"))?;
        Ok(Self { port: raw.port.parse()?, baud: raw.baud, every_seconds })
    }
}
