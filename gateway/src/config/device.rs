//! `[[device]]`: what the gateway reads or takes in.

use crate::adapters::obd::ObdConfig;
use serde::Deserialize;
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
    /// How a vehicle is read.
    pub obd: Option<ObdConfig>,
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
