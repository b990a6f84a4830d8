//! The `[[device]]` sections of the configuration.

use super::error::UnknownDeviceError;
use serde::{
    de::{Error as _, MapAccess, Visitor},
    Deserialize, Deserializer,
};
use std::{fmt, sync::Arc};
use streembit_adapters::AdapterConfig;
use streembit_primitives::{device::LabelHash, AccountId, DeviceId, DeviceKey, PublicKey, Text};

/// A `[[device]]` section.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "RawDevice")]
pub struct DeviceConfig {
    /// The name: 1 to 32 letters, digits, `-` and `_`.
    pub name: String,
    /// The id, if it does not follow from the key or the label: the device had another key before this one.
    pub id: Option<DeviceId>,
    /// The label from which the key of a hosted device is derived, together with the gateway's key. Defaults to the name.
    pub label: Text<64>,
    /// The salted hash of the label, once it is known: see `Config::resolve_labels`.
    pub label_hash: Option<LabelHash>,
    /// The device's own key, or `None` if the gateway signs its events.
    pub key: Option<PublicKey>,
    /// The adapter that reads the device, or `None` if its events or readings arrive through the API.
    pub adapter: Option<AdapterConfig>,
}

impl DeviceConfig {
    /// Returns the key that verifies the device's events, as far as the configuration tells. For a hosted device whose
    /// label hash is not known, it is a placeholder.
    pub fn device_key(&self, gateway: AccountId) -> DeviceKey {
        match self.key {
            Some(key) => DeviceKey::Own(key),
            None => {
                let placeholder = || LabelHash::new(&[0; 32], self.label.as_str());
                DeviceKey::Hosted { gateway, label: self.label_hash.unwrap_or_else(placeholder) }
            }
        }
    }

    /// Returns the device's id.
    pub fn id(&self, gateway: AccountId) -> DeviceId {
        self.id.unwrap_or_else(|| self.device_key(gateway).device_id())
    }
}

/// The devices of a running gateway, which share one list.
pub type DeviceList = Arc<Vec<DeviceConfig>>;

/// Returns the device with this name or id.
pub fn find_device<'a>(
    devices: &'a [DeviceConfig],
    name_or_id: &str,
    gateway: AccountId,
) -> Result<&'a DeviceConfig, UnknownDeviceError> {
    let id = name_or_id.parse::<DeviceId>().ok();
    let is_wanted =
        |device: &&DeviceConfig| device.name == name_or_id || id.is_some_and(|id| id == device.id(gateway));
    devices.iter().find(is_wanted).ok_or_else(|| {
        let names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        UnknownDeviceError { asked: name_or_id.to_owned(), known }
    })
}

/// The keys of `[[device]]`, except the tables of the adapters.
const KEYS: [&str; 4] = ["name", "id", "label", "key"];

struct RawDevice {
    name: String,
    id: Option<String>,
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
        let (mut name, mut id, mut label, mut key, mut adapters) = (None, None, None, None, Vec::new());
        while let Some(Key(key_name)) = map.next_key()? {
            match key_name.as_str() {
                "name" => name = Some(map.next_value()?),
                "id" => id = Some(map.next_value()?),
                "label" => label = Some(map.next_value()?),
                "key" => key = Some(map.next_value()?),
                kind => adapters.extend(AdapterConfig::from_entry(kind, &mut map)?),
            }
        }
        let name = name.ok_or_else(|| A::Error::missing_field("name"))?;
        Ok(RawDevice { name, id, label, key, adapters })
    }
}

/// A key of `[[device]]`. Unknown keys are rejected during parsing so that the error has a line number.
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
        let RawDevice { name, id, label, key, mut adapters } = raw;
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 32 || !name.chars().all(allowed) || name.starts_with("0x") {
            return Err(format!(
                "the device name {name:?} is invalid: use 1 to 32 letters, digits, - and _, and do not start with 0x"
            ));
        }
        let key = key
            .map(|key| {
                key.parse::<PublicKey>()
                    .map_err(|error| format!("the key of device {name:?} is invalid: {error}"))
            })
            .transpose()?;
        let id = id
            .map(|id| {
                id.parse::<DeviceId>()
                    .map_err(|error| format!("the id of device {name:?} is invalid: {error}"))
            })
            .transpose()?;
        let adapter = adapters.pop();
        if let (Some(one), Some(other)) = (&adapter, adapters.last()) {
            return Err(format!(
                "device {name:?} has both [device.{}] and [device.{}]: keep one of them",
                other.kind(),
                one.kind()
            ));
        }
        if key.is_some() && (adapter.is_some() || label.is_some()) {
            return Err(format!(
                "device {name:?} has a key and signs its own events, so it can have no label and no adapter such as [device.obd]: remove them, or the key"
            ));
        }
        let label = Text::try_from(label.as_deref().unwrap_or(&name))
            .map_err(|error| format!("the label of device {name:?} is invalid: {error}"))?;
        if label.as_str().is_empty() {
            return Err(format!("the label of device {name:?} is empty: set one, or remove the key"));
        }
        Ok(Self { name, id, label, label_hash: None, key, adapter })
    }
}
