//! `streembit device admit`: a gateway agrees to keep the log of a device.

use super::{last::LastArgs, register::open_log, subject::FoundDevice};
use crate::{
    cli::{
        common::{connect, find_party, ConfigArg, Context, NodeArg},
        resolver::Reference,
    },
    config::{Config, DeviceConfig},
    handover,
    remedies::explain,
};
use anyhow::{bail, ensure, Context as _};
use clap::Args as ClapArgs;
use serde::{Deserialize, Serialize};
use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};
use streembit_chain::{log_consent, ChainClient};
use streembit_keystore::KeyPair;
use streembit_log::Log;
use streembit_primitives::{
    device::{DeviceRecord, LastAnchored},
    AccountId, DeviceId, DeviceKey, LogId, PartyId, Signature,
};

/// The arguments of `device admit`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The device: its name in the gateway's configuration or in the address book, or its id or the beginning of it.
    #[arg(long, value_name = "DEVICE", value_parser = Reference::of_device)]
    device: Reference,
    #[command(flatten)]
    config: ConfigArg,
    /// The party that will own the device, if it is not registered yet: its id, one of its accounts, or its name.
    #[arg(long, value_name = "PARTY")]
    owner: Option<Reference>,
    #[command(flatten)]
    last: LastArgs,
    #[command(flatten)]
    node: NodeArg,
    /// The file to write the consent to. Without it, the consent is printed.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The consent of a gateway to keep the log of a device, as a JSON file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Admission {
    /// The device.
    pub device: DeviceId,
    /// The key of the device from then on. For a hosted device, it is that of the gateway.
    pub key: DeviceKey,
    /// The party that owns the device.
    pub owner: PartyId,
    /// The log.
    pub log: LogId,
    /// The nonce of the consent.
    pub nonce: u32,
    /// The signature, as text.
    consent: String,
}

impl Admission {
    /// Makes the consent of a gateway to keep a device with this key in its open log.
    pub(super) async fn make(
        chain: &ChainClient,
        gateway: &KeyPair,
        device: DeviceId,
        key: DeviceKey,
        owner: PartyId,
    ) -> anyhow::Result<Self> {
        let log = open_log(chain, gateway.account()).await?;
        let agreed = chain.log_agreement(device, key, owner, log).await.map_err(explain)?;
        let consent = log_consent(&agreed, gateway).to_string();
        Ok(Self { device, key: agreed.key, owner, log, nonce: agreed.nonce, consent })
    }

    /// Reads a consent from a file.
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        serde_json::from_slice(&text)
            .with_context(|| format!("{} is not a file that `streembit device admit` writes", file.display()))
    }

    /// The signature.
    pub(super) fn consent(&self) -> anyhow::Result<Signature> {
        self.consent
            .parse()
            .context("the consent of the gateway is damaged: make it again with `streembit device admit`")
    }
}

/// Runs `device admit`.
pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (config, keys) = args.config.load_with_keys(context)?;
    let gateway = keys.account();
    let chain = connect(args.node.or_configured(&config)).await?;
    let resolver = context.resolver().gateway(&config, gateway).evidence(args.last.evidence()).chain(&chain);
    let id = resolver.device(&args.device).await?;
    let configured = find_configured(&config, id, gateway)?;
    let record = chain.device(id).await.map_err(explain)?;
    let owner = match (&record, &args.owner) {
        (Some(record), _) => record.owner(),
        (None, Some(party)) => find_party(context, &chain, party).await?,
        (None, None) => bail!(
            "device {id} is not registered on this chain: name the party that will own it with --owner PARTY"
        ),
    };
    let key = key_here(record.as_ref(), &configured, &keys)?;
    let last = match &record {
        Some(record) => {
            let found = FoundDevice { id, gateway: Some((config.clone(), gateway)) };
            let source = args.last.source(&chain, &found, record).await?;
            Some(source.bounds(&chain, id).await?.0.last)
        }
        None => None,
    };
    let admission = Admission::make(&chain, &keys, id, key, owner).await?;
    if let Some(last) = &last {
        keep_handover(&config, admission.log, last)?;
    }
    let text = serde_json::to_string_pretty(&admission)?;
    let Some(file) = &args.out else { return context.print(&admission, |_| text) };
    std::fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))?;
    context.print(&admission, |_| {
        format!(
            "{}: log {} takes device {id} of party {owner}. Next, the owner runs `streembit device {} --device {id} \
             --admission {}`",
            file.display(),
            admission.log,
            if record.is_some() { "reassign" } else { "register" },
            file.display()
        )
    })
}

/// Finds the device in the configuration, without which the gateway would refuse its events.
fn find_configured(config: &Config, device: DeviceId, gateway: AccountId) -> anyhow::Result<DeviceConfig> {
    let found = config.device(&device.to_string(), gateway);
    Ok(found
        .with_context(|| {
            format!(
                "add the device to the configuration of the gateway first:\n\n[[device]]\nname = \"NAME\"\nid = \
                 \"{device}\"\n\nwith its label and adapter if the gateway signs for it, or with its key if it signs itself"
            )
        })?
        .clone())
}

/// Returns the key of the device at this gateway.
fn key_here(
    record: Option<&DeviceRecord>,
    configured: &DeviceConfig,
    keys: &KeyPair,
) -> anyhow::Result<DeviceKey> {
    let here = configured.device_key(keys.account());
    let Some(record) = record else { return Ok(here) };
    match (record.key(), &here) {
        (DeviceKey::Hosted { gateway, .. }, _) if *gateway == keys.account() => Ok(record.key().clone()),
        (DeviceKey::Hosted { .. }, DeviceKey::Hosted { .. }) => Ok(here),
        (DeviceKey::Own(_), DeviceKey::Own(_)) => Ok(record.key().clone()),
        (DeviceKey::Own(key), DeviceKey::Hosted { .. }) => bail!(
            "device {} signs its own events: add key = \"{key}\" to it in the configuration, and no label and no adapter",
            configured.name
        ),
        (DeviceKey::Hosted { .. }, DeviceKey::Own(_)) => bail!(
            "device {} cannot sign, so the gateway signs for it: remove its key from the configuration",
            configured.name
        ),
    }
}

/// Keeps the device's last event in the log before, which its first event in the log `log` names.
pub(super) fn keep_handover(config: &Config, log: LogId, last: &LastAnchored) -> anyhow::Result<()> {
    let LastAnchored::Event(proof) = last else { return Ok(()) };
    let folder = &config.gateway.data_dir;
    if let Some(stored) = Log::identity(folder).map_err(explain)? {
        ensure!(
            stored == log,
            "the data folder {} holds log {stored}, but log {log} is open: set data_dir in the configuration to an empty \
             folder first, and keep the old one, because it holds the events",
            folder.display()
        );
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(folder).with_context(|| format!("creating the folder {}", folder.display()))?;
    handover::store(folder, &proof.entry)?;
    Ok(())
}
