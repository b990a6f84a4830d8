//! `[[device]]`: what the gateway reads or takes in.

use serde::{
    de::{Error as _, MapAccess, Visitor},
    Deserialize, Deserializer,
};
use std::fmt;
use streembit_adapters::AdapterConfig;
use streembit_primitives::{AccountId, DeviceId, DeviceKey, PublicKey, Text};

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
    /// How it is read; `None` if its events or readings come by themselves.
    pub adapter: Option<AdapterConfig>,
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

/// The keys of `[[device]]` beside the table of an adapter.
const KEYS: [&str; 3] = ["name", "label", "key"];

struct RawDevice {
    name: String,
    label: Option<String>,
    key: Option<String>,
    adapters: Vec<AdapterConfig>,
}

impl<'de> Deserialize<'de> for RawDevice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RawDeviceVisitor)
    }
}

struct RawDeviceVisitor;

impl<'de> Visitor<'de> for RawDeviceVisitor {
    type Value = RawDevice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a device")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawDevice, A::Error> {
        let (mut name, mut label, mut key, mut adapters) = (None, None, None, Vec::new());
        while let Some(Key(key_name)) = map.next_key()? {
            match key_name.as_str() {
                "name" => name = Some(map.next_value()?),
                "label" => label = Some(map.next_value()?),
                "key" => key = Some(map.next_value()?),
                kind => adapters.extend(AdapterConfig::from_entry(kind, &mut map)?),
            }
        }
        let name = name.ok_or_else(|| A::Error::missing_field("name"))?;
        Ok(RawDevice { name, label, key, adapters })
    }
}

/// A key of `[[device]]`. An unknown one is refused here, so that the error has its place.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        let mut known = KEYS.iter().chain(AdapterConfig::KINDS);
        if known.any(|known| *known == key) {
            return Ok(Self(key));
        }
        let known = KEYS.iter().chain(AdapterConfig::KINDS).map(|known| format!("`{known}`"));
        let known = known.collect::<Vec<_>>().join(", ");
        Err(D::Error::custom(format!("unknown field `{key}`, expected one of {known}")))
    }
}

impl TryFrom<RawDevice> for DeviceConfig {
    type Error = String;

    fn try_from(raw: RawDevice) -> Result<Self, String> {
        let RawDevice { name, label, key, mut adapters } = raw;
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 32 || !name.chars().all(allowed) || name.starts_with("0x") {
            return Err(format!(
                "{name:?} cannot name a device: use 1 to 32 letters, digits, - and _, not starting with 0x"
            ));
        }
        let key = key
            .map(|key| key.parse::<PublicKey>().map_err(|error| format!("key of device {name:?}: {error}")))
            .transpose()?;
        let adapter = adapters.pop();
        if let (Some(one), Some(other)) = (&adapter, adapters.last()) {
            return Err(format!(
                "device {name:?} has both [device.{}] and [device.{}]: give it one",
                other.kind(),
                one.kind()
            ));
        }
        if key.is_some() && (adapter.is_some() || label.is_some()) {
            return Err(format!(
                "device {name:?} has a key, so it signs its own events: it has no adapter such as [device.obd] and no label"
            ));
        }
        let label = Text::try_from(label.as_deref().unwrap_or(&name))
            .map_err(|error| format!("label of device {name:?}: {error}"))?;
        if label.as_str().is_empty() {
            return Err(format!("label of device {name:?} is empty: give it one, or none"));
        }
        Ok(Self { name, label, key, adapter })
    }
}
