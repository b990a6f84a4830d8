//! The device that a command is about: by its id, or by its name in a gateway's configuration.

use crate::{
    cli::common::{connect, find_device, ConfigArg, Context, NodeArg},
    config::Config,
    remedies::explain,
};
use anyhow::Context as _;
use clap::Args;
use std::path::PathBuf;
use streembit_chain::ChainClient;
use streembit_primitives::{device::DeviceRecord, AccountId, DeviceId};

/// The options `--device` and `--config`.
#[derive(Clone, Debug, Args)]
pub struct DeviceArg {
    /// The device: its id, or its name in the gateway's configuration.
    #[arg(long, value_name = "DEVICE")]
    device: String,
    /// The configuration of the gateway that keeps the device's log, if it is on this machine.
    #[arg(id = "config", long = "config", value_name = "FILE", env = "STREEMBIT_CONFIG")]
    config: Option<PathBuf>,
}

/// A device and, if it is on this machine, its gateway.
pub(super) struct FoundDevice {
    pub id: DeviceId,
    pub gateway: Option<(Config, AccountId)>,
}

impl DeviceArg {
    /// Finds the device. A name needs the configuration; without `--config` it is `gateway.toml`.
    pub(super) fn find(&self, context: &Context) -> anyhow::Result<FoundDevice> {
        match (&self.config, self.device.parse::<DeviceId>()) {
            (None, Ok(id)) => Ok(FoundDevice { id, gateway: None }),
            (path, _) => {
                let path = path.clone().unwrap_or_else(|| "gateway.toml".into());
                let (config, account) = ConfigArg { path }.load_with_ids(Some(context))?;
                let id = find_device(&config, account, &self.device)?.device;
                Ok(FoundDevice { id, gateway: Some((config, account)) })
            }
        }
    }
}

impl FoundDevice {
    /// Connects to the given node, otherwise to the gateway's node, otherwise to a node on this machine.
    pub(super) async fn connect(&self, node: &NodeArg) -> anyhow::Result<ChainClient> {
        match &self.gateway {
            Some((config, _)) => connect(node.or_configured(config)).await,
            None => connect(node.or_local()).await,
        }
    }

    /// Returns the record of the device.
    pub(super) async fn record(&self, chain: &ChainClient) -> anyhow::Result<DeviceRecord> {
        find_record(chain, self.id).await
    }
}

/// Returns the record of a device.
pub(super) async fn find_record(chain: &ChainClient, device: DeviceId) -> anyhow::Result<DeviceRecord> {
    let record = chain.device(device).await.map_err(explain)?;
    record.with_context(|| {
        format!("device {device} is not registered on this chain: `streembit device register` registers it")
    })
}
