//! The sections of the configuration and their defaults.

use super::{device::DeviceConfig, values};
use serde::Deserialize;
use std::{net::SocketAddr, path::PathBuf};
use streembit_chain::NodeUrl;
use streembit_delivery::DeliveryConfig;

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
    /// The file that this was read from.
    #[serde(skip)]
    pub file: PathBuf,
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
    /// Whether `url` may be an unencrypted address of another machine.
    pub allow_plain: bool,
}

/// `[api]`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// The Unix socket. Its file permissions control access.
    pub socket: PathBuf,
    /// The TCP address, or `None` for the Unix socket only. Callers authenticate with a token.
    pub tcp: Option<SocketAddr>,
    /// The file of the tokens' hashes.
    pub token_file: PathBuf,
    /// Whether `tcp` may be an address that other machines can reach.
    pub allow_remote: bool,
    /// Whether `tcp` serves the log's checkpoint and tiles, which need no token.
    pub tlog: bool,
    /// How far the absolute time of a reading may be ahead of the gateway's clock, in seconds.
    #[serde(deserialize_with = "values::above_zero")]
    pub max_future_seconds: u64,
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
        Self { url: NodeUrl::local(), allow_plain: false }
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            socket: "gateway.sock".into(),
            tcp: None,
            token_file: "api.tokens".into(),
            allow_remote: false,
            tlog: false,
            max_future_seconds: 86_400,
        }
    }
}

impl Default for AnchorConfig {
    fn default() -> Self {
        Self { every_events: 100, every_seconds: 6 }
    }
}
