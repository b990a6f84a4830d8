//! The device that a command is about, and its gateway if it is on this machine.

use crate::{
    cli::{
        common::{connect, ConfigArg, Context, GatewayPassphraseArg, NodeArg},
        resolver::Reference,
    },
    config::Config,
    remedies::explain,
};
use anyhow::{anyhow, Context as _};
use clap::Args;
use std::path::{Path, PathBuf};
use streembit_chain::ChainClient;
use streembit_primitives::{device::DeviceRecord, AccountId, DeviceId};

/// The options `--device` and `--config`.
#[derive(Clone, Debug, Args)]
pub struct DeviceArg {
    /// The device: its id or the beginning of it, or its name in the gateway's configuration or in the address book.
    #[arg(long, value_name = "DEVICE", value_parser = Reference::of_device)]
    device: Reference,
    /// The configuration of the gateway that keeps the device's log, if it is on this machine.
    #[arg(id = "config", long = "config", value_name = "FILE", env = "STREEMBIT_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    passphrase: GatewayPassphraseArg,
}

/// A device and, if it is on this machine, its gateway.
pub(super) struct FoundDevice {
    pub id: DeviceId,
    pub gateway: Option<(Config, AccountId)>,
}

impl DeviceArg {
    /// Connects to the given node, otherwise to the gateway's node, otherwise to a node on this machine, and finds the
    /// device. `evidence` is an evidence file of the device, if the command has one.
    pub(super) async fn find(
        &self,
        node: &NodeArg,
        evidence: Option<&Path>,
        context: &Context,
    ) -> anyhow::Result<(FoundDevice, ChainClient)> {
        let gateway = self.gateway(context)?;
        let chain = match &gateway {
            Some((config, _)) => connect(node.or_configured(config)).await?,
            None => connect(node.or_local()).await?,
        };
        let found = {
            let resolver = context.resolver().evidence(evidence).chain(&chain);
            match &gateway {
                Some((config, account)) => resolver.gateway(config, *account).device(&self.device).await,
                None => resolver.device(&self.device).await,
            }
        };
        let id = match (found, &gateway) {
            (Err(error), None) if self.device.name().is_some() => {
                return Err(anyhow!(
                    "{error:#}. With --config FILE, a gateway's configuration is searched too"
                ));
            }
            (found, _) => found?,
        };
        Ok((FoundDevice { id, gateway }, chain))
    }

    /// Loads the configuration that is given. Without one, loads `gateway.toml` if it exists and only it can know the name.
    fn gateway(&self, context: &Context) -> anyhow::Result<Option<(Config, AccountId)>> {
        let default = Path::new("gateway.toml");
        let unknown = |name: &str| context.names().get(name).is_none();
        let path = match &self.config {
            Some(path) => path.clone(),
            None if self.device.name().is_some_and(unknown) && default.exists() => default.to_owned(),
            None => return Ok(None),
        };
        ConfigArg { path, passphrase: self.passphrase.clone() }.load_with_ids(Some(context)).map(Some)
    }
}

impl FoundDevice {
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
