//! The gateway's configuration: one TOML file, every key of it commented in the template that `gateway init` writes,
//! and each overridable by a `STREEMBIT_*` variable. What is unknown or cannot be is an error with its place.

mod device;
mod overrides;
mod template;
mod values;

pub use device::DeviceConfig;
pub use overrides::NOT_CONFIGURATION;
pub use template::render as template;

use serde::Deserialize;
use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use streembit_chain::NodeUrl;
use streembit_delivery::DeliveryConfig;
use streembit_keystore::files::directory;
use streembit_primitives::{AccountId, DeviceId};

/// The configuration of a gateway, checked; paths are complete.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The gateway itself.
    #[serde(default)]
    pub gateway: GatewayConfig,
    /// The node of the chain.
    #[serde(default)]
    pub node: NodeConfig,
    /// The local API.
    #[serde(default)]
    pub api: ApiConfig,
    /// Anchoring.
    #[serde(default)]
    pub anchor: AnchorConfig,
    /// Delivery to other parties.
    #[serde(default)]
    pub delivery: DeliveryConfig,
    /// The devices.
    #[serde(default, rename = "device")]
    pub devices: Vec<DeviceConfig>,
}

/// `[gateway]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// What people call it.
    pub name: String,
    /// Where the log is kept.
    pub data_dir: PathBuf,
    /// The encrypted keystore.
    pub key_file: PathBuf,
    /// The file with the keystore's passphrase; asked for on the terminal where there is none.
    pub passphrase_file: Option<PathBuf>,
}

/// `[node]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// The node's RPC address.
    pub url: NodeUrl,
}

/// `[api]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// The Unix socket; its permissions are the authentication.
    pub socket: PathBuf,
    /// A TCP address, where there is to be one; callers authenticate with the token.
    pub tcp: Option<SocketAddr>,
    /// The file with the generated token.
    pub token_file: PathBuf,
    /// Whether `tcp` may be an address that other machines reach.
    pub allow_remote: bool,
}

/// `[anchor]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnchorConfig {
    /// Anchors when so many events are new.
    #[serde(deserialize_with = "values::above_zero")]
    pub every_events: u64,
    /// Anchors what is new after so many seconds.
    #[serde(deserialize_with = "values::above_zero")]
    pub every_seconds: u64,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            name: "gateway".into(),
            data_dir: "data".into(),
            key_file: "gateway.key".into(),
            passphrase_file: None,
        }
    }
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self { url: NodeUrl::local() }
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self { socket: "gateway.sock".into(), tcp: None, token_file: "api.token".into(), allow_remote: false }
    }
}

impl Default for AnchorConfig {
    fn default() -> Self {
        Self { every_events: 100, every_seconds: 6 }
    }
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("reading {}: {source}; `streembit gateway init --dir DIR` makes one, --config names another", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something in the file cannot be.
    #[error("{}:{line}: {problem}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// An environment variable cannot be.
    #[error("environment variable {name}: {problem}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The parts do not go together.
    #[error("{}: {problem}", .path.display())]
    Whole {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

/// There is no such device in the configuration.
#[derive(Debug, thiserror::Error)]
#[error(
    "no device {asked:?} in the configuration; it has {known}: add a [[device]], or use a name that it has"
)]
pub struct UnknownDeviceError {
    asked: String,
    known: String,
}

impl Config {
    /// Reads and checks a file, and applies the overrides of this process's environment.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        // Names that are not Unicode cannot be one of ours; such values are refused as unreadable.
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        });
        Self::parse(&text, path, variables)
    }

    /// Checks the text of a file at `path`, with overrides.
    pub fn parse(
        text: &str,
        path: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| ConfigError::File {
            path: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            problem: error.message().to_owned(),
        })?;
        overrides::apply(&mut config, variables)?;
        config.check().map_err(|problem| ConfigError::Whole { path: path.to_owned(), problem })?;
        config.complete_paths(path);
        Ok(config)
    }

    /// The device with this name or id.
    pub fn device(&self, name_or_id: &str, gateway: AccountId) -> Result<&DeviceConfig, UnknownDeviceError> {
        let id = name_or_id.parse::<DeviceId>().ok();
        self.devices
            .iter()
            .find(|device| device.name == name_or_id || id.is_some_and(|id| id == device.id(gateway)))
            .ok_or_else(|| {
                let names: Vec<_> = self.devices.iter().map(|device| device.name.as_str()).collect();
                let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                UnknownDeviceError { asked: name_or_id.to_owned(), known }
            })
    }

    /// What no single value shows.
    fn check(&self) -> Result<(), String> {
        for (at, device) in self.devices.iter().enumerate() {
            let earlier = self.devices.iter().take(at);
            if earlier.clone().any(|other| other.name == device.name) {
                return Err(format!("two devices are named {:?}: give each its own name", device.name));
            }
            // The gateway's account is not needed to see that two ids will be the same.
            let nobody = AccountId([0; 32]);
            if let Some(other) = earlier.clone().find(|other| other.id(nobody) == device.id(nobody)) {
                return Err(format!(
                    "devices {:?} and {:?} have the same key or label, so they would be one device: give each its own",
                    other.name, device.name
                ));
            }
        }
        if let Some(tcp) = self.api.tcp.filter(|tcp| !tcp.ip().is_loopback() && !self.api.allow_remote) {
            return Err(format!(
                "[api] tcp = \"{tcp}\" is reachable from other machines: use 127.0.0.1, or set allow_remote = true \
                 (the token travels unencrypted)"
            ));
        }
        Ok(())
    }

    /// Paths in the file are relative to the file.
    fn complete_paths(&mut self, path: &Path) {
        let directory = directory(path);
        let own = [
            Some(&mut self.gateway.data_dir),
            Some(&mut self.gateway.key_file),
            self.gateway.passphrase_file.as_mut(),
            Some(&mut self.api.socket),
            Some(&mut self.api.token_file),
        ];
        for path in own.into_iter().flatten() {
            *path = directory.join(&path);
        }
    }
}

/// The number of the line with this byte, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests;
