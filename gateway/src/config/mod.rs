//! The gateway's configuration: a TOML file, whose keys `STREEMBIT_*` environment variables override.
//!
//! The template that `gateway init` writes documents every key. An unknown key or an invalid value is an error that
//! names its line or variable.

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
use streembit_keystore::files::folder_of;
use streembit_primitives::{AccountId, DeviceId};

/// A validated configuration. Its paths no longer depend on the file's folder.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[gateway]`: the name, the log and the key.
    #[serde(default)]
    pub gateway: GatewayConfig,
    /// `[node]`: the connection to the chain.
    #[serde(default)]
    pub node: NodeConfig,
    /// `[api]`: the local API.
    #[serde(default)]
    pub api: ApiConfig,
    /// `[anchor]`: the schedule of anchors.
    #[serde(default)]
    pub anchor: AnchorConfig,
    /// `[delivery]`: delivery to other parties.
    #[serde(default)]
    pub delivery: DeliveryConfig,
    /// `[[device]]`: the devices.
    #[serde(default, rename = "device")]
    pub devices: Vec<DeviceConfig>,
}

/// `[gateway]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// The display name.
    pub name: String,
    /// The folder of the log.
    pub data_dir: PathBuf,
    /// The file of the encrypted key.
    pub key_file: PathBuf,
    /// The file of the key's passphrase, or `None` to ask for it on the terminal.
    pub passphrase_file: Option<PathBuf>,
}

/// `[node]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// The URL of the node's RPC.
    pub url: NodeUrl,
}

/// `[api]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// The Unix socket. Its file permissions control access.
    pub socket: PathBuf,
    /// The TCP address, or `None` for the Unix socket only. Callers authenticate with the token.
    pub tcp: Option<SocketAddr>,
    /// The file of the generated token.
    pub token_file: PathBuf,
    /// Whether `tcp` may be an address that other machines can reach.
    pub allow_remote: bool,
}

/// `[anchor]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnchorConfig {
    /// The number of new events after which the log is anchored.
    #[serde(deserialize_with = "values::above_zero")]
    pub every_events: u64,
    /// The longest time that a new event waits for an anchor, in seconds.
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

/// An error in the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("reading {}: {source}; create one with `streembit gateway init --dir DIR`, or name another with --config", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A line of the file is invalid.
    #[error("{}:{line}: {problem}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The problem, and how to solve it.
        problem: String,
    },
    /// An environment variable is unknown or invalid.
    #[error("environment variable {name}: {problem}")]
    Variable {
        /// The variable's name.
        name: String,
        /// The problem, and how to solve it.
        problem: String,
    },
    /// Two values contradict each other.
    #[error("{}: {problem}", .path.display())]
    Whole {
        /// The file.
        path: PathBuf,
        /// The problem, and how to solve it.
        problem: String,
    },
}

/// The configuration has no device with the given name or id.
#[derive(Debug, thiserror::Error)]
#[error(
    "the configuration has no device {asked:?} (its devices: {known}): add a [[device]] section, or use the name or id of one that exists"
)]
pub struct UnknownDeviceError {
    asked: String,
    known: String,
}

impl Config {
    /// Reads and validates a file, with the overrides from this process's environment.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        // A name that is not Unicode cannot be one of ours. A value that is not Unicode fails to parse, or is kept with
        // replacement characters.
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        });
        Self::parse(&text, path, variables)
    }

    /// Parses and validates `text` as the content of the file at `path`, with `variables` as overrides.
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
        config.validate().map_err(|problem| ConfigError::Whole { path: path.to_owned(), problem })?;
        config.resolve_paths(path);
        Ok(config)
    }

    /// Returns the device with this name or id.
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

    /// Validates the values against each other.
    fn validate(&self) -> Result<(), String> {
        for (at, device) in self.devices.iter().enumerate() {
            let earlier = self.devices.iter().take(at);
            if earlier.clone().any(|other| other.name == device.name) {
                return Err(format!("two devices are named {:?}: give each a different name", device.name));
            }
            // Any gateway account serves to find devices whose ids will be equal.
            let any_gateway = AccountId([0; 32]);
            if let Some(other) = earlier.clone().find(|other| other.id(any_gateway) == device.id(any_gateway))
            {
                return Err(format!(
                    "devices {:?} and {:?} have the same key or label, so they would have the same id: give each its own",
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

    /// Joins the paths to the folder of the file at `path`, because paths in it are relative to it.
    fn resolve_paths(&mut self, path: &Path) {
        let folder = folder_of(path);
        let own = [
            Some(&mut self.gateway.data_dir),
            Some(&mut self.gateway.key_file),
            self.gateway.passphrase_file.as_mut(),
            Some(&mut self.api.socket),
            Some(&mut self.api.token_file),
        ];
        for path in own.into_iter().flatten() {
            *path = folder.join(&path);
        }
    }
}

/// Returns the number of the line with the byte at `offset`, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests;
