//! `streembit device admit`: a gateway agrees to keep the log of a device.

use super::{
    last::{LastArgs, LastSource},
    register::open_log,
    subject::FoundDevice,
};
use crate::{
    cli::{
        common::{connect, find_party, ConfigArg, Context, NodeArg},
        epoch::prepare_folder,
        resolver::Reference,
    },
    config::{Config, DeviceConfig},
    handover,
    remedies::explain,
};
use anyhow::{anyhow, bail, ensure, Context as _};
use clap::Args as ClapArgs;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use streembit_chain::{log_consent, ChainClient};
use streembit_keystore::KeyPair;
use streembit_log::Log;
use streembit_primitives::{
    device::{DecidedChange, DeviceRecord, LastAnchored},
    heads::HeadEntry,
    AccountId, Checkpoint, DeviceId, DeviceKey, LogId, PartyId, Signature,
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
    if let Some(record) = &record {
        if record.log() == open_log(&chain, gateway).await? {
            return remember_last(args, &config, &chain, record, context).await;
        }
    }
    let last = match &record {
        Some(record) => {
            let found = FoundDevice { id, gateway: Some((config.clone(), gateway)) };
            match args.last.source(&chain, &found, record).await? {
                // The gateway may agree before the council has decided.
                LastSource::Decided => None,
                source => source.bounds(&chain, id, DecidedChange::Log).await?.0.handover(id, &source),
            }
        }
        None => None,
    };
    let admission = Admission::make(&chain, &keys, id, key, owner).await?;
    keep_handover(&config, admission.log, last)?;
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

/// Tells the gateway the last event in the log before of a device that is assigned to its open log already: what it was told
/// before is not the event directly before the device's first one in this log, or it was told nothing.
async fn remember_last(
    args: &Args,
    config: &Config,
    chain: &ChainClient,
    record: &DeviceRecord,
    context: &Context,
) -> anyhow::Result<()> {
    let (id, log) = (record.device_id(), record.log());
    let before = record.logs().last().from.checked_sub(1);
    let before = before.filter(|before| !record.is_lost(*before)).with_context(|| {
        format!("device {id} is in the open log {log} already, and its first event there has to name none")
    })?;
    let former = record.log_at(before).log;
    let found = FoundDevice { id, gateway: None };
    let source = args.last.source_of(chain, &found, former).await?.with_context(|| {
        format!(
            "device {id} goes on in log {log} after event {before} in log {former}: {}",
            prove_former(former)
        )
    })?;
    let last = source.prove().await?.last;
    let anchor = chain.latest_anchor(former).await.map_err(explain)?;
    let anchor = anchor.as_ref().map(|anchor| &anchor.checkpoint);
    let entry = last_event(&last, id, anchor, before)
        .map_err(|error| anyhow!("{error:#}: {}", prove_former(former)))?;
    keep_handover(config, log, Some(entry))?;
    let view = json!({ "device": id, "log": log, "last": entry.sequence, "hash": entry.hash });
    context.print(&view, |_| {
        format!("the gateway goes on with device {id} after event {} in log {former}", entry.sequence)
    })
}

/// Says how the last event of a device in a log is proven that the device is no longer in. `device last-anchored` proves it in
/// the log that the device is in now.
fn prove_former(former: LogId) -> String {
    format!(
        "give the data folder of log {former} with --log DIR, or evidence that was exported after the last anchor of that log \
         with --evidence FILE"
    )
}

/// Returns the event with the sequence `wanted` if it is proven to be the device's last one at the anchor.
fn last_event(
    last: &LastAnchored,
    device: DeviceId,
    anchor: Option<&Checkpoint>,
    wanted: u64,
) -> anyhow::Result<HeadEntry> {
    let proven = last
        .verify(&device, anchor)
        .context("the proof does not show the device's last event at the latest anchor of the log before")?;
    let entry = proven.filter(|entry| entry.sequence == wanted);
    entry.with_context(|| {
        format!("the proof is not of event {wanted} of device {device}, after which the device goes on in this log")
    })
}

/// Prepares the data folder for the log `log`, and keeps the device's last event in the log before, which its first event
/// in this log names.
pub(super) fn keep_handover(config: &Config, log: LogId, last: Option<HeadEntry>) -> anyhow::Result<()> {
    let folder = &config.gateway.data_dir;
    if let Some(stored) = Log::identity(folder).map_err(explain)? {
        ensure!(
            stored == log,
            "the data folder {} holds log {stored}, but log {log} is open: set data_dir in the configuration to an empty \
             folder first, and keep the old one, because it holds the events",
            folder.display()
        );
    }
    prepare_folder(config, log)?;
    if let Some(last) = last {
        handover::store(folder, &last)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::{heads::HeadsMap, Hash, Version};

    #[test]
    fn only_the_event_directly_before_is_handed_over() {
        let device = DeviceId([1; 32]);
        let entry = HeadEntry { device, sequence: 12, hash: Hash([2; 32]) };
        let heads: HeadsMap = [entry].into_iter().collect();
        let checkpoint = Checkpoint {
            version: Version,
            log: LogId::first(AccountId([3; 32])),
            size: 13,
            root: Hash([4; 32]),
            heads_root: heads.root(),
            time: 1,
        };
        let last = LastAnchored::Event(heads.prove(&device).unwrap());
        assert_eq!(last_event(&last, device, Some(&checkpoint), 12).unwrap(), entry);
        let error = last_event(&last, device, Some(&checkpoint), 9).unwrap_err().to_string();
        assert!(error.contains("event 9"), "{error}");
        let other = Checkpoint { heads_root: Hash([5; 32]), ..checkpoint };
        for anchor in [Some(&other), None] {
            let error = last_event(&last, device, anchor, 12).unwrap_err().to_string();
            assert!(error.contains("the log before"), "{error}");
        }
        // The remedy names what proves an event in a log that the device has left.
        let remedy = prove_former(other.log);
        assert!(remedy.contains("--log DIR") && remedy.contains("--evidence FILE"), "{remedy}");
        assert!(!remedy.contains("last-anchored"), "{remedy}");
    }

    #[test]
    fn a_folder_with_another_log_is_not_prepared() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::parse("", &dir.path().join("gateway.toml"), []).unwrap();
        let log = LogId { gateway: AccountId([3; 32]), epoch: 1 };
        let last = HeadEntry { device: DeviceId([1; 32]), sequence: 12, hash: Hash([2; 32]) };
        keep_handover(&config, log, Some(last)).unwrap();
        assert_eq!(handover::load(&config.gateway.data_dir, &last.device), Some(last));
        drop(Log::open(&config.gateway.data_dir, log).unwrap());
        let error = keep_handover(&config, LogId { epoch: 2, ..log }, None).unwrap_err().to_string();
        assert!(error.contains("data_dir"), "{error}");
    }
}
